/** Bytes of connections: ZMTP (https://rfc.zeromq.org/spec/37) as a client speaks it, and with mistakes. */
import { mutateBytes } from "../lib/bytes.js";
import { pack } from "../lib/packer.js";
import type { Random } from "../lib/random.js";
import { analyse, type Facts } from "./messages.js";
import { bytesOf } from "./parts.js";

const [more, long, command] = [1, 2, 4];

function frame(flags: number, content: Uint8Array): Buffer {
  if (content.length < 256) return Buffer.concat([Buffer.of(flags, content.length), content]);
  const head = Buffer.alloc(9);
  head[0] = flags | long;
  head.writeBigUInt64BE(BigInt(content.length), 1);
  return Buffer.concat([head, content]);
}

function named(name: string, body: Uint8Array): Buffer {
  return frame(command, Buffer.concat([Buffer.of(name.length), Buffer.from(name), body]));
}

function greeting(mechanism = "NULL", version = 3): Buffer {
  const bytes = Buffer.alloc(64);
  bytes.set([0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, version, 1]);
  bytes.write(mechanism, 12);
  return bytes;
}

function ready(socket = "DEALER", identity = ""): Buffer {
  const property = (name: string, value: string): Buffer => {
    const size = Buffer.alloc(4);
    size.writeUInt32BE(value.length);
    return Buffer.concat([Buffer.of(name.length), Buffer.from(name), size, Buffer.from(value)]);
  };
  return named("READY", Buffer.concat([property("Socket-Type", socket), property("Identity", identity)]));
}

function message(parts: readonly Uint8Array[]): Buffer {
  return Buffer.concat(parts.map((part, index) => frame(index < parts.length - 1 ? more : 0, part)));
}

/** The pieces that a hostile connection sends, one after the other, and what it is about. */
export interface Stream {
  readonly what: string;
  readonly pieces: readonly Buffer[];
}

/** A stream with mistakes. */
export function stream(random: Random, facts: Facts): Stream {
  const hello = message([bytesOf({ hello: { run: "stream" } }, 0, null)]);
  const ping = (sequence: number): Buffer => message([pack({ type: "ping", sequence })]);
  const { header, arrays } = analyse(random, facts);
  const descriptors = arrays.map(({ name, dtype, shape }) => ({ name, dtype, shape: [...shape] }));
  const question = message([
    pack({ ...header, sequence: 1, arrays: descriptors }),
    ...arrays.map(({ bytes }) => bytes),
  ]);
  const start = [greeting(), ready()];
  const valid = Buffer.concat([...start, hello, question, ping(2)]);
  const repeated = (bytes: Buffer, count: number): Buffer =>
    Buffer.concat(Array.from({ length: count }, () => bytes));
  const huge = (flags: number, size: bigint): Buffer => {
    const head = Buffer.alloc(9);
    head[0] = flags | long;
    head.writeBigUInt64BE(size, 1);
    return head;
  };
  return random.choose<Stream>([
    [6, () => ({ what: "damaged bytes", pieces: [mutateBytes(valid, random)] })],
    [
      2,
      () => ({
        what: "a valid start, then damaged bytes",
        pieces: [...start, mutateBytes(question, random)],
      }),
    ],
    [
      1,
      () => ({
        what: "one byte at a time",
        pieces: [...valid.subarray(0, 100)].map((byte) => Buffer.of(byte)),
      }),
    ],
    [1, () => ({ what: "a connection that says nothing", pieces: [] })],
    [1, () => ({ what: "half a greeting", pieces: [greeting().subarray(0, random.between(1, 63))] })],
    [
      1,
      () => ({
        what: "another mechanism or version",
        pieces: [greeting(random.pick(["PLAIN", "CURVE", "\xff"]), random.pick([0, 1, 2, 3, 255])), ready()],
      }),
    ],
    [
      1,
      () => ({
        what: "another kind of socket",
        pieces: [greeting(), ready(random.pick(["PUB", "", "dealer"])), hello],
      }),
    ],
    [
      1,
      () => ({
        what: "an identity of 300 bytes",
        pieces: [greeting(), ready("DEALER", "x".repeat(300)), hello],
      }),
    ],
    [
      1,
      () => ({
        what: "a frame that announces more than fits",
        pieces: [
          ...start,
          huge(random.pick([0, more]), random.pick([2n ** 31n, 2n ** 40n, 2n ** 63n, 2n ** 64n - 1n])),
          Buffer.alloc(1000),
        ],
      }),
    ],
    [
      1,
      () => ({
        what: "a message without end",
        pieces: [...start, repeated(frame(more, Buffer.alloc(0)), 20_000)],
      }),
    ],
    [
      1,
      () => ({
        what: "many commands",
        pieces: [...start, repeated(named("PING", Buffer.of(0, 10, 1, 2, 3)), random.pick([10, 5000]))],
      }),
    ],
    [
      1,
      () => ({
        what: "unknown commands",
        pieces: [...start, named(random.pick(["ERROR", "SUBSCRIBE", "", "READY"]), random.bytes(9)), ping(1)],
      }),
    ],
    [
      1,
      () => ({
        what: "pings whose answers are not read",
        pieces: [...start, repeated(ping(1), random.pick([100, 5000]))],
      }),
    ],
  ]);
}
