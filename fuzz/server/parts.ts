/** The parts of a message as recipes that a file can hold. */
import { protocol } from "../../src/contract/protocol.js";
import { pack, type Tree } from "../lib/packer.js";
import { Random } from "../lib/random.js";

/** One part of a message. */
export type Part =
  /** A header of plain values. */
  | { readonly header: { [key: string]: Tree } }
  /** A valid hello, with further keys. */
  | { readonly hello: { [key: string]: Tree } }
  | { readonly base64: string }
  | { readonly fill: number; readonly bytes: number }
  | { readonly f64: readonly number[] }
  | { readonly i32: readonly number[] }
  /** Positions in double precision, spread evenly over a cube. */
  | { readonly cloud: { readonly atoms: number; readonly size: number; readonly seed: number } }
  /** Positions in double precision on a simple cubic lattice of spacing 1, with noise. */
  | { readonly grid: { readonly side: number; readonly noise: number; readonly seed: number } };

/** A file that a client shares, named in its hello. */
export interface Offer {
  readonly file: string;
  readonly token: string;
}

/** The bytes of a part. `offer` goes into a hello that has the key `shared` with the value true. */
export function bytesOf(part: Part, sequence: number, offer: Offer | null): Buffer {
  if ("header" in part) return pack({ sequence, ...part.header });
  if ("hello" in part) return pack(helloOf(part.hello, sequence, offer));
  if ("base64" in part) return Buffer.from(part.base64, "base64");
  if ("fill" in part) return Buffer.alloc(part.bytes, part.fill);
  if ("f64" in part) return bytesOfArray(Float64Array.from(part.f64));
  if ("i32" in part) return bytesOfArray(Int32Array.from(part.i32));
  if ("cloud" in part) {
    const { atoms, size, seed } = part.cloud;
    const random = new Random(seed);
    return bytesOfArray(Float64Array.from({ length: 3 * atoms }, () => size * random.unit()));
  }
  return bytesOfArray(gridPositions(part.grid));
}

function gridPositions({ side, noise, seed }: Extract<Part, { grid: object }>["grid"]): Float64Array {
  const random = new Random(seed);
  return Float64Array.from({ length: 3 * side ** 3 }, (_, index) => {
    const atom = Math.floor(index / 3);
    return (Math.floor(atom / side ** (index % 3)) % side) + noise * (random.unit() - 0.5);
  });
}

function helloOf(more: { [key: string]: Tree }, sequence: number, offer: Offer | null): Tree {
  const { shared, ...rest } = more;
  return {
    type: "hello",
    sequence,
    versions: [protocol.version],
    client: { name: "fuzzer", version: "0" },
    ...rest,
    ...(shared === true
      ? offer === null
        ? {}
        : { shared: { ...offer } }
      : shared === undefined
        ? {}
        : { shared }),
  };
}

export function bytesOfArray(values: Float64Array | Float32Array | Int32Array): Buffer {
  return Buffer.from(values.buffer, values.byteOffset, values.byteLength);
}
