import { execFileSync } from "node:child_process";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readAccessError } from "../../src/formats/access.js";
import { FrameWriter, formatFrame, readFrames } from "../../src/formats/index.js";
import { type Column, createFrame, type Frame, type InfoValue } from "../../src/frame/index.js";
import { packageRoot } from "../../src/package.js";
import { collect, expectError, temporaryFolder } from "./support.js";

const folder = temporaryFolder();
let files = 0;

/** Writes text to a new file and returns its path. */
async function fileWith(content: string | Uint8Array, ending = ".extxyz"): Promise<string> {
  files += 1;
  const path = join(folder, `file-${files}${ending}`);
  await writeFile(path, content);
  return path;
}

async function read(content: string | Uint8Array): Promise<Frame[]> {
  return collect(readFrames(await fileWith(content)));
}

async function readOne(content: string): Promise<Frame> {
  const frames = await read(content);
  expect(frames).toHaveLength(1);
  return frames[0]!;
}

const python = join(
  packageRoot(),
  process.platform === "win32" ? ".venv/Scripts/python.exe" : ".venv/bin/python",
);

describe("ids of atoms", () => {
  const text = (kind: string): string =>
    `2\nProperties=species:S:1:pos:R:3:id:${kind}:1\nCu 0 0 0 12\nCu 1 1 1 7\n`;

  test("are those of an integer column id", async () => {
    expect((await readOne(text("I"))).ids).toEqual(Float64Array.of(12, 7));
    expect((await readOne(text("R"))).ids).toBeUndefined();
    expect((await readOne("1\n\nCu 0 0 0\n")).ids).toBeUndefined();
  });

  test("are written, once", async () => {
    const frame = createFrame({ positions: [0, 0, 0, 1, 1, 1], ids: [3, 2] });
    const once = await readOne([...formatFrame(frame)].join(""));
    expect(once.ids).toEqual(Float64Array.of(3, 2));
    expect([...formatFrame(once)].join("")).toBe([...formatFrame(frame)].join(""));
  });
});

