/** A client for the tests, with a separate encoder and every way to misbehave. */
import { unpack } from "msgpackr";
import { type Context, Dealer } from "zeromq";
import { greetingFor } from "../../bridge/server/access/greeting.js";
import { decodeMessage } from "../../bridge/server/wire/codec.js";
import type { WireMessage } from "../../bridge/server/wire/wire.js";
import { encodePlain, f64, type Plain } from "./encoder.js";

export interface FakeClientOptions {
  /** Keys of a client, and the server's public key. */
  curve?: { publicKey: string; secretKey: string; serverKey: string };
  /** Milliseconds after which `receive` gives up. The default is 20 seconds. */
  receiveTimeout?: number;
  receiveHighWaterMark?: number;
  /** Bytes of the kernel's receive buffer. */
  receiveBufferSize?: number;
  context?: Context;
  /** Milliseconds between heartbeats of ZeroMQ. */
  heartbeatInterval?: number;
  /** Milliseconds after which a heartbeat without an answer ends the connection. */
  heartbeatTimeout?: number;
  /** Whether it says hello without a proof that it is this user's. */
  isStranger?: boolean;
}

export class FakeClient {
  readonly socket: Dealer;
  private readonly isStranger: boolean;
  private sequence = 0;

  constructor(
    private readonly endpoint: string,
    options: FakeClientOptions = {},
  ) {
    const { curve, isStranger = false, ...rest } = options;
    this.isStranger = isStranger || curve !== undefined;
    this.socket = new Dealer({ linger: 0, receiveTimeout: 20_000, reconnectInterval: 20, ...rest });
    if (curve !== undefined) {
      this.socket.curvePublicKey = curve.publicKey;
      this.socket.curveSecretKey = curve.secretKey;
      this.socket.curveServerKey = curve.serverKey;
    }
    this.socket.connect(endpoint);
  }

  /** Sends a header with the next sequence number, unless it has one. Returns that number. */
  async send(header: Record<string, Plain>, ...parts: Uint8Array[]): Promise<number> {
    const sequence = this.sequence++;
    await this.socket.send([encodePlain({ sequence, ...header }), ...parts]);
    return sequence;
  }

  async receive(): Promise<WireMessage> {
    return decodeMessage(await this.socket.receive());
  }

  /** The next message that arrives: its header, and its raw parts. */
  async receiveRaw(): Promise<[Record<string, unknown>, ...Buffer[]]> {
    const [header, ...parts] = await this.socket.receive();
    return [unpack(header!) as Record<string, unknown>, ...parts];
  }

  /** Sends a header and returns the next message that arrives. */
  async ask(header: Record<string, Plain>, ...parts: Uint8Array[]): Promise<WireMessage> {
    await this.send(header, ...parts);
    return this.receive();
  }

  /** Says hello as a client of this user, who knows the token of the server. */
  async hello(more: Record<string, Plain> = {}): Promise<WireMessage> {
    const greeting = this.isStranger ? null : greetingFor(this.endpoint);
    const client = { name: "fake", version: "0" };
    const answer = await this.ask({ type: "hello", versions: [3], client, ...greeting?.keys, ...more });
    if (answer.type === "welcome") greeting?.check(answer.header.proof);
    return answer;
  }

  /** Resolves when the connection was lost and made again. Messages sent in between may be lost. */
  reconnected(): Promise<void> {
    const { events } = this.socket;
    return new Promise((resolve) => {
      events.on("disconnect", () => events.on("handshake", () => resolve()));
    });
  }

  close(): void {
    this.socket.close();
  }
}

/** A frame of one atom, the header and its parts. */
export function frame(
  more: Record<string, Plain> = {},
  positions: number[] = [0, 0, 0],
): [Record<string, Plain>, Buffer] {
  return [
    {
      type: "analyse",
      mode: "request",
      step: 1,
      periodic: [false, false, false],
      arrays: [{ name: "positions", dtype: "f64", shape: [positions.length / 3, 3] }],
      ...more,
    },
    f64(...positions),
  ];
}
