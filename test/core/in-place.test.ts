import { afterAll, describe, expect, it, vi } from "vitest";
import { type CoreFrame, type ForwardResult, PhaseCore } from "../../src/core/index.js";
import { model, shakenCrystal } from "./support.js";

const core = await PhaseCore.create(model, { threads: 1 });
afterAll(() => core.dispose());

const arraysOf = (result: ForwardResult) =>
  Object.fromEntries(Object.entries(result).filter(([, value]) => ArrayBuffer.isView(value))) as Record<
    string,
    Float32Array | Float64Array | Uint16Array
  >;

/** Writes a frame into the core's memory, and returns a frame whose arrays lie there. */
function inPlace(frame: CoreFrame): CoreFrame {
  const room = core.room(frame.positions.length / 3);
  room.positions.set(frame.positions);
  if (frame.species !== null) room.species.set(frame.species);
  return { ...frame, positions: room.positions, species: frame.species === null ? null : room.species };
}

describe("a frame written into the core's memory", () => {
  it("is used there, and gives the same results as a copied one", async () => {
    for (const repeats of [3, 5, 2]) {
      const atoms = 4 * repeats ** 3;
      const species = Int32Array.from({ length: atoms }, (_, atom) => atom % 2);
      const frame = { ...shakenCrystal(repeats, 0.2, repeats), species };
      core.load(frame);
      const copied = await core.forward();
      core.load(inPlace(frame));
      expect(await core.forward()).toEqual(copied);
    }
  });

  it("is not copied", () => {
    const frame = { ...shakenCrystal(3, 0.2, 1), species: new Int32Array(108) };
    const [doubles, integers] = [Float64Array, Int32Array].map((kind) => vi.spyOn(kind.prototype, "set"));
    const copies = () =>
      [doubles, integers].map((spy) => spy!.mock.calls.filter(([from]) => from.length >= 108).length);
    core.load(frame);
    expect(copies()).toEqual([1, 1]);
    const written = inPlace(frame);
    expect(copies()).toEqual([2, 2]);
    core.load(written);
    expect(copies()).toEqual([2, 2]);
    vi.restoreAllMocks();
  });

  it("replaces the frame loaded before", async () => {
    core.load(shakenCrystal(2, 0.1, 1));
    core.room(4);
    await expect(core.forward()).rejects.toMatchObject({ code: "BAD_OPTION", field: "frame" });
  });
});

describe("results as views", () => {
  it("lie in the core's memory, equal the copies, and change with the next pass", async () => {
    core.load(shakenCrystal(3, 0.2, 1));
    const copies = arraysOf(await core.forward());
    const views = arraysOf(await core.forward({ arrays: "views" }));
    expect(Object.keys(views)).toHaveLength(7);
    expect(views).toEqual(copies);
    const { buffer } = core.room(108).positions;
    for (const [name, view] of Object.entries(views)) expect(view.buffer, name).toBe(buffer);
    for (const [name, copy] of Object.entries(copies)) expect(copy.buffer, name).toBeInstanceOf(ArrayBuffer);
    core.load(shakenCrystal(3, 0.2, 2));
    const next = await core.forward();
    expect(views.logits).toEqual(next.logits);
    expect(views.logits).not.toEqual(copies.logits);
  });

  it("come from denoising too", async () => {
    core.load(shakenCrystal(3, 0.2, 1));
    const copies = arraysOf(await core.denoise({ steps: 2 }));
    core.load(shakenCrystal(3, 0.2, 1));
    const views = arraysOf(await core.denoise({ steps: 2, arrays: "views" }));
    expect(views).toEqual(copies);
    expect(views.labels?.buffer).toBe(core.room(108).positions.buffer);
  });
});

describe("a frame without logits and probabilities", () => {
  it("has the results that follow from them, and takes less memory", async () => {
    const frame = shakenCrystal(4, 0.3, 2);
    core.load(frame);
    const all = await core.forward();
    core.load(frame, { gradients: false, perClass: false });
    const few = await core.forward();
    expect([few.logits.length, few.probabilities.length]).toEqual([0, 0]);
    expect({ ...few, logits: all.logits, probabilities: all.probabilities }).toEqual(all);
    core.load(frame, { perClass: false });
    expect(await core.forward(), "gradients need them").toEqual(all);
  });
});
