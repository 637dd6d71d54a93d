/** Sends messages to clients, one at a time, and never waits for a slow one. */
import type { Router } from "zeromq";

/** Fate of a message: passed to ZeroMQ, dropped because the client does not read, or without a client. */
export type Delivery = "sent" | "full" | "gone";

/**
 * The sending side of a ROUTER socket made with `mandatory: true` and `sendTimeout: 0`. A message to a client
 * with a full queue is dropped and reported as `full`; the queue's length is the socket's send high-water
 * mark.
 */
export class Outbox {
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
