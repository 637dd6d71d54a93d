/**
 * MessagePack for attackers: it also writes what a correct encoder cannot, such as a key twice, NaN or text
 * that is not UTF-8.
 */
import { Packr } from "msgpackr";

/** Bytes that stand in place of a value. */
export class Raw {
  constructor(readonly bytes: Uint8Array) {}
}

/** A map whose keys may repeat, and need not be text. */
export class Pairs {
  constructor(readonly entries: readonly (readonly [Tree, Tree])[]) {}
}

/** A value of a header, before its mistakes and after. */
export type Tree = null | boolean | number | bigint | string | Raw | Pairs | Tree[] | { [key: string]: Tree };

const packr = new Packr({ useRecords: false, variableMapSize: true, int64AsType: "bigint" });

/** Encodes a tree. Scalars are left to msgpackr; containers are written here. */
export function pack(value: Tree): Buffer {
  if (value instanceof Raw) return Buffer.from(value.bytes);
  if (value instanceof Pairs) return container(0x80, 0xde, value.entries.length, value.entries.flat());
  if (Array.isArray(value)) return container(0x90, 0xdc, value.length, value);
  if (isPlainMap(value)) {
    const entries = Object.entries(value);
    return container(0x80, 0xde, entries.length, entries.flat());
  }
  return Buffer.from(packr.pack(value));
}

export function isPlainMap(value: Tree): value is { [key: string]: Tree } {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    !(value instanceof Raw) &&
    !(value instanceof Pairs)
  );
}

/** @param short the first byte with up to 15 items; `long` the one before a length of 16 bits, then of 32 */
function container(short: number, long: number, length: number, items: readonly Tree[]): Buffer {
  const head = Buffer.alloc(length < 16 ? 1 : length < 65536 ? 3 : 5, length < 16 ? short | length : long);
  if (head.length === 3) head.writeUInt16BE(length, 1);
  if (head.length === 5) {
    head[0] = long + 1;
    head.writeUInt32BE(length, 1);
  }
  return Buffer.concat([head, ...items.map(pack)]);
}
