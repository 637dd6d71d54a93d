#!/usr/bin/env node
/** `npm run fuzz`: attacks what reads messages, files, models and declarations, and says what broke. */
import { randomInt } from "node:crypto";
import { writeFileSync } from "node:fs";
import { Command, InvalidArgumentError, Option } from "commander";
import { attackClient } from "./client/target.js";
import { type Case, corpusOf, readCases, type TargetName, targetNames } from "./lib/cases.js";
import { now } from "./lib/patience.js";
import { createProgress } from "./lib/progress.js";
import { Tally } from "./lib/tally.js";
import type { Target } from "./lib/target.js";
import { attackFiles } from "./readers/files.js";
import { attackModels } from "./readers/models.js";
import { attackVariables } from "./readers/variables.js";
import { attackServer } from "./server/target.js";

const targets: Readonly<Record<TargetName, Target>> = {
  server: attackServer,
  client: attackClient,
  files: attackFiles,
  models: attackModels,
  variables: attackVariables,
};

/** Inputs of a minute, of which `npm test` consists in part. */
const quick: Readonly<Record<TargetName, number>> = {
  ...{ server: 2000, client: 250 },
  ...{ files: 300, models: 200, variables: 200 },
};

interface Options {
  readonly seed?: number;
  readonly minutes: number;
  readonly target?: TargetName;
  readonly messages?: number;
  readonly quick?: boolean;
  readonly repeat?: string;
  readonly out: string;
  readonly report?: string;
}

function number(text: string): number {
  const value = Number(text);
  if (!(value >= 0)) throw new InvalidArgumentError("a number of at least 0 is needed.");
  return value;
}

const options = new Command("npm run fuzz --")
  .option("--seed <number>", "repeats a run; by default a random one, which is printed", number)
  .option("--minutes <number>", "longest duration, shared among the targets", number, 1)
  .addOption(new Option("--target <name>", "attack only this target").choices(targetNames))
  .option("--messages <number>", "most inputs per target", number)
  .option("--quick", "the numbers of inputs of `npm test`, about a minute in all")
  .option("--repeat <file>", "play only the cases of a file")
  .option("--out <folder>", "folder for cases that fail", "fuzz-failures")
  .option("--report <file>", "also write the numbers passed and failed as JSON")
  .parse()
  .opts<Options>();

const seed = options.seed ?? randomInt(2 ** 31);
const print = (line: string): void => void process.stdout.write(`${line}\n`);
const repeated: readonly Case[] | null = options.repeat === undefined ? null : readCases(options.repeat);
const chosen = targetNames
  .filter((name) => targets[name])
  .filter(
    (name) =>
      (options.target === undefined || name === options.target) &&
      (repeated === null || repeated.some(({ target }) => target === name)),
  );
const mostInputs = options.messages ?? Number.MAX_SAFE_INTEGER;
const total = { passed: 0, failed: 0 };
print(`seed ${seed}`);
for (const name of chosen) {
  const tally = new Tally(name, seed, options.out, print);
  const bar = createProgress(name);
  const began = now();
  try {
    await targets[name]({
      ...{ seed, tally, progress: (share) => bar.update(share) },
      cases:
        repeated?.filter(({ target }) => target === name) ??
        corpusOf(name).filter(({ slow }) => !(options.quick && slow)),
      inputs: repeated === null ? (options.quick ? quick[name] : mostInputs) : 0,
      // A quick run ends with its inputs, on a slow machine too.
      seconds: options.quick ? Number.MAX_SAFE_INTEGER : (60 * options.minutes) / chosen.length,
    });
  } catch (error) {
    tally.breach(`the attack itself failed: ${error instanceof Error ? error.stack : String(error)}`);
  }
  bar.stop();
  for (const line of tally.lines()) print(line);
  print(`  took      ${(now() - began).toFixed(1)} s`);
  // One verdict per target, and one failure for each broken promise.
  total.passed += tally.breaches === 0 ? 1 : 0;
  total.failed += tally.breaches;
}
if (options.report !== undefined) writeFileSync(options.report, JSON.stringify(total));
process.exit(total.failed === 0 ? 0 : 1);
