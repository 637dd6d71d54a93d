/** The events of a run: messages, answers, times, and broken promises. */
import { type Case, type TargetName, writeCases } from "./cases.js";

/** Failures are reported one by one up to this number. */
const mostReported = 20;

/** Memory of a process, in MiB: after the warm-up, and at the end. */
export interface Growth {
  readonly name: string;
  readonly warm: number;
  readonly end: number;
  /** The largest value that counts as flat. */
  readonly bound: number;
}

/** The inputs of a target, and its findings. */
export class Tally {
  /** Messages, or other inputs, by kind. */
  readonly inputs = new Map<string, number>();
  /** Answers by code or type. */
  readonly answers = new Map<string, number>();
  /** Notes for the table, such as the distribution of latencies. */
  readonly notes: string[] = [];
  readonly growths: Growth[] = [];
  /** By the clock. */
  slowest = { seconds: 0, what: "" };
  breaches = 0;
  checks = 0;

  constructor(
    readonly target: TargetName,
    private readonly seed: number,
    private readonly folder: string,
    private readonly print: (line: string) => void,
  ) {}

  sent(kind: string, count = 1): void {
    this.inputs.set(kind, (this.inputs.get(kind) ?? 0) + count);
  }

  get inputCount(): number {
    return [...this.inputs.values()].reduce((sum, count) => sum + count, 0);
  }

  answered(code: string, count = 1): void {
    this.answers.set(code, (this.answers.get(code) ?? 0) + count);
  }

  took(seconds: number, what: string): void {
    if (seconds > this.slowest.seconds) this.slowest = { seconds, what };
  }

  /** Records a broken promise, with the cases that led to it, which go to a file. */
  breach(what: string, cases: readonly Case[] = []): void {
    this.breaches++;
    if (this.breaches > mostReported) return;
    this.print(`BROKEN (${this.target}): ${what}`);
    if (cases.length === 0) return;
    const path = writeCases(this.folder, `${this.target}-${this.seed}-${this.breaches}`, what, cases);
    this.print(`  npm run fuzz -- --repeat ${path}`);
  }

  /** Compares memory with its bound. Nothing is asserted where the system does not report it. */
  grew(growth: Growth): void {
    this.growths.push(growth);
    this.checks++;
    if (growth.end <= growth.bound) return;
    this.breach(
      `the memory of the ${growth.name} grew from ${growth.warm.toFixed(0)} to ${growth.end.toFixed(0)} MiB; ${growth.bound.toFixed(0)} were allowed`,
    );
  }

  /** The table of the target. */
  lines(): string[] {
    const listed = (counts: ReadonlyMap<string, number>): string =>
      [...counts]
        .sort(([, a], [, b]) => b - a)
        .map(([name, count]) => `${name} ${count}`)
        .join(", ") || "none";
    return [
      `${this.target}: ${this.inputCount} inputs, ${this.breaches} broken promises`,
      `  inputs    ${listed(this.inputs)}`,
      `  answers   ${listed(this.answers)}`,
      `  slowest   ${this.slowest.seconds.toFixed(3)} s${this.slowest.what && ` (${this.slowest.what})`}`,
      ...this.growths.map(
        ({ name, warm, end }) =>
          `  memory    ${name}: ${warm.toFixed(0)} MiB after the warm-up, ${end.toFixed(0)} at the end`,
      ),
      ...this.notes.map((note) => `  ${note}`),
    ];
  }
}