describe("reading extended XYZ", () => {
  test("lattice, pbc, info, species, positions and further columns", async () => {
    const frame = await readOne(
      [
        "2",
        'Lattice="4 0 0 0 5 0 0.5 0 6" Properties=species:S:1:pos:R:3:id:I:1:frozen:L:1:forces:R:3:tag:S:2 pbc="T F T" T=300 E=-1.5e3 name=NaCl note="two words" flag',
        "Na 0.1 0.2 0.3 7 T 1 2 3 a b",
        "Cl 1d1 -2 .5 8 F 4 5 6 c d",
        "",
      ].join("\n"),
    );
    expect(frame).toEqual({
      positions: Float64Array.of(0.1, 0.2, 0.3, 10, -2, 0.5),
      cell: Float64Array.of(4, 0, 0, 0, 5, 0, 0.5, 0, 6),
      periodic: [true, false, true],
      species: ["Na", "Cl"],
      ids: Float64Array.of(7, 8),
      info: { T: 300, E: -1500, name: "NaCl", note: "two words", flag: true },
      arrays: {
        id: { kind: "integer", width: 1, data: Float64Array.of(7, 8) },
        frozen: { kind: "logical", width: 1, data: [true, false] },
        forces: { kind: "real", width: 3, data: Float64Array.of(1, 2, 3, 4, 5, 6) },
        tag: { kind: "string", width: 2, data: ["a", "b", "c", "d"] },
      },
    });
  });

  test.each<[string, InfoValue]>([
    ["k=3", 3],
    ["k=-0.5", -0.5],
    ["k=T", true],
    ["k=False", false],
    ["k=51.16,105.88", "51.16,105.88"],
    ["k=Cu_mishin1.eam.alloy", "Cu_mishin1.eam.alloy"],
    ["k=fcc|liquid", "fcc|liquid"],
    ["k=nan", "nan"],
    ["k=12345678901234567890", "12345678901234567890"],
    ['k="3"', "3"],
    ['k=""', ""],
    ['k="1 2 3"', [1, 2, 3]],
    ["k='1 2 3'", [1, 2, 3]],
    ["k={1 2 3}", [1, 2, 3]],
    ["k={5}", [5]],
    ["k=[1, 2.5]", [1, 2.5]],
    ["k=[[1, 2], [3, 4]]", "[[1, 2], [3, 4]]"],
    ['k="T F"', [true, false]],
    ['k="a \\"quoted\\" word"', 'a "quoted" word'],
    ['k="back\\\\slash"', "back\\slash"],
    ['k="line\\nline"', "line\nline"],
    ["k='it has \"double\" quotes'", 'it has "double" quotes'],
    ['"k"=5', 5],
    ["k = 5", 5],
    ['k="_JSON {\\"a\\": [1, 2]}"', '_JSON {"a": [1, 2]}'],
  ])("info %s", async (text, value) => {
    const frame = await readOne(`1\nProperties=species:S:1:pos:R:3 ${text} after=1\nH 0 0 0\n`);
    expect(frame.info).toEqual({ k: value, after: 1 });
  });

  test("info cannot touch the prototype of objects", async () => {
    const frame = await readOne("1\nProperties=species:S:1:pos:R:3 __proto__=1 constructor=2\nH 0 0 0\n");
    expect(Object.keys(frame.info)).toEqual(["__proto__", "constructor"]);
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });

  test.each<[string, [boolean, boolean, boolean]]>([
    ['Lattice="1 0 0 0 1 0 0 0 1"', [true, true, true]],
    ["", [false, false, false]],
    ['Lattice="1 0 0 0 1 0 0 0 1" pbc="F F F"', [false, false, false]],
    ['Lattice="1 0 0 0 1 0 0 0 1" pbc="1 1 0"', [true, true, false]],
    ['Lattice="1 0 0 0 1 0 0 0 1" pbc=TFT', [true, false, true]],
    ['Lattice="1 0 0 0 1 0 0 0 1" pbc=[T, F, T]', [true, false, true]],
    ['lattice="1 0 0 0 1 0 0 0 1" PBC="True False True"', [true, false, true]],
  ])("periodicity from %s", async (text, periodic) => {
    const frame = await readOne(`1\n${text} Properties=species:S:1:pos:R:3\nH 0 0 0\n`);
    expect(frame.periodic).toEqual(periodic);
    expect(frame.info).toEqual({});
  });

  test("plain XYZ, with free text as comment and further fields ignored", async () => {
    const frame = await readOne('1\nwater, made by "someone\nO 1 2 3 0.5\n');
    expect(frame).toEqual(
      createFrame({ positions: [1, 2, 3], species: ["O"], info: { comment: 'water, made by "someone' } }),
    );
  });

  test("species fall back on other columns, or are absent", async () => {
    const byType = await readOne("2\nProperties=type:I:1:pos:R:3\n2 0 0 0\n1 1 1 1\n");
    expect(byType.species).toEqual(["2", "1"]);
    expect(byType.arrays.type!.data).toEqual(Float64Array.of(2, 1));
    expect((await readOne("1\nProperties=pos:R:3\n0 0 0\n")).species).toBeNull();
  });

  test("frames of different sizes, blank lines between them, Windows line ends, a last line without an end", async () => {
    const frames = await read("1\r\n\r\nH 0 0 0\r\n\r\n2\n\nH 0 0 0\nO 1 1 1\n\n1\nt\nC 0 0 0");
    expect(frames.map(({ species }) => species)).toEqual([["H"], ["H", "O"], ["C"]]);
  });

  test("text with several bytes per character survives reading in pieces", async () => {
    const frames = await read("1\nc\nÅé漢 0 0 0\n".repeat(40_000));
    expect(frames).toHaveLength(40_000);
    expect(frames.every(({ species }) => species![0] === "Åé漢")).toBe(true);
  });

  test("gzip is recognised by its first bytes, whatever the name, and may have several members", async () => {
    const one = gzipSync("1\nc\nH 0 0 0\n");
    expect(await read(one)).toHaveLength(1);
    expect(await read(Buffer.concat([one, one]))).toHaveLength(2);
  });

  test("NaN and infinities are read, for the analysis to refuse", async () => {
    const { positions } = await readOne("2\nc\nH nan inf -Infinity\nH NaN 0 1e999\n");
    expect([...positions]).toEqual([Number.NaN, Infinity, -Infinity, Number.NaN, 0, Infinity]);
  });

  test("frames arrive while the file is still being read", async () => {
    const path = await fileWith("1\nc\nH 0 0 0\nthis is not a frame\n");
    const frames = readFrames(path);
    expect((await frames.next()).value!.species).toEqual(["H"]);
    await expectError("FILE_FORMAT", () => frames.next());
  });

  test("reading may stop in the middle of a file", async () => {
    const path = await fileWith("1\nc\nH 0 0 0\n".repeat(3));
    for await (const frame of readFrames(path)) {
      expect(frame.species).toEqual(["H"]);
      break;
    }
  });
});

