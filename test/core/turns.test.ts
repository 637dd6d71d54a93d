/** Cores that share a thread. */
import { describe, expect, it } from "vitest";
import { PhaseCore } from "../../src/core/index.js";
import { Turns } from "../../src/core/turns.js";
import { expectError, randomModel, shakenCrystal } from "./support.js";

describe("turns", () => {
  it("go to the core that has had least time since both compute", () => {
    const turns = new Turns();
    const [long, short] = [{}, {}];
    turns.begin(long);
    turns.add(long, 500);
    expect(turns.isNext(long)).toBe(true);
    turns.begin(short);
    const time = new Map([
      [long, 0],
      [short, 0],
    ]);
    for (let turn = 0; turn < 1000; turn++) {
      const next = [long, short].find((core) => turns.isNext(core))!;
      const slice = next === long ? 7 : 2;
      turns.add(next, slice);
      time.set(next, time.get(next)! + slice);
    }
    expect(Math.abs(time.get(long)! - time.get(short)!)).toBeLessThanOrEqual(7);
    turns.end(short);
    expect(turns.isNext(long)).toBe(true);
  });

  it("never make all cores wait", () => {
    const turns = new Turns();
    const cores = Array.from({ length: 5 }, () => ({}));
    for (const core of cores) turns.begin(core);
    for (let turn = 0; turn < 200; turn++) {
      const next = cores.filter((core) => turns.isNext(core));
      expect(next.length).toBeGreaterThan(0);
      turns.add(next[turn % next.length]!, (turn * 7919) % 13);
    }
  });
});

it("a core whose call is ended leaves its turns to the others", async () => {
  const model = randomModel(2, 4);
  const cores = [
    await PhaseCore.create(model, { threads: 1 }),
    await PhaseCore.create(model, { threads: 1 }),
  ];
  const [long, short] = cores as [PhaseCore, PhaseCore];
  const [large, small] = [shakenCrystal(14, 0.1, 3), shakenCrystal(3, 0.1, 4)];
  short.load(small);
  const alone = await short.forward();
  long.load(large, { gradients: true });
  const endless = long.denoise({ steps: 10_000 });
  for (let frame = 0; frame < 3; frame++) {
    short.load(small);
    expect((await short.forward()).logits).toEqual(alone.logits);
  }
  long.abort();
  await expectError("ABORTED", () => endless);
  short.load(small);
  expect((await short.forward()).logits).toEqual(alone.logits);
  await Promise.all(cores.map((core) => core.dispose()));
});
