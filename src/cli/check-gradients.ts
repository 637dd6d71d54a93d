/**
 * `phasewire check-gradients`: checks that the forces of variables are the derivatives of their values, for
 * the user's model and structure.
 */
import { type Command, Option } from "commander";
import { checkGradients, randomNumbers, type VariableCheck } from "../analysis/gradient-check.js";
import { type PreparedFrame, prepareFrame } from "../analysis/index.js";
import { buildChoices, type CoreBuild, PhaseCore } from "../core/index.js";
import { PhasewireError } from "../errors/index.js";
import { type ReadOptions, readableTitles, readFrames } from "../formats/index.js";
import { cellGeometry, spansVolume } from "../frame/geometry.js";
import { type Frame, renameSpecies } from "../frame/index.js";
import { classWeights, loadModel, type Model } from "../model/index.js";
import { resolveVariables, type Variable } from "../variables/index.js";
import { cutOut } from "./cut-out.js";
import { everyKind } from "./every-kind.js";
import { type CliIo, exitCodes, writeText } from "./io.js";
import {
  addFrameOptions,
  atomOptions,
  type FrameChoices,
  formatOption,
  type InputChoices,
  parseCount,
} from "./options.js";
import { createStepProgress } from "./progress.js";
import { readVariablesFile, variablesOption } from "./variables-file.js";

interface CheckOptions extends FrameChoices, InputChoices {
  json?: boolean;
  variables?: string;
  samples: number;
  build?: CoreBuild;
  tolerance: number;
}

/**
 * The reference has no neighbour lists and takes a minute for this number of atoms. Larger frames are checked
 * in part.
 */
const mostAtoms = 1000;
const atomsCutOut = 400;
/** Seed of the random numbers: the same command checks the same atoms. */
const seed = 1;

export function addCheckGradientsCommand(
  program: Command,
  io: CliIo,
  finish: (exitCode: number) => void,
): void {
  const command = program
    .command("check-gradients")
    .description(
      "compare the forces and virials of variables with finite differences, for a model and a structure",
    )
    .argument("<model>", "a model that `phasewire models` lists, or a .safetensors file")
    .argument("<structure>", `file whose first frame is checked, plain or gzip: ${readableTitles()}`)
    .addOption(formatOption())
    .addOption(
      variablesOption(
        "JSON file with a list of variables (docs/variables.md); default: some variables of every kind",
      ),
    )
    .addOption(
      new Option("--samples <count>", "number of atoms to move, each along a random direction")
        .argParser((text) => parseCount("samples", text, 10_000))
        .default(12),
    )
    .addOption(
      new Option("--tolerance <number>", "largest relative error allowed")
        .argParser(parseTolerance)
        .default(1e-3),
    )
    .addOption(
      new Option("--build <build>", "build of the core to check; default: both").choices(
        buildChoices.filter((choice) => choice !== "auto"),
      ),
    )
    .option("--json", "print only one JSON object on standard output");
  addFrameOptions(command).action(async (modelName: string, file: string, options: CheckOptions) => {
    finish(await run(io, modelName, file, options));
  });
}

async function run(io: CliIo, modelName: string, file: string, options: CheckOptions): Promise<number> {
  const declared = options.variables === undefined ? null : await readVariablesFile(options.variables);
  const model = await loadModel(modelName);
  if (declared !== null) resolveVariables(declared, model.classes);
  const weights = options.classes === undefined ? undefined : classWeights(options.classes, model.classes);
  const { frame, prepared, total } = await prepare(model, await firstFrame(file, options), options);
  const builds = options.build === undefined ? await bothBuilds(model) : [options.build];
  const variables = declared ?? (await defaultVariables(model, frame, prepared, weights));
  const progress = createStepProgress(io, "finite differences");
  let checks: VariableCheck[] | null;
  try {
    checks = await checkGradients({
      ...{ model, frame, prepared, weights, variables, builds, seed },
      samples: options.samples,
      onProgress: (share) => {
        progress.update(share);
        return !io.signal.aborted;
      },
    });
  } finally {
    progress.stop();
  }
  if (checks === null) return exitCodes.interrupted;
  const found = summary(model, prepared, builds, checks, options);
  const text = options.json
    ? `${JSON.stringify({ file, frame: 0, natoms: total, ...found })}\n`
    : report(found, checks, builds, total);
  await writeText(io.stdout, text);
  return found.ok ? exitCodes.success : exitCodes.failure;
}

