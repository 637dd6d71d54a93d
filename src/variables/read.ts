/**
 * Reads variables as docs/variables.md declares them out of JSON, MessagePack or what a program passed. Keys and values that the page does not have are
 * refused, and named: `variables[0].select.region.width`. What depends on model and frame (classes, species, ids, cell) is checked where it is known.
 */
import { limits } from "../contract/limits.js";
import { PhasewireError } from "../errors/index.js";
import type {
  MeanOptions,
  Region,
  Selection,
  SwitchOptions,
  Term,
  Variable,
  VariableKind,
} from "./declare.js";
import { Keys } from "./keys.js";

/** Variables in one list, those inside others included. */
export const mostVariables: number = limits.variables.most;
const { deepest } = limits.variables;

const kinds = [
  "fraction",
  "meanLogit",
  "logitDifference",
  "distance",
  "logDensity",
  "sum",
  "smoothMin",
  "smoothMax",
  "switch",
] as const satisfies readonly VariableKind[];

/**
 * @param json a list of variables; entries that are `{kind: "custom"}` with a function are taken as they are
 * @param field of the list, for errors
 * @param most variables, those inside others included
 * @throws PhasewireError `BAD_OPTION` that names the key at fault
 */
export function readVariables(json: unknown, field = "variables", most = mostVariables): Variable[] {
  const count = { left: most };
  const variables = readList(json, field, (item, path) => readVariable(item, path, 1, count), 0);
  if (count.left >= 0) return variables;
  throw refused(
    field,
    most - count.left,
    `${field} has ${most - count.left} variables, those inside others included; at most ${most} are allowed`,
  );
}

/** Counts variables down; below 0 there are too many. */
interface Count {
  left: number;
}

function readVariable(json: unknown, path: string, level: number, count: Count): Variable {
  count.left -= 1;
  if (level > deepest) {
    throw refused(path, level, `${path} lies ${level} variables deep; at most ${deepest} are allowed`);
  }
  const keys = new Keys(json, path);
  if (keys.value("kind") === "custom" && typeof keys.value("evaluate") === "function") {
    keys.allow(["kind", "name", "evaluate"]);
    keys.name();
    return json as Variable;
  }
  const inner = (item: unknown, at: string): Variable => readVariable(item, at, level + 1, count);
  const name = keys.has("name") ? { name: keys.name() } : {};
  const kind = keys.choice("kind", kinds);
  switch (kind) {
    case "sum": {
      keys.allow(["kind", "name", "terms", "constant"]);
      const terms = readList(keys.value("terms"), keys.at("terms"), (item, at) => readTerm(item, at, inner));
      const constant = keys.has("constant") ? { constant: keys.number("constant") } : {};
      return { kind, ...name, terms, ...constant };
    }
    case "smoothMin":
    case "smoothMax": {
      keys.allow(["kind", "name", "variables", "sharpness"]);
      const variables = readList(keys.value("variables"), keys.at("variables"), inner);
      return { kind, ...name, variables, sharpness: keys.positive("sharpness") };
    }
    case "switch": {
      keys.allow(["kind", "name", "variable", "centre", "width"]);
      const variable = inner(keys.required("variable", "a variable"), keys.at("variable"));
      return { kind, ...name, variable, centre: keys.number("centre"), width: keys.positive("width") };
    }
    default:
      return readMean(kind, name, keys);
  }
}

function readMean(
  kind: "fraction" | "meanLogit" | "logitDifference" | "distance" | "logDensity",
  name: { name?: string },
  keys: Keys,
): Variable {
  const own = {
    fraction: ["class", "classes"],
    meanLogit: ["class"],
    logitDifference: ["class", "minus"],
    distance: ["class"],
    logDensity: [],
  }[kind];
  keys.allow(["kind", "name", ...own, "reduce", "switch", "select"]);
  const options: MeanOptions = { ...name, ...readMeanOptions(keys) };
  switch (kind) {
    case "logDensity":
      return { kind, ...options };
    case "logitDifference":
      return { kind, class: keys.text("class"), minus: keys.text("minus"), ...options };
    case "fraction":
      if (!keys.has("classes")) return { kind, class: keys.text("class"), ...options };
      if (keys.has("class")) {
        throw refused(
          keys.at("classes"),
          null,
          `${keys.at("classes")} and ${keys.at("class")} exclude each other`,
        );
      }
      return { kind, classes: keys.list("classes", isName, "names of classes"), ...options };
    default:
      return { kind, class: keys.text("class"), ...options };
  }
}

