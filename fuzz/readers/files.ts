/** Files as a target: structures, column files, restart files and checkpoints with mistakes. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { mutateBytes } from "../lib/bytes.js";
import type { Case } from "../lib/cases.js";
import { declarations } from "../lib/declarations.js";
import { Random } from "../lib/random.js";
import { Course, type Run } from "../lib/target.js";
import { mutateText } from "../lib/text.js";
import { Reader } from "./process.js";

/** A file to read. */
export interface FileCase extends Case {
  readonly target: "files";
  /** The reader that it is for. */
  readonly kind: FileKind;
  readonly name: string;
  /** Its text, or its bytes. */
  readonly text?: string;
  readonly base64?: string;
  /** Entries of a correct npz file that have other bytes, or are missing. */
  readonly changes?: readonly (readonly [name: string, base64: string | null])[];
}

type Entry = readonly [name: string, base64: string];

/** The entry with the JSON of an npz file. */
const aboutEntry = "about.npy";

const kinds = ["structure", "variablesFile", "columns", "restart", "checkpoint"] as const;
type FileKind = (typeof kinds)[number];

/** The languages that read a kind of file. */
const languagesOf: Readonly<Record<FileKind, readonly ("typescript" | "python")[]>> = {
  structure: ["typescript"],
  variablesFile: ["typescript", "python"],
  columns: ["python"],
  restart: ["python"],
  checkpoint: ["python"],
};

const structures: readonly string[] = [
  '4\nLattice="3.6 0 0 0 3.6 0 0 0 3.6" Properties=species:S:1:pos:R:3 pbc="T T F" step=7\nCu 0 0 0\nCu 1.8 1.8 0\nCu 1.8 0 1.8\nCu 0 1.8 1.8\n',
  '2\nProperties=id:I:1:species:S:1:pos:R:3:tag:L:1:f:R:3 note="two words" list={1 2 3} more=[1, 2]\n1 O 0 0 0 T 1 2 3\n2 H 0.9 0 0 F 1e-3 -2 3\n',
  "3\na plain comment\nAr 0 0 0\nAr 1 1 1 extra\nAr 2 2 2\n1\n\nAr 0 0 0\n",
  "0\n\n1\nLattice='1 0 0 0 1 0 0 0 1'\nX 0.5 0.5 0.5\n",
];

const columns: readonly string[] = [
  "#! FIELDS time a\n#! SET min_a -1\n0 1\n1.0 2.5\n2 -3e-5\n",
  "#! FIELDS time a sigma_a height biasf\n#! SET multivariate false\n1 0.5 0.1 1.2 10\n2 0.6 0.1 1.1 10\n#! FIELDS time a sigma_a height biasf\n3 0.7 0.1 1.0 10\n",
];

const names = { classes: ["disordered", "fcc", "hcp"], species: ["Cu"], atoms: 32 };

/** The files of a run and of checkpoints that Python wrote, by kind. */
interface Samples {
  readonly restart: readonly Entry[];
  /** Of the engine, and of the bias. */
  readonly checkpoint: readonly [readonly Entry[], readonly Entry[]];
}

