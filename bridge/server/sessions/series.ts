/** The time series of runs, for watchers that connect late. */
import { limits } from "../../../src/contract/limits.js";
import type { ResultScalars, WireArray } from "../wire/wire.js";

/** Limits of the store. */
export interface SeriesLimits {
  /** Runs; the one silent for longest is removed first. */
  runs: number;
  /** Results of each run; the oldest are removed first. */
  rows: number;
  /** Names of observables in one table; the first ones are kept. */
  columns: number;
}

const { seriesRuns: runs, seriesRows: rows, seriesColumns: columns } = limits.server;
const usualLimits: SeriesLimits = { runs, rows, columns };

/** A series for the wire. */
export interface SeriesTable {
  /** Names of the observables, K of them. */
  columns: string[];
  /** The classes that occur in the rows, in the order of class numbers, C' of them. */
  classes: string[];
  /** R rows each, oldest first; `fractions` is R x C', `observables` R x K. */
  arrays: Map<string, WireArray>;
}

/** The latest results of the latest runs. */
export class SeriesStore {
  private readonly runs = new Map<string, ResultScalars[]>();

  constructor(
    private readonly classes: readonly string[],
    private readonly limits: SeriesLimits = usualLimits,
  ) {}

  record(result: ResultScalars): void {
    const rows = this.runs.get(result.run) ?? [];
    this.runs.delete(result.run);
    this.runs.set(result.run, rows);
    rows.push(result);
    if (rows.length > this.limits.rows) rows.shift();
    for (const oldest of this.runs.keys()) {
      if (this.runs.size <= this.limits.runs) break;
      this.runs.delete(oldest);
    }
  }

  /** Names of the runs, the most recently active last. */
  names(): string[] {
    return [...this.runs.keys()];
  }

  /** The rows of a run with a step above `after`; an unknown run has no rows. */
  table(run: string, after: number | null): SeriesTable {
    const rows = (this.runs.get(run) ?? []).filter(({ step }) => after === null || step > after);
    const names = new Set(rows.flatMap(({ observables }) => Object.keys(observables)));
    const columns = [...names].slice(0, this.limits.columns);
    const occurring = new Set(rows.flatMap(({ fractions }) => Object.keys(fractions)));
    const classes = this.classes.filter((name) => occurring.has(name));
    const column = (read: (row: ResultScalars) => number): WireArray => ({
      dtype: "f64",
      shape: [rows.length],
      data: Float64Array.from(rows, read),
    });
    const matrix = (
      keys: readonly string[],
      read: (row: ResultScalars, name: string) => number,
    ): WireArray => ({
      dtype: "f64",
      shape: [rows.length, keys.length],
      data: Float64Array.from(rows.flatMap((row) => keys.map((key) => read(row, key)))),
    });
    return {
      columns,
      classes,
      arrays: new Map([
        ["step", column(({ step }) => step)],
        ["time", column(({ time }) => time ?? Number.NaN)],
        ["atomCount", column(({ atomCount }) => atomCount)],
        ["dropped", column(({ dropped }) => dropped)],
        ["lengthScale", column(({ lengthScale }) => lengthScale)],
        ["meanLogDensityPerAtom", column(({ meanLogDensityPerAtom }) => meanLogDensityPerAtom)],
        ["meanMargin", column(({ meanMargin }) => meanMargin)],
        ["fractions", matrix(classes, ({ fractions }, name) => fractions[name] ?? 0)],
        ["observables", matrix(columns, ({ observables }, name) => observables[name] ?? Number.NaN)],
      ]),
    };
  }
}
