/** The readers of both languages as child processes. */

import { statSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { packageRoot } from "../../src/package.js";
import type { Case } from "../lib/cases.js";
import { Child, python } from "../lib/children.js";
import { Stopwatch } from "../lib/patience.js";
import { heldBy } from "../lib/proc.js";
import type { Tally } from "../lib/tally.js";
import type { Question, Verdict } from "./questions.js";

/** Seconds within which an input is read or refused, and the same for each MiB beyond the first. */
const readLimit = 2;
/** Seconds in which a reader starts, on a busy machine too. */
const startLimit = 120;
/** Inputs after which memory must be flat; it may vary by this factor and these MiB. */
const [warmUp, factor, slack] = [300, 1.5, 192];

function sizeOf({ path, text = "" }: Question): number {
  return path === undefined ? text.length : statSync(path).size;
}

export type Language = "TypeScript" | "Python";

/** A reader, which is started again after a crash or a hang. */
export class Reader {
  private child: Child | null = null;
  private answer: (verdict: Verdict) => void = () => undefined;
  private asked = 0;
  private warm = 0;

  constructor(
    readonly language: Language,
    private readonly tally: Tally,
  ) {}

  /**
   * Asks the reader, and records crashes, hangs and exceptions that are not documented errors.
   *
   * @param source the case that the question belongs to; null for questions of the attacker itself
   * @returns null after a crash or a hang
   */
  async ask(question: Question, source: Case | null): Promise<Verdict | null> {
    if (this.child === null) await this.start();
    const { tally, language } = this;
    const watch = new Stopwatch([this.child!.pid]);
    if (source === null) return this.exchange(question, startLimit);
    const limit = readLimit * Math.max(1, sizeOf(question) / 2 ** 20);
    const verdict = await this.exchange(question, limit);
    tally.checks++;
    tally.took(watch.elapsed, `${question.kind} in ${language}`);
    const held = this.child === null ? null : heldBy(this.child.pid);
    if (++this.asked <= warmUp) this.warm = Math.max(this.warm, held?.memory ?? 0);
    if (verdict === null) {
      const what = this.child === null ? "ended" : `did not answer within ${limit.toFixed(0)} s`;
      tally.breach(`the reader in ${language} ${what} (${question.kind}, ${source.what})`, [source]);
      this.kill();
    } else if ("fault" in verdict) {
      tally.breach(`${language}, ${question.kind}, ${source.what}: ${verdict.fault.slice(-1200)}`, [source]);
    } else if ("refusal" in verdict) this.check(verdict.refusal, question, source);
    return verdict;
  }

  /** Compares the memory with that after the warm-up, and ends the process. */
  close(): void {
    const held = this.child === null ? null : heldBy(this.child.pid);
    if (held !== null && this.asked > 2 * warmUp) {
      const { warm, tally, language } = this;
      tally.grew({ name: `reader in ${language}`, warm, end: held.memory, bound: factor * warm + slack });
    }
    this.kill();
  }

  private check(
    { code, field, remedy }: Extract<Verdict, { refusal: object }>["refusal"],
    question: Question,
    source: Case,
  ): void {
    const { tally, language } = this;
    const problem = code === "INTERNAL" ? "a fault" : !field ? "no field" : !remedy ? "no remedy" : null;
    if (problem === null) return;
    tally.breach(`${language}, ${question.kind}, ${source.what}: ${code} with ${problem}`, [source]);
  }

  private async start(): Promise<void> {
    const script = join(packageRoot(), "fuzz", "readers", "reader.py");
    const child =
      this.language === "Python"
        ? new Child(python(), [script])
        : new Child(process.execPath, [fileURLToPath(new URL("reader.js", import.meta.url))]);
    this.child = child;
    child.onLine((line) => this.answer(line as Verdict));
    void child.ended.then(() => {
      if (this.child === child) this.child = null;
    });
    // The first evaluation compiles the core, which is not part of the promise.
    const first = { kind: "variables", text: '[{"kind": "logDensity"}]' };
    const verdict = await this.exchange(first, startLimit);
    if (verdict === null || !("result" in verdict)) {
      throw new Error(
        `the reader in ${this.language} did not start: ${JSON.stringify(verdict)} ${child.lastErrors}`,
      );
    }
  }

  private exchange(question: Question, limit: number): Promise<Verdict | null> {
    const child = this.child!;
    const watch = new Stopwatch([child.pid]);
    return new Promise((resolve) => {
      const timer = setInterval(() => {
        if (child.end !== null || watch.exceeds(limit)) finish(null);
      }, 50);
      const finish = (verdict: Verdict | null): void => {
        clearInterval(timer);
        this.answer = () => undefined;
        resolve(verdict);
      };
      this.answer = finish;
      child.write(question);
    });
  }

  private kill(): void {
    this.child?.kill();
    this.child = null;
  }
}
