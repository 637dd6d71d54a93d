/** Which analyses run side by side. */
import { describe, expect, it } from "vitest";
import type { FrameAnalyser } from "../../bridge/server/analyser.js";
import { Lanes, workOf } from "../../bridge/server/lanes.js";
import type { Analyse } from "../../bridge/server/wire/wire.js";
import { FakeAnalyser } from "./fake-analyser.js";

class Doubled extends FakeAnalyser {
  readonly others: FakeAnalyser[] = [];

  async beside(): Promise<FrameAnalyser> {
    this.others.push(new FakeAnalyser());
    return this.others.at(-1)!;
  }
}

function frame(atoms: number, more: Partial<Analyse> = {}): Analyse {
  const positions = { dtype: "f64", shape: [atoms, 3] };
  return { positions, fields: ["labels"], mode: "monitor", denoise: null, seed: null, ...more } as Analyse;
}

describe("lanes", () => {
  it("start a frame next to a longer one of another peer only", () => {
    const lanes = new Lanes(new Doubled());
    expect(lanes.mayStart("p", frame(1000))).toBe(true);
    lanes.idle()!.running = { peer: "p", work: workOf(frame(1000)) };
    expect(lanes.mayStart("q", frame(999))).toBe(true);
    expect(lanes.mayStart("p", frame(999))).toBe(false);
    expect(lanes.mayStart("q", frame(1000))).toBe(false);
    expect(lanes.mayStart("q", frame(500, { denoise: 8 }))).toBe(false);
  });

  it("start the second analyser when it is needed, and close both", async () => {
    const analyser = new Doubled();
    const lanes = new Lanes(analyser);
    const first = lanes.idle()!;
    first.loop = new Promise(() => undefined);
    expect(await first.analyser()).toBe(analyser);
    expect(analyser.others).toEqual([]);
    const second = lanes.idle()!;
    expect(await second.analyser()).toBe(await second.analyser());
    expect(analyser.others).toEqual([await second.analyser()]);
    await lanes.close();
    expect([analyser, ...analyser.others].map(({ closed }) => closed)).toEqual([true, true]);
  });

  it("try again to start an analyser that could not start", async () => {
    const analyser = new Doubled();
    const start = analyser.beside.bind(analyser);
    analyser.beside = () => Promise.reject(new Error("no memory"));
    const lanes = new Lanes(analyser);
    lanes.idle()!.loop = Promise.resolve();
    const second = lanes.idle()!;
    await expect(second.analyser()).rejects.toThrow("no memory");
    analyser.beside = start;
    expect(await second.analyser()).toBe(analyser.others[0]);
    await lanes.close();
  });

  it("are one if the analyser cannot start another, and it is closed also if it was never needed", async () => {
    const analyser = new FakeAnalyser();
    const lanes = new Lanes(analyser);
    lanes.idle()!.loop = Promise.resolve();
    expect(lanes.idle()).toBeUndefined();
    await lanes.close();
    expect(analyser.closed).toBe(true);
  });
});

describe("the work of a frame", () => {
  it("grows with atoms, denoising steps and gradients", () => {
    const works = [
      frame(100),
      frame(200),
      frame(100, { fields: ["forces"] }),
      frame(100, { denoise: 2 }),
      frame(100, { denoise: 8 }),
      frame(100, { denoise: 8, mode: "bias" }),
    ].map(workOf);
    expect(works).toEqual([...works].sort((a, b) => a - b));
    expect(new Set(works).size).toBe(works.length);
    expect(workOf(frame(100, { fields: ["virial"] }))).toBe(workOf(frame(100, { fields: ["forces"] })));
    expect(workOf(frame(100, { denoise: "converged" }))).toBe(workOf(frame(100, { denoise: 8 })));
  });
});
