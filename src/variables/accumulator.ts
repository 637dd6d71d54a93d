/** Where derivatives are summed: reverse mode, from the energy down to the logits and positions. */

/** A variable of one frame: its value, and a way to pass derivatives on. */
export interface Evaluated {
  readonly value: number;
  /** Adds `weight` times the derivatives of the variable. */
  pull(weight: number, into: Accumulator): void;
}

/** Derivatives of E, a function of the variables. N atoms, C classes; all in double precision. */
export class Accumulator {
  /** N x C, dE/dl_ac. */
  readonly seed: Float64Array;
  /** 9 numbers, the virial beside that through the logits. */
  readonly virial = new Float64Array(9);
  /** dE/dlog a0 beside that through the logits. */
  logLengthScale = 0;
  private direct: Float64Array | null = null;

  constructor(
    private readonly atomCount: number,
    classCount: number,
  ) {
    this.seed = new Float64Array(atomCount * classCount);
  }

  /** N x 3, dE/dr beside that through the logits, to add to. */
  gradient(): Float64Array {
    this.direct ??= new Float64Array(3 * this.atomCount);
    return this.direct;
  }

  /** The same, or null if nothing was added. */
  get directGradient(): Float64Array | null {
    return this.direct;
  }
}
