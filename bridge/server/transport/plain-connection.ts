/** One connection without keys: its handshake, its messages in both directions, its heartbeats. */
import type { Socket } from "node:net";
import { limits } from "../../../src/contract/limits.js";
import {
  type Connection,
  type Delivery,
  type Intake,
  type Receiver,
  strangers,
  type TransportLimits,
} from "./transport.js";
import type { Reader } from "./turns.js";
import {
  encodeCommand,
  type FrameHead,
  frameHead,
  greeting,
  greetingBytes,
  isGreeting,
  isReady,
  readCommand,
  readFrameHead,
  readPing,
  ready,
} from "./zmtp.js";

const { handshakeMs, messageMs, serverSendMark, slowestBytesPerMs } = limits.transport;

/** Parts up to this length are copied into one buffer before they are sent: cheaper than a call each. */
const shortPart = 4096;

const nothing = Buffer.alloc(0);
const never = Number.POSITIVE_INFINITY;

/** The parts of a transport that its connections share. */
export interface Surroundings {
  readonly receiver: Receiver;
  readonly limits: TransportLimits;
  /** Bytes that wait to be sent, over all connections. */
  unsentBytes: number;
  /** Called when the connection has something to read. */
  onReadable(connection: PlainConnection): void;
  onClose(connection: PlainConnection): void;
}

/** A command, or a part of a message, whose bytes are arriving. */
interface Body {
  readonly head: FrameHead;
  /** Its bytes, in the pieces in which they arrived; null if they are discarded. */
  readonly pieces: Buffer[] | null;
  missing: number;
}

export class PlainConnection implements Connection, Reader {
  readonly noticesItsEnd = true;
  peer: string = strangers;
  private phase: "greeting" | "handshake" | "open" | "ended" = "greeting";
  /** Bytes that were read from the socket and not yet used. */
  private unread: Buffer = nothing;
  private body: Body | null = null;
  /** The message that is arriving. */
  private intake: Intake | null = null;
  /** Messages that wait to be sent. */
  private unsent = 0;
  /** How long the other end may be silent before it counts as gone. */
  private timeToLiveMs = never;
  /** When it counts as gone, and when the message that is arriving must be complete. */
  private expiresAt: number;
  private completeBy = never;

  constructor(
    private readonly socket: Socket,
    readonly name: string,
    private readonly around: Surroundings,
  ) {
    this.expiresAt = performance.now() + handshakeMs;
    // After an error comes `close`.
    socket.on("error", () => undefined);
    socket.on("readable", () => around.onReadable(this));
    socket.once("close", () => this.finish());
    socket.write(greeting());
  }

  send(parts: readonly Uint8Array[]): Promise<Delivery> {
    return Promise.resolve(this.sendNow(parts));
  }

  /** Ends the connection at once. */
  destroy(): void {
    this.phase = "ended";
    this.unread = nothing;
    this.socket.destroy();
  }

  /** Ends the connection when everything was sent, and reads no more. */
  end(): void {
    this.phase = "ended";
    this.socket.destroySoon();
  }

  /** Ends the connection if the other end is silent, or too slow with its handshake or a message. */
  checkTime(now: number): void {
    if (now > Math.min(this.expiresAt, this.completeBy)) this.destroy();
  }

  step(): boolean {
    if (this.phase === "ended") return false;
    if (!this.advance() && !this.readMore()) return false;
    return this.unread.length > 0 || this.socket.readableLength > 0;
  }

  /** Reads from the socket; false if nothing has arrived. */
  private readMore(): boolean {
    const read = this.socket.read() as Buffer | null;
    if (read === null) return false;
    this.unread = this.unread.length === 0 ? read : Buffer.concat([this.unread, read]);
    if (this.phase === "open") this.expiresAt = performance.now() + this.timeToLiveMs;
    return true;
  }

  /** Takes the next bytes for what they are; false if there are too few. */
  private advance(): boolean {
    if (this.phase === "greeting") {
      if (this.unread.length < greetingBytes) return false;
      this.shakeHands(this.unused(greetingBytes));
      return true;
    }
    if (this.body !== null) {
      if (this.unread.length === 0) return false;
      this.fill(this.body);
      return true;
    }
    const head = readFrameHead(this.unread);
    if (head === null) return false;
    if (head === "wrong" || (this.phase === "handshake" && !head.isCommand)) this.destroy();
    else this.enter(head);
    return true;
  }

  /** Takes bytes out of `unread`. */
  private unused(count: number): Buffer {
    const taken = this.unread.subarray(0, count);
    this.unread = this.unread.length === count ? nothing : this.unread.subarray(count);
    return taken;
  }

