/** A client of plain bytes, for everything that a well-kept ZeroMQ would not send. */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { unpack } from "msgpackr";
import { encodePlain, type Plain } from "./encoder.js";

/** A greeting of ZMTP 3.1. */
export function greetingOf(mechanism = "NULL"): Buffer {
  const bytes = Buffer.alloc(64);
  bytes[0] = 0xff;
  bytes[9] = 0x7f;
  bytes[10] = 3;
  bytes[11] = 1;
  bytes.write(mechanism, 12, "latin1");
  return bytes;
}

/** A frame with these flags: 1 for more, 2 is added for a long one, 4 for a command. */
export function rawFrame(flags: number, content: Uint8Array): Buffer {
  return Buffer.concat([rawHead(flags, content.length), content]);
}

/** The head of a frame that claims this many bytes. */
export function rawHead(flags: number, size: number): Buffer {
  if (size < 256) return Buffer.of(flags, size);
  const head = Buffer.alloc(9);
  head[0] = flags | 2;
  head.writeBigUInt64BE(BigInt(size), 1);
  return head;
}

/** A command of ZMTP. */
export function rawCommand(name: string, body: Uint8Array = Buffer.alloc(0)): Buffer {
  return rawFrame(4, Buffer.concat([Buffer.of(name.length), Buffer.from(name), body]));
}

/** A heartbeat that asks to count as gone after this many tenths of a second. */
export function rawPing(tenths: number): Buffer {
  return rawCommand("PING", Buffer.of(tenths >> 8, tenths & 255));
}

export const dealerReady = rawCommand(
  "READY",
  Buffer.concat([Buffer.from("\x0bSocket-Type\0\0\0\x06DEALER", "latin1")]),
);

/** A message of the protocol as bytes. */
export function rawMessage(header: Record<string, Plain>, ...parts: Uint8Array[]): Buffer {
  const all = [encodePlain(header), ...parts];
  return Buffer.concat(all.map((part, index) => rawFrame(index + 1 < all.length ? 1 : 0, part)));
}

export class RawClient {
  private bytes = Buffer.alloc(0);
  private isClosed = false;

  private constructor(readonly socket: Socket) {
    socket.on("error", () => undefined);
    socket.on("close", () => {
      this.isClosed = true;
    });
    socket.on("data", (chunk) => {
      this.bytes = Buffer.concat([this.bytes, chunk]);
    });
  }

  /** Connects to `tcp://` or `ipc://`, without a handshake. */
  static async connect(endpoint: string): Promise<RawClient> {
    const [, port] = /^tcp:\/\/127\.0\.0\.1:(\d+)$/.exec(endpoint) ?? [];
    const socket =
      port === undefined ? connect(endpoint.slice("ipc://".length)) : connect(Number(port), "127.0.0.1");
    await once(socket, "connect");
    return new RawClient(socket);
  }

  /** Connects, and shakes hands as a DEALER socket does. */
  static async open(endpoint: string): Promise<RawClient> {
    const client = await RawClient.connect(endpoint);
    client.socket.write(Buffer.concat([greetingOf(), dealerReady]));
    await client.take(64);
    const [size] = (await client.take(2)).subarray(1);
    await client.take(size!);
    return client;
  }

  send(header: Record<string, Plain>, ...parts: Uint8Array[]): void {
    this.socket.write(rawMessage(header, ...parts));
  }

  /** The header of the next message or, for a command, its name. */
  async receive(): Promise<Record<string, unknown>> {
    const parts: Buffer[] = [];
    for (;;) {
      const flags = (await this.take(1))[0]!;
      const size =
        (flags & 2) === 0 ? (await this.take(1))[0]! : Number((await this.take(8)).readBigUInt64BE());
      const content = Buffer.from(await this.take(size));
      if ((flags & 4) !== 0) {
        return {
          command: content.toString("latin1", 1, 1 + content[0]!),
          body: content.subarray(1 + content[0]!),
        };
      }
      parts.push(content);
      if ((flags & 1) === 0) return unpack(parts[0]!) as Record<string, unknown>;
    }
  }

  async ask(header: Record<string, Plain>, ...parts: Uint8Array[]): Promise<Record<string, unknown>> {
    this.send(header, ...parts);
    return this.receive();
  }

  hello(more: Record<string, Plain> = {}): Promise<Record<string, unknown>> {
    return this.ask({
      type: "hello",
      sequence: 0,
      versions: [3],
      client: { name: "raw", version: "0" },
      ...more,
    });
  }

  /** Resolves when the server has ended the connection. */
  async closed(): Promise<void> {
    while (!this.isClosed) await pause();
  }

  /** Ends the connection with a reset, so that the server cannot read what is still on its way. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  close(): void {
    this.socket.destroy();
  }

  private async take(count: number): Promise<Buffer> {
    const limit = performance.now() + 20_000;
    while (this.bytes.length < count) {
      if (this.isClosed) throw new Error("the server has ended the connection");
      if (performance.now() > limit) throw new Error("nothing has arrived for 20 s");
      await pause();
    }
    const taken = this.bytes.subarray(0, count);
    this.bytes = this.bytes.subarray(count);
    return taken;
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 1));
}
