/** Declarations of variables as a target: both languages must read, refuse and evaluate them alike. */
import type { Case } from "../lib/cases.js";
import { declarations } from "../lib/declarations.js";
import { mutate } from "../lib/mutate.js";
import { Random } from "../lib/random.js";
import { Course, type Run } from "../lib/target.js";
import { Reader } from "./process.js";

/** A list of declarations as JSON. */
export interface VariablesCase extends Case {
  readonly target: "variables";
  readonly text: string;
}

const names = {
  classes: ["disordered", "fcc", "hcp", "bcc", "ccp", "ice-II"],
  species: ["Cu", "Zn"],
  atoms: 32,
};
const rules = { binary: false };

export async function attackVariables(run: Run): Promise<void> {
  const [typescript, python] = [new Reader("TypeScript", run.tally), new Reader("Python", run.tally)];
  const compare = async (input: VariablesCase): Promise<void> => {
    // No variables are an answer in TypeScript, where an analysis may have some, and a mistake in Python.
    if (input.text === "[]") return;
    const question = { kind: "variables", text: input.text };
    const [mine, theirs] = await Promise.all([typescript.ask(question, input), python.ask(question, input)]);
    run.tally.sent("list of variables");
    if (mine === null || theirs === null || "fault" in mine || "fault" in theirs) return;
    const sides = [mine, theirs].map((verdict) =>
      "refusal" in verdict
        ? `${verdict.refusal.code} ${verdict.refusal.field}`
        : JSON.stringify(verdict.result),
    );
    run.tally.answered("refusal" in mine ? mine.refusal.code : "evaluated");
    if (sides[0] !== sides[1]) {
      run.tally.breach(`${input.what}: TypeScript ${sides[0]}, Python ${sides[1]}`, [input]);
    }
  };
  try {
    for (const known of run.cases) await compare(known as VariablesCase);
    const course = new Course(run);
    for (let number = 0; course.goesOn; number++) await compare(generateVariables(run.seed, number));
  } finally {
    typescript.close();
    python.close();
  }
}

function generateVariables(seed: number, number: number): VariablesCase {
  const random = new Random(seed, number);
  const valid = declarations(random, names);
  const tree = random.chance(0.4) ? valid : mutate(valid, random, rules);
  return { target: "variables", what: `seed ${seed}, declaration ${number}`, text: JSON.stringify(tree) };
}
