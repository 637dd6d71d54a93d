/** Sends messages to clients, one at a time, and never waits for a slow one. */
import type { Router } from "zeromq";

/** What became of a message: handed to ZeroMQ, refused because the client does not read, or nobody there any more. */
export type Delivery = "sent" | "full" | "gone";

/**
 * The sending side of a ROUTER socket that was made with `mandatory: true` and `sendTimeout: 0`: a message to a client whose queue is full is dropped
 * and reported as `full`; the queue's length is the socket's send high-water mark.
 */
export class Outbox {
  private last: Promise<unknown> = Promise.resolve();

  constructor(private readonly router: Router) {}

  /** Sends one message. Messages go out in the order of the calls. */
  send(routingId: Buffer, parts: readonly Uint8Array[]): Promise<Delivery> {
    // A socket takes one send at a time, so each waits for the one before; none waits for a client.
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
