import { afterAll, describe, expect, it } from "vitest";
import { backwardReference, forwardReference, PhaseCore } from "../../src/core/index.js";
import { neighbourLists } from "./neighbour-lists.js";
import { builds, expectClose, goldenFiles, goldenFrame, model } from "./support.js";

const cores = await Promise.all(
  builds.map(async (build) => ({ build, core: await PhaseCore.create(model, { threads: 1, build }) })),
);
afterAll(() => Promise.all(cores.map(({ core }) => core.dispose())));

/** Least scale for errors of gradients: that of a displaced crystal, since a perfect one has no gradient. */
const forceFloor = 1;

it("golden files exist for the default model", () => {
  expect(goldenFiles().length).toBeGreaterThanOrEqual(5);
});

describe.each(cores)("golden files, build $build", ({ core }) => {
  it.each(goldenFiles())("$name: kernels", async (golden) => {
    core.load(goldenFrame(golden));
    const { logits, logDensity, lengthScale } = await core.forward();
    expect(lengthScale).toBe(golden.lengthScale);
    expectClose("logits", logits, golden.logits.flat(), 1e-4);
    expectClose("logDensity", [logDensity], [golden.logDensity], 1e-4, golden.positions.length);
    const { score, virial } = await core.score();
    expectClose("score", score, golden.score.flat(), 1e-4, forceFloor);
    expectClose("virial", virial, golden.virial.flat(), 1e-4, forceFloor);
    const { starts } = await neighbourLists(core);
    expect(Array.from(golden.neighbourCounts, (_, atom) => starts[atom + 1]! - starts[atom]!)).toEqual(
      golden.neighbourCounts,
    );
  });

  it.each(goldenFiles())("$name: reference", (golden) => {
    core.load(goldenFrame(golden));
    const reference = forwardReference(core.loadedFrame());
    expect(Array.from(reference.neighbourCounts)).toEqual(golden.neighbourCounts);
    const { channels } = model;
    const harmonics = reference.densities.length / (channels * golden.positions.length);
    const first = Array.from({ length: channels * harmonics }, (_, index) => {
      const [k, lm] = [Math.floor(index / harmonics), index % harmonics];
      return reference.densities[channels * lm + k]!;
    });
    expectClose("density", first, golden.densityFirst.flat(), 1e-9);
    expectClose("invariants", reference.invariants, golden.invariants.flat(), 1e-9);
    expectClose("hidden", reference.hidden, golden.hidden.flat(), 1e-9);
    expectClose("messages", reference.messages, golden.messages.flat(), 1e-9);
    expectClose("logits", reference.logits, golden.logits.flat(), 1e-9);
    expectClose("logDensity", [reference.logDensity], [golden.logDensity], 1e-9, golden.positions.length);
    const { gradient, virial } = backwardReference(core.loadedFrame());
    expectClose("score", gradient, golden.score.flat(), 1e-9, forceFloor);
    expectClose("virial", virial, golden.virial.flat(), 1e-9, forceFloor);
  });
});
