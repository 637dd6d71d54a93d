/**
 * An honest client next to the attackers, in a process of its own: a monitor whose answers are checked bit by
 * bit, and pings that must be answered in time. Usage: `node honest.js ENDPOINT SERVER-PID`.
 *
 * It prints a report of its state as a line of JSON twice a second, and ends when its standard input does.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { now, Stopwatch } from "../lib/patience.js";
import { goldenStructures, type Structure } from "../lib/structures.js";
import { type Answer, Attacker } from "./attacker.js";
import { bytesOf, bytesOfArray, type Part } from "./parts.js";
import { pingLimit, problemOf } from "./script.js";

/** A report of the honest client. */
export interface HonestReport {
  readonly pings: number;
  readonly frames: number;
  /** How often its session was lost and begun again. */
  readonly hellos: number;
  /** Seconds of all answers to frames so far. */
  readonly frameSeconds: readonly number[];
  readonly pingSeconds: readonly number[];
  readonly broken: readonly string[];
}

/** Seconds after which a frame counts as lost. */
const frameLimit = 60;
const pauseMs = 60;

const [endpoint, pid] = [process.argv[2]!, Number(process.argv[3])];
const structure = goldenStructures().find(({ name }) => name === "fcc-hot")!;
const expected = structure.logits.map((row) => row.indexOf(Math.max(...row)));
const state = {
  ...{ pings: 0, frames: 0, hellos: 0 },
  ...{ frameSeconds: [] as number[], pingSeconds: [] as number[], broken: [] as string[] },
};
let isEnding = false;
process.stdin.on("end", () => {
  isEnding = true;
});
process.stdin.resume();

function report(): void {
  process.stdout.write(`${JSON.stringify(state satisfies HonestReport)}\n`);
}

const client = new Attacker(endpoint);
let sequence = 0;

async function ask(
  parts: readonly Part[],
  limit: number,
): Promise<{ answer: Answer; seconds: number } | null> {
  const number = sequence++;
  const watch = new Stopwatch([pid]);
  await client.send(parts.map((part) => bytesOf(part, number, null)));
  for (;;) {
    const answer = await client.next(100);
    if (answer?.header.sequence === number) return { answer, seconds: watch.elapsed };
    if (watch.exceeds(limit)) return null;
    if (isEnding && watch.elapsed > limit) return null;
  }
}

async function greet(): Promise<void> {
  state.hellos++;
  const found = await ask([{ hello: { run: "honest" } }], frameLimit);
  if (found?.answer.header.type !== "welcome") {
    state.broken.push(
      `hello was answered by ${JSON.stringify(found?.answer.header ?? "nothing").slice(0, 300)}`,
    );
  }
}

function frameOf({ cell, periodic, lengthScale, species, positions }: Structure, step: number): Part[] {
  const atoms = positions.length;
  const header = {
    ...{ type: "analyse", mode: "monitor", step, lengthScale, periodic: [...periodic] },
    fields: ["labels", "confidence", "margin", "logits"],
    arrays: [
      { name: "positions", dtype: "f64", shape: [atoms, 3] },
      { name: "species", dtype: "i32", shape: [atoms] },
      { name: "cell", dtype: "f64", shape: [3, 3] },
    ],
  };
  const bytes = [
    Float64Array.from(positions.flat()),
    Int32Array.from(species),
    Float64Array.from(cell!.flat()),
  ].map(bytesOfArray);
  return [{ header }, ...bytes.map((part): Part => ({ base64: part.toString("base64") }))];
}

let first: Buffer | null = null;

/** Compares the arrays of a result with the golden labels, and with those of the first result. */
function compare({ parts }: Answer): string | null {
  const labels = Array.from({ length: expected.length }, (_, atom) => parts[0]!.readUInt16LE(2 * atom));
  if (labels.some((label, atom) => label !== expected[atom])) return "wrong labels";
  const bytes = Buffer.concat(parts);
  first ??= bytes;
  return bytes.equals(first) ? null : "other bits than before the attack";
}

async function watchFrame(step: number): Promise<void> {
  const found = await ask(frameOf(structure, step), frameLimit);
  if (found === null) {
    state.broken.push(`a frame was not answered within ${frameLimit} s`);
    return;
  }
  const { answer, seconds } = found;
  const { header } = answer;
  state.frames++;
  state.frameSeconds.push(seconds);
  // Attackers may have taken the place of its session, which a client begins again.
  if (header.code === "NO_SESSION") return greet();
  const problem =
    header.type === "result" && header.step === step
      ? compare(answer)
      : (problemOf(header) ?? `an honest frame was answered by ${JSON.stringify(header).slice(0, 300)}`);
  if (problem !== null) state.broken.push(problem);
}

async function ping(): Promise<void> {
  const found = await ask([{ header: { type: "ping" } }], pingLimit);
  state.pings++;
  if (found === null) state.broken.push(`a ping was not answered within ${pingLimit} s`);
  else state.pingSeconds.push(found.seconds);
}

await greet();
let reported = now();
for (let step = 1; !isEnding; step++) {
  await ping();
  await watchFrame(step);
  await ping();
  if (now() - reported > 0.5) {
    report();
    reported = now();
  }
  await sleep(pauseMs);
}
// After the attack: nothing else is under way, so the last frame shows what it left behind.
await watchFrame(2 ** 40);
report();
client.close();
process.exit(0);
