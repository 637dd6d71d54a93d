import { describe, expect, it } from "vitest";
import { CoreContext } from "../../src/core/context.js";
import { PhaseCore } from "../../src/core/index.js";
import { createMemory, instantiateCore } from "../../src/core/instance.js";
import { coreModule } from "../../src/core/node-host.js";
import { expectClose, layoutModel, randomModel, randomNumbers } from "./support.js";

const module = await coreModule("baseline");

/** Returns the bytes of each region whose size a host relies on, for N atoms and C classes. */
const regionBytes = (n: number, c: number): Record<string, number> => ({
  POSITIONS: 24 * n,
  SPECIES: 4 * n,
  SEED: 4 * n * c,
  LOGITS: 4 * n * c,
  PROBABILITIES: 4 * n * c,
  LABELS: 2 * n,
  CONFIDENCE: 4 * n,
  MARGIN: 4 * n,
  ATOM_LOG_DENSITY: 4 * n,
  DISTANCE: 4 * n,
  GRADIENT: 24 * n,
  RAW_LABELS: 2 * n,
  TAKES_PART: n,
  KNOWN: 4 * n,
  ORDER: 4 * n,
  WRAPPED: 24 * n,
  SORTED_SPECIES: 4 * n,
  PAIR_START: 4 * n,
  PAIR_COUNT: 4 * n,
});

/** Returns the unused bytes between the end of each of these regions and the next multiple of 64. */
function gaps(context: CoreContext, memory: WebAssembly.Memory, n: number, c: number): Uint8Array[] {
  return Object.entries(regionBytes(n, c)).map(([name, bytes]) => {
    const end = context.region(name) + bytes;
    return new Uint8Array(memory.buffer, end, Math.ceil(end / 64) * 64 - end);
  });
}

