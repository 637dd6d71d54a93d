/**
 * The TypeScript side of files, models and variables: a process that reads one input after the other.
 *
 * It takes lines of JSON (`Question`) and answers each with one (`Verdict`).
 */
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { readVariablesFile } from "../../src/cli/variables-file.js";
import {
  type Analyser,
  createAnalyser,
  createFrame,
  loadModel,
  PhasewireError,
  parseModel,
  readFrames,
  readManifest,
  readVariables,
} from "../../src/index.js";
import { goldenStructures } from "../lib/structures.js";
import type { Question, Verdict } from "./questions.js";

const structure = goldenStructures().find(({ name }) => name === "fcc-hot")!;
let analyser: Analyser | null = null;

/** A short description of what was read, alike in both languages. */
const readers: Readonly<Record<string, (question: Question) => Promise<readonly unknown[]>>> = {
  async structure({ path }) {
    let atoms = 0;
    let frames = 0;
    for await (const { species } of readFrames(path!)) {
      atoms += species?.length ?? 0;
      frames += 1;
    }
    return [frames, atoms];
  },
  async model({ path }) {
    const { name, classes, tensors, sha256 } = parseModel(await readFile(path!), "model.safetensors");
    const names = classes.map((known) => known.name);
    return [name, names, Object.values(tensors).reduce((sum, { length }) => sum + length, 0), sha256];
  },
  async variablesFile({ path }) {
    return [(await readVariablesFile(path!)).length];
  },
  async manifest({ path }) {
    const { models } = await readManifest(path!);
    return models.map(({ name }) => name).sort();
  },
  async variables({ text }) {
    const variables = readVariables(JSON.parse(text!) as unknown, "variables");
    analyser ??= await createAnalyser(await loadModel(), { threads: 1, build: "baseline" });
    const { cell, periodic, species, positions, lengthScale } = structure;
    const frame = createFrame({
      positions: positions.flat(),
      cell: cell!.flat(),
      periodic,
      species: species.map((number) => ["Cu", "Zn"][number]!),
    });
    const coefficients = variables.map((_, index) => 1 + index / 2);
    const { values, forces } = await analyser.evaluate(frame, variables, { lengthScale, coefficients });
    return [values, [...forces!.slice(0, 6)]];
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const question = JSON.parse(line) as Question;
  process.stdout.write(`${JSON.stringify(await verdictOn(question))}\n`);
}
process.exit(0);

async function verdictOn(question: Question): Promise<Verdict> {
  try {
    return { result: await readers[question.kind]!(question) };
  } catch (error) {
    if (!(error instanceof PhasewireError)) {
      return { fault: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    }
    const { code, field, message, remedy } = error;
    return { refusal: { code, field, message, remedy } };
  }
}
