/** Turns the core's status codes into errors. */
import { PhasewireError } from "../errors/index.js";
import type { CoreContext } from "./context.js";

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
  const place = context.count("ERROR_ATOM");
  const atom = place < 0 ? place : numberOf(place);
  switch (status) {
    case core.STATUS_NON_FINITE_POSITIONS.value: {
      const position = Array.from(context.doubles("POSITIONS", 3 * place + 3).subarray(3 * place));
      return new PhasewireError("NON_FINITE_POSITIONS", {
        message: `the position of atom ${atom} is (${position.join(", ")}); finite numbers are needed`,
        field: "positions",
        value: position,
      });
    }
    case core.STATUS_NON_FINITE_CELL.value: {
      const cell = Array.from(context.values("CELL", 9));
      return new PhasewireError("NON_FINITE_CELL", {
        message: `the cell is (${cell.join(", ")}); finite numbers are needed for periodic axes`,
        field: "cell",
        value: cell,
      });
    }
    case core.STATUS_SINGULAR_CELL.value: {
      const cell = Array.from(context.values("CELL", 9));
      return new PhasewireError("SINGULAR_CELL", {
        message: `the vectors of the periodic axes of the cell (${cell.join(", ")}) span no volume, or almost none`,
        field: "cell",
        value: cell,
      });
    }
    case core.STATUS_BAD_LENGTH_SCALE.value:
      return badLengthScale(context.value("LENGTH_SCALE_GIVEN"), "a number between 1e-100 and 1e100");
    case core.STATUS_NO_LENGTH_SCALE.value:
      return new PhasewireError("BAD_LENGTH_SCALE", {
        message:
          "no length scale can be estimated: a cluster needs at least 13 atoms, and a cell must not be extremely flat or skewed",
        field: "lengthScale",
        remedy: "Give the length scale: (volume per atom)^(1/3) of the phase of interest.",
      });
    case core.STATUS_COINCIDENT_ATOMS.value: {
      const other = numberOf(context.count("ERROR_OTHER"));
      const distance = context.value("ERROR_DISTANCE");
      const second = other === atom ? "an image of itself" : `atom ${other}`;
      return new PhasewireError("COINCIDENT_ATOMS", {
        message: `atom ${atom} and ${second} are ${distance} apart, less than 0.05 of the length scale ${context.value("LENGTH_SCALE")}`,
        field: "positions",
        value: [atom, other, distance],
      });
    }
    case core.STATUS_TOO_DENSE.value: {
      const lengthScale = context.value("LENGTH_SCALE");
      return new PhasewireError("BAD_LENGTH_SCALE", {
        message: `with a length scale of ${lengthScale}, atom ${atom} has more than ${core.ROW_CAPACITY.value} neighbours within the cutoff; about 50 are usual`,
        field: "lengthScale",
        value: lengthScale,
        remedy: "Give (volume per atom)^(1/3) of the phase of interest, in the length unit of the positions.",
      });
    }
    case core.STATUS_MODEL_NON_FINITE.value:
      return new PhasewireError("MODEL_NON_FINITE", {
        message:
          "a weight or constant of the model is not a finite number, a constant that must be positive is not, or class 0 is not flat",
        field: "model",
      });
    default:
      return new PhasewireError("INTERNAL", { message: `the core returned the unknown status ${status}` });
  }
}

/** The error for an unusable length scale. */
export function badLengthScale(lengthScale: number, expected = "a positive number"): PhasewireError {
  return new PhasewireError("BAD_LENGTH_SCALE", {
    message: `the length scale is ${lengthScale}; ${expected} is needed`,
    field: "lengthScale",
    value: lengthScale,
  });
}
