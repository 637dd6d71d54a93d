/** The server as a target: attackers side by side, and an honest client next to them. */
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Case } from "../lib/cases.js";
import { Child } from "../lib/children.js";
import { Stopwatch } from "../lib/patience.js";
import { heldBy } from "../lib/proc.js";
import { goldenStructures } from "../lib/structures.js";
import type { Tally } from "../lib/tally.js";
import { Course, quantile, type Run } from "../lib/target.js";
import { generateAttack } from "./generate.js";
import { goldenMessages } from "./golden.js";
import type { HonestReport } from "./honest.js";
import { play, type ServerCase } from "./script.js";
import { ServerProcess } from "./server-process.js";

/** Attacks at the same time. */
const lanes = 6;
/** Attacks that a report of a dead server holds: the last ones that were played. */
const keptAttacks = 24;
/** The share of a run after which memory must be flat. */
const warmUp = 0.3;
/** Memory may vary by this factor, and by these MiB, after the warm-up. */
const [factor, slack] = [1.2, 64];
/** Seconds in which a server ends after SIGTERM. */
const stopLimit = 1;

/** Attacks a server until the run ends or the server dies. */
export async function attackServer(run: Run): Promise<void> {
  const { tally, seed, cases } = run;
  const server = await ServerProcess.start();
  const honest = new HonestClient(server);
  const memory = new MemoryWatch(server.pid);
  const facts = { classes: server.classes, structures: goldenStructures() };
  const golden = goldenMessages();
  const recent: Case[] = [];
  const attack = async (next: ServerCase): Promise<void> => {
    recent.push(next);
    if (recent.length > keptAttacks) recent.shift();
    await play(next, server, tally);
  };
  for (const known of cases) if (server.isAlive) await attack(known as ServerCase);
  const course = new Course(run);
  let number = 0;
  await Promise.all(
    Array.from({ length: lanes }, async () => {
      while (course.goesOn && server.isAlive) {
        await attack(generateAttack(seed, number++, facts, golden));
        memory.look(course.share);
      }
    }),
  );
  if (!server.isAlive) {
    tally.breach(`the server ended: ${server.child.end}\n${server.child.lastErrors}`, recent);
    honest.kill();
    await server.stop(1);
    return;
  }
  await honest.finish(tally, recent);
  if (run.inputs > 0) memory.judge(tally);
  await stop(server, tally);
}

async function stop(server: ServerProcess, tally: Tally): Promise<void> {
  const watch = new Stopwatch([server.pid]);
  const end = await server.stop(10);
  tally.checks++;
  if (end !== "exit code 0") tally.breach(`after SIGTERM the server ended by ${end}`);
  else if (watch.exceeds(stopLimit)) tally.breach(`the server took ${watch.elapsed.toFixed(1)} s to end`);
}

/** The honest client's process, and what it last reported. */
class HonestClient {
  private readonly child: Child;
  private last: HonestReport | null = null;

  constructor(server: ServerProcess) {
    const program = fileURLToPath(new URL("honest.js", import.meta.url));
    this.child = new Child(process.execPath, [program, server.endpoint, String(server.pid)]);
    this.child.onLine((line) => {
      this.last = line as HonestReport;
    });
  }

  kill(): void {
    this.child.kill();
  }

  /** Lets it check a last frame, and takes its results over. */
  async finish(tally: Tally, recent: readonly Case[]): Promise<void> {
    this.child.process.stdin!.end();
    const timer = setTimeout(() => this.child.kill(), 180_000);
    const end = await this.child.ended;
    clearTimeout(timer);
    await sleep(50);
    const { last } = this;
    if (end !== "exit code 0" || last === null) {
      tally.breach(`the honest client ended by ${end}\n${this.child.lastErrors}`, recent);
      return;
    }
    const { pings, frames, hellos, frameSeconds, pingSeconds, broken } = last;
    tally.checks += pings + frames;
    for (const what of broken) tally.breach(`honest client: ${what}`, recent);
    const shown = (seconds: readonly number[]): string =>
      [0.5, 0.99, 1].map((share) => `${(1000 * quantile(seconds, share)).toFixed(1)}`).join(", ");
    tally.notes.push(
      `honest    ${frames} frames, ${pings} pings, ${hellos} sessions; ms (median, 99 %, longest): frames ${shown(frameSeconds)}; pings ${shown(pingSeconds)}`,
    );
    tally.took(quantile(pingSeconds, 1), "an honest ping");
  }
}

/** The server's memory in the course of a run. */
class MemoryWatch {
  private warm = 0;
  private end = 0;

  constructor(private readonly pid: number) {}

  look(share: number): void {
    const held = heldBy(this.pid);
    if (held === null) return;
    if (share < warmUp) this.warm = Math.max(this.warm, held.memory);
    this.end = held.memory;
  }

  judge(tally: Tally): void {
    this.look(1);
    const { warm, end } = this;
    if (warm > 0) tally.grew({ name: "server", warm, end, bound: factor * warm + slack });
  }
}