describe("memory", () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 63, 64, 65])(
    "%i atoms: nothing is written outside its region",
    async (n) => {
      const classCount = 5;
      const core = await PhaseCore.create(randomModel(3, classCount), { threads: 1 });
      const { context } = core as unknown as { context: CoreContext };
      const { memory } = context as unknown as { memory: WebAssembly.Memory };
      // Atoms near sites of a cubic lattice. Some sites may be empty, and some atoms lie outside the cell.
      const random = randomNumbers(n);
      const repeats = Math.ceil(Math.cbrt(n));
      const edge = 2.4 * repeats;
      core.load({
        positions: Float64Array.from({ length: 3 * n }, (_, i) => {
          const site = Math.floor(Math.floor(i / 3) / repeats ** (i % 3)) % repeats;
          return 2.4 * (site + 0.3 * random()) + (i % 7 === 0 ? edge : 0);
        }),
        cell: Float64Array.of(edge, 0, 0, 0, edge, 0, 0, 0, edge),
        periodic: [true, true, true],
        species: Int32Array.from({ length: n }, (_, i) => i % 2),
        lengthScale: 2.4,
      });
      const guards = gaps(context, memory, n, classCount);
      const { frameEnd } = core as unknown as { frameEnd: number };
      guards.push(new Uint8Array(memory.buffer, frameEnd, memory.buffer.byteLength - frameEnd));
      for (const guard of guards) guard.fill(0xa5);
      const forward = await core.forward();
      await core.score();
      await core.denoise({ steps: 2 });
      const untouched = guards.every((guard) => guard.every((byte) => byte === 0xa5));
      expect(untouched).toBe(true);
      const sums = Array.from({ length: n }, (_, atom) =>
        forward.probabilities
          .subarray(atom * classCount, (atom + 1) * classCount)
          .reduce((sum, p) => sum + p, 0),
      );
      expectClose("sums of probabilities", sums, new Array<number>(n).fill(1), 1e-6);
      await core.dispose();
    },
  );

  it("beyond 4 GiB is refused", () => {
    const memory = createMemory();
    const core = instantiateCore(module, memory);
    const context = new CoreContext(core, memory);
    const model = layoutModel(context);
    expect(model).toBeGreaterThan(context.end);
    expect(core.layoutFrame(context.address, model, 100_000, 0, 1, 1)).toBeGreaterThan(model);
    expect(core.layoutFrame(context.address, model, 100_000_000, 0, 1, 1)).toBe(0);
    expect(core.layoutFrame(context.address, model, 0x7fffffff, 0, 1, 3)).toBe(0);
    expect(core.layoutFrame(context.address, model, 0, 0, 1, 1)).toBe(0);
    expect(() => context.reserve(0, "frame")).toThrow(/4 GiB/);
  });

  it.each([
    ["CLASSES", 1],
    ["CLASSES", 1024],
    ["BASIS", 1],
    ["BASIS", 65],
    ["OUTER", 72],
    ["OUTER", 528],
    ["CHANNELS", 4],
    ["CHANNELS", 12],
    ["CHANNELS", 24],
    ["LMAX", 1],
    ["LMAX", 7],
    ["SKIPPED_DEGREE", 4],
    ["INNER", 60],
    ["INNER", 136],
    ["HIDDEN", 72],
    ["MESSAGE", 40],
    ["MESSAGE", 0],
    ["KNOWN", 12],
    ["KNOWN", 136],
  ] as const)("a model with %s = %i is refused", (name, count) => {
    const memory = createMemory();
    const context = new CoreContext(instantiateCore(module, memory), memory);
    expect(layoutModel(context, { [name]: count })).toBe(0);
    expect(layoutModel(context)).toBeGreaterThan(context.end);
  });

  it("moves only the pairs when their number grows", () => {
    const memory = createMemory();
    const core = instantiateCore(module, memory);
    const context = new CoreContext(core, memory);
    const base = layoutModel(context);
    expect(base).toBeGreaterThan(context.end);
    const addresses = () =>
      Object.keys(core)
        .filter((name) => name.startsWith("ADDRESS_") && !name.startsWith("ADDRESS_REFERENCE"))
        .map((name) => [name, context.region(name.slice("ADDRESS_".length))] as const);
    core.layoutFrame(context.address, base, 1000, 50_000, 2, 3);
    const before = addresses();
    core.layoutFrame(context.address, base, 1000, 90_000, 2, 3);
    const moved = addresses().filter(([, address], index) => address !== before[index]![1]);
    expect(moved.every(([name]) => name.startsWith("ADDRESS_PAIR_"))).toBe(true);
    expect(moved.length).toBeGreaterThan(5);
  });
});

describe("exp4", () => {
  it("keeps its stated error", () => {
    const memory = createMemory();
    const core = instantiateCore(module, memory);
    const context = new CoreContext(core, memory);
    const length = 400_004;
    context.reserve(context.end + 8 * length, "test");
    const input = new Float32Array(memory.buffer, context.end, length);
    for (let i = 0; i < length; i++) input[i] = -87 + (175 * i) / (length - 1);
    const out = new Float32Array(memory.buffer, context.end + 4 * length, length);
    core.exponentials(context.end + 4 * length, context.end, length / 4);
    let worst = 0;
    for (let i = 0; i < length; i++) {
      const error = Math.abs(out[i]! / Math.exp(input[i]!) - 1);
      if (!(error <= worst)) worst = error;
    }
    expect(worst <= 1.2e-7, `largest relative error ${worst}`).toBe(true);
  });

  it("ends at its bounds, and is 1 at 0", () => {
    const memory = createMemory();
    const core = instantiateCore(module, memory);
    const context = new CoreContext(core, memory);
    const input = new Float32Array(memory.buffer, context.end, 4);
    input.set([0, -1000, 1000, -0]);
    core.exponentials(context.end + 16, context.end, 1);
    const [zero, low, high, negativeZero] = new Float32Array(memory.buffer, context.end + 16, 4);
    expect([zero, negativeZero]).toEqual([1, 1]);
    expectClose("bounds", [low! * 1e37, high! * 1e-37], [Math.exp(-87) * 1e37, Math.exp(88) * 1e-37], 1e-6);
  });
});
