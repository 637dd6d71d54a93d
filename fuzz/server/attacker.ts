/** A connection of an attacker. */
import { randomBytes } from "node:crypto";
import { closeSync, ftruncateSync, openSync, unlinkSync, writeSync } from "node:fs";
import { join } from "node:path";
import { unpack } from "msgpackr";
import { Dealer } from "zeromq";
import { limits } from "../../src/contract/limits.js";
import { now } from "../lib/patience.js";
import type { Offer } from "./parts.js";

/** A message of the server, as far as attackers look at it. */
export interface Answer {
  readonly header: Readonly<Record<string, unknown>>;
  readonly parts: readonly Buffer[];
  readonly at: number;
}

export interface AttackerOptions {
  /** The routing id to ask for. */
  readonly routingId?: string;
  /** Whether it never reads. */
  readonly deaf?: boolean;
}

/** A DEALER socket without heartbeats, with a queue of what it received. */
export class Attacker {
  private readonly socket: Dealer;
  private readonly inbox: Answer[] = [];
  private wake: () => void = () => undefined;
  private isClosed = false;
  private file: { offer: Offer; descriptor: number; path: string } | null = null;

  constructor(
    endpoint: string,
    readonly options: AttackerOptions = {},
  ) {
    this.socket = new Dealer({
      linger: 0,
      sendTimeout: 2000,
      sendHighWaterMark: 10_000,
      // A deaf one keeps the server's messages in the pipe.
      receiveHighWaterMark: options.deaf ? 1 : 10_000,
      ...(options.routingId === undefined ? {} : { routingId: options.routingId }),
    });
    this.socket.connect(endpoint);
    if (!options.deaf) void this.receive();
  }

  /** Sends a message. Returns false if the connection does not take it. */
  async send(parts: readonly Uint8Array[]): Promise<boolean> {
    try {
      await this.socket.send(parts as Buffer[]);
      return true;
    } catch {
      return false;
    }
  }

  /** The next message, or null after some milliseconds. */
  async next(milliseconds: number): Promise<Answer | null> {
    if (this.inbox.length === 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, milliseconds);
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.wake = () => undefined;
    }
    return this.inbox.shift() ?? null;
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.socket.close();
    if (this.file !== null) closeSync(this.file.descriptor);
    this.removeName();
    this.file = null;
  }

  /** Makes a shared file of a size, as a correct client does. */
  share(bytes: number): void {
    const file = `phasewire-${process.pid}-${randomBytes(16).toString("hex")}`;
    const token = randomBytes(16).toString("hex");
    const path = join("/dev/shm", file);
    const descriptor = openSync(path, "wx+", 0o600);
    ftruncateSync(descriptor, bytes);
    writeSync(descriptor, limits.shared.mark + token, 0, "latin1");
    this.file = { offer: { file, token }, descriptor, path };
  }

  /** Changes the size of the shared file. */
  resize(bytes: number): void {
    if (this.file !== null) ftruncateSync(this.file.descriptor, bytes);
  }

  get offer(): Offer | null {
    return this.file?.offer ?? null;
  }

  /** Removes the name of the shared file, as a client does once it is welcome. */
  removeName(): void {
    if (this.file === null) return;
    try {
      unlinkSync(this.file.path);
    } catch {
      // It was removed before.
    }
  }

  private async receive(): Promise<void> {
    try {
      for await (const [header, ...parts] of this.socket) {
        this.inbox.push({ header: unpack(header!) as Record<string, unknown>, parts, at: now() });
        this.wake();
      }
    } catch {
      // The socket was closed.
    }
  }
}