export async function attackFiles(run: Run): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "phasewire-fuzz-"));
  const readers = {
    typescript: new Reader("TypeScript", run.tally),
    python: new Reader("Python", run.tally),
  };
  const read = async (input: FileCase): Promise<void> => {
    run.tally.sent(input.kind);
    for (const language of languagesOf[input.kind]) {
      const path = await write(input, join(folder, "case"), samples, readers.python);
      const verdict = await readers[language].ask({ kind: input.kind, path }, input);
      if (verdict === null || "fault" in verdict) continue;
      run.tally.answered("refusal" in verdict ? verdict.refusal.code : "read");
    }
  };
  const samples = await makeSamples(join(folder, "samples"), readers.python);
  try {
    for (const known of run.cases) await read(known as FileCase);
    const course = new Course(run);
    for (let number = 0; course.goesOn; number++) await read(generateFile(run.seed, number, samples));
  } finally {
    for (const reader of Object.values(readers)) reader.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

function generateFile(seed: number, number: number, samples: Samples): FileCase {
  const random = new Random(seed, number);
  const what = `seed ${seed}, file ${number}`;
  const textual = (kind: FileKind, name: string, bytes: Buffer): FileCase => ({
    ...{ target: "files", what, kind, name },
    base64: bytes.toString("base64"),
  });
  return random.choose<FileCase>([
    [
      4,
      () =>
        textual(
          "structure",
          random.pick(["a.extxyz", "a.xyz", "a"]),
          mutateText(random.pick(structures), random),
        ),
    ],
    [2, () => textual("structure", random.pick(["a.xyz.gz", "a"]), compressed(random))],
    [2, () => textual("columns", "COLVAR", mutateText(random.pick(columns), random))],
    [
      1,
      () =>
        textual(
          "variablesFile",
          "v.json",
          mutateText(JSON.stringify(declarations(random, names), null, 1), random),
        ),
    ],
    [2, () => packed("restart", "restart.npz", samples.restart, what, random)],
    [1, () => packed("checkpoint", "ase.npz", samples.checkpoint[0], what, random)],
    [1, () => packed("checkpoint", "bias.npz", samples.checkpoint[1], what, random)],
  ]);
}

function compressed(random: Random): Buffer {
  const text = random.pick(structures);
  return random.chance(0.5)
    ? gzipSync(mutateText(text, random))
    : mutateBytes(gzipSync(text), random, [gzipSync("a")]);
}

/** An npz file: entries with mistakes, entries that are missing, or text with mistakes among its JSON. */
function packed(
  kind: FileKind,
  name: string,
  entries: readonly Entry[],
  what: string,
  random: Random,
): FileCase {
  const [entry, content] = random.pick(entries);
  const about = entries.find(([known]) => known === aboutEntry)![1];
  const changes = random.choose<NonNullable<FileCase["changes"]>>([
    [3, () => [[entry, mutateBytes(Buffer.from(content, "base64"), random).toString("base64")]]],
    [1, () => [[entry, null]]],
    [
      1,
      () => [
        [entry, null],
        [random.pick(["0/other.npy", "positions.npy", "x"]), content],
      ],
    ],
    [1, () => [[entry, random.pick(entries)[1]]]],
    [4, () => [[aboutEntry, mutateAbout(about, random)]]],
  ]);
  return { target: "files", what, kind, name, changes };
}

/** The JSON of an npz file with mistakes. Its length stands in the head of the entry, so both change. */
function mutateAbout(base64: string, random: Random): string {
  const bytes = Buffer.from(base64, "base64");
  const start = 10 + bytes.readUInt16LE(8);
  const text = bytes.subarray(start).toString();
  const json = mutateText(text.replaceAll(", ", ",\n"), random);
  const head = `{'descr': '|u1', 'fortran_order': False, 'shape': (${json.length},), }`;
  const padded = `${head.padEnd(117)}\n`;
  const prefix = Buffer.from([0x93, ...Buffer.from("NUMPY"), 1, 0, padded.length & 0xff, padded.length >> 8]);
  return Buffer.concat([prefix, Buffer.from(padded), json]).toString("base64");
}

async function makeSamples(folder: string, python: Reader): Promise<Samples> {
  mkdirSync(folder, { recursive: true });
  const made = await python.ask({ kind: "samples", path: folder }, null);
  if (made === null || !("result" in made)) throw new Error(`no samples were made: ${JSON.stringify(made)}`);
  const unpacked: (readonly Entry[])[] = [];
  for (const path of made.result as string[]) unpacked.push(await entriesOf(path, python));
  const [restart, engine, bias] = unpacked;
  return { restart: restart!, checkpoint: [engine!, bias!] };
}

async function entriesOf(path: string, python: Reader): Promise<readonly Entry[]> {
  const found = await python.ask({ kind: "unpack", path }, null);
  if (found === null || !("result" in found)) throw new Error(`${path} cannot be unpacked`);
  return found.result as Entry[];
}

/** Writes the file of a case into a new folder. Returns the path to read. */
async function write(input: FileCase, folder: string, samples: Samples, python: Reader): Promise<string> {
  rmSync(folder, { recursive: true, force: true });
  const isCheckpoint = input.kind === "checkpoint";
  const place = isCheckpoint ? join(folder, "step-000000000001") : folder;
  mkdirSync(place, { recursive: true });
  const pack = async (name: string, entries: readonly Entry[]): Promise<void> => {
    const changes = name === input.name ? (input.changes ?? []) : [];
    const changed = new Map<string, string | null>([...entries, ...changes]);
    const left = [...changed].filter(([, content]) => content !== null);
    await python.ask({ kind: "pack", path: join(place, name), text: JSON.stringify(left) }, null);
  };
  const { kind, name, text, base64 } = input;
  if (kind === "restart") await pack(name, samples.restart);
  else if (isCheckpoint) {
    await pack("ase.npz", samples.checkpoint[0]);
    await pack("bias.npz", samples.checkpoint[1]);
  } else writeFileSync(join(place, name), text ?? Buffer.from(base64!, "base64"));
  return isCheckpoint ? folder : join(place, name);
}
