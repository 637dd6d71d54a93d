/** Errors for the statuses that the core returns for variables. They name the faulty key. */
import { limits } from "../contract/limits.js";
import type { CoreContext, CoreExports } from "../core/index.js";
import { PhasewireError, refusal as reasonFor } from "../errors/index.js";
import type { VariableFrame } from "./frame.js";
import { ascending, type Program } from "./program.js";
import type { FrameSpecies } from "./species.js";

const { mostSpeciesListed: mostListed } = limits.names;

/** The evaluation that an error is about. */
export interface Subject {
  readonly program: Program;
  readonly frame: VariableFrame;
  readonly species: () => FrameSpecies;
}

/** Returns the error for a status other than STATUS_OK. */
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
      return reasonFor("noRegionCell", { field });
    case core.STATUS_FLAT_CELL.value:
      return reasonFor("flatRegionCell", { field }, { value: Array.from(frame.cell!) });
    case core.STATUS_SHARP_EDGE.value:
      return reasonFor("sharpRegion", { field }, { value: region.width });
    case core.STATUS_WIDE_REGION.value:
      if ("axis" in region) return reasonFor("wideSlab", { field, reach }, { value: region.width });
      return reasonFor(
        "wideBall",
        { field, reach, height: context.value("VARIABLES_LEAST_HEIGHT") },
        { value: region.radius },
      );
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
  const remedy =
    frame.ids === null
      ? `The frame has no ids, so its ${frame.atomCount} atoms are numbered from 0.`
      : "Give ids that atoms of the frame have.";
  return reasonFor("missingId", { field, ids: listed(missing) }, { value: missing, remedy });
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
    // A name that no species has takes one place too.
    const places = Math.max(1, species().numbersOf(name).length);
    place += places;
    return !marks.subarray(place - places, place).includes(1);
  });
  const distinct = [...new Set(missing)];
  const present = [...new Set(species().present())];
  const remedy =
    present.length > 0
      ? `Select among the species of the frame: ${listed(present)}.`
      : "The frame has no species, so none can be selected: omit the selection.";
  return reasonFor("missingSpecies", { field, species: listed(distinct) }, { value: distinct, remedy });
}

function nothingSelected(field: string, total: number): PhasewireError {
  return reasonFor("nothingSelected", { field, total }, { value: total });
}

function listed(items: readonly (string | number)[]): string {
  return `${items.slice(0, mostListed).join(", ")}${items.length > mostListed ? ", ..." : ""}`;
}
