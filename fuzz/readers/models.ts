/** Model files and manifests as a target: both languages must read or refuse them alike. */
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { packageRoot } from "../../src/package.js";
import { mutateBytes } from "../lib/bytes.js";
import type { Case } from "../lib/cases.js";
import { mutate } from "../lib/mutate.js";
import type { Tree } from "../lib/packer.js";
import { Random } from "../lib/random.js";
import { Course, type Run } from "../lib/target.js";
import { mutateText } from "../lib/text.js";
import { Reader } from "./process.js";
import type { Verdict } from "./questions.js";

/** A model file, made from the model core, or a manifest. */
export interface ModelCase extends Case {
  readonly target: "models";
  readonly kind: "model" | "manifest";
  /** The header of the container; that of the model core if absent. */
  readonly header?: string;
  /** All bytes of the file, in place of a header. */
  readonly base64?: string;
  /** Single bytes of the model core that have other values. */
  readonly bytes?: readonly (readonly [place: number, value: number])[];
  /** Length of the file, which is cut or extended. */
  readonly length?: number;
}

const rules = { binary: false };

export async function attackModels(run: Run): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "phasewire-fuzz-"));
  const [typescript, python] = [new Reader("TypeScript", run.tally), new Reader("Python", run.tally)];
  const core = readFileSync(join(packageRoot(), "models", "core.safetensors"));
  const read = async (input: ModelCase): Promise<void> => {
    const path = write(input, join(folder, "case"), core);
    const question = { kind: input.kind, path };
    const [mine, theirs] = await Promise.all([typescript.ask(question, input), python.ask(question, input)]);
    run.tally.sent(input.kind);
    if (mine === null || theirs === null || "fault" in mine || "fault" in theirs) return;
    run.tally.answered("refusal" in mine ? mine.refusal.code : "read");
    const [here, there] = [shown(mine), shown(theirs)];
    if (here !== there) run.tally.breach(`${input.what}: TypeScript ${here}, Python ${there}`, [input]);
  };
  try {
    for (const known of run.cases) await read(known as ModelCase);
    const course = new Course(run);
    for (let number = 0; course.goesOn; number++) await read(generateModel(run.seed, number, core));
  } finally {
    typescript.close();
    python.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

const shown = (verdict: Verdict): string =>
  "refusal" in verdict ? verdict.refusal.code : JSON.stringify("result" in verdict ? verdict.result : null);

type Plain = { [key: string]: Tree };

function generateModel(seed: number, number: number, core: Buffer): ModelCase {
  const random = new Random(seed, number);
  const what = `seed ${seed}, model ${number}`;
  const header = JSON.parse(headerOf(core).toString()) as Plain;
  const metadata = header.__metadata__ as Plain;
  const model = (rest: Partial<ModelCase>): ModelCase => ({ target: "models", what, kind: "model", ...rest });
  return random.choose<ModelCase>([
    // The description of the model, with the hash that fits.
    [
      6,
      () => {
        const description = mutate(JSON.parse(metadata.phasewire as string) as Tree, random, rules);
        const text = spelled(JSON.stringify(description), random);
        return model({ header: JSON.stringify({ ...header, __metadata__: signed(text, core) }) });
      },
    ],
    [2, () => model({ header: spelled(JSON.stringify(mutate(withoutText(header), random, rules)), random) })],
    [
      1,
      () =>
        model({
          header: mutateText(JSON.stringify(withoutText(header)).replaceAll(",", ",\n"), random).toString(),
        }),
    ],
    [
      1,
      () => {
        const place = random.chance(0.3) ? random.below(8) : random.below(core.length);
        return model({ bytes: [[place, random.below(256)]] });
      },
    ],
    [
      1,
      () =>
        model({
          length: random.chance(0.5) ? random.below(core.length) : core.length + random.between(1, 64),
        }),
    ],
    [1, () => model({ base64: mutateBytes(core.subarray(0, 64), random).toString("base64") })],
    [2, () => manifest(random, what)],
  ]);
}

function manifest(random: Random, what: string): ModelCase {
  const text = readFileSync(join(packageRoot(), "models", "manifest.json"), "utf8");
  const changed = random.chance(0.7)
    ? Buffer.from(spelled(JSON.stringify(mutate(JSON.parse(text) as Tree, random, rules)), random))
    : mutateText(text, random);
  return { target: "models", what, kind: "manifest", base64: changed.toString("base64") };
}

/** JSON with numbers that JSON does not have, or spells otherwise, now and then. */
function spelled(json: string, random: Random): string {
  if (!random.chance(0.15)) return json;
  const places = [...json.matchAll(/(?<=[:,[])-?\d[\d.e+-]*(?=[,\]}])/g)];
  if (places.length === 0) return json;
  const { index, 0: found } = random.pick(places);
  const other = random.pick([
    "NaN",
    "Infinity",
    "-Infinity",
    "1e999",
    "-0",
    "01",
    "1.0",
    "1e2",
    "9007199254740993",
  ]);
  return json.slice(0, index) + other + json.slice(index + found.length);
}

function headerOf(file: Buffer): Buffer {
  return file.subarray(8, 8 + Number(file.readBigUInt64LE(0)));
}

/** The header without the description, which is a text of its own. */
function withoutText(header: Plain): Plain {
  return { ...header, __metadata__: { ...(header.__metadata__ as Plain), phasewire: "{}" } };
}

/** Metadata whose hash fits to a description. */
function signed(description: string, core: Buffer): Plain {
  const data = core.subarray(8 + headerOf(core).length);
  return {
    phasewire: description,
    sha256: createHash("sha256").update(description).update(data).digest("hex"),
  };
}

/** Writes the file of a case. Returns its path, or the folder of a manifest. */
function write({ kind, header, base64, bytes, length }: ModelCase, folder: string, core: Buffer): string {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const path = join(folder, kind === "manifest" ? "manifest.json" : "model.safetensors");
  let file: Buffer = Buffer.from(core);
  if (base64 !== undefined) file = Buffer.from(base64, "base64");
  if (header !== undefined) {
    const text = Buffer.from(header);
    const size = Buffer.alloc(8);
    size.writeBigUInt64LE(BigInt(text.length));
    file = Buffer.concat([size, text, core.subarray(8 + headerOf(core).length)]);
  }
  for (const [place, value] of bytes ?? []) file[place] = value;
  if (length !== undefined) file = Buffer.concat([file, Buffer.alloc(64)]).subarray(0, length);
  writeFileSync(path, file);
  if (kind === "model") return path;
  copyFileSync(join(packageRoot(), "models", "core.safetensors"), join(folder, "core.safetensors"));
  return folder;
}
