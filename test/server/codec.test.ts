import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  decodeMessage,
  encodeMessage,
  receiveMessage,
  SequencedError,
} from "../../bridge/server/wire/codec.js";
import { serverLimits } from "../../bridge/server/wire/limits.js";
import { readClientMessage } from "../../bridge/server/wire/messages.js";
import type { ServerMessage, WireArray } from "../../bridge/server/wire/wire.js";
import { limits } from "../../src/contract/limits.js";
import { PhasewireError } from "../../src/errors/index.js";
import { loadModel } from "../../src/model/index.js";
import { encodePlain, f64, type Plain } from "./encoder.js";
import { goldenMessages } from "./golden.js";

const golden = goldenMessages();
const good = golden.filter(({ error }) => error === undefined);
const bad = golden.filter(({ error }) => error !== undefined);

/** Runs `action` and returns the error it throws. */
function refusal(action: () => unknown): PhasewireError {
  try {
    action();
  } catch (error) {
    if (error instanceof PhasewireError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("golden messages", () => {
  it("exist", () => {
    expect(good.length).toBeGreaterThan(20);
    expect(bad.length).toBeGreaterThan(20);
  });

  it("are as their script writes them", () => {
    const fresh = mkdtempSync(join(tmpdir(), "phasewire-"));
    const kept = fileURLToPath(new URL("../../bridge/golden", import.meta.url));
    try {
      execFileSync(process.execPath, [join(kept, "generate.mjs"), fresh]);
      const names = readdirSync(kept).filter((name) => name !== "generate.mjs");
      expect(readdirSync(fresh).sort()).toEqual(names.sort());
      for (const name of names) {
        expect(readFileSync(join(fresh, name)).equals(readFileSync(join(kept, name))), name).toBe(true);
      }
    } finally {
      rmSync(fresh, { recursive: true });
    }
  });

  it.each(good)("decodes $name", ({ parts, header, arrays }) => {
    const message = decodeMessage(parts);
    expect(message.header).toEqual(header);
    const values = Object.fromEntries(
      [...message.arrays].map(([name, { data }]) => [
        name,
        Array.from<number, number | null>(data, (value) => (Number.isNaN(value) ? null : value)),
      ]),
    );
    expect(values).toEqual(arrays);
  });

  it.each(bad)("refuses $name", ({ parts, error }) => {
    const found = refusal(() => decodeMessage(parts));
    expect({ code: found.code, field: found.field }).toEqual({ field: found.field, ...error });
    expect(found.message).not.toBe("");
    expect(found.remedy).not.toBe("");
  });

  it.each(good.filter(({ from }) => from === "client"))("reads $name as a request", ({ parts, header }) => {
    const request = readClientMessage(receiveMessage(parts, null), serverLimits(1000));
    expect(request.type).toBe(header!.type);
    expect(request.sequence).toBe(header!.sequence);
  });

  it.each(good.filter(({ from }) => from === "server"))("encodes $name to the same meaning", ({ parts }) => {
    const first = decodeMessage(parts);
    const { arrays: _, ...header } = first.header;
    const second = decodeMessage(encodeMessage(header as unknown as ServerMessage, first.arrays));
    expect(second).toEqual(first);
  });
});

describe("encodeMessage", () => {
  it("leaves out undefined fields", () => {
    const [header] = encodeMessage({ type: "goodbye", sequence: undefined as never, reason: "shutdown" });
    expect(decodeMessage([header!]).header).toEqual({ type: "goodbye", reason: "shutdown" });
  });

  it("carries any array bit for bit", () => {
    const array: fc.Arbitrary<WireArray> = fc.oneof(
      fc.float64Array().map((data) => ({ dtype: "f64" as const, shape: [data.length], data })),
      fc.float32Array().map((data) => ({ dtype: "f32" as const, shape: [1, data.length], data })),
      fc.int32Array().map((data) => ({ dtype: "i32" as const, shape: [data.length, 1], data })),
      fc.uint16Array().map((data) => ({ dtype: "u16" as const, shape: [data.length], data })),
      fc.uint8Array().map((data) => ({ dtype: "u8" as const, shape: [data.length], data })),
    );
    fc.assert(
      fc.property(fc.array(array, { maxLength: 4 }), fc.nat(7), (arrays, offset) => {
        const named = new Map(arrays.map((item, index) => [`a${index}`, item]));
        const parts = encodeMessage({ type: "pong", sequence: 1 }, named).map((part) =>
          shifted(part, offset),
        );
        const decoded = decodeMessage(parts).arrays;
        expect([...decoded.keys()]).toEqual([...named.keys()]);
        for (const [name, { dtype, shape, data }] of named) {
          expect(decoded.get(name)).toEqual({ dtype, shape, data });
        }
      }),
      { numRuns: 60 },
    );
  });
});

/** The same bytes at an odd offset of another buffer. */
function shifted(bytes: Uint8Array, offset: number): Uint8Array {
  const buffer = new Uint8Array(bytes.length + offset);
  buffer.set(bytes, offset);
  return buffer.subarray(offset);
}

describe("decodeMessage", () => {
  const header: Record<string, Plain> = {
    type: "analyse",
    sequence: 7,
    arrays: [{ name: "positions", dtype: "f64", shape: [1, 3] }],
  };

  it("reads the wider forms of another encoder", () => {
    const { arrays, ...rest } = decodeMessage([encodePlain(header), f64(1, 2.5, -3)]);
    expect(rest.header).toEqual(header);
    expect(arrays.get("positions")!.data).toEqual(Float64Array.of(1, 2.5, -3));
  });

  it("copies arrays, so that the sender's memory may be reused", () => {
    const part = f64(1, 2, 3);
    const { arrays } = decodeMessage([encodePlain(header), part]);
    part.fill(0);
    expect(arrays.get("positions")!.data).toEqual(Float64Array.of(1, 2, 3));
  });

  it("names the message that was wrong if its header could be read", () => {
    const error = refusal(() => decodeMessage([encodePlain(header), f64(1, 2)]));
    expect(error).toBeInstanceOf(SequencedError);
    expect((error as SequencedError).header.sequence).toBe(7);
    expect(error.message).toContain("needs 24 bytes; its part has 16");
  });

  it("does not let a key reach the prototype of the header", () => {
    const { header: decoded } = decodeMessage([
      encodePlain({ type: "ping", ["__proto__"]: { sequence: 1 } }),
    ]);
    expect(Object.getPrototypeOf(decoded)).toBe(Object.prototype);
    expect(decoded.sequence).toBeUndefined();
  });

  it("refuses more arrays than a message may have", () => {
    const arrays = Array.from({ length: 17 }, (_, index) => ({ name: `a${index}`, dtype: "u8", shape: [0] }));
    const parts = arrays.map(() => Buffer.alloc(0));
    const error = refusal(() => decodeMessage([encodePlain({ type: "x", arrays }), ...parts]));
    expect(error.code).toBe("MESSAGE_FORMAT");
    expect(error.field).toBe("arrays");
  });

  it("gives a message or a named refusal for any bytes", () => {
    const part = fc.uint8Array({ maxLength: 64 });
    fc.assert(
      fc.property(fc.array(part, { maxLength: 4 }), (parts) => {
        decodes(parts);
      }),
      { numRuns: 2000 },
    );
  });

  it("survives golden messages with changed, missing or inserted bytes", () => {
    const change = fc.record({
      golden: fc.constantFrom(...golden.filter(({ parts }) => parts.length > 0 && parts[0]!.length < 20_000)),
      part: fc.nat(),
      at: fc.nat(),
      byte: fc.nat(255),
      action: fc.constantFrom("set", "cut", "put"),
    });
    fc.assert(
      fc.property(change, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }), (chosen, more) => {
        const parts = chosen.golden.parts.map((part) => Uint8Array.from(part));
        const index = chosen.part % parts.length;
        const bytes = parts[index]!;
        const at = chosen.at % (bytes.length + 1);
        if (chosen.action === "cut") parts[index] = bytes.slice(0, at);
        else if (chosen.action === "set") bytes[at] = chosen.byte;
        else parts[index] = Uint8Array.of(...bytes.slice(0, at), chosen.byte, ...bytes.slice(at));
        for (const [place, byte] of more) parts[0]![place % (parts[0]!.length + 1)] = byte;
        decodes(parts);
      }),
      { numRuns: 5000 },
    );
  });
});

/** Decodes and reads a message. It must succeed or throw a PhasewireError with a code other than INTERNAL. */
function decodes(parts: Uint8Array[]): void {
  try {
    readClientMessage(receiveMessage(parts, null), serverLimits(1000));
  } catch (error) {
    if (!(error instanceof PhasewireError) || error.code === "INTERNAL") throw error;
  }
}

describe("the longest part", () => {
  it("takes the positions twice, and a seed in double precision of any model", () => {
    const { maxFrameBytes: ofFew } = serverLimits(1_000_000, 3);
    const { maxFrameBytes: ofMany } = serverLimits(1_000_000, 414);
    expect(ofFew).toBe(48_000_000);
    expect(ofMany).toBe(8 * 414 * 1_000_000);
  });

  it.each([
    ["all", 32_001],
    ["core", 389_001],
    ["core", 1_000_000],
  ])(
    "takes the seed of model %s for the forces of %i atoms, on a machine with 8 GiB",
    async (name, atoms) => {
      const { classCount } = await loadModel(name);
      const { heldShare, heldShareOfPeer, mostAtoms } = limits.server;
      const ofPeer = heldShareOfPeer * heldShare * 2 ** 33;
      const bytes = 8 * classCount * atoms;
      // The positions alone would not make room for it.
      expect(bytes).toBeGreaterThan(2 * 24 * mostAtoms);
      expect(bytes).toBeLessThanOrEqual(serverLimits(mostAtoms, classCount, ofPeer).maxFrameBytes);
    },
  );
});
