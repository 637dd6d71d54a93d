/** All sessions of a server, and the order of their turns. */
import type { Connection } from "../transport/transport.js";
import type { Analyse } from "../wire/wire.js";
import type { Job, Queue, Session } from "./session.js";

/** Number of turns in a row for simulations that wait, after which the others have one. */
const waitingInARow = 3;

/** How many sessions there may be. */
export interface SessionLimits {
  readonly inAll: number;
  /** Of one peer. */
  readonly ofPeer: number;
}

/** A frame and the session that it belongs to. */
export interface Turn {
  readonly session: Session;
  readonly job: Job;
}

/** Whether a frame of a peer may be analysed now. */
export type MayStart = (peer: string, frame: Analyse) => boolean;

/** A session that had to end because of another, and its frames without an answer. */
export interface Replaced {
  readonly session: Session;
  readonly unanswered: readonly Analyse[];
}

/**
 * The sessions of one peer, in the order of their turns: a served session goes to the end. Frames of waiting
 * simulations go first, but never starve the others: of four consecutive analyses of a peer, one is a monitor
 * frame if any waits.
 */
class Peer {
  readonly sessions = new Set<Session>();
  private waitingServed = 0;

  /** Frames that simulations wait for. */
  get waiting(): number {
    return this.count("waiting");
  }

  next(mayStart: (frame: Analyse) => boolean): Turn | null {
    const order: Queue[] =
      this.waitingServed < waitingInARow ? ["waiting", "monitor"] : ["monitor", "waiting"];
    for (const queue of order) {
      for (const session of this.sessions) {
        const job = session.first(queue);
        if (job === null || !mayStart(job.message)) continue;
        session.take(queue);
        this.waitingServed = queue === "waiting" ? this.waitingServed + 1 : 0;
        this.sessions.delete(session);
        this.sessions.add(session);
        return { session, job };
      }
    }
    return null;
  }

  private count(queue: Queue): number {
    let count = 0;
    for (const session of this.sessions) count += session.waiting(queue);
    return count;
  }
}

/**
 * Sessions by connection and by peer. Peers take turns, whatever the number of their sessions and frames, and
 * a served peer goes to the end. A peer with one frame that a simulation waits for goes first, at most three
 * times in a row: it cannot send the next frame before this one is answered.
 *
 * If there are too many sessions, the one silent for longest is replaced, of those without a frame if there
 * are any: of the same peer if it has its share, else of the peers with most sessions.
 */
export class Sessions {
  private readonly byConnection = new Map<string, Session>();
  private readonly peers = new Map<string, Peer>();
  private waitingServed = 0;

  constructor(private readonly limits: SessionLimits) {}

  get({ name }: Connection): Session | undefined {
    return this.byConnection.get(name);
  }

  /** Adds a session. It replaces an earlier one of the same connection, or another if there is no room. */
  add(session: Session): Replaced | null {
    const gone = this.get(session.connection) ?? this.inTheWay(session.peer);
    const replaced = gone && { session: gone, unanswered: this.remove(gone) };
    this.byConnection.set(session.connection.name, session);
    const peer = this.peers.get(session.peer) ?? new Peer();
    peer.sessions.add(session);
    this.peers.set(session.peer, peer);
    return replaced;
  }

  /** Ends a session. Returns its frames without an answer. */
  remove(session: Session): Analyse[] {
    if (this.includes(session)) {
      this.byConnection.delete(session.connection.name);
      const peer = this.peers.get(session.peer)!;
      peer.sessions.delete(session);
      if (peer.sessions.size === 0) this.peers.delete(session.peer);
    }
    return session.close();
  }

  /** Whether the session is still one of these. */
  includes(session: Session): boolean {
    return this.get(session.connection) === session;
  }

  all(): Session[] {
    return [...this.byConnection.values()];
  }

  /** Takes the next frame to analyse; null if none waits that may start. */
  next(mayStart: MayStart = () => true): Turn | null {
    const mayGoFirst = this.waitingServed < waitingInARow;
    const peers = [...this.peers];
    const first = mayGoFirst ? peers.filter(([, peer]) => peer.waiting === 1) : [];
    for (const [name, peer] of [...first, ...peers]) {
      const isFirst = mayGoFirst && peer.waiting === 1;
      const turn = peer.next((frame) => mayStart(name, frame));
      if (turn === null) continue;
      this.waitingServed = isFirst ? this.waitingServed + 1 : 0;
      this.peers.delete(name);
      this.peers.set(name, peer);
      return turn;
    }
    return null;
  }

  /** The session that a further one of a peer replaces; null if there is room. */
  private inTheWay(name: string): Session | null {
    const own = this.peers.get(name)?.sessions ?? new Set();
    if (own.size >= this.limits.ofPeer) return leastMissed([...own]);
    if (this.byConnection.size < this.limits.inAll) return null;
    const peers = [...this.peers.values()];
    const most = Math.max(...peers.map(({ sessions }) => sessions.size));
    return leastMissed(peers.flatMap(({ sessions }) => (sessions.size === most ? [...sessions] : [])));
  }
}

/** The session that is silent longest, without a frame if possible. */
function leastMissed(sessions: readonly Session[]): Session {
  const idle = sessions.filter(({ isIdle }) => isIdle);
  return (idle.length > 0 ? idle : sessions).reduce((a, b) => (b.lastHeard < a.lastHeard ? b : a));
}
