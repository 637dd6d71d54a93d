// What `npm test` runs, and how each part's result is counted.
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { npmTool, root, stateFolder, venvBin } from "./paths.mjs";

const limitMs = 30 * 60_000;

/** Run a program with its output going to ours; the exit status, or null when it was ended by a signal or the limit. */
function show(program, args) {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      cwd: root,
      stdio: ["ignore", "inherit", "inherit"],
      timeout: limitMs,
    });
    child.on("error", (error) => {
      console.error(`${path.basename(program)} could not be started: ${error.message}`);
      resolve(null);
    });
    child.on("close", resolve);
  });
}

/** A check with one verdict. */
const single = (name, program, args) => ({
  name,
  async run() {
    const ok = (await show(program, args)) === 0;
    return { passed: ok ? 1 : 0, failed: ok ? 0 : 1 };
  },
});

/**
 * A test runner that writes a report. A runner that fails although its report names no failure (it crashed, or a file
 * could not be read) counts as one failure, so nothing is lost between the two.
 */
const suite = (name, program, args, reportFile, count) => ({
  name,
  async run() {
    const report = path.join(stateFolder, reportFile);
    fs.rmSync(report, { force: true });
    const status = await show(program, args(report));
    const result = fs.existsSync(report) ? count(fs.readFileSync(report, "utf8")) : { passed: 0, failed: 0 };
    if (status !== 0 && result.failed === 0) result.failed = 1;
    return result;
  },
});

/** Counts of vitest's JSON report; a file that fails before its first test is one failure. */
export function countVitest(text) {
  const report = JSON.parse(text);
  const brokenFiles = report.testResults.filter(
    (file) => file.status === "failed" && !file.assertionResults.some((test) => test.status === "failed"),
  ).length;
  return { passed: report.numPassedTests, failed: report.numFailedTests + brokenFiles };
}

/** Counts of pytest's JUnit report; an error in a fixture or while collecting is a failure. */
export function countPytest(text) {
  const count = (name) => Number(text.match(new RegExp(`<testsuite [^>]*\\b${name}="(\\d+)"`))?.[1] ?? 0);
  const failed = count("failures") + count("errors");
  return { passed: count("tests") - failed - count("skipped"), failed };
}

const node = process.execPath;

export const checks = [
  single("style of TypeScript and JavaScript (biome)", node, [npmTool.biome, "check"]),
  single("types (tsc)", node, [npmTool.tsc, "--noEmit", "-p", "test/tsconfig.json"]),
  single("style of Python (ruff check)", venvBin("ruff"), ["check", "."]),
  single("format of Python (ruff format)", venvBin("ruff"), ["format", "--check", "."]),
  single("types of Python (mypy)", venvBin("mypy"), [
    "--config-file",
    "python/pyproject.toml",
    "--cache-dir",
    path.join(stateFolder, "mypy"),
    "python/src/phasewire",
  ]),
  suite(
    "core, library, server (vitest)",
    node,
    (report) => [npmTool.vitest, "run", "--reporter=default", "--reporter=json", `--outputFile=${report}`],
    "vitest.json",
    countVitest,
  ),
  suite(
    "Python package (pytest)",
    venvBin("python"),
    (report) => ["-m", "pytest", "python/tests", `--junitxml=${report}`],
    "pytest.xml",
    countPytest,
  ),
  suite(
    "examples (pytest)",
    venvBin("python"),
    (report) => ["-m", "pytest", "-q", "-p", "no:cacheprovider", "examples", `--junitxml=${report}`],
    "pytest-examples.xml",
    countPytest,
  ),
  suite(
    "training (pytest)",
    venvBin("python"),
    (report) => ["-m", "pytest", "-q", "-p", "no:cacheprovider", "training/tests", `--junitxml=${report}`],
    "pytest-training.xml",
    countPytest,
  ),
  suite(
    "accuracy suite (pytest)",
    venvBin("python"),
    (report) => ["-m", "pytest", "-q", "-p", "no:cacheprovider", "accuracy/tests", `--junitxml=${report}`],
    "pytest-accuracy.xml",
    countPytest,
  ),
];
