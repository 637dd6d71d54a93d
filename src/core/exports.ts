/** The functions of the compiled core that the host calls. docs/core-abi.md describes each of them. */

/** An immutable global: a byte offset into the context, a status code or a size. */
interface Constant {
  readonly value: number;
}

type Stage = (context: number, worker: number, begin: number, end: number) => void;

/** Names of the exported functions that run stages shared by worker threads. */
export type StageName =
  | "findPairs"
  | "forwardDensity"
  | "forwardLogits"
  | "backwardLogits"
  | "backwardDensity"
  | "gatherGradient";

interface CoreFunctions extends Readonly<Record<StageName, Stage>> {
  heapBase(): number;
  layoutModel(context: number, base: number): number;
  prepareModel(context: number): number;
  setPrior(context: number): number;
  harmonicCount(context: number): number;
  invariantCount(context: number): number;
  layoutFrame(
    context: number,
    base: number,
    atomCount: number,
    pairCapacity: number,
    workers: number,
    features: number,
  ): number;
  forgetFrames(context: number): void;
  groupSpecies(context: number): number;
  binAtoms(context: number): number;
  loadFrame(context: number): number;
  finishPairs(context: number): number;
  forward(context: number): number;
  finishForward(context: number): void;
  seedLogDensity(context: number): void;
  seedDenoise(context: number): void;
  backward(context: number): number;
  finishBackward(context: number): void;
  startDenoise(context: number): void;
  advanceDenoise(context: number): number;
  layoutReference(context: number, base: number, pairCapacity: number): number;
  referencePairs(context: number): number;
  knownReference(context: number): void;
  forwardReference(context: number): number;
  readReference(context: number): void;
  seedReference(context: number): void;
  backwardReference(context: number): void;
  exponentials(out: number, input: number, quads: number): void;
  layoutVariables(
    context: number,
    base: number,
    atomCount: number,
    classCount: number,
    records: number,
    listNumbers: number,
    features: number,
  ): number;
  evaluateVariables(context: number): number;
  pullVariables(context: number): number;
  startVariables(context: number): number;
  sumVariables(context: number, begin: number, end: number): void;
  finishVariables(context: number): number;
  startPull(context: number): number;
  pullAtoms(context: number, begin: number, end: number): void;
  scaleSeed(to: number, from: number, length: number): number;
  combineDerivatives(
    gradient: number,
    virial: number,
    atomCount: number,
    unit: number,
    variables: number,
    followsCell: number,
  ): void;
  exponentials2(out: number, input: number, pairs: number): void;
}

type ConstantName =
  | "ABI_VERSION"
  | "CONTEXT_BYTES"
  | "VARIABLES_CONTEXT_BYTES"
  | "BLOCK"
  | "ROW_CAPACITY"
  | "MAX_CLASSES"
  | "MAX_BASIS"
  | "MAX_OUTER"
  | "OUTER_STEP"
  | "KEEP_DENSITY_ATOMS"
  | "DENOISE_DONE"
  | "DENOISE_SCORE"
  | "DENOISE_LOAD"
  | `VALUE_${string}`
  | `COUNT_${string}`
  | `ADDRESS_${string}`
  | `STATUS_${string}`
  | `FEATURE_${string}`
  | `PLACE_${string}`
  | `RECORD_${string}`
  | `KIND_${string}`
  | `REDUCE_${string}`
  | `REGION_${string}`;

/** The exports of an instance of the core. */
export type CoreExports = CoreFunctions & { readonly [name in ConstantName]: Constant };
