/** All sessions of a server, and the order of their turns. */
import type { Job, Queue, Session } from "./session.js";

/** Number of analyses in a row for waiting simulations, after which a monitor frame has its turn. */
const waitingInARow = 3;

/**
 * Sessions by connection, in the order of their turns: a served session goes to the end. Frames of waiting
 * simulations go first, but never starve the others: of four consecutive analyses, one is a monitor frame if
 * any waits.
 *
 * Holds at most `capacity` sessions; a further one replaces the one silent for longest.
 */
export class Sessions {
  private readonly byConnection = new Map<string, Session>();
  private servedInARow = 0;

  constructor(private readonly capacity: number) {}

  get(routingId: Buffer): Session | undefined {
    return this.byConnection.get(key(routingId));
  }

  /** Adds a session and ends an earlier one of the same connection. Returns the sessions that it replaced. */
  add(session: Session): Session[] {
    const gone: Session[] = [];
    const previous = this.get(session.routingId);
    if (previous !== undefined) gone.push(previous);
    else if (this.byConnection.size >= this.capacity) {
      gone.push([...this.byConnection.values()].reduce((a, b) => (b.lastHeard < a.lastHeard ? b : a)));
    }
    for (const other of gone) this.remove(other);
    this.byConnection.set(key(session.routingId), session);
    return gone;
  }

  /** Ends a session and forgets its frames. */
  remove(session: Session): void {
    session.close();
    if (this.get(session.routingId) === session) this.byConnection.delete(key(session.routingId));
  }

  /** Whether the session is still one of these. */
  includes(session: Session): boolean {
    return this.get(session.routingId) === session;
  }

  all(): Session[] {
    return [...this.byConnection.values()];
  }

  /** Takes the next frame to analyse; null if none waits. */
  next(): { session: Session; job: Job } | null {
    const order: Queue[] =
      this.servedInARow < waitingInARow ? ["waiting", "monitor"] : ["monitor", "waiting"];
    for (const queue of order) {
      for (const session of this.byConnection.values()) {
        const job = session.take(queue);
        if (job === null) continue;
        this.servedInARow = queue === "waiting" ? this.servedInARow + 1 : 0;
        this.byConnection.delete(key(session.routingId));
        this.byConnection.set(key(session.routingId), session);
        return { session, job };
      }
    }
    return null;
  }
}

function key(routingId: Buffer): string {
  return routingId.toString("latin1");
}
