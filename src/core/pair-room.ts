/** How much room for pairs the next frame gets. */
import { limits } from "../contract/limits.js";

const { pairHeadroom } = limits.core;

/** Frames in a row that leave over half of the room unused before it is given back. */
const patience = 8;

/**
 * Room for pairs per atom. It grows with a frame that needs more, because frames of a run are alike. It falls
 * back to the core's usual room when a frame is refused, when the room does not fit, and when frames need far
 * less: one dense frame costs no other.
 */
export class PairRoom {
  private room = 0;
  private unused = 0;

  /** 0 leaves it to the core. */
  get perAtom(): number {
    return this.room;
  }

  /** The next frame begins with the core's usual room. */
  forget(): void {
    this.room = 0;
    this.unused = 0;
  }

  /** Room with headroom for a frame that did not fit. A count that wrapped around is beyond any memory. */
  grow(pairs: number, atomCount: number): number {
    this.room = pairs > 0 ? (pairs * pairHeadroom) / atomCount : Number.POSITIVE_INFINITY;
    this.unused = 0;
    return this.room;
  }

  /** A frame with so many pairs fitted. */
  used(pairs: number, atomCount: number): void {
    this.unused = 2 * pairs < this.room * atomCount ? this.unused + 1 : 0;
    if (this.unused >= patience) this.forget();
  }
}
