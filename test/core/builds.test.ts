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
  ])("%s, with relaxed SIMD %s, is %s", (choice, accepted, expected) => {
    expect(chooseBuild(choice, accepted ? accepting : refusing)).toBe(expected);
  });

  it("asks the host only if it has to", () => {
    const asked = (): boolean => {
      throw new Error("the host was asked");
    };
    expect(chooseBuild("baseline", asked)).toBe("baseline");
  });

  it("refuses relaxed if it is not available, and names a remedy", async () => {
    const error = await expectError("BAD_OPTION", () => chooseBuild("relaxed", refusing));
    expect([error.field, error.value]).toEqual(["build", "relaxed"]);
    expect(error.remedy).toContain("baseline");
  });

  it("refuses an unknown build", async () => {
    const error = await expectError("BAD_OPTION", () => chooseBuild("fast" as BuildChoice, accepting));
    expect(error.message).toContain("auto, baseline, relaxed");
  });

  it("is a property of the core, and the host's choice by default", async () => {
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

  it("changes results only by rounding", async () => {
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

  it.each(builds)(
    "%s: results have the same bits for both ways to copy numbers to all lanes",
    async (build) => {
      const sizes = [
        {},
        { channels: 16, lmax: 4, skippedDegree: 0, innerWidth: 24, hiddenWidth: 16, messageWidth: 8 },
      ];
      for (const [index, size] of sizes.entries()) {
        const core = await PhaseCore.create(randomModel(7 + index, 5, 64, size), { threads: 1, build });
        const { splatNumbers } = (core as unknown as { core: { splatNumbers(flag: number): void } }).core;
        const passes = [];
        for (const flag of [0, 1]) {
          splatNumbers(flag);
          core.load(shakenCrystal(3, 0.2, 3));
          passes.push([await core.forward(), await core.score()]);
        }
        expect(passes[1]).toEqual(passes[0]);
        await core.dispose();
      }
    },
  );
});
