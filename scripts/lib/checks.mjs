// The parts of `npm run check` and `npm test`, and how their results are counted.
import fs from "node:fs";
import path from "node:path";
import { collect, freeCores, sideBySide } from "./jobs.mjs";
import { npmTool, stateFolder, venvBin } from "./paths.mjs";

/** A check with one verdict. */
const single = (name, program, args) => ({
  name,
  cores: 1,
  async run() {
    const { status, output } = await collect(program, args);
    return { passed: status === 0 ? 1 : 0, failed: status === 0 ? 0 : 1, output };
  },
});

/**
 * A test runner that writes a report. A runner that fails although its report names no failure (it crashed,
 * or a file could not be read) counts as one failure, so nothing is lost between the two.
 */
const suite = (name, cores, program, args, reportFile, count) => ({
  name,
  cores,
  async run() {
    const report = path.join(stateFolder, reportFile);
    fs.rmSync(report, { force: true });
    const { status, output } = await collect(program, args(report));
    const result = fs.existsSync(report) ? count(fs.readFileSync(report, "utf8")) : { passed: 0, failed: 0 };
    if (status !== 0 && result.failed === 0) result.failed = 1;
    return { ...result, output };
  },
});

/** Counts of vitest's JSON report. A file that fails before its first test is one failure. */
export function countVitest(text) {
  const report = JSON.parse(text);
  const brokenFiles = report.testResults.filter(
    (file) => file.status === "failed" && !file.assertionResults.some((test) => test.status === "failed"),
  ).length;
  return { passed: report.numPassedTests, failed: report.numFailedTests + brokenFiles };
}

/** Counts of pytest's JUnit report. An error in a fixture or during collection is a failure. */
export function countPytest(text) {
  const count = (name) => Number(text.match(new RegExp(`<testsuite [^>]*\\b${name}="(\\d+)"`))?.[1] ?? 0);
  const failed = count("failures") + count("errors");
  return { passed: count("tests") - failed - count("skipped"), failed };
}

const node = process.execPath;

/** Style and types. */
export const styleChecks = [
  single("types of Python (mypy)", venvBin("mypy"), [
    "--config-file",
    "python/pyproject.toml",
    "--cache-dir",
    path.join(stateFolder, "mypy"),
    "python/src/phasewire",
    "python/tests/user_script.py",
  ]),
  single("types of TypeScript (tsc)", node, [npmTool.tsc, "--noEmit", "-p", "test/tsconfig.json"]),
  single("style of TypeScript and JavaScript (biome)", node, [npmTool.biome, "check"]),
  single("style of Python (ruff check)", venvBin("ruff"), ["check", "."]),
  single("format of Python (ruff format)", venvBin("ruff"), ["format", "--check", "."]),
];

function vitest(name, without) {
  // This suite gets half of the cores. The suites of pytest, one core each, take about as long together.
  const cores = Math.max(1, Math.floor(freeCores() / 2));
  const excluded = without.map((file) => `--exclude=${file}`);
  const reporters = ["--reporter=default", "--reporter=json"];
  return suite(
    name,
    cores,
    node,
    (report) => [
      npmTool.vitest,
      "run",
      `--maxWorkers=${cores}`,
      ...reporters,
      `--outputFile=${report}`,
      ...excluded,
    ],
    "vitest.json",
    countVitest,
  );
}

function pytest(name, folder, without) {
  const left = without.map((entry) => (entry.includes("::") ? `--deselect=${entry}` : `--ignore=${entry}`));
  return suite(
    `${name} (pytest)`,
    1,
    venvBin("python"),
    (report) => [
      "-m",
      "pytest",
      "-p",
      "no:cacheprovider",
      "--rootdir=.",
      folder,
      `--junitxml=${report}`,
      ...left,
    ],
    `pytest-${folder.split("/")[0]}.xml`,
    countPytest,
  );
}

/** A minute of attacks, with a fixed seed; see fuzz/README.md. */
const attacks = suite(
  "attacks (fuzz)",
  1,
  node,
  (report) => ["dist/fuzz/main.js", "--quick", "--seed", "14", `--report=${report}`],
  "fuzz.json",
  JSON.parse,
);

/**
 * The suites of tests, the longest first.
 *
 * @param {readonly string[]} [without] folders of suites, test folders and files, or single Python tests
 *   (`FILE::NAME`), to leave out
 */
export const suites = (without = []) => {
  const below = (folder) => without.filter((entry) => entry.startsWith(`${folder}/`));
  const all = {
    test: () => vitest("core, library, server (vitest)", below("test")),
    "python/tests": () => pytest("Python package", "python/tests", below("python/tests")),
    fuzz: () => attacks,
    "training/tests": () => pytest("training", "training/tests", below("training/tests")),
    examples: () => pytest("examples", "examples", below("examples")),
    "accuracy/tests": () => pytest("accuracy suite", "accuracy/tests", below("accuracy/tests")),
  };
  return Object.entries(all)
    .filter(([folder]) => !without.includes(folder))
    .map(([, make]) => make());
};

/**
 * Run checks side by side and print the output of each when it ends. Returns the total numbers passed and
 * failed.
 */
export async function runChecks(checks) {
  const jobs = checks.map((check) => ({
    cores: check.cores,
    async run() {
      const start = performance.now();
      const result = await check.run();
      const took = ((performance.now() - start) / 1000).toFixed(1);
      console.log(`\n== ${check.name}`);
      if (result.output.trim() !== "") console.log(result.output.trimEnd());
      console.log(`== ${check.name}: ${result.passed} passed, ${result.failed} failed (${took} s)`);
      return result;
    },
  }));
  const results = await sideBySide(jobs, freeCores());
  const sum = (key) => results.reduce((total, result) => total + result[key], 0);
  return { passed: sum("passed"), failed: sum("failed") };
}
