/**
 * Frames and commands of ZMTP 3.1 with the mechanism NULL (https://rfc.zeromq.org/spec/37): bytes to values
 * and back. This file knows no socket.
 */

/** Bytes of a greeting. */
export const greetingBytes = 64;

/** Longest command that is read. ZeroMQ's own have less than 100 bytes. */
export const mostCommandBytes = 512;

const mechanism = "NULL";
const signatureEnd = 9;
const versionAt = 10;
const mechanismAt = 12;
const mechanismBytes = 20;

const more = 1;
const long = 2;
const command = 4;
/** Largest size in the short form of a frame. */
const longestShort = 255;

/** The greeting of a server without keys. */
export function greeting(): Buffer {
  const bytes = Buffer.alloc(greetingBytes);
  bytes[0] = 0xff;
  bytes[signatureEnd] = 0x7f;
  bytes[versionAt] = 3;
  bytes[versionAt + 1] = 1;
  bytes.write(mechanism, mechanismAt, "latin1");
  return bytes;
}

/** Whether a peer with this greeting speaks ZMTP 3 without keys. */
export function isGreeting(bytes: Buffer): boolean {
  const named = bytes.subarray(mechanismAt, mechanismAt + mechanismBytes);
  const signed = bytes[0] === 0xff && (bytes[signatureEnd]! & 1) === 1 && bytes[versionAt]! >= 3;
  return signed && named.equals(Buffer.from(mechanism.padEnd(mechanismBytes, "\0"), "latin1"));
}

/** The start of a frame. */
export interface FrameHead {
  readonly isCommand: boolean;
  /** Whether another part of the message follows. */
  readonly hasMore: boolean;
  /** Bytes of the frame's content. */
  readonly size: number;
  /** Bytes of this head. */
  readonly bytes: number;
}

/**
 * Reads the head of a frame.
 *
 * @returns null if not all of it has arrived; "wrong" if no peer may send it
 */
export function readFrameHead(bytes: Buffer): FrameHead | "wrong" | null {
  const flags = bytes[0];
  if (flags === undefined) return null;
  const isCommand = (flags & command) !== 0;
  const hasMore = (flags & more) !== 0;
  if (flags > (more | long | command) || (isCommand && hasMore)) return "wrong";
  const length = (flags & long) === 0 ? 2 : 9;
  if (bytes.length < length) return null;
  const size = length === 2 ? bytes[1]! : Number(bytes.readBigUInt64BE(1));
  if (isCommand && size > mostCommandBytes) return "wrong";
  return Number.isSafeInteger(size) ? { isCommand, hasMore, size, bytes: length } : "wrong";
}

/** The head of a frame to send. */
export function frameHead(size: number, hasMore: boolean): Buffer {
  const flags = hasMore ? more : 0;
  if (size <= longestShort) return Buffer.of(flags, size);
  const head = Buffer.alloc(9);
  head[0] = flags | long;
  head.writeBigUInt64BE(BigInt(size), 1);
  return head;
}

/** A command of at most 255 bytes as a frame. */
export function encodeCommand(name: string, body: Uint8Array = Buffer.alloc(0)): Buffer {
  const content = Buffer.concat([Buffer.of(name.length), Buffer.from(name, "latin1"), body]);
  return Buffer.concat([Buffer.of(command, content.length), content]);
}

/** A command of a peer. */
export interface Command {
  readonly name: string;
  readonly body: Buffer;
}

/** Reads a command; null if its name is cut off. */
export function readCommand(content: Buffer): Command | null {
  const end = 1 + (content[0] ?? content.length);
  if (end > content.length) return null;
  return { name: content.toString("latin1", 1, end), body: content.subarray(end) };
}

/** The command that ends the handshake. */
export function ready(): Buffer {
  return encodeCommand("READY", encodeProperty("Socket-Type", "ROUTER"));
}

/** Kinds of sockets that may talk to the server. */
const clientSockets = ["DEALER", "REQ", "ROUTER"];

/** Whether a peer's `READY` comes from a socket that may talk to the server. */
export function isReady({ name, body }: Command): boolean {
  return name === "READY" && clientSockets.includes(readProperty(body, "socket-type") ?? "");
}

function encodeProperty(name: string, value: string): Buffer {
  const size = Buffer.alloc(4);
  size.writeUInt32BE(value.length);
  return Buffer.concat([
    Buffer.of(name.length),
    Buffer.from(name, "latin1"),
    size,
    Buffer.from(value, "latin1"),
  ]);
}

/** A property of a `READY`, whose name is in lower case; null if there is none, or they are cut off. */
function readProperty(body: Buffer, wanted: string): string | null {
  for (let at = 0; at < body.length; ) {
    const nameEnd = at + 1 + body[at]!;
    if (nameEnd + 4 > body.length) return null;
    const end = nameEnd + 4 + body.readUInt32BE(nameEnd);
    if (end > body.length) return null;
    const name = body.toString("latin1", at + 1, nameEnd).toLowerCase();
    if (name === wanted) return body.toString("latin1", nameEnd + 4, end);
    at = end;
  }
  return null;
}

/** The requests of a `PING`. */
export interface Ping {
  /** Milliseconds of silence after which the peer wants to count as gone; 0 for never. */
  readonly timeToLiveMs: number;
  /** Bytes to send back. */
  readonly context: Buffer;
}

/** Longest context of a `PING`. */
const longestContext = 16;

/** Reads the body of a `PING`; null if it is cut off. */
export function readPing(body: Buffer): Ping | null {
  if (body.length < 2) return null;
  return { timeToLiveMs: 100 * body.readUInt16BE(0), context: body.subarray(2, 2 + longestContext) };
}