describe("refusing files", () => {
  const columns = "Properties=species:S:1:pos:R:3";
  test.each<[string, string, number]>([
    ["an empty file", "", 1],
    ["blank lines only", "\n\n", 2],
    ["a count that is a word", "many\nc\n", 1],
    ["a negative count", "-1\nc\n", 1],
    ["a count with text", "1 atom\nc\nH 0 0 0\n", 1],
    ["no comment line", "1", 1],
    ["no atoms", "2\nc\n", 2],
    ["too few atoms", "2\nc\nH 0 0 0\n", 3],
    ["too many atoms", "1\nc\nH 0 0 0\nH 1 1 1\n", 4],
    ["a row that is too short", `1\n${columns}\nH 0 0\n`, 3],
    ["a row that is too long", `1\n${columns}\nH 0 0 0 0\n`, 3],
    ["a blank row", `1\n${columns}\n\n`, 3],
    ["a coordinate that is a word", `2\n${columns}\nH 0 0 0\nH 0 x 0\n`, 4],
    ["an overflowed Fortran field", `1\n${columns}\nH 0 ***** 0\n`, 3],
    ["hexadecimal coordinates", `1\n${columns}\nH 0 0x10 0\n`, 3],
    ["a fraction in an integer column", `1\n${columns}:n:I:1\nH 0 0 0 1.5\n`, 3],
    ["an integer beyond 2^53", `1\n${columns}:n:I:1\nH 0 0 0 9007199254740993\n`, 3],
    ["a number in a logical column", `1\n${columns}:n:L:1\nH 0 0 0 2\n`, 3],
    ["a lattice of 8 numbers", `1\nLattice="1 0 0 0 1 0 0 0" ${columns}\nH 0 0 0\n`, 2],
    ["a lattice with a word", `1\nLattice="1 0 0 0 1 0 0 0 x" ${columns}\nH 0 0 0\n`, 2],
    ["pbc of two values", `1\npbc="T F" ${columns}\nH 0 0 0\n`, 2],
    ["pbc of words", `1\npbc="yes no no" ${columns}\nH 0 0 0\n`, 2],
    ["an open quote", `1\n${columns} note="never closed\nH 0 0 0\n`, 2],
    ["an open bracket", `1\n${columns} note=[1, 2\nH 0 0 0\n`, 2],
    ["a value without a key", `1\n${columns} =5\nH 0 0 0\n`, 2],
    ["properties without pos", "1\nProperties=species:S:1\nH\n", 2],
    ["a pos of two numbers", "1\nProperties=species:S:1:pos:R:2\nH 0 0\n", 2],
    ["an incomplete property", "1\nProperties=species:S:1:pos:R\nH 0 0 0\n", 2],
    ["an unknown kind", `1\n${columns}:n:Q:1\nH 0 0 0 1\n`, 2],
    ["a width of zero", `1\n${columns}:n:I:0\nH 0 0 0\n`, 2],
    ["a huge width", `1\n${columns}:n:I:9999\nH 0 0 0\n`, 2],
    ["a column twice", `1\n${columns}:pos:R:3\nH 0 0 0 0 0 0\n`, 2],
    ["a nameless column", `1\n${columns}::I:1\nH 0 0 0 0\n`, 2],
    ["an endless line", `1\n${"x".repeat(1_500_000)}`, 2],
  ])("%s is FILE_FORMAT at its line", async (_, content, line) => {
    const error = await expectError("FILE_FORMAT", () => read(content));
    expect(error.message).toContain(`line ${line}:`);
    expect(error.field).toMatch(new RegExp(`:${line}$`));
  });

  test("a truncated or damaged gzip file gives its good frames, then FILE_FORMAT", async () => {
    const text = Array.from(
      { length: 3000 },
      (_, frame) => `1\nframe=${frame}\nH ${Math.sin(frame)} 0 0\n`,
    ).join("");
    const whole = gzipSync(text);
    const frames = readFrames(await fileWith(whole.subarray(0, whole.length - 2000)));
    expect((await frames.next()).value!.info).toEqual({ frame: 0 });
    await expectError("FILE_FORMAT", () => collect(frames));
    const damaged = Buffer.from(whole);
    damaged.fill(0xff, 5000, 5100);
    const error = await expectError("FILE_FORMAT", () => read(damaged));
    expect(error.message).toContain("gzip");
  });

  test("a frame that announces too many atoms is TOO_LARGE, before memory is taken", async () => {
    await expectError("TOO_LARGE", () => read("999999999999\nc\n"));
    await expectError("FILE_FORMAT", () => read("99999999\nc\nH 0 0 0\n"));
  });

  test("a missing file and a folder are FILE_ACCESS", async () => {
    const error = await expectError("FILE_ACCESS", () => collect(readFrames(join(folder, "missing"))));
    expect(error.value).toBe("ENOENT");
    expect(error.message).toBe(`${join(folder, "missing")} cannot be read: there is no such file`);
    const noFile = await expectError("FILE_ACCESS", () => collect(readFrames(folder)));
    expect(noFile.message).toBe(`${folder} cannot be read: it is a folder`);
    expect(noFile.remedy).toContain("FOLDER/*.extxyz.gz");
  });

  test.each([
    ["EACCES", "permission to read it is missing"],
    ["EIO", "EIO: as the system says it"],
  ])("%s is reported as: %s", (code, reason) => {
    const cause = Object.assign(new Error("EIO: as the system says it"), { code });
    const error = readAccessError("a.extxyz", cause);
    expect(error).toMatchObject({ code: "FILE_ACCESS", field: "a.extxyz", value: code, cause });
    expect(error.message).toBe(`a.extxyz cannot be read: ${reason}`);
  });

  test("random bytes give a named error, never a crash", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
        const outcome = await read(bytes).then(
          () => "frames",
          (error) => error.code as string,
        );
        expect(["frames", "FILE_FORMAT", "TOO_LARGE"]).toContain(outcome);
      }),
      { numRuns: 200 },
    );
  });

  test("damaged frames give a named error, never a crash", async () => {
    const good = `2\nLattice="4 0 0 0 4 0 0 0 4" ${columns}:id:I:1 pbc="T T T" a="b c"\nH 0 0 0 1\nO 1 1 1 2\n`;
    await fc.assert(
      fc.asyncProperty(
        fc.nat(good.length - 1),
        fc.string({ maxLength: 3 }),
        fc.nat(4),
        async (at, put, cut) => {
          const text = good.slice(0, at) + put + good.slice(at + cut);
          const outcome = await read(text).then(
            () => "frames",
            (error) => error.code as string,
          );
          expect(["frames", "FILE_FORMAT", "TOO_LARGE"]).toContain(outcome);
        },
      ),
      { numRuns: 500 },
    );
  });
});

