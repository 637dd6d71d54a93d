/**
 * Checks declarations against contract/variables.json. Every refusal is `BAD_OPTION` and names the key, its
 * value and the expected values.
 */
import { limits } from "../contract/limits.js";
import { variables as table } from "../contract/variables.js";
import { refusal, show } from "../errors/index.js";
import type { VariableKind } from "./declare.js";

type Json = Readonly<Record<string, unknown>>;
type ValueName = keyof typeof table.values;
type KeyTable = Readonly<Record<string, ValueName>>;

interface ObjectRule {
  readonly needs?: KeyTable;
  readonly may?: KeyTable;
  /** Keys of which exactly one must be given. */
  readonly either?: readonly [string, string];
  readonly isNeverEmpty?: boolean;
  /** Two keys; the number of the second must not be below that of the first. */
  readonly ascending?: readonly [string, string];
}

interface Kind extends ObjectRule {
  /** Whether it is a mean over atoms, which has the keys of all means. */
  readonly isMean?: boolean;
}

type Rule =
  | { readonly is: "number"; readonly expected: string; readonly least?: number; readonly above?: number }
  | { readonly is: "whole"; readonly expected: string }
  | { readonly is: "choice"; readonly expected: string; readonly of: readonly (number | string)[] }
  | { readonly is: "text"; readonly expected: string; readonly pattern?: string }
  | {
      readonly is: "list";
      readonly expected: string;
      readonly of: readonly ValueName[];
      readonly length?: number;
    }
  | ({ readonly is: "object" } & ObjectRule)
  | { readonly is: "union"; readonly key: string; readonly with: ValueName; readonly without: ValueName }
  | { readonly is: "items"; readonly expected: string; readonly of: ValueName }
  | { readonly is: "variable" };

const rules: Readonly<Record<ValueName, Rule>> = table.values;
const kinds: Readonly<Record<string, Kind>> = table.kinds satisfies Readonly<
  Record<Exclude<VariableKind, "custom">, Kind>
>;

const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** Reads one list of variables. Keys that are null count as absent and are dropped. */
export class Grammar {
  private count = 0;

  /** @param most the number of variables allowed, inner ones included */
  constructor(private readonly most: number) {}

  /** @returns the list without keys that are null; custom functions are returned unchanged */
  list(json: unknown, field: string): unknown[] {
    if (!Array.isArray(json)) throw badKey(field, json, "a list");
    const variables = this.items("variable", json, field, 0);
    if (this.count <= this.most) return variables;
    throw refusal("manyVariables", { field, count: this.count, most: this.most }, { value: this.count });
  }

  /** Reads the items of a list. Its variables must have different names. */
  private items(of: ValueName, json: readonly unknown[], field: string, level: number): unknown[] {
    const items = json.map((item, index) => this.value(of, item, `${field}[${index}]`, level));
    if (of !== "variable") return items;
    const names = items.map((item) => (item as Json).name);
    const again = names.findIndex((name, index) => name !== undefined && names.indexOf(name) < index);
    if (again < 0) return items;
    const name = names[again] as string;
    throw refusal("nameTwice", { field: `${field}[${again}].name`, name }, { value: name });
  }

  /** @param level nesting of the variable that the value belongs to, 0 outside of all variables */
  private value(name: ValueName, json: unknown, field: string, level: number): unknown {
    const rule = rules[name];
    switch (rule.is) {
      case "variable":
        return this.variable(json, field, level + 1);
      case "union": {
        if (!isObject(json)) throw badKey(field, json, "an object");
        return this.value(given(json, rule.key) ? rule.with : rule.without, json, field, level);
      }
      case "object":
        return this.object(rule, json, field, level);
      case "items":
        if (!Array.isArray(json) || json.length === 0) throw badKey(field, json, rule.expected);
        return this.items(rule.of, json, field, level);
      default:
        if (!fits(rule, json)) throw badKey(field, json, rule.expected);
        return json;
    }
  }

