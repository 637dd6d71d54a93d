/**
 * Reads typed keys from a decoded header. Every refusal names the key, the value and the expected value.
 *
 * This does not use a schema library: the headers are a dozen flat maps, each error must carry the protocol's
 * code, field and remedy, and a schema cannot express the most important checks (arrays against each other).
 */
import { limits } from "../../../src/contract/limits.js";
import { type ErrorCode, PhasewireError, show } from "../../../src/errors/index.js";

/** Of a run, client, class or observable, so that a list of sessions fits into one header. */
export const { longestName } = limits.message;

/** Bounds of a number. */
export interface NumberRule {
  min?: number;
  max?: number;
  /** Whether the lower bound itself is excluded. */
  aboveMin?: boolean;
  /** Code of a number out of range. */
  code?: ErrorCode;
}

/** One map of a header. `path` precedes the names of keys in errors, as in `variables[0].`. */
export class Reader {
  constructor(
    private readonly map: Readonly<Record<string, unknown>>,
    private readonly path = "",
  ) {}

  /** Whether a key is present and not nil. */
  has(key: string): boolean {
    return this.value(key) !== undefined;
  }

  /** Whether a key has exactly this value. */
  is(key: string, value: string): boolean {
    return this.value(key) === value;
  }

  integer(key: string, rule: NumberRule = {}): number {
    const value = this.required(key, "an integer");
    if (!Number.isSafeInteger(value)) throw this.wrong(key, value, "an integer within +-(2^53 - 1)");
    return this.inRange(key, value as number, rule);
  }

  number(key: string, rule: NumberRule = {}): number {
    const value = this.required(key, "a number");
    if (typeof value !== "number") throw this.wrong(key, value, "a number");
    return this.inRange(key, value, rule);
  }

  text(key: string): string {
    const value = this.required(key, "a string");
    if (typeof value !== "string") throw this.wrong(key, value, "a string");
    return value;
  }

  /** A short, non-empty string. */
  name(key: string): string {
    const value = this.text(key);
    if (value.length === 0 || Buffer.byteLength(value) > longestName) {
      throw this.wrong(key, value, `a string of 1 to ${longestName} bytes`);
    }
    return value;
  }

  boolean(key: string): boolean {
    const value = this.required(key, "a boolean");
    if (typeof value !== "boolean") throw this.wrong(key, value, "a boolean");
    return value;
  }

  /** One of the given words; any other is `BAD_OPTION`. */
  choice<T extends string>(key: string, words: readonly T[]): T {
    return this.oneOf(key, this.text(key), words);
  }

  /** A list of the given words; any other word, or a repeated one, is `BAD_OPTION`. */
  choices<T extends string>(key: string, words: readonly T[]): T[] {
    const list = this.list(key, (item): item is string => typeof item === "string", "a list of strings");
    const chosen = list.map((item) => this.oneOf(key, item, words));
    const twice = chosen.find((item, index) => chosen.indexOf(item) !== index);
    if (twice !== undefined) throw this.bad(key, twice, `${this.path}${key} names ${show(twice)} twice`);
    return chosen;
  }

  /** A list whose items all pass `test`. */
  list<T>(key: string, test: (item: unknown) => item is T, expected: string): T[] {
    const value = this.required(key, expected);
    if (!Array.isArray(value) || !value.every(test)) throw this.wrong(key, value, expected);
    return value;
  }

  /** A map inside this one. */
  submap(key: string): Reader {
    const value = this.required(key, "a map");
    if (!isMap(value)) throw this.wrong(key, value, "a map");
    return new Reader(value, `${this.path}${key}.`);
  }

  /** The keys that are present. */
  names(): string[] {
    return Object.keys(this.map).filter((key) => this.has(key));
  }

  /** A `BAD_OPTION` about a key of this map. */
  bad(key: string, value: unknown, message: string): PhasewireError {
    return new PhasewireError("BAD_OPTION", { field: this.path + key, value, message });
  }

  /** The unchecked value of a key; undefined if it is absent or nil. */
  value(key: string): unknown {
    return Object.hasOwn(this.map, key) ? (this.map[key] ?? undefined) : undefined;
  }

  private required(key: string, expected: string): unknown {
    const value = this.value(key);
    if (value === undefined) throw this.wrong(key, value, expected);
    return value;
  }

  private inRange(key: string, value: number, { min, max, aboveMin, code }: NumberRule): number {
    const low = min !== undefined && (aboveMin === true ? !(value > min) : !(value >= min));
    const high = max !== undefined && !(value <= max);
    if (!low && !high) return value;
    const bounds = [
      ...(min === undefined ? [] : [`${aboveMin === true ? "above" : "at least"} ${min}`]),
      ...(max === undefined ? [] : [`at most ${max}`]),
    ];
    const message = `${this.path}${key} is ${value}; a number ${bounds.join(" and ")} was expected`;
    throw new PhasewireError(code ?? "BAD_OPTION", { field: this.path + key, value, message });
  }

  private oneOf<T extends string>(key: string, value: string, words: readonly T[]): T {
    if ((words as readonly string[]).includes(value)) return value as T;
    throw this.bad(key, value, `${this.path}${key} is ${show(value)}; known are ${words.join(", ")}`);
  }

  private wrong(key: string, value: unknown, expected: string): PhasewireError {
    const field = this.path + key;
    return new PhasewireError("MESSAGE_FORMAT", {
      field,
      value,
      message: `${field} is ${show(value)}; ${expected} was expected`,
    });
  }
}

export function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
