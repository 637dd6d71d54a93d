/** The task of a target. */
import type { Case } from "./cases.js";
import { now } from "./patience.js";
import type { Tally } from "./tally.js";

/** One run against a target. */
export interface Run {
  readonly seed: number;
  /** These come first: the corpus, or the cases to repeat. */
  readonly cases: readonly Case[];
  /** Most inputs that are generated; 0 to play only `cases`. */
  readonly inputs: number;
  /** Seconds after which no further input is generated. */
  readonly seconds: number;
  readonly tally: Tally;
  /** Shows the share of the work that is done. */
  readonly progress: (share: number) => void;
}

export type Target = (run: Run) => Promise<void>;

/** The course of a run: whether it goes on, and how much is done. */
export class Course {
  private readonly began = now();

  constructor(private readonly run: Run) {}

  /** The share that is done, from 0 to 1. */
  get share(): number {
    const { inputs, seconds, tally } = this.run;
    if (inputs === 0) return 1;
    return Math.min(1, Math.max(tally.inputCount / inputs, (now() - this.began) / seconds));
  }

  get goesOn(): boolean {
    this.run.progress(this.share);
    return this.share < 1;
  }
}

/** A quantile of some numbers; NaN of none. */
export function quantile(numbers: readonly number[], share: number): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}