  private variable(json: unknown, field: string, level: number): unknown {
    this.count += 1;
    const { deepest } = limits.variables;
    if (level > deepest) throw refusal("deepVariable", { field, level, most: deepest }, { value: level });
    if (!isObject(json)) throw badKey(field, json, "an object");
    if (json.kind === "custom" && typeof json.evaluate === "function") {
      this.object({ needs: table.every, may: {} }, { ...json, kind: null, evaluate: null }, field, level);
      return json;
    }
    if (typeof json.kind !== "string" || !Object.hasOwn(kinds, json.kind)) {
      throw badKey(`${field}.kind`, json.kind, `one of ${Object.keys(kinds).join(", ")}`);
    }
    const kind = kinds[json.kind]!;
    const more = { ...table.every, ...(kind.isMean ? table.means : {}) };
    const { kind: _kind, ...keys } = json;
    const read = this.object({ ...kind, may: { ...kind.may, ...more } }, keys, field, level);
    return { kind: json.kind, ...read };
  }

  private object(rule: ObjectRule, json: unknown, field: string, level: number): Json {
    if (!isObject(json)) throw badKey(field, json, "an object");
    const { needs = {}, may = {}, either, isNeverEmpty, ascending } = rule;
    const known: KeyTable = { ...needs, ...may };
    const at = (key: string): string => `${field}.${key}`;
    const keys = Object.keys(json).filter((key) => given(json, key));
    const unknown = keys.find((key) => !Object.hasOwn(known, key));
    if (unknown !== undefined) {
      const names = Object.keys(known).join(", ");
      throw refusal("unknownKey", { field: at(unknown), keys: names }, { value: json[unknown] });
    }
    if (isNeverEmpty && keys.length === 0) {
      throw refusal("emptyObject", { field, keys: Object.keys(known).join(", ") }, { value: json });
    }
    if (either?.every((key) => given(json, key))) {
      const value = json[either[1]];
      throw refusal("excludingKeys", { field: at(either[1]), other: at(either[0]) }, { value });
    }
    const needed = [...Object.keys(needs), ...(either?.some((key) => given(json, key)) ? [] : [either?.[0]])];
    const read = Object.entries(known)
      .filter(([key]) => given(json, key) || needed.includes(key))
      .map(([key, name]) => [key, this.value(name, json[key] ?? undefined, at(key), level)] as const);
    const object: Json = Object.fromEntries(read);
    if (ascending !== undefined) checkOrder(object as Record<string, number>, ascending, at);
    return object;
  }
}

/** Returns whether a key is present and not null. */
function given(json: Json, key: string): boolean {
  return Object.hasOwn(json, key) && json[key] !== null && json[key] !== undefined;
}

function checkOrder(
  object: Readonly<Record<string, number>>,
  [first, second]: readonly [string, string],
  at: (key: string) => string,
): void {
  const [bound, number] = [object[first]!, object[second]!];
  if (number >= bound) return;
  throw refusal("descending", { field: at(second), number, other: at(first), bound }, { value: number });
}

function fits(rule: Rule, value: unknown): boolean {
  switch (rule.is) {
    case "number": {
      const { least = Number.NEGATIVE_INFINITY, above = Number.NEGATIVE_INFINITY } = rule;
      return typeof value === "number" && Number.isFinite(value) && value >= least && value > above;
    }
    case "whole":
      return Number.isSafeInteger(value);
    case "choice":
      return (rule.of as readonly unknown[]).includes(value);
    case "text":
      if (typeof value !== "string" || value === "") return false;
      return rule.pattern === undefined || new RegExp(`^(?:${rule.pattern})$`).test(value);
    case "list": {
      if (!Array.isArray(value) || value.length === 0) return false;
      if (rule.length !== undefined && value.length !== rule.length) return false;
      return value.every((item) => rule.of.some((name) => fits(rules[name], item)));
    }
    default:
      return false;
  }
}

function badKey(field: string, value: unknown, expected: string): Error {
  return refusal("badKey", { field, found: show(value), expected }, { value: value ?? null });
}
