/** Calls the core's variables without the library: contexts, records and lists as in docs/core-abi.md. */
import { CoreContext } from "../../src/core/context.js";
import type { CoreBuild, CoreExports } from "../../src/core/index.js";
import { createMemory, instantiateCore } from "../../src/core/instance.js";
import { nodeHost } from "../../src/core/node-host.js";

/** Fields of a record without their prefix; KIND, REDUCE and REGION may be words. */
export type RawRecord = Readonly<Record<string, number | string | readonly number[]>>;

/** The input of an evaluation: N atoms, C classes. */
export interface RawInput {
  readonly classCount: number;
  readonly logits: Float32Array | Float64Array;
  readonly records: readonly RawRecord[];
  readonly lists?: readonly number[];
  readonly positions?: readonly number[];
  readonly species?: readonly number[];
  readonly ids?: readonly number[];
  readonly cell?: readonly number[];
  readonly origin?: readonly number[];
  readonly periodic?: number;
  readonly idealLogits?: readonly number[];
  readonly logWeights?: readonly number[];
}

export const lengthScale = 2.5;
export const logitLength = 0.0625;

/** The byte that fills all memory which no call may write. */
const guard = 0xa5;

export async function loadCore(build: CoreBuild): Promise<{ core: CoreExports; memory: WebAssembly.Memory }> {
  nodeHost.acceptsRelaxed();
  const memory = createMemory();
  return { core: instantiateCore(await nodeHost.compile(build), memory), memory };
}

/** A context of variables with all regions, in memory full of guard bytes. The next one overwrites it. */
export class RawVariables {
  readonly context: CoreContext;
  readonly end: number;
  readonly atomCount: number;
  private readonly stride: number;

  constructor(
    { core, memory }: { core: CoreExports; memory: WebAssembly.Memory },
    readonly input: RawInput,
  ) {
    const { classCount, logits, records, lists = [] } = input;
    this.atomCount = logits.length / classCount;
    this.stride = core.RECORD_BYTES.value / 8;
    this.context = new CoreContext(core, memory, core.heapBase(), core.VARIABLES_CONTEXT_BYTES.value);
    const { context } = this;
    const isSingle = logits instanceof Float32Array;
    const places =
      (isSingle ? core.PLACE_LOGITS_SINGLE.value : core.PLACE_LOGITS_DOUBLE.value) |
      core.PLACE_MODEL.value |
      core.PLACE_POSITIONS.value |
      (input.species === undefined ? 0 : core.PLACE_SPECIES.value) |
      (input.ids === undefined ? 0 : core.PLACE_IDS.value) |
      core.PLACE_SEED.value |
      core.PLACE_GRADIENT.value;
    const room = Math.max(1, this.atomCount);
    const lay = () =>
      core.layoutVariables(
        context.address,
        context.end,
        room,
        classCount,
        records.length,
        lists.length,
        places,
      );
    this.end = lay();
    context.reserve(this.end + 64, "test");
    new Uint8Array(memory.buffer, context.address, this.end + 64 - context.address).fill(guard);
    lay();
    this.write();
  }

  /** Writes all input. */
  private write(): void {
    const { context, input, atomCount } = this;
    const { core } = context;
    const { classCount, logits, records, lists = [], positions, species, ids, cell } = input;
    context.setCount("VARIABLES_ATOMS", atomCount);
    context.setCount("VARIABLES_HAS_CELL", cell === undefined ? 0 : 1);
    context.values("VARIABLES_CELL", 9).set(cell ?? new Array<number>(9).fill(0));
    context.values("VARIABLES_ORIGIN", 3).set(input.origin ?? [0, 0, 0]);
    context.setCount("VARIABLES_PERIODIC", input.periodic ?? 0);
    context.setValue("VARIABLES_LENGTH_SCALE", lengthScale);
    context.setValue("VARIABLES_LOGIT_LENGTH", logitLength);
    if (logits instanceof Float32Array) context.singles("VARIABLES_LOGITS", logits.length).set(logits);
    else context.doubles("VARIABLES_LOGITS", logits.length).set(logits);
    const none = new Array<number>(classCount).fill(0);
    context.doubles("VARIABLES_IDEAL_LOGITS", classCount).set(input.idealLogits ?? none);
    context.doubles("VARIABLES_LOG_WEIGHTS", classCount).set(input.logWeights ?? none);
    context.doubles("VARIABLES_POSITIONS", 3 * atomCount).set(positions ?? new Float64Array(3 * atomCount));
    if (species !== undefined) context.integers("VARIABLES_SPECIES", atomCount).set(species);
    if (ids !== undefined) context.doubles("VARIABLES_IDS", atomCount).set(ids);
    context.doubles("VARIABLES_LISTS", lists.length).set(lists);
    this.records().fill(0);
    records.forEach((record, index) => {
      for (const [name, value] of Object.entries(record)) {
        const number = typeof value === "string" ? core[`${name as "KIND"}_${value}`].value : value;
        this.records().set(
          typeof number === "number" ? [number] : number,
          index * this.stride + place(core, name),
        );
      }
    });
  }

  private records(): Float64Array {
    return this.context.doubles("VARIABLES_RECORDS", this.input.records.length * this.stride);
  }

  field(record: number, name: string): number {
    return this.records()[record * this.stride + place(this.context.core, name)]!;
  }

  setField(record: number, name: string, value: number): void {
    this.records()[record * this.stride + place(this.context.core, name)] = value;
  }

  /** Returns the name of a status. */
  named(status: number): string {
    const { core } = this.context;
    const names = Object.keys(core).filter((name) => name.startsWith("STATUS_"));
    return names.find((name) => core[name as "STATUS_OK"].value === status) ?? String(status);
  }

  evaluate(): string {
    return this.named(this.context.core.evaluateVariables(this.context.address));
  }

  /** @param slopes dE/dV of the records */
  pull(slopes: readonly number[]): string {
    slopes.forEach((slope, record) => {
      this.setField(record, "SLOPE", slope);
    });
    return this.named(this.context.core.pullVariables(this.context.address));
  }

  get seed(): Float64Array {
    return this.context.doubles("VARIABLES_SEED", this.input.logits.length).slice();
  }

  get gradient(): Float64Array {
    return this.context.doubles("VARIABLES_GRADIENT", 3 * this.atomCount).slice();
  }

  get virial(): Float64Array {
    return this.context.values("VARIABLES_VIRIAL", 9).slice();
  }

  /** Returns a copy of the context and the memory after it, including a guard at the end. */
  bytes(): Uint8Array {
    return this.context.bytes(this.end + 64).slice();
  }

  /**
   * Returns whether a call may write this byte: context, records, lists, scratch, seed and gradient are
   * writable.
   */
  isWritable(at: number): boolean {
    const { context, atomCount, input } = this;
    const address = context.address + at;
    if (address < context.region("VARIABLES_LOGITS")) return true;
    const regions = [
      ["VARIABLES_SEED", 8 * input.logits.length],
      ["VARIABLES_GRADIENT", 24 * atomCount],
    ] as const;
    return regions.some(([name, length]) => {
      const begin = context.region(name);
      return address >= begin && address < begin + length;
    });
  }
}

function place(core: CoreExports, name: string): number {
  return core[`RECORD_${name}`].value / 8;
}
