/**
 * A phase model in memory: the contents of a file (models/FORMAT.md), checked in full.
 */
import { createHash } from "node:crypto";
import { limits } from "../contract/limits.js";
import { model as table } from "../contract/model.js";
import { findBadSize, type ModelShape, tensorShapes, usualShape } from "../core/shape.js";
import type { CoreModel, CoreTensors } from "../core/types.js";
import { type PhasewireError, refusal, show } from "../errors/index.js";
import { type RawTensor, readSafetensors, type Safetensors } from "./safetensors.js";

/** A phase that the model knows. */
export interface PhaseClass {
  readonly name: string;
  /** Other names of the same set of points, e.g. `ice-Ih` for hexagonal diamond. */
  readonly aliases: readonly string[];
  /** Name or file of the prototype that it was trained on. */
  readonly prototype: string;
  /** International symbol or number of the space group; null for `disordered`. */
  readonly spaceGroup: string | number | null;
  /** Strukturbericht designation, e.g. `A1`; like the names below, null if the file has none. */
  readonly strukturbericht: string | null;
  /** Pearson symbol, e.g. `cF4`. */
  readonly pearson: string | null;
  /** AFLOW prototype label, e.g. `A_cF4_225_a`. */
  readonly aflow: string | null;
  /**
   * Name of the phase where the analysed atoms are the oxygens of water, e.g. `ice-Ih`; also among the
   * aliases.
   */
  readonly water: string | null;
  /**
   * Species that the prototype has around each of its sites: 2 for `B2`. An atom with fewer species around it
   * never gets this label.
   */
  readonly speciesCount: number;
}

/** A model: numbers for the core, and the names of its classes. Class 0 is `disordered`. */
export interface Model extends CoreModel {
  readonly name: string;
  readonly classes: readonly PhaseClass[];
  /** Hex SHA-256 of the whole file: the identity of the model. */
  readonly sha256: string;
  /** How the model was made, as stated in the file; shown, but not interpreted. */
  readonly training: unknown;
}

/**
 * Reads a model from the bytes of its file.
 *
 * @param file the whole file
 * @param source its name, for messages
 * @throws PhasewireError `MODEL_FORMAT`, `MODEL_VERSION`, `MODEL_HASH`, `MODEL_SHAPE` or `MODEL_NON_FINITE`
 */
export function parseModel(file: Uint8Array, source: string): Model {
  const container = readSafetensors(file, source);
  const description = parseDescription(container, source);
  checkHash(container, source);
  const fields = new FieldReader(description, source);
  // Python checks in the same order, so a file with several faults is refused for the same one.
  const name = fields.text("name");
  const classes = fields.classes();
  const shape = fields.shape(classes.length);
  const constants = fields.constants();
  const idealLogits = fields.numbers("idealLogits", classes.length);
  return {
    name,
    classes,
    ...shape,
    ...constants,
    idealLogits,
    speciesCounts: classes.map(({ speciesCount }) => speciesCount),
    stackedClass: Math.max(
      0,
      classes.findIndex(({ name: own }) => own === table.stackedClass),
    ),
    tensors: readTensors(container, shape, source),
    sha256: createHash("sha256").update(file).digest("hex"),
    training: description.training ?? null,
  };
}

function parseDescription(container: Safetensors, source: string): Record<string, unknown> {
  const text = container.metadata.phasewire;
  if (text === undefined) {
    throw refusal("notAModel", { source });
  }
  let description: unknown;
  try {
    description = JSON.parse(text);
  } catch {
    description = null;
  }
  if (typeof description !== "object" || description === null || Array.isArray(description)) {
    const problem = "the metadata entry phasewire is not a JSON object";
    throw refusal("modelFile", { source, problem }, { value: show(text) });
  }
  const { format, version } = description as Record<string, unknown>;
  if (format !== table.format || version !== table.version) {
    const found = { format: show(format), version: show(version) };
    const read = { known: show(table.format), newest: table.version };
    throw refusal("modelVersion", { source, ...found, ...read }, { value: version });
  }
  return description as Record<string, unknown>;
}

function checkHash(container: Safetensors, source: string): void {
  const expected = container.metadata.sha256;
  const actual = createHash("sha256")
    .update(container.metadata.phasewire!)
    .update(container.data)
    .digest("hex");
  if (expected === actual) return;
  const stated = expected ?? "none";
  throw refusal("modelContents", { source, found: actual, stated }, { value: actual });
}

function readTensors(container: Safetensors, sizes: ModelShape, source: string): CoreTensors {
  const entries = Object.entries(tensorShapes(sizes)).map(
    ([name, shape]) => [name, readTensor(container.tensors.get(name), name, shape, source)] as const,
  );
  const tensors = Object.fromEntries(entries) as unknown as CoreTensors;
  const wrong = tensors["network2.weight1"].subarray(0, sizes.outerWidth).find((weight) => weight !== 0);
  if (wrong !== undefined) {
    throw refusal("modelClassZero", { source }, { value: wrong });
  }
  return tensors;
}

