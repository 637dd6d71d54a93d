/** Turns the core's status codes into errors; contract/errors.json has the reason for each. */
import { errors } from "../contract/errors.js";
import { limits } from "../contract/limits.js";
import { PhasewireError, refusal } from "../errors/index.js";
import { flatCell } from "../frame/index.js";
import type { CoreContext } from "./context.js";

const { statuses } = errors;
type StatusName = keyof typeof statuses;

/**
 * The error for a status other than STATUS_OK and STATUS_PAIR_OVERFLOW.
 *
 * @param numberOf the number of an atom in messages
 */
export function statusError(
  status: number,
  context: CoreContext,
  numberOf: (atom: number) => number = (atom) => atom,
): PhasewireError {
  const { core } = context;
  const name = (Object.keys(statuses) as StatusName[]).find(
    (known) => core[`STATUS_${known}`]!.value === status,
  );
  if (name === undefined) {
    return new PhasewireError("INTERNAL", { message: `the core returned the unknown status ${status}` });
  }
  const place = context.count("ERROR_ATOM");
  const atom = place < 0 ? place : numberOf(place);
  const periodic = context.count("PERIODIC");
  const reason = statuses[name];
  switch (reason) {
    case "positionNotFinite": {
      const position = context.doubles("POSITIONS", 3 * place + 3).subarray(3 * place);
      const axis = position.findIndex((coordinate) => !Number.isFinite(coordinate));
      const number = position[axis]!;
      return refusal(reason, { axis: "xyz"[axis]!, atom, number }, { value: number });
    }
    case "farPosition": {
      const position = Array.from(context.doubles("POSITIONS", 3 * place + 3).subarray(3 * place));
      return refusal(reason, { atom, most: limits.frame.mostPeriods }, { value: position });
    }
    case "cellNotFinite": {
      const cell = context.values("CELL", 9);
      // Rows of axes that are not periodic do not count.
      const wrong = cell.findIndex(
        (component, index) => !Number.isFinite(component) && ((periodic >> Math.floor(index / 3)) & 1) > 0,
      );
      const component = { axis: "xyz"[wrong % 3]!, vector: "abc"[Math.floor(wrong / 3)]! };
      return refusal(reason, { ...component, number: cell[wrong]! }, { value: Array.from(cell) });
    }
    case "flatCell": {
      const axes = [1, 2, 4].map((bit) => (periodic & bit) > 0);
      return flatCell(context.values("CELL", 9), axes as [boolean, boolean, boolean]);
    }
    case "extremeLengthScale": {
      const number = context.value("LENGTH_SCALE_GIVEN");
      const { shortestLengthScale: least, longestLengthScale: most } = limits.frame;
      return refusal(reason, { number, least, most }, { value: number });
    }
    case "noLengthScale":
      return refusal(reason, { fewest: limits.frame.fewestOfCluster });
    case "coincidentAtoms": {
      const second = numberOf(context.count("ERROR_OTHER"));
      const other = second === atom ? "an image of itself" : `atom ${second}`;
      const distance = context.value("ERROR_DISTANCE");
      const lengths = {
        distance,
        least: limits.frame.coincident,
        scale: context.value("LENGTH_SCALE"),
      };
      return refusal(reason, { atom, other, ...lengths }, { value: [atom, second, distance] });
    }
    case "tooDense": {
      const scale = context.value("LENGTH_SCALE");
      return refusal(reason, { scale, atom, most: core.ROW_CAPACITY.value }, { value: scale });
    }
    case "aborted":
    case "modelNotFinite":
    case "prior":
      return refusal(reason, {});
  }
}