const word = fc.stringMatching(/^[^\s\p{C}]{1,8}$/u).filter((text) => text.trim() !== "");
const columnName = fc
  .stringMatching(/^[A-Za-z_][A-Za-z0-9_.-]{0,8}$/)
  .filter((name) => !["pos", "species", "element", "symbol", "symbols", "type", "Z"].includes(name));
const real = fc.oneof(fc.double(), fc.constant(-0));
const finite = fc.double({ noNaN: true, noDefaultInfinity: true });

/**
 * Text that does not look like a list of numbers or logical values. Such lists read back as lists, as
 * documented.
 */
const infoText = fc
  .string({ maxLength: 12 })
  .filter((text) => text.trim().split(/\s+/).length < 2 || /[g-z]{2}/.test(text.toLowerCase()))
  .filter((text) => !text.includes("\u0000"));
const infoValue = fc.oneof(
  finite,
  fc.boolean(),
  infoText,
  fc.array(finite, { maxLength: 4 }),
  fc.array(fc.boolean(), { minLength: 1, maxLength: 4 }),
);
const infoKey = fc
  .oneof(word, fc.string({ minLength: 1, maxLength: 6 }))
  .filter((key) => !["properties", "lattice", "pbc"].includes(key.toLowerCase()));

function columnOf(count: number): fc.Arbitrary<Column> {
  const sized = <Value>(values: fc.Arbitrary<Value>, width: number): fc.Arbitrary<Value[]> =>
    fc.array(values, { minLength: count * width, maxLength: count * width });
  return fc
    .tuple(fc.integer({ min: 1, max: 3 }), fc.constantFrom("real", "integer", "logical", "string"))
    .chain(([width, kind]): fc.Arbitrary<Column> => {
      if (kind === "real") {
        return sized(real, width).map((data) => ({ kind: "real", width, data: Float64Array.from(data) }));
      }
      if (kind === "integer") {
        return sized(fc.maxSafeInteger(), width).map((data) => ({
          kind: "integer",
          width,
          data: Float64Array.from(data),
        }));
      }
      if (kind === "logical")
        return sized(fc.boolean(), width).map((data) => ({ kind: "logical", width, data }));
      return sized(word, width).map((data) => ({ kind: "string", width, data }));
    });
}

