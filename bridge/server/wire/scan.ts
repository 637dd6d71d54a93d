/**
 * A structural check of MessagePack bytes before they are decoded.
 *
 * A decoder trusts its input: it allocates an array for a declared count of four thousand million, recurses
 * to any depth, and builds any extension type. This scan walks the bytes once, in constant memory, and
 * refuses all these, so the size of the header bounds the work of decoding.
 *
 * Format: https://github.com/msgpack/msgpack/blob/master/spec.md
 */

/** Limits of a header. */
export interface ScanLimits {
  /** Maps and lists inside each other. */
  depth: number;
  /** Values in all, map keys included. */
  values: number;
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * Checks that the bytes are exactly one MessagePack map with string keys everywhere, within the limits,
 * without extension types, binary data, NaN or infinities, and with valid UTF-8.
 *
 * @returns null if they are, else a phrase that completes "the header ..."
 */
export function scanMessagePack(bytes: Uint8Array, limits: ScanLimits): string | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  // Values still to come on each level; `keys` marks the levels that are maps, whose values alternate with
  // keys.
  const remaining: number[] = [];
  const keys: boolean[] = [];
  let at = 0;
  let values = 0;

  if (bytes.byteLength === 0) return "is empty";
  do {
    if (at >= bytes.byteLength) return "ends before its last value";
    if (++values > limits.values) return `holds more than ${limits.values} values`;
    const top = remaining.length - 1;
    const isKey = top >= 0 && keys[top] === true && remaining[top]! % 2 === 0;
    const kind = bytes[at]!;
    const item = readItem(view, at, kind);
    if (typeof item === "string") return item;
    if (isKey && !item.text) return "has a key that is not a string";
    if (top < 0 && !item.map) return "is not a map";
    const end = at + item.head + item.body;
    if (end > bytes.byteLength) return "ends before its last value";
    if (item.text && !isUtf8(bytes.subarray(at + item.head, end))) return "has text that is not UTF-8";
    at = end;

    if (top >= 0) remaining[top]!--;
    if (item.children > 0) {
      // Every value takes at least one byte, so a count beyond the remaining bytes is wrong.
      if (item.children > bytes.byteLength - at) return "declares more values than it has bytes";
      if (remaining.length >= limits.depth) return `is nested more than ${limits.depth} deep`;
      remaining.push(item.children);
      keys.push(item.map);
    }
    while (remaining.length > 0 && remaining[remaining.length - 1] === 0) {
      remaining.pop();
      keys.pop();
    }
  } while (remaining.length > 0);
  return at === bytes.byteLength ? null : "is followed by other bytes";
}

interface Item {
  /** Bytes of the type and the length. */
  head: number;
  /** Bytes that follow and are not values themselves. */
  body: number;
  /** Values that follow: list entries, or keys and values of a map. */
  children: number;
  map: boolean;
  text: boolean;
}

const none: Item = { head: 1, body: 0, children: 0, map: false, text: false };

/** Reads the type byte at `at`; a phrase if the type is not allowed or its length is cut off. */
function readItem(view: DataView, at: number, kind: number): Item | string {
  if (kind <= 0x7f || kind >= 0xe0) return none;
  if (kind <= 0x8f) return { ...none, children: 2 * (kind & 0x0f), map: true };
  if (kind <= 0x9f) return { ...none, children: kind & 0x0f };
  if (kind <= 0xbf) return { ...none, body: kind & 0x1f, text: true };
  const left = view.byteLength - at - 1;
  const length = (bytes: 1 | 2 | 4): number => {
    if (left < bytes) return Number.POSITIVE_INFINITY;
    return bytes === 1
      ? view.getUint8(at + 1)
      : bytes === 2
        ? view.getUint16(at + 1)
        : view.getUint32(at + 1);
  };
  switch (kind) {
    case 0xc0:
    case 0xc2:
    case 0xc3:
      return none;
    case 0xca:
      if (left >= 4 && !Number.isFinite(view.getFloat32(at + 1))) return "holds a number that is not finite";
      return { ...none, body: 4 };
    case 0xcb:
      if (left >= 8 && !Number.isFinite(view.getFloat64(at + 1))) return "holds a number that is not finite";
      return { ...none, body: 8 };
    case 0xcc:
    case 0xd0:
      return { ...none, body: 1 };
    case 0xcd:
    case 0xd1:
      return { ...none, body: 2 };
    case 0xce:
    case 0xd2:
      return { ...none, body: 4 };
    case 0xcf:
    case 0xd3:
      return { ...none, body: 8 };
    case 0xd9:
      return { ...none, head: 2, body: length(1), text: true };
    case 0xda:
      return { ...none, head: 3, body: length(2), text: true };
    case 0xdb:
      return { ...none, head: 5, body: length(4), text: true };
    case 0xdc:
      return { ...none, head: 3, children: length(2) };
    case 0xdd:
      return { ...none, head: 5, children: length(4) };
    case 0xde:
      return { ...none, head: 3, children: 2 * length(2), map: true };
    case 0xdf:
      return { ...none, head: 5, children: 2 * length(4), map: true };
    case 0xc1:
      return "is not MessagePack";
    case 0xc4:
    case 0xc5:
    case 0xc6:
      return "holds binary data";
    default:
      return "holds an extension type";
  }
}

function isUtf8(bytes: Uint8Array): boolean {
  try {
    utf8.decode(bytes);
    return true;
  } catch {
    return false;
  }
}
