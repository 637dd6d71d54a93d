import { describe, expect, it } from "vitest";
import { chooseBuild } from "../../src/core/build.js";
import { type BuildChoice, PhaseCore } from "../../src/core/index.js";
import { nodeHost } from "../../src/core/node-host.js";
import { builds, expectClose, expectError, randomModel, shakenCrystal } from "./support.js";

const accepting = (): boolean => true;
const refusing = (): boolean => false;

describe("the choice of a build", () => {
  it.each<[BuildChoice, boolean, string]>([
    ["auto", true, "relaxed"],
    ["auto", false, "baseline"],
    ["baseline", true, "baseline"],
    ["baseline", false, "baseline"],
    ["relaxed", true, "relaxed"],
  ])("%s, where relaxed SIMD is there: %s", (choice, accepted, expected) => {
    expect(chooseBuild(choice, accepted ? accepting : refusing)).toBe(expected);
  });

  it("asks the host only where it has to", () => {
    const asked = (): boolean => {
      throw new Error("the host was asked");
    };
    expect(chooseBuild("baseline", asked)).toBe("baseline");
  });

  it("refuses relaxed where it is not to be had, and says what to do", async () => {
    const error = await expectError("BAD_OPTION", () => chooseBuild("relaxed", refusing));
    expect([error.field, error.value]).toEqual(["build", "relaxed"]);
    expect(error.remedy).toContain("baseline");
  });

  it("refuses a build that there is not", async () => {
    const error = await expectError("BAD_OPTION", () => chooseBuild("fast" as BuildChoice, accepting));
    expect(error.message).toContain("auto, baseline, relaxed");
  });

  it("of a core is told, and is the host's where nothing was asked for", async () => {
    const model = randomModel(1, 3);
    for (const build of builds) {
      const core = await PhaseCore.create(model, { threads: 1, build });
      expect(core.build).toBe(build);
      await core.dispose();
    }
    const without = { ...nodeHost, acceptsRelaxed: refusing };
    const core = await PhaseCore.create(model, { threads: 1, host: without });
    expect(core.build).toBe("baseline");
    await core.dispose();
    await expectError("BAD_OPTION", () => PhaseCore.create(model, { build: "relaxed", host: without }));
  });

  it("changes results by rounding alone", async () => {
    const results = [];
    for (const build of builds) {
      const core = await PhaseCore.create(randomModel(2, 5), { threads: 1, build });
      core.load(shakenCrystal(3, 0.2, 2));
      results.push(await core.forward(), await core.score());
      await core.dispose();
    }
    const [forward, score, relaxedForward, relaxedScore] = results as [
      Awaited<ReturnType<PhaseCore["forward"]>>,
      Awaited<ReturnType<PhaseCore["score"]>>,
      Awaited<ReturnType<PhaseCore["forward"]>>,
      Awaited<ReturnType<PhaseCore["score"]>>,
    ];
    expectClose("logits", relaxedForward.logits, forward.logits, 1e-5);
    expectClose("score", relaxedScore.score, score.score, 1e-4);
  });
});
