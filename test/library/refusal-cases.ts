/** The cases of contract/refusals.json, as the TypeScript library and the command line take them. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createFrame, type ErrorCode, type Frame } from "../../src/index.js";
import { packageRoot } from "../../src/package.js";

type Spelled = number | "nan" | "inf" | "-inf";

export interface FrameText {
  readonly positions: readonly (readonly Spelled[])[];
  readonly cell?: readonly (readonly Spelled[])[];
  readonly periodic?: readonly boolean[];
  readonly species?: readonly string[];
  readonly ids?: readonly number[];
}

export interface Options {
  readonly lengthScale?: Spelled;
  readonly speciesMap?: Readonly<Record<string, string>>;
  readonly select?: string;
  readonly denoise?: number | string;
  readonly classes?: Readonly<Record<string, number>>;
}

export interface ModelChange {
  readonly name?: string;
  readonly path?: string;
  readonly bytes?: number;
  readonly text?: string;
  readonly headerBytes?: number;
  /** Bytes after the last tensor. */
  readonly extraBytes?: number;
  /** null leaves the whole entry out. */
  readonly description?: Readonly<Record<string, unknown>> | null;
  readonly sha256?: string;
  readonly tensors?: Readonly<Record<string, null | "nan" | number>>;
  readonly classes?: number;
  readonly firstClass?: string;
  /** Species of the last class. */
  readonly classSpecies?: number;
}

export interface Given {
  readonly frame?: FrameText;
  readonly options?: Options;
  readonly analyser?: Readonly<Record<string, unknown>>;
  readonly variables?: unknown;
  readonly forces?: boolean;
  readonly model?: ModelChange;
  readonly file?: string | null;
  readonly variablesFile?: string | null;
  readonly situation?: string;
  readonly endpoint?: string;
}

export interface RefusalCase {
  readonly name: string;
  readonly given: Given;
  readonly hosts: readonly string[];
  readonly code: ErrorCode | null;
  readonly field?: string;
  readonly message?: string;
  readonly isMissing?: boolean;
}

const all = (
  JSON.parse(readFileSync(join(packageRoot(), "contract", "refusals.json"), "utf8")) as {
    cases: RefusalCase[];
  }
).cases;

/** The cases that a host runs. */
export const casesOf = (host: string): readonly RefusalCase[] =>
  all.filter(({ hosts }) => hosts.includes(host));

export function numberOf(value: Spelled): number {
  if (typeof value === "number") return value;
  return { nan: Number.NaN, inf: Number.POSITIVE_INFINITY, "-inf": Number.NEGATIVE_INFINITY }[value];
}

/** Lists with `repeat` written out. */
export function expanded(value: unknown): unknown {
  if (Array.isArray(value)) return value.flatMap((item) => repeated(item).map(expanded));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, expanded(item)]));
}

function repeated(item: unknown): unknown[] {
  if (typeof item !== "object" || item === null || !("repeat" in item) || !("of" in item)) return [item];
  return new Array<unknown>(Number(item.repeat)).fill(item.of);
}

export function frameOf({ positions, cell, periodic, species, ids }: FrameText): Frame {
  return createFrame({
    positions: positions.flat().map(numberOf),
    ...(cell === undefined ? {} : { cell: cell.flat().map(numberOf) }),
    ...(periodic === undefined ? {} : { periodic: periodic as [boolean, boolean, boolean] }),
    ...(species === undefined ? {} : { species }),
    ...(ids === undefined ? {} : { ids }),
  });
}

/** The frame as extended XYZ. */
export function xyzOf({ positions, cell, periodic, species }: FrameText): string {
  const properties = `${species === undefined ? "" : "species:S:1:"}pos:R:3`;
  const keys = [
    ...(cell === undefined ? [] : [`Lattice="${cell.flat().join(" ")}"`]),
    ...(periodic === undefined ? [] : [`pbc="${periodic.map((flag) => (flag ? "T" : "F")).join(" ")}"`]),
    `Properties=${properties}`,
  ];
  const rows = positions.map((row, atom) =>
    [...(species === undefined ? [] : [species[atom]]), ...row].join(" "),
  );
  return `${[positions.length, keys.join(" "), ...rows].join("\n")}\n`;
}

/** The bytes of the model core with changes. */
export function changedModel(change: ModelChange): Buffer {
  const file = readFileSync(join(packageRoot(), "models", "core.safetensors"));
  if (change.text !== undefined) return Buffer.from(change.text);
  if (change.bytes !== undefined) return file.subarray(0, change.bytes);
  const length = Number(file.readBigUInt64LE());
  const header = JSON.parse(file.subarray(8, 8 + length).toString()) as {
    [name: string]: { dtype: string; shape: number[]; data_offsets: [number, number] };
  } & { __metadata__: never };
  const metadata = header.__metadata__ as unknown as { phasewire: string; sha256: string };
  const description = { ...JSON.parse(metadata.phasewire), ...change.description };
  if (change.classes !== undefined) description.classes = description.classes.slice(0, change.classes);
  if (change.firstClass !== undefined) description.classes[0].name = change.firstClass;
  if (change.classSpecies !== undefined) description.classes.at(-1).species = change.classSpecies;
  const chunks: Buffer[] = [];
  const entries: Record<string, unknown> = {};
  let offset = 0;
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") continue;
    const changed = change.tensors?.[name];
    if (changed === null) continue;
    const data = Buffer.from(
      file.subarray(8 + length + entry.data_offsets[0], 8 + length + entry.data_offsets[1]),
    );
    if (changed !== undefined) data.writeFloatLE(changed === "nan" ? Number.NaN : changed);
    entries[name] = { ...entry, data_offsets: [offset, offset + data.length] };
    offset += data.length;
    chunks.push(data);
  }
  const data = Buffer.concat([...chunks, Buffer.alloc(change.extraBytes ?? 0)]);
  const phasewire = JSON.stringify(description);
  const sha256 = change.sha256 ?? createHash("sha256").update(phasewire).update(data).digest("hex");
  const described = change.description === null ? {} : { phasewire, sha256 };
  const text = Buffer.from(JSON.stringify({ __metadata__: described, ...entries }));
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(change.headerBytes ?? text.length));
  return Buffer.concat([size, text, data]);
}