async function firstFrame(file: string, { format }: ReadOptions): Promise<Frame> {
  for await (const frame of readFrames(file, { format })) return frame;
  throw new PhasewireError("FILE_FORMAT", { field: file, message: `${file} has no frames` });
}

type Scaled = PreparedFrame & { readonly core: { readonly lengthScale: number } };

/** The atoms to check, with the length scale of the whole frame. */
async function prepare(
  model: Model,
  file: Frame,
  { species, ...options }: CheckOptions,
): Promise<{ frame: Frame; prepared: Scaled; total: number }> {
  const { lengthScale } = options;
  // Renamed at once, since the atoms cut out may lack a species.
  const given = renameSpecies(file, species);
  const choices = atomOptions(options);
  const whole = prepareFrame(given, { ...choices, ...(lengthScale === undefined ? {} : { lengthScale }) });
  const scale = lengthScale ?? (await estimate(model, whole));
  const total = whole.core.positions.length / 3;
  const frame =
    total > mostAtoms
      ? cutOut(given, whole.selection, whole.core.cell, atomsCutOut, randomNumbers(seed))
      : given;
  // The atoms that were cut out are already the selected ones.
  const cut = total > mostAtoms ? { ...choices, select: "all" } : choices;
  const prepared = prepareFrame(frame, { ...cut, lengthScale: scale });
  return { frame, prepared: { ...prepared, core: { ...prepared.core, lengthScale: scale } }, total };
}

async function estimate(model: Model, { core: frame }: PreparedFrame): Promise<number> {
  const core = await PhaseCore.create(model, { threads: 1 });
  try {
    return await core.lengthScaleOf(frame);
  } finally {
    await core.dispose();
  }
}

/** Those of the two builds that this engine can run. */
async function bothBuilds(model: Model): Promise<CoreBuild[]> {
  const core = await PhaseCore.create(model, { threads: 1, build: "auto" });
  await core.dispose();
  return core.build === "relaxed" ? ["baseline", "relaxed"] : ["baseline"];
}

/** Variables of every kind, for the two crystalline classes that the frame most likely holds. */
async function defaultVariables(
  model: Model,
  frame: Frame,
  { core: atoms, selection }: Scaled,
  weights: Float64Array | undefined,
): Promise<Variable[]> {
  const { classCount, classes } = model;
  const core = await PhaseCore.create(model, { threads: 1 });
  const shares = new Float64Array(classCount);
  try {
    core.setPrior(weights);
    core.load(atoms, { gradients: false });
    const { probabilities } = await core.forward();
    probabilities.forEach((p, at) => {
      shares[at % classCount]! += p;
    });
  } finally {
    await core.dispose();
  }
  const ranked = Array.from({ length: classCount - 1 }, (_, index) => index + 1).sort(
    (a, b) => shares[b]! - shares[a]!,
  );
  const [first, second = 0] = ranked as [number, number?];
  const indices = selection ?? Uint32Array.from({ length: atoms.positions.length / 3 }, (_, atom) => atom);
  const { ids, species } = frame;
  const chosen = Array.from(indices.subarray(0, Math.ceil(indices.length / 3)).subarray(0, 32));
  return everyKind({
    first: classes[first]!.name,
    second: classes[second]!.name,
    ids: chosen.map((atom) => ids?.[atom] ?? atom),
    species: species === null ? null : [species[indices[0]!]!],
    region: regionOf(frame, atoms),
  });
}

function regionOf(
  { cell, periodic }: Frame,
  { positions, lengthScale }: Scaled["core"],
): { centre: [number, number, number]; reach: number } | null {
  if (cell === null || !spansVolume(cell)) return null;
  const { reciprocal, heights } = cellGeometry(cell, "cell");
  const [x, y, z] = positions.subarray(0, 3) as unknown as [number, number, number];
  const along = (axis: number): number =>
    x * reciprocal[3 * axis]! + y * reciprocal[3 * axis + 1]! + z * reciprocal[3 * axis + 2]! + 0.04;
  // A little less than fits, because it must also fit into strained cells.
  const reach = Math.min(
    3 * lengthScale,
    ...heights.map((height, axis) => (periodic[axis] ? 0.49 * height : Number.POSITIVE_INFINITY)),
  );
  return { centre: [along(0), along(1), along(2)], reach };
}

