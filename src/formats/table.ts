/**
 * The formats of structure files that there are, and how the one of a file is found. A new format is one
 * file, which makes a `FrameFormat`, and one entry in `formats`.
 */
import path from "node:path";
import { PhasewireError } from "../errors/index.js";
import { extendedXyz } from "./extxyz/index.js";
import type { FrameFormat } from "./format.js";
import type { FileSource } from "./source.js";

/** The first one that writes is the format of new files whose name has no ending. */
const formats: FrameFormat[] = [extendedXyz];

type Readable = FrameFormat & Required<Pick<FrameFormat, "read">>;
type Writable = FrameFormat & Required<Pick<FrameFormat, "createEncoder">>;

const canRead = (format: FrameFormat): format is Readable => format.read !== undefined;
const canWrite = (format: FrameFormat): format is Writable => format.createEncoder !== undefined;

/**
 * Adds a format, for this process.
 *
 * @returns a function that takes it out again
 * @throws PhasewireError `BAD_OPTION` if another one has its name or one of its extensions, or if one of
 *   these cannot be used
 */
export function registerFormat(format: FrameFormat): () => void {
  const refused = (value: string, reason: string): PhasewireError =>
    new PhasewireError("BAD_OPTION", {
      message: `the format ${format.name} cannot be registered: ${reason}`,
      field: "format",
      value,
      remedy: "Give it a name and extensions of its own; docs/formats.md has the rules.",
    });
  if (!/^[a-z][a-z0-9-]*$/.test(format.name)) {
    throw refused(format.name, "a name is a word in lower case");
  }
  for (const extension of format.extensions) {
    if (!/^\.[a-z0-9_-]+$/.test(extension) || extension === compressed) {
      throw refused(
        extension,
        `${extension} is not an extension: a dot and lower case are needed, other than ${compressed}`,
      );
    }
  }
  for (const other of formats) {
    if (other.name === format.name) throw refused(other.name, "there is one of that name");
    const taken = format.extensions.find((extension) => other.extensions.includes(extension));
    if (taken !== undefined) throw refused(taken, `${taken} belongs to ${other.name}`);
  }
  formats.push(format);
  return () => {
    const index = formats.indexOf(format);
    if (index >= 0) formats.splice(index, 1);
  };
}

/** The formats that there are. */
export function knownFormats(): readonly FrameFormat[] {
  return formats;
}

/** The ending of the names of compressed files. */
const compressed = ".gz";

/** Whether the name of a file asks for compression. */
export function isCompressed(file: string): boolean {
  return file.toLowerCase().endsWith(compressed);
}

/** Names of the formats that can be read, for the option `--format`. */
export function readableFormats(): string[] {
  return formats.filter(canRead).map(({ name }) => name);
}

/** Names of the formats that can be written, for the option `--out-format`. */
export function writableFormats(): string[] {
  return formats.filter(canWrite).map(({ name }) => name);
}

/** The formats that can be read, for people: `extended XYZ (.extxyz, .exyz, .xyz)`. */
export function readableTitles(): string {
  return titles(formats.filter(canRead));
}

/** The formats that can be written, for people. */
export function writableTitles(): string {
  return titles(formats.filter(canWrite));
}

function titles(known: readonly FrameFormat[]): string {
  return known.map(({ title, extensions }) => `${title} (${extensions.join(", ")})`).join("; ");
}

/**
 * The format in which a file is read: the one that is named, else the one of its extension, else the only one
 * that recognises the first bytes.
 *
 * @throws PhasewireError `BAD_OPTION` if no format has the name; `FILE_FORMAT` if none can be found, with the
 *   formats that there are; what reading the file throws
 */
export async function formatToRead(source: FileSource, name?: string): Promise<Readable> {
  const known = formats.filter(canRead);
  if (name !== undefined) return named(known, name, "read");
  const extension = extensionOf(source.path);
  const byName = known.find(({ extensions }) => extensions.includes(extension));
  if (byName !== undefined) return byName;
  const recognised = await source.examine((start) => {
    const found = known.filter((format) => format.recognises?.(start) === true);
    return found.length === 0 ? null : found;
  });
  if (recognised?.length === 1) return recognised[0]!;
  throw new PhasewireError("FILE_FORMAT", {
    message: `${source.path}: ${unrecognised(source, extension, recognised)}. Formats that can be read: ${titles(known)}`,
    field: source.path,
    ...(extension === "" ? {} : { value: extension }),
    remedy:
      `Convert the file: \`ase convert ${path.basename(source.path)} ${path.parse(source.path).name}.extxyz\`. ` +
      "If it is in one of these formats under another name, say so: --format NAME, or the option `format`.",
  });
}

function unrecognised(
  source: FileSource,
  extension: string,
  recognised: readonly FrameFormat[] | null,
): string {
  if (recognised !== null) return `it may be ${recognised.map(({ title }) => title).join(" or ")}`;
  if (source.isEmpty) return "the file is empty";
  const content = "its first bytes match no format";
  return extension === "" ? content : `the extension ${extension} is unknown, and ${content}`;
}

/**
 * The format in which a file is written: the one that is named, else the one of its extension, else, if it
 * has none, the first of the table.
 *
 * @throws PhasewireError `BAD_OPTION` if there is none, with those that there are
 */
export function formatToWrite(file: string, name?: string): Writable {
  const known = formats.filter(canWrite);
  if (name !== undefined) return named(known, name, "written");
  const extension = extensionOf(file);
  if (extension === "") return known[0]!;
  const found = known.find(({ extensions }) => extensions.includes(extension));
  if (found !== undefined) return found;
  throw new PhasewireError("BAD_OPTION", {
    message: `${file} cannot be written: the extension ${extension} is unknown. Formats that can be written: ${titles(known)}`,
    field: file,
    value: extension,
    remedy:
      "Give the file one of these extensions, or name the format: --out-format NAME, or the option `format`. " +
      "`ase convert` turns extended XYZ into most other formats.",
  });
}

function named<Format extends FrameFormat>(known: readonly Format[], name: string, done: string): Format {
  const found = known.find((format) => format.name === name);
  if (found !== undefined) return found;
  throw new PhasewireError("BAD_OPTION", {
    message: `no format ${JSON.stringify(name)} can be ${done}; there are: ${known.map((format) => format.name).join(", ")}`,
    field: "format",
    value: name,
  });
}

/** The ending of a name, in lower case and without that of compression; empty if there is none. */
function extensionOf(file: string): string {
  const plain = isCompressed(file) ? file.slice(0, -compressed.length) : file;
  return path.extname(plain).toLowerCase();
}