function readMeanOptions(keys: Keys): MeanOptions {
  return {
    ...(keys.has("reduce") ? { reduce: keys.choice("reduce", ["mean", "sum"] as const) } : {}),
    ...(keys.has("switch") ? { switch: readSwitch(keys.value("switch"), keys.at("switch")) } : {}),
    ...(keys.has("select") ? { select: readSelection(keys.value("select"), keys.at("select")) } : {}),
  };
}

function readSwitch(json: unknown, path: string): SwitchOptions {
  const keys = new Keys(json, path);
  keys.allow(["centre", "width"]);
  return { centre: keys.number("centre"), width: keys.positive("width") };
}

function readSelection(json: unknown, path: string): Selection {
  const keys = new Keys(json, path);
  const known = ["ids", "species", "region"];
  keys.allow(known);
  if (!known.some((key) => keys.has(key))) {
    throw refused(path, null, `${path} is empty; one of ${known.join(", ")} was expected`);
  }
  return {
    ...(keys.has("ids") ? { ids: keys.list("ids", isInteger, "whole numbers") } : {}),
    ...(keys.has("species")
      ? { species: keys.list("species", isSpecies, "names or whole numbers of species") }
      : {}),
    ...(keys.has("region") ? { region: readRegion(keys.value("region"), keys.at("region")) } : {}),
  };
}

function readRegion(json: unknown, path: string): Region {
  const keys = new Keys(json, path);
  if (keys.has("axis")) {
    keys.allow(["axis", "from", "to", "width"]);
    const axis = keys.required("axis", "0, 1 or 2");
    if (axis !== 0 && axis !== 1 && axis !== 2) throw keys.wrong("axis", axis, "0, 1 or 2");
    const slab = { axis, from: keys.number("from"), to: keys.number("to"), width: keys.notNegative("width") };
    if (slab.to >= slab.from) return slab as Region;
    throw refused(
      keys.at("to"),
      slab.to,
      `${keys.at("to")} is ${slab.to}, below ${keys.at("from")}, which is ${slab.from}; a slab across the boundary of a periodic cell ends beyond 1, such as from 0.9 to 1.1`,
    );
  }
  keys.allow(["centre", "radius", "width"]);
  const centre = keys.list("centre", isNumber, "3 numbers");
  if (centre.length !== 3) throw keys.wrong("centre", centre, "a list of 3 numbers");
  return {
    centre: centre as [number, number, number],
    radius: keys.notNegative("radius"),
    width: keys.notNegative("width"),
  };
}

function readTerm(json: unknown, path: string, inner: (item: unknown, at: string) => Variable): Term {
  const keys = new Keys(json, path);
  keys.allow(["weight", "variable"]);
  return {
    weight: keys.number("weight"),
    variable: inner(keys.required("variable", "a variable"), keys.at("variable")),
  };
}

/** Reads a list whose variables, if it is one of such, have different names. */
function readList<Item extends object>(
  json: unknown,
  path: string,
  read: (item: unknown, at: string) => Item,
  fewest = 1,
): Item[] {
  if (!Array.isArray(json) || json.length < fewest) {
    const expected = fewest === 0 ? "a list" : "a list of at least one";
    throw refused(path, json, `${path} is ${Keys.show(json)}; ${expected} was expected`);
  }
  const items = json.map((item, index) => read(item, `${path}[${index}]`));
  const names = items.map((item) => ("name" in item ? item.name : undefined));
  const again = names.findIndex((name, index) => name !== undefined && names.indexOf(name) < index);
  if (again < 0) return items;
  throw refused(
    `${path}[${again}].name`,
    names[again],
    `${path}[${again}].name is ${String(names[again])}, as that of a variable before it`,
  );
}

const isName = (item: unknown): item is string => typeof item === "string" && item !== "";
const isInteger = (item: unknown): item is number => Number.isSafeInteger(item);
const isNumber = (item: unknown): item is number => Number.isFinite(item);
const isSpecies = (item: unknown): item is string | number => isName(item) || isInteger(item);

function refused(field: string, value: unknown, message: string): PhasewireError {
  return new PhasewireError("BAD_OPTION", { field, value, message, remedy: Keys.remedy });
}
