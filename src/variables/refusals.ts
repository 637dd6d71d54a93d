/** Errors for the core's statuses of variables. They name the key at fault. */
import type { CoreContext, CoreExports } from "../core/index.js";
import { PhasewireError } from "../errors/index.js";
import type { VariableFrame } from "./frame.js";
import { ascending, type Program } from "./program.js";
import type { FrameSpecies } from "./species.js";

/** Most species or ids that a message names. */
const mostListed = 8;

/** The evaluation that an error is about. */
export interface Subject {
  readonly program: Program;
  readonly frame: VariableFrame;
  readonly species: () => FrameSpecies;
}

/** The error for a status other than STATUS_OK. */
export function refusal(status: number, context: CoreContext, subject: Subject): PhasewireError {
  const { core } = context;
  const record = context.count("VARIABLES_ERROR_RECORD");
  if (status === core.STATUS_BAD_RECORD.value) {
    return new PhasewireError("INTERNAL", { message: `the core refuses record ${record} of the variables` });
  }
  const select = `${subject.program.meanOf(record).field}.select`;
  switch (status) {
    case core.STATUS_MISSING_IDS.value:
      return missingIds(record, context, subject, `${select}.ids`);
    case core.STATUS_MISSING_SPECIES.value:
      return missingSpecies(record, context, subject, `${select}.species`);
    case core.STATUS_NOTHING_SELECTED.value:
      return nothingSelected(select, context.value("VARIABLES_ERROR"));
    default:
      return regionRefusal(status, core, record, context, subject, `${select}.region`);
  }
}

function regionRefusal(
  status: number,
  core: CoreExports,
  record: number,
  context: CoreContext,
  { program, frame }: Subject,
  field: string,
): PhasewireError {
  const region = program.meanOf(record).select!.region!;
  const reach = context.value("VARIABLES_ERROR");
  switch (status) {
    case core.STATUS_NO_CELL.value:
      return new PhasewireError("MISSING_CELL", {
        field,
        message: `${field} is measured in cell vectors, but the frame has no cell`,
        remedy: "Give the frame a cell; its axes need not be periodic.",
      });
    case core.STATUS_FLAT_CELL.value:
      return new PhasewireError("SINGULAR_CELL", {
        field: "cell",
        value: Array.from(frame.cell!),
        message: `the three cell vectors span no volume, so ${field} has no fractional coordinates to be measured in`,
        remedy: "Give all three cell vectors, those of axes that are not periodic too.",
      });
    case core.STATUS_SHARP_EDGE.value:
      return new PhasewireError("BAD_OPTION", {
        field: `${field}.width`,
        value: region.width,
        message: `${field}.width is 0; a region with a sharp edge has no forces`,
        remedy: "Give its edge a width, over which atoms come in smoothly.",
      });
    case core.STATUS_WIDE_REGION.value:
      if ("axis" in region) {
        return new PhasewireError("BAD_OPTION", {
          field: `${field}.width`,
          value: region.width,
          message: `${field} reaches ${reach} to either side of its middle; along a periodic axis at most 0.5 can be told from its images`,
          remedy: "Narrow the slab or its width, or leave the region out to take all atoms.",
        });
      }
      return new PhasewireError("BAD_OPTION", {
        field: `${field}.radius`,
        value: region.radius,
        message: `${field} reaches ${reach} from its centre; the cell is only ${context.value("VARIABLES_LEAST_HEIGHT")} high, and at most half of that can be told from its images`,
        remedy: "Make the ball smaller, or the cell larger.",
      });
    default:
      return new PhasewireError("INTERNAL", { message: `the core returned the unknown status ${status}` });
  }
}

function missingIds(
  record: number,
  context: CoreContext,
  { program, frame }: Subject,
  field: string,
): PhasewireError {
  const wanted = [...new Set(program.meanOf(record).select!.ids!)];
  const marks = program.marks(context, record, "ids");
  const absent = new Set(ascending(wanted).filter((_, place) => marks[place] === 0));
  const missing = wanted.filter((id) => absent.has(id));
  return empty(
    field,
    missing,
    `${field} names ${listed(missing)}, but no atom has ${missing.length > 1 ? "these ids" : "this id"}`,
    frame.ids === null
      ? `The frame has no ids, so its ${frame.atomCount} atoms are numbered from 0.`
      : "Give ids that atoms of the frame have.",
  );
}

function missingSpecies(
  record: number,
  context: CoreContext,
  { program, species }: Subject,
  field: string,
): PhasewireError {
  const wanted = program.meanOf(record).select!.species!;
  const marks = program.marks(context, record, "species");
  let place = 0;
  const missing = wanted.filter((name) => {
    // A name without a number takes one place as well.
    const places = Math.max(1, species().numbersOf(name).length);
    place += places;
    return !marks.subarray(place - places, place).includes(1);
  });
  const distinct = [...new Set(missing)];
  const present = [...new Set(species().present())];
  return empty(
    field,
    distinct,
    `${field} names ${listed(distinct)}, but no atom is ${distinct.length > 1 ? "one of them" : "that"}`,
    present.length > 0
      ? `Select among the species of the frame: ${listed(present)}.`
      : "The frame has no species, so none can be selected: leave the selection out.",
  );
}

function nothingSelected(field: string, total: number): PhasewireError {
  return new PhasewireError("EMPTY_SELECTION", {
    field,
    value: total,
    message: `${field} holds no atom: the weights add up to ${total}`,
    remedy: 'Widen the selection, or give `reduce: "sum"`, which is 0 where there are no atoms.',
  });
}

function listed(items: readonly (string | number)[]): string {
  return `${items.slice(0, mostListed).join(", ")}${items.length > mostListed ? ", .." : ""}`;
}

function empty(
  field: string,
  value: readonly (string | number)[],
  message: string,
  remedy: string,
): PhasewireError {
  return new PhasewireError("EMPTY_SELECTION", { field, value, message, remedy });
}
