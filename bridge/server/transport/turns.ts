/** Turns: how the connections with unread bytes share the event loop. */

/** A connection with unread bytes. */
export interface Reader {
  readonly peer: string;
  /** Handles one part, or one piece of a long part. Returns whether there is more to do at once. */
  step(): boolean;
}

/** Time after which a round pauses, so that timers, new bytes and finished analyses are not kept waiting. */
const roundMs = 2;

/**
 * Lets peers take turns in reading: one step each, however many connections a peer has or bytes it sends.
 * Work goes on in rounds of bounded time, between which the event loop does everything else.
 */
export class Turns {
  /** Connections that have something to read, by peer, both in the order of their turns. */
  private readonly waiting = new Map<string, Set<Reader>>();
  private isScheduled = false;

  /** Whether any connection has something to read. */
  get isBusy(): boolean {
    return this.waiting.size > 0;
  }

  /** A connection has something to read. */
  add(reader: Reader): void {
    const readers = this.waiting.get(reader.peer) ?? new Set();
    this.waiting.set(reader.peer, readers.add(reader));
    this.schedule();
  }

  private schedule(): void {
    if (this.isScheduled || !this.isBusy) return;
    this.isScheduled = true;
    setImmediate(() => this.round());
  }

  private round(): void {
    const end = performance.now() + roundMs;
    while (this.isBusy && performance.now() < end) this.turn();
    this.isScheduled = false;
    this.schedule();
  }

  /** The first connection of the first peer reads. Both go to the end of their lines. */
  private turn(): void {
    const [peer, readers] = this.waiting.entries().next().value!;
    const [reader] = readers;
    this.waiting.delete(peer);
    readers.delete(reader!);
    if (readers.size > 0) this.waiting.set(peer, readers);
    if (reader!.step()) this.add(reader!);
  }
}