  private shakeHands(bytes: Buffer): void {
    if (!isGreeting(bytes)) {
      this.destroy();
      return;
    }
    this.phase = "handshake";
    this.socket.write(ready());
  }

  /** Begins a frame. */
  private enter(head: FrameHead): void {
    const { size } = head;
    this.unused(head.bytes);
    const { maxHeaderBytes } = this.around.limits;
    const keeps = head.isCommand || (this.intake?.wants(size) ?? size <= maxHeaderBytes);
    if (!head.isCommand) this.completeBy = performance.now() + messageMs + size / slowestBytesPerMs;
    this.body = { head, pieces: keeps ? [] : null, missing: size };
    this.fill(this.body);
  }

  private fill(body: Body): void {
    const { head, pieces } = body;
    const count = Math.min(this.unread.length, body.missing);
    const chunkBytes = this.unread.buffer.byteLength;
    const piece = this.unused(count);
    // A part may wait for long. A small piece of what was read must not keep the rest in memory.
    if (count > 0) pieces?.push(2 * count >= chunkBytes ? piece : Buffer.from(piece));
    body.missing -= count;
    if (body.missing > 0) return;
    this.body = null;
    this.leave(head, pieces);
  }

  /** Ends a frame. */
  private leave(head: FrameHead, pieces: readonly Buffer[] | null): void {
    if (head.isCommand) {
      this.obey(whole(pieces!));
      return;
    }
    if (this.intake === null) {
      this.intake = this.around.receiver.begin(this, pieces && whole(pieces), head.size);
    } else if (pieces !== null) this.intake.take(pieces);
    if (head.hasMore) return;
    const { intake } = this;
    this.intake = null;
    this.completeBy = never;
    intake.end();
  }

  private obey(content: Buffer): void {
    const command = readCommand(content);
    if (this.phase === "handshake") {
      if (command === null || !isReady(command)) {
        this.destroy();
        return;
      }
      this.phase = "open";
      this.expiresAt = never;
    } else if (command?.name === "PING") this.answerPing(command.body);
  }

  private answerPing(body: Buffer): void {
    const ping = readPing(body);
    if (ping === null) return;
    this.timeToLiveMs = ping.timeToLiveMs || never;
    this.expiresAt = performance.now() + this.timeToLiveMs;
    // A client that does not read gets no more.
    if (this.unsent < serverSendMark) this.write([encodeCommand("PONG", ping.context)]);
  }

  private sendNow(parts: readonly Uint8Array[]): Delivery {
    if (this.phase !== "open") return "gone";
    const { around } = this;
    const bytes = parts.reduce((sum, { byteLength }) => sum + byteLength, 0);
    // A client without messages that wait gets the next one, however long it is.
    const isTooMuch = this.unsent > 0 && around.unsentBytes + bytes > around.limits.mostUnsentBytes;
    if (isTooMuch || this.unsent >= serverSendMark) return "full";
    this.write(parts.flatMap((part, index) => [frameHead(part.byteLength, index + 1 < parts.length), part]));
    return "sent";
  }

  /** Writes buffers, which count as one message until the system has taken them. */
  private write(buffers: readonly Uint8Array[]): void {
    const joined = joinShort(buffers);
    const bytes = buffers.reduce((sum, { byteLength }) => sum + byteLength, 0);
    const { socket, around } = this;
    this.unsent++;
    around.unsentBytes += bytes;
    socket.cork();
    joined.forEach((buffer, index) => {
      if (index + 1 < joined.length) socket.write(buffer);
      else {
        socket.write(buffer, () => {
          this.unsent--;
          around.unsentBytes -= bytes;
        });
      }
    });
    socket.uncork();
  }

  private finish(): void {
    this.phase = "ended";
    this.unread = nothing;
    this.body = null;
    this.intake?.abandon();
    this.intake = null;
    this.around.onClose(this);
    this.around.receiver.gone(this);
  }
}

function whole(pieces: readonly Buffer[]): Buffer {
  return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces);
}

/** Joins neighbours that are short. */
function joinShort(buffers: readonly Uint8Array[]): Uint8Array[] {
  const joined: Uint8Array[] = [];
  let short: Uint8Array[] = [];
  const close = (): void => {
    if (short.length > 0) joined.push(short.length === 1 ? short[0]! : Buffer.concat(short));
    short = [];
  };
  for (const buffer of buffers) {
    if (buffer.byteLength <= shortPart) short.push(buffer);
    else {
      close();
      joined.push(buffer);
    }
  }
  close();
  return joined;
}
