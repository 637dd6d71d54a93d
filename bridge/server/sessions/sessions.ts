/** All sessions of a server, and the order of their turns. */
import type { Job, Queue, Session } from "./session.js";

/** Number of analyses in a row for waiting simulations, after which a monitor frame has its turn. */
const waitingInARow = 3;

/**
 * Sessions by connection, in the order of their turns: a served session goes to the end. Frames of waiting
 * simulations go first, but never starve the others: of four consecutive analyses, one is a monitor frame if
 * any waits.
 *
 * Holds at most `capacity` sessions; a further one replaces the one silent for longest, of those without a
 * frame if there are any.
 */
export class Sessions {
  private readonly byConnection = new Map<string, Session>();
  private servedInARow = 0;

  constructor(private readonly capacity: number) {}

  get(routingId: Buffer): Session | undefined {
    return this.byConnection.get(key(routingId));
  }

  /** Adds a session. It replaces an earlier one of the same connection, or another if there is no room. */
  add(session: Session): Replaced | null {
    const previous = this.get(session.routingId);
    const gone = previous ?? (this.byConnection.size < this.capacity ? null : this.leastMissed());
    const unanswered = gone === null ? [] : this.remove(gone);
    this.byConnection.set(key(session.routingId), session);
    return gone && { session: gone, unanswered };
  }

  /** Ends a session. Returns its frames without an answer. */
  remove(session: Session): Job[] {
    if (this.get(session.routingId) === session) this.byConnection.delete(key(session.routingId));
    return session.close();
  }

  /** Whether the session is still one of these. */
  includes(session: Session): boolean {
    return this.get(session.routingId) === session;
  }

  all(): Session[] {
    return [...this.byConnection.values()];
  }

  /** The session that is silent longest, without a frame if possible. */
  private leastMissed(): Session {
    const sessions = this.all();
    const idle = sessions.filter(({ isIdle }) => isIdle);
    return (idle.length > 0 ? idle : sessions).reduce((a, b) => (b.lastHeard < a.lastHeard ? b : a));
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

/** A session that ended because of another, and its frames without an answer. */
export interface Replaced {
  readonly session: Session;
  readonly unanswered: readonly Job[];
}

function key(routingId: Buffer): string {
  return routingId.toString("latin1");
}
