/** The keys of one object of a declaration. Every refusal is `BAD_OPTION` and names the key, the value and what was expected. */
import { PhasewireError } from "../errors/index.js";

/** Longest text that is shown in a message. */
const longestShown = 80;

export class Keys {
  static readonly remedy = "docs/variables.md lists the kinds of variables and their keys.";

  private readonly map: Readonly<Record<string, unknown>>;

  /** @param path of the object, before the names of its keys */
  constructor(
    json: unknown,
    private readonly path: string,
  ) {
    if (typeof json === "object" && json !== null && !Array.isArray(json)) {
      this.map = json as Record<string, unknown>;
    } else throw Keys.refused(path, json, "an object");
  }

  /** A value as it stands in a message: short, whatever it is. */
  static show(value: unknown): string {
    if (value === undefined || value === null) return "missing";
    const text = typeof value === "number" ? String(value) : (JSON.stringify(value) ?? typeof value);
    return text.length > longestShown ? `${text.slice(0, longestShown)}..` : text;
  }

  private static refused(field: string, value: unknown, expected: string): PhasewireError {
    const message = `${field} is ${Keys.show(value)}; ${expected} was expected`;
    return new PhasewireError("BAD_OPTION", { field, value, message, remedy: Keys.remedy });
  }

  at(key: string): string {
    return `${this.path}.${key}`;
  }

  /** What a key holds; undefined if it is absent or null. */
  value(key: string): unknown {
    return Object.hasOwn(this.map, key) ? (this.map[key] ?? undefined) : undefined;
  }

  has(key: string): boolean {
    return this.value(key) !== undefined;
  }

  /** Refuses all keys but these. */
  allow(known: readonly string[]): void {
    const unknown = Object.keys(this.map).find((key) => !known.includes(key));
    if (unknown === undefined) return;
    const field = this.at(unknown);
    throw new PhasewireError("BAD_OPTION", {
      field,
      value: this.map[unknown],
      message: `${field} is not known here; the keys are ${known.join(", ")}`,
      remedy: Keys.remedy,
    });
  }

  required(key: string, expected: string): unknown {
    const value = this.value(key);
    if (value === undefined) throw this.wrong(key, value, expected);
    return value;
  }

  number(key: string): number {
    const value = this.value(key);
    if (typeof value !== "number" || !Number.isFinite(value)) throw this.wrong(key, value, "a number");
    return value;
  }

  positive(key: string): number {
    const value = this.number(key);
    if (!(value > 0)) throw this.wrong(key, value, "a number above 0");
    return value;
  }

  notNegative(key: string): number {
    const value = this.number(key);
    if (!(value >= 0)) throw this.wrong(key, value, "a number of at least 0");
    return value;
  }

  text(key: string): string {
    const value = this.value(key);
    if (typeof value !== "string" || value === "") throw this.wrong(key, value, "a name");
    return value;
  }

  /** The key `name`: letters, digits, `_`, `.`, `-`. */
  name(): string {
    const value = this.value("name");
    if (typeof value === "string" && /^[\w.-]{1,128}$/.test(value)) return value;
    throw this.wrong("name", value, "a name of 1 to 128 letters, digits, _, . and -");
  }

  choice<Word extends string>(key: string, words: readonly Word[]): Word {
    const value = this.value(key);
    const found = words.find((word) => word === value);
    if (found === undefined) throw this.wrong(key, value, `one of ${words.join(", ")}`);
    return found;
  }

  /** A list of at least one item, all of which pass `test`. */
  list<Item>(key: string, test: (item: unknown) => item is Item, items: string): Item[] {
    const value = this.value(key);
    if (Array.isArray(value) && value.length > 0 && value.every(test)) return value;
    throw this.wrong(key, value, `a list of ${items}`);
  }

  wrong(key: string, value: unknown, expected: string): PhasewireError {
    return Keys.refused(this.at(key), value, expected);
  }
}