interface Summary {
  readonly model: string;
  readonly atomsChecked: number;
  readonly lengthScale: number;
  readonly samples: number;
  readonly tolerance: number;
  readonly maxRelativeError: number;
  readonly virialRelativeError: number;
  readonly variables: readonly {
    readonly name: string;
    readonly value: number;
    readonly maxRelativeError: number;
    readonly virialRelativeError: number;
  }[];
  readonly builds: readonly {
    readonly build: CoreBuild;
    readonly maxRelativeError: number;
    readonly virialRelativeError: number;
  }[];
  readonly ok: boolean;
}

function summary(
  { name: model }: Model,
  { core: { positions, lengthScale } }: Scaled,
  builds: readonly CoreBuild[],
  checks: readonly VariableCheck[],
  { samples, tolerance }: CheckOptions,
): Summary {
  const maxRelativeError = Math.max(0, ...checks.flatMap(({ forceErrors }) => forceErrors));
  const virialRelativeError = Math.max(0, ...checks.flatMap(({ virialErrors }) => virialErrors));
  return {
    model,
    atomsChecked: positions.length / 3,
    lengthScale,
    samples,
    tolerance,
    maxRelativeError,
    virialRelativeError,
    variables: checks.map(({ name, value, forceErrors, virialErrors }) => ({
      name,
      value,
      maxRelativeError: Math.max(...forceErrors),
      virialRelativeError: Math.max(...virialErrors),
    })),
    builds: builds.map((build, index) => ({
      build,
      maxRelativeError: Math.max(...checks.map(({ forceErrors }) => forceErrors[index]!)),
      virialRelativeError: Math.max(...checks.map(({ virialErrors }) => virialErrors[index]!)),
    })),
    // NaN fails.
    ok: maxRelativeError <= tolerance && virialRelativeError <= tolerance,
  };
}

function report(
  {
    model,
    atomsChecked,
    lengthScale,
    samples,
    tolerance,
    maxRelativeError,
    virialRelativeError,
    ok,
  }: Summary,
  checks: readonly VariableCheck[],
  builds: readonly CoreBuild[],
  total: number,
): string {
  const width = Math.max("variable".length, ...checks.map(({ name }) => name.length));
  const part =
    atomsChecked < total ? ` of ${total}, the nearest neighbours of one of them, as a cluster` : "";
  const columns = builds.flatMap((build) => [`forces ${build}`, `virial ${build}`]);
  const errors = checks.map(({ forceErrors, virialErrors }) =>
    builds.flatMap((_, index) => [forceErrors[index]!, virialErrors[index]!]),
  );
  return [
    `model ${model}, ${atomsChecked} atoms${part}, length scale ${lengthScale.toFixed(4)}, ${samples} atoms moved`,
    "",
    `${"variable".padEnd(width)}  ${"value".padStart(12)}  ${columns.join("  ")}`,
    ...checks.map(({ name, value }, row) => {
      const cells = errors[row]!.map((error, column) =>
        error.toExponential(1).padStart(columns[column]!.length),
      );
      return `${name.padEnd(width)}  ${value.toPrecision(6).padStart(12)}  ${cells.join("  ")}`;
    }),
    "",
    `largest relative error: forces ${maxRelativeError.toExponential(1)}, virial ${virialRelativeError.toExponential(1)}; allowed ${tolerance.toExponential(1)}`,
    ok
      ? "ok: forces and virials are the derivatives of the values"
      : "FAILED: forces or virials differ from the derivatives of the values",
    "",
  ].join("\n");
}

function parseTolerance(text: string): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (value > 0 && value < Number.POSITIVE_INFINITY) return value;
  throw new PhasewireError("BAD_OPTION", {
    message: `--tolerance is ${JSON.stringify(text)}; a number above 0 is needed`,
    field: "tolerance",
    value: text,
  });
}
