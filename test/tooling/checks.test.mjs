import { existsSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { countPytest, countVitest, suites } from "../../scripts/lib/checks.mjs";
import { root } from "../../scripts/lib/paths.mjs";
import { slow } from "../../scripts/lib/slow.mjs";

describe("slow tests", () => {
  it.each(slow.map(({ what }) => what))("%s exists", (what) => {
    expect(existsSync(path.join(root, what.split("::")[0]))).toBe(true);
  });

  it("leave out a suite by its folder", () => {
    const names = (without) => suites(without).map(({ name }) => name);
    expect(names([])).toContain("attacks (fuzz)");
    expect(names(["fuzz", "test/core/skin.test.ts"])).toEqual(
      names([]).filter((name) => name !== "attacks (fuzz)"),
    );
  });
});

describe("countVitest", () => {
  const report = (numPassedTests, numFailedTests, testResults) =>
    JSON.stringify({ numPassedTests, numFailedTests, testResults });

  it("counts passed and failed tests", () => {
    const files = [{ status: "failed", assertionResults: [{ status: "passed" }, { status: "failed" }] }];
    expect(countVitest(report(1, 1, files))).toEqual({ passed: 1, failed: 1 });
  });

  it("counts a file that failed outside its tests", () => {
    const files = [{ status: "failed", assertionResults: [] }];
    expect(countVitest(report(4, 0, files))).toEqual({ passed: 4, failed: 1 });
  });
});

describe("countPytest", () => {
  it("counts errors as failures, and neither those nor skipped tests as passed", () => {
    const report =
      '<?xml version="1.0"?><testsuites name="pytest tests"><testsuite name="pytest" errors="1" failures="2" skipped="3" tests="20" time="1.5"></testsuite></testsuites>';
    expect(countPytest(report)).toEqual({ passed: 14, failed: 3 });
  });

  it("reads an empty run", () => {
    expect(
      countPytest('<testsuites><testsuite name="pytest" errors="0" failures="0" skipped="0" tests="0"/>'),
    ).toEqual({
      passed: 0,
      failed: 0,
    });
  });
});
