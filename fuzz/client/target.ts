/** The Python client as a target. The attacker is a Python program (hostile.py), which this one starts. */
import type { Case } from "../lib/cases.js";
import { Child, python } from "../lib/children.js";
import type { Growth } from "../lib/tally.js";
import type { Run } from "../lib/target.js";

/** A line of the attacker. */
interface Line {
  readonly share?: number;
  readonly sent?: Readonly<Record<string, number>>;
  readonly answered?: Readonly<Record<string, number>>;
  readonly slowest?: number;
  readonly broken?: string;
  readonly cases?: readonly Case[];
  readonly memory?: Growth;
}

export async function attackClient({ seed, cases, inputs, seconds, tally, progress }: Run): Promise<void> {
  const attacker = new Child(python(), ["-m", "fuzz.client.hostile"]);
  attacker.onLine((value) => {
    const { share, sent, answered, slowest, broken, cases: culprits, memory } = value as Line;
    if (share !== undefined) progress(share);
    for (const [kind, count] of Object.entries(sent ?? {})) tally.sent(kind, count);
    for (const [code, count] of Object.entries(answered ?? {})) {
      tally.answered(code, count);
      tally.checks += count;
    }
    if (slowest !== undefined) tally.took(slowest, "a call of the client");
    if (broken !== undefined) tally.breach(broken, culprits);
    if (memory !== undefined) tally.grew(memory);
  });
  attacker.write({ seed, cases, seconds, inputs });
  const end = await attacker.ended;
  if (end !== "exit code 0") tally.breach(`the attacker ended by ${end}: ${attacker.lastErrors}`);
}
