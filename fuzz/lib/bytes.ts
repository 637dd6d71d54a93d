/** Mistakes in plain bytes. */
import type { Random } from "./random.js";

/** Bytes with one to four mistakes; `others` are pieces to splice in. */
export function mutateBytes(bytes: Uint8Array, random: Random, others: readonly Uint8Array[] = []): Buffer {
  let changed: Buffer = Buffer.from(bytes);
  for (let left = random.between(1, 4); left > 0; left--) changed = mutateOnce(changed, random, others);
  return changed;
}

const least = [0, 1, 0x7f, 0x80, 0xff];

function mutateOnce(bytes: Buffer, random: Random, others: readonly Uint8Array[]): Buffer {
  const { length } = bytes;
  const at = random.below(length + 1);
  if (length === 0) return random.bytes(random.between(1, 8));
  const put = (value: (old: number) => number): Buffer => {
    const copy = Buffer.from(bytes);
    const place = random.below(length);
    copy[place] = value(copy[place]!);
    return copy;
  };
  const cut = (begin: number, end: number, ...middle: Uint8Array[]): Buffer =>
    Buffer.concat([bytes.subarray(0, begin), ...middle, bytes.subarray(end)]);
  const span = Math.min(length - Math.min(at, length), random.between(1, 64));
  return random.choose([
    [4, () => put((old) => old ^ (1 << random.below(8)))],
    [3, () => put(() => random.pick(least))],
    [2, () => put(() => random.below(256))],
    [2, () => Buffer.from(bytes.subarray(0, at))],
    [1, () => Buffer.from(bytes.subarray(at))],
    [2, () => cut(at, at + span)],
    [2, () => cut(at, at, random.bytes(random.between(1, 16)))],
    [1, () => cut(at, at, bytes.subarray(at, at + span), bytes.subarray(at, at + span))],
    [
      others.length > 0 ? 2 : 0,
      () => {
        const other = random.pick(others);
        const from = random.below(other.length + 1);
        return cut(
          at,
          random.chance(0.5) ? length : at,
          other.subarray(from, from + random.between(1, 4096)),
        );
      },
    ],
  ]);
}
