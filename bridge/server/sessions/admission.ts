/** Memory of frames that arrive or wait: bounded for each peer and in all, and counted before it is taken. */
import { PhasewireError } from "../../../src/errors/index.js";

/** Bounds, in bytes. */
export interface AdmissionLimits {
  /** Of all frames. */
  readonly inAll: number;
  /** Of the frames of one peer, whatever the number of its sessions. */
  readonly ofPeer: number;
}

/** Memory that was granted. */
export interface Grant {
  /** Gives it back; calling it again does nothing. */
  release(): void;
}

const none: Grant = { release() {} };

export class Admission {
  private held = 0;
  private readonly heldBy = new Map<string, number>();

  constructor(private readonly limits: AdmissionLimits) {}

  /** Bytes that are granted now. */
  get bytes(): number {
    return this.held;
  }

  /**
   * Grants memory to a peer, before it is taken.
   *
   * @throws PhasewireError `OVERLOADED` if some must be given back first; `TOO_LARGE` if it is more than a
   *   peer can have
   */
  grant(peer: string, bytes: number): Grant {
    if (bytes === 0) return none;
    const { inAll, ofPeer } = this.limits;
    const own = this.heldBy.get(peer) ?? 0;
    if (bytes > ofPeer) throw tooLarge(bytes, ofPeer);
    if (own + bytes > ofPeer) throw overloaded("frames of this client", own, bytes, ofPeer);
    if (this.held + bytes > inAll) throw overloaded("frames of all clients", this.held, bytes, inAll);
    this.add(peer, bytes);
    let isHeld = true;
    return {
      release: () => {
        if (isHeld) this.add(peer, -bytes);
        isHeld = false;
      },
    };
  }

  private add(peer: string, bytes: number): void {
    const own = (this.heldBy.get(peer) ?? 0) + bytes;
    if (own === 0) this.heldBy.delete(peer);
    else this.heldBy.set(peer, own);
    this.held += bytes;
  }
}

function overloaded(whose: string, held: number, bytes: number, most: number): PhasewireError {
  return new PhasewireError("OVERLOADED", {
    field: "arrays",
    value: bytes,
    message: `the arrays have ${bytes} bytes, and ${whose} that wait hold ${held}; together at most ${most} are taken`,
  });
}

function tooLarge(bytes: number, most: number): PhasewireError {
  return new PhasewireError("TOO_LARGE", {
    field: "arrays",
    value: bytes,
    message: `the arrays have ${bytes} bytes; the server takes at most ${most} of a client at a time`,
    remedy: "Send fewer atoms or arrays of f32, or start the server with a larger --max-memory.",
  });
}
