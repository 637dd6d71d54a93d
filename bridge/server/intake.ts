/** A message that arrives: what is kept of it, and what happens when it is complete. */
import type { Grant } from "./sessions/admission.js";
import type { Intake } from "./transport/transport.js";
import type { ArrivingArrays } from "./wire/codec.js";

/** The actions for a message that is complete. */
export interface Outcome {
  /** It was as announced. */
  accept(): void;
  refuse(error: unknown): void;
}

/**
 * A message whose header could be read. It was checked against the header alone, before any memory is taken
 * for its arrays.
 */
export class MessageIntake implements Intake {
  constructor(
    private readonly arrays: ArrivingArrays,
    /** Names of the arrays to keep. */
    private readonly kept: ReadonlySet<string>,
    /** Memory for them. */
    private readonly grant: Grant,
    /** Why the message is refused already; null if it is not. */
    private readonly error: unknown,
    private readonly outcome: Outcome,
  ) {}

  wants(bytes: number): boolean {
    const name = this.arrays.next(bytes);
    return name !== null && this.error === null && this.kept.has(name);
  }

  take(pieces: readonly Uint8Array[]): void {
    this.arrays.take(pieces);
  }

  end(): void {
    try {
      // A message that is not as long as it says is refused for that: its header may be that of another.
      this.arrays.finish();
      if (this.error !== null) throw this.error;
    } catch (error) {
      this.grant.release();
      this.outcome.refuse(error);
      return;
    }
    this.outcome.accept();
  }

  abandon(): void {
    this.grant.release();
  }
}

/** A message that is refused whatever follows its header. */
export class RefusedIntake implements Intake {
  constructor(private readonly refuse: () => void) {}

  wants(): boolean {
    return false;
  }

  take(): void {}

  end(): void {
    this.refuse();
  }

  abandon(): void {}
}
