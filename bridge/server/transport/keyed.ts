/**
 * The transport with keys: ZeroMQ's ROUTER socket and CURVE, by libzmq. Only clients with a known key get as
 * far as sending a message.
 */
import { Context, Router } from "zeromq";
import { limits } from "../../../src/contract/limits.js";
import { bindRouter } from "./endpoint.js";
import { admitClients, type ServerKeys, zapDomain } from "./keys.js";
import type { Connection, Delivery, Receiver, Transport, TransportLimits } from "./transport.js";

const { partingMs, serverSendMark } = limits.transport;

/**
 * Listens with keys.
 *
 * @throws PhasewireError `ENDPOINT_IN_USE`, `BAD_OPTION`, `FILE_ACCESS`
 */
export async function listenKeyed(
  endpoint: string,
  keys: ServerKeys,
  receiver: Receiver,
  bounds: TransportLimits,
): Promise<Transport> {
  const context = new Context();
  const router = new Router({
    context,
    linger: 0,
    // Otherwise messages to clients that are gone or do not read would vanish without an error.
    mandatory: true,
    sendTimeout: 0,
    sendHighWaterMark: serverSendMark,
    // A mark would stop the input. If the client then leaves, a heartbeat fails an assertion of libzmq and
    // ends this process: its own, or one of the client that is still in the buffer.
    receiveHighWaterMark: 0,
    heartbeatInterval: 0,
    maxMessageSize: Math.max(bounds.maxFrameBytes, bounds.maxHeaderBytes),
  });
  let stopAdmitting = (): void => {};
  try {
    stopAdmitting = await admitClients(context, keys);
    router.zapDomain = zapDomain;
    router.curveServer = true;
    router.curveSecretKey = keys.secretKey;
    const { address, release } = await bindRouter(router, endpoint);
    const finished = receive(router, receiver, bounds.maxHeaderBytes);
    return {
      endpoint: address,
      finished,
      // ZeroMQ does not tell. Everything that has arrived is read at once.
      isBusy: false,
      close: async () => {
        await release();
        router.linger = partingMs;
        router.close();
        stopAdmitting();
        await finished;
      },
    };
  } catch (error) {
    router.close();
    stopAdmitting();
    throw error;
  }
}

async function receive(router: Router, receiver: Receiver, maxHeaderBytes: number): Promise<void> {
  const outbox = new Outbox(router);
  for await (const [routingId, header, ...parts] of router) {
    if (routingId === undefined) continue;
    const bytes = header?.byteLength ?? 0;
    const read = bytes > maxHeaderBytes ? null : (header ?? Buffer.alloc(0));
    const intake = receiver.begin(new KeyedConnection(routingId, outbox), read, bytes);
    for (const part of parts) if (intake.wants(part.byteLength)) intake.take([part]);
    intake.end();
  }
}

/** A client by ZeroMQ's name of its connection. */
class KeyedConnection implements Connection {
  readonly noticesItsEnd = false;
  readonly name: string;
  peer = "";

  constructor(
    private readonly routingId: Buffer,
    private readonly outbox: Outbox,
  ) {
    this.name = routingId.toString("latin1");
  }

  send(parts: readonly Uint8Array[]): Promise<Delivery> {
    return this.outbox.send(this.routingId, parts);
  }
}

/**
 * The sending side of a ROUTER socket made with `mandatory: true` and `sendTimeout: 0`. A message to a client
 * with a full queue is dropped and reported as `full`.
 */
class Outbox {
  private last: Promise<unknown> = Promise.resolve();

  constructor(private readonly router: Router) {}

  /** Sends one message. Messages go out in the order of the calls. */
  send(routingId: Buffer, parts: readonly Uint8Array[]): Promise<Delivery> {
    // A socket takes one send at a time, so each send waits for the previous one. None waits for a client.
    const delivery = this.last.then(() => this.deliver(routingId, parts));
    this.last = delivery;
    return delivery;
  }

  private async deliver(routingId: Buffer, parts: readonly Uint8Array[]): Promise<Delivery> {
    try {
      await this.router.send([routingId, ...parts]);
      return "sent";
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === "EAGAIN" ? "full" : "gone";
    }
  }
}