const anyFrame: fc.Arbitrary<Frame> = fc.integer({ min: 0, max: 5 }).chain((count) =>
  fc
    .record({
      positions: fc.array(real, { minLength: 3 * count, maxLength: 3 * count }),
      cell: fc.option(fc.array(finite, { minLength: 9, maxLength: 9 })),
      periodic: fc.tuple(fc.boolean(), fc.boolean(), fc.boolean()),
      species: fc.option(fc.array(word, { minLength: count, maxLength: count })),
      info: fc
        .array(fc.tuple(infoKey, infoValue), { maxLength: 4 })
        .map((pairs) => Object.fromEntries(pairs)),
      arrays: fc
        .array(fc.tuple(columnName, columnOf(count)), { maxLength: 3 })
        .map((pairs) => Object.fromEntries(pairs)),
    })
    .map(createFrame),
);

describe("writing extended XYZ", () => {
  test("frames that are written read back the same, bit for bit", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(anyFrame, { minLength: 1, maxLength: 3 }),
        fc.boolean(),
        async (frames, compress) => {
          const path = join(folder, compress ? "round-trip.extxyz.gz" : "round-trip.extxyz");
          const writer = await FrameWriter.open(path);
          for (const frame of frames) await writer.write(frame);
          await writer.close();
          const back = await collect(readFrames(path));
          expect(back).toEqual(frames);
          // toEqual treats -0 as 0.
          for (const [index, frame] of frames.entries()) {
            expect([...back[index]!.positions].map((value) => Object.is(value, -0))).toEqual(
              [...frame.positions].map((value) => Object.is(value, -0)),
            );
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  test("a file is compressed only if its name ends in .gz", async () => {
    const frame = createFrame({ positions: [0, 0, 0], species: ["H"] });
    for (const name of ["a.xyz", "a.xyz.gz"]) {
      const writer = await FrameWriter.open(join(folder, name));
      await writer.write(frame);
      await writer.close();
    }
    const plain = await readFile(join(folder, "a.xyz"), "utf8");
    expect(plain).toBe('1\nProperties=species:S:1:pos:R:3 pbc="F F F"\nH 0 0 0\n');
    expect(gunzipSync(await readFile(join(folder, "a.xyz.gz"))).toString()).toBe(plain);
  });

  test("many atoms are written in pieces, and none is lost", async () => {
    const count = 10_000;
    const positions = Float64Array.from({ length: 3 * count }, (_, index) => index / 7);
    const frame = createFrame({ positions, species: new Array(count).fill("Ar") });
    expect([...formatFrame(frame)].length).toBeGreaterThan(2);
    const writer = await FrameWriter.open(join(folder, "large.xyz.gz"));
    await writer.write(frame);
    await writer.close();
    const [back] = await collect(readFrames(join(folder, "large.xyz.gz")));
    expect(back!.positions).toEqual(positions);
  });

  test.each<[string, Partial<Frame>]>([
    [
      "a column of the wrong length",
      { arrays: { a: { kind: "real", width: 2, data: new Float64Array(1) } } },
    ],
    ["species of the wrong length", { species: ["H", "H"] }],
  ])("%s is SHAPE_MISMATCH", async (_, parts) => {
    const frame = { ...createFrame({ positions: [0, 0, 0] }), ...parts };
    await expectError("SHAPE_MISMATCH", () => [...formatFrame(frame)]);
  });

  test.each<[string, Partial<Frame>]>([
    ["a species with a space", { species: ["two words"] }],
    ["an empty species", { species: [""] }],
    ["a text with a line end", { arrays: { a: { kind: "string", width: 1, data: ["a\nb"] } } }],
    ["a column name with a colon", { arrays: { "a:b": { kind: "logical", width: 1, data: [true] } } }],
    ["a column called pos", { arrays: { pos: { kind: "logical", width: 1, data: [true] } } }],
  ])("%s is refused before anything is written", async (_, parts) => {
    const frame = { ...createFrame({ positions: [0, 0, 0] }), ...parts };
    await expectError("BAD_OPTION", () => formatFrame(frame).next());
  });

  test("a file in a folder that does not exist is FILE_ACCESS", async () => {
    const path = join(folder, "no", "file.xyz");
    const error = await expectError("FILE_ACCESS", () => FrameWriter.open(path));
    expect(error.message).toBe(`${path} cannot be written: its folder does not exist`);
    await mkdir(join(folder, "a-folder"));
    const noFile = await expectError("FILE_ACCESS", () => FrameWriter.open(join(folder, "a-folder")));
    expect(noFile.message).toContain("it is a folder");
  });

  test("a full device is FILE_ACCESS, at the latest when the file is closed", {
    skip: process.platform !== "linux",
  }, async () => {
    const writer = await FrameWriter.open("/dev/full");
    const frame = createFrame({ positions: [0, 0, 0] });
    await expectError("FILE_ACCESS", async () => {
      for (let index = 0; index < 100; index += 1) await writer.write(frame);
      await writer.close();
    });
  });
});

describe("the Atomic Simulation Environment", () => {
  test("reads frames that are written here", async () => {
    const path = join(folder, "for-ase.extxyz.gz");
    const writer = await FrameWriter.open(path);
    await writer.write(
      createFrame({
        positions: [0, 0.25, 1e-7, 1.5, -2, 3e21],
        cell: [4, 0, 0, 1, 5, 0, 0, 0, 6],
        periodic: [true, false, true],
        species: ["Na", "Cl"],
        info: { T: 300.5, note: 'a "quoted" text', list: [1, 2, 3], ok: true, word: "x,y" },
        arrays: {
          phase: { kind: "string", width: 1, data: ["fcc", "none"] },
          confidence: { kind: "real", width: 1, data: Float64Array.of(0.5, 0) },
          id: { kind: "integer", width: 1, data: Float64Array.of(1, 2) },
        },
      }),
    );
    await writer.close();
    const script = `
import json, sys
from ase.io import read
a = read(sys.argv[1])
print(json.dumps({
    "symbols": a.get_chemical_symbols(), "positions": a.positions.tolist(), "cell": a.cell.tolist(), "pbc": a.pbc.tolist(),
    "T": a.info["T"], "note": a.info["note"], "list": a.info["list"].tolist(), "ok": bool(a.info["ok"]), "word": a.info["word"],
    "phase": a.arrays["phase"].tolist(), "confidence": a.arrays["confidence"].tolist(), "id": a.arrays["id"].tolist(),
}))`;
    const seen = JSON.parse(execFileSync(python, ["-c", script, path], { encoding: "utf8" }));
    expect(seen).toEqual({
      symbols: ["Na", "Cl"],
      positions: [
        [0, 0.25, 1e-7],
        [1.5, -2, 3e21],
      ],
      cell: [
        [4, 0, 0],
        [1, 5, 0],
        [0, 0, 6],
      ],
      pbc: [true, false, true],
      T: 300.5,
      note: 'a "quoted" text',
      list: [1, 2, 3],
      ok: true,
      word: "x,y",
      phase: ["fcc", "none"],
      confidence: [0.5, 0],
      id: [1, 2],
    });
  });

  test("writes frames that are read here: slabs, clusters, velocities, calculators and odd entries", async () => {
    const path = join(folder, "from-ase.extxyz");
    const script = `
import sys
import numpy as np
from ase import Atoms
from ase.build import bulk, fcc111
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
slab = fcc111("Al", (2, 2, 3), vacuum=6)
slab.info.update(title="a slab", matrix=np.eye(3), nested={"a": [1, 2]}, flag=False, count=3)
slab.set_momenta(np.ones((len(slab), 3)))
slab.calc = SinglePointCalculator(slab, energy=-1.25, forces=np.full((len(slab), 3), 0.5), stress=np.arange(6.0))
cluster = Atoms("OH2", [[0, 0, 0], [0, 0, 1], [0, 1, 0]])
primitive = bulk("Cu")
del slab.info["adsorbate_info"]
write(sys.argv[1], [slab, cluster, primitive], format="extxyz")`;
    execFileSync(python, ["-c", script, path]);
    const [slab, cluster, primitive] = await collect(readFrames(path));
    expect(slab!.species).toEqual(new Array(12).fill("Al"));
    expect(slab!.periodic).toEqual([true, true, false]);
    expect(slab!.info).toMatchObject({ title: "a slab", flag: false, count: 3, energy: -1.25 });
    expect(slab!.arrays.momenta!.width).toBe(3);
    expect(slab!.arrays.forces!.data).toEqual(new Float64Array(36).fill(0.5));
    expect(slab!.arrays.tags!.kind).toBe("integer");
    expect(cluster).toMatchObject({ cell: null, periodic: [false, false, false], species: ["O", "H", "H"] });
    expect([...primitive!.cell!]).toEqual([0, 1.805, 1.805, 1.805, 0, 1.805, 1.805, 1.805, 0]);
  });
});