function readTensor(
  tensor: RawTensor | undefined,
  name: string,
  shape: readonly number[],
  source: string,
): Float32Array {
  const wanted = `F32 [${shape.join(", ")}]`;
  const found = tensor === undefined ? "missing" : `${tensor.dtype} [${tensor.shape.join(", ")}]`;
  if (tensor === undefined || found !== wanted) {
    throw refusal("modelTensor", { source, field: name, found, expected: wanted }, { value: found });
  }
  // The bytes may start anywhere in the file, so they are read one by one and in the byte order of the
  // format.
  const view = new DataView(tensor.bytes.buffer, tensor.bytes.byteOffset, tensor.bytes.byteLength);
  const values = Float32Array.from({ length: tensor.bytes.byteLength / 4 }, (_, item) =>
    view.getFloat32(4 * item, true),
  );
  const item = values.findIndex((value) => !Number.isFinite(value));
  if (item < 0) return values;
  const number = values[item]!;
  throw refusal("modelItem", { source, item, field: name, number }, { value: number });
}

const { mostClassSpecies } = limits.core;

function isSpeciesCount(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= mostClassSpecies;
}

/** Reads the fields of the description, naming the one that is wrong. */
class FieldReader {
  constructor(
    private readonly description: Readonly<Record<string, unknown>>,
    private readonly source: string,
  ) {}

  text(field: string): string {
    const value = this.description[field];
    if (typeof value === "string" && value !== "") return value;
    throw this.error(field, "a text", value);
  }

  number(field: string): number {
    const value = this.description[field];
    if (typeof value !== "number") throw this.error(field, "a number", value);
    if (Number.isFinite(value)) return value;
    throw this.notFinite(field, value);
  }

  constants(): Record<keyof typeof table.constants, number> {
    const entries = Object.entries(table.constants).map(([name, { least, most }]) => {
      const value = this.number(name);
      if (value >= least && value <= most) return [name, value];
      throw this.error(name, `a number from ${show(least)} to ${show(most)}`, value);
    });
    return Object.fromEntries(entries);
  }

  /** The shape of the model; sizes missing in the file have their defaults. */
  shape(classCount: number): ModelShape {
    const { description } = this;
    const given = Object.keys(usualShape).filter((key) => description[key] !== undefined);
    const sizes = Object.fromEntries(given.map((key) => [key, description[key]]));
    const shape = { ...usualShape, ...sizes, classCount, basisCount: description.basisCount } as ModelShape;
    const wrong = findBadSize(shape);
    if (wrong === null) return shape;
    throw this.error(wrong.key, wrong.expected, description[wrong.key], "modelSize");
  }

  numbers(field: string, length: number): number[] {
    const value = this.description[field];
    const isNumber = (item: unknown): item is number => typeof item === "number";
    if (!Array.isArray(value) || value.length !== length || !value.every(isNumber)) {
      throw this.error(field, `a list of ${length} numbers`, value, "modelSize");
    }
    const item = value.findIndex((number) => !Number.isFinite(number));
    if (item < 0) return value;
    const number = value[item]!;
    throw refusal("modelItem", { source: this.source, item, field, number }, { value: number });
  }

  classes(): PhaseClass[] {
    const value = this.description.classes;
    const { least, most } = table.sizes.classCount;
    if (!Array.isArray(value) || value.length < least || value.length > most) {
      throw this.error("classes", `a list of ${least} to ${most} classes`, value);
    }
    const classes = value.map((entry, index) => this.phaseClass(entry, index));
    if (classes[0]!.name !== table.firstClass) {
      throw this.error("classes[0].name", table.firstClass, classes[0]!.name);
    }
    const names = classes.flatMap(({ name, aliases }) => [name, ...aliases]);
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    if (twice !== undefined) throw this.error("classes", "names and aliases that differ", twice);
    return classes;
  }

  private phaseClass(entry: unknown, index: number): PhaseClass {
    const field = `classes[${index}]`;
    if (typeof entry !== "object" || entry === null) throw this.error(field, "an object", entry);
    const fields = entry as Record<string, unknown>;
    const { name, aliases = [], prototype = null, spaceGroup = null } = fields;
    if (typeof name !== "string" || !/^[^\s,=]+$/.test(name)) {
      throw this.error(`${field}.name`, "a text without white space, commas and equals signs", name);
    }
    if (!Array.isArray(aliases) || !aliases.every((alias) => typeof alias === "string")) {
      throw this.error(`${field}.aliases`, "a list of texts", aliases);
    }
    const optional = (key: string): string | null => {
      const value = fields[key] ?? null;
      if (value === null || (typeof value === "string" && value !== "")) return value;
      throw this.error(`${field}.${key}`, "a text or null", value);
    };
    const water = optional("water");
    if (water !== null && water !== name && !aliases.includes(water)) {
      throw this.error(`${field}.water`, "the name, one of the aliases or null", water);
    }
    const speciesCount = fields.species ?? 1;
    if (!isSpeciesCount(speciesCount)) {
      throw this.error(`${field}.species`, `a whole number from 1 to ${mostClassSpecies}`, speciesCount);
    }
    return {
      name,
      aliases,
      prototype: typeof prototype === "string" ? prototype : name,
      spaceGroup: typeof spaceGroup === "string" || typeof spaceGroup === "number" ? spaceGroup : null,
      strukturbericht: optional("strukturbericht"),
      pearson: optional("pearson"),
      aflow: optional("aflow"),
      water,
      speciesCount,
    };
  }

  private error(
    field: string,
    expected: string,
    value: unknown,
    reason: "modelKey" | "modelSize" = "modelKey",
  ): PhasewireError {
    return refusal(reason, { source: this.source, field, found: show(value), expected }, { value });
  }

  private notFinite(field: string, number: number): PhasewireError {
    return refusal("modelNumber", { source: this.source, field, number }, { value: number });
  }
}
