/** Samples of what processes hold, and their growth. */
import { type Held, heldBy, sharedNames } from "../lib/proc.js";

/** One look at a run. */
export interface Sample {
  /** Seconds since the start. */
  readonly at: number;
  /** How often the server was started. */
  readonly starts: number;
  readonly held: Readonly<Record<string, Held | null>>;
  readonly sessions: number | null;
  readonly sharedNames: number;
}

/** Looks at processes. */
export function sample(
  at: number,
  starts: number,
  pids: Readonly<Record<string, number>>,
  sessions: number | null,
): Sample {
  const held = Object.fromEntries(Object.entries(pids).map(([name, pid]) => [name, heldBy(pid)]));
  return { at, starts, held, sessions, sharedNames: sharedNames().length };
}

/** The growth of a quantity: the largest value early on and at the end, and the largest that is allowed. */
export interface Growth {
  readonly what: string;
  readonly early: number;
  readonly late: number;
  readonly bound: number;
}

/** Growth that counts as none: a factor and an addend for memory in MiB, addends for counts. */
const slack = { memoryFactor: 1.15, memory: 32, descriptors: 16, threads: 4, sharedNames: 8 };

/**
 * Compares the second third of samples with the last one. The first third is the warm-up. Values vary from
 * sample to sample, so medians are compared.
 */
export function growthOf(samples: readonly Sample[], name: string): Growth[] {
  const third = Math.floor(samples.length / 3);
  const [middle, last] = [samples.slice(third, 2 * third), samples.slice(2 * third)];
  const median = (part: readonly Sample[], read: (held: Held) => number): number =>
    medianOf(part.flatMap(({ held }) => (held[name] ? [read(held[name])] : [])));
  const row = (key: keyof Held, bound: (early: number) => number): Growth => {
    const early = median(middle, (held) => held[key]);
    return {
      what: `${key} of the ${name}`,
      early,
      late: median(last, (held) => held[key]),
      bound: bound(early),
    };
  };
  return [
    row("memory", (early) => slack.memoryFactor * early + slack.memory),
    row("descriptors", (early) => early + slack.descriptors),
    row("threads", (early) => early + slack.threads),
  ];
}

/** Growth in the folder of shared files. */
export function growthOfNames(samples: readonly Sample[]): Growth {
  const third = Math.floor(samples.length / 3);
  const [middle, last] = [samples.slice(third, 2 * third), samples.slice(2 * third)];
  const early = medianOf(middle.map((one) => one.sharedNames));
  const late = medianOf(last.map((one) => one.sharedNames));
  return { what: "names of shared files", early, late, bound: early + slack.sharedNames };
}

function medianOf(numbers: readonly number[]): number {
  return [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;
}

/** A table of about a dozen samples. */
export function table(samples: readonly Sample[], names: readonly string[]): string[] {
  const every = Math.max(1, Math.floor(samples.length / 12));
  const shown = samples.filter((_, index) => index % every === 0 || index === samples.length - 1);
  const cells = (held: Held | null | undefined): string =>
    held ? `${held.memory.toFixed(0)} / ${held.descriptors} / ${held.threads}` : "-";
  return [
    `| time (s) | starts | sessions | names in /dev/shm | ${names.join(" | ")} |`,
    `|---|---|---|---|${names.map(() => "---|").join("")}`,
    ...shown.map(
      ({ at, starts, sessions, sharedNames: shared, held }) =>
        `| ${at.toFixed(0)} | ${starts} | ${sessions ?? "-"} | ${shared} | ${names.map((name) => cells(held[name])).join(" | ")} |`,
    ),
    "(of each process: memory in MiB / descriptors / threads)",
  ];
}
