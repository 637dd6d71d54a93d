/**
 * Probabilities and log densities in double precision, computed at most once per frame, when a variable needs
 * them.
 */

/** Tables for N atoms and C classes, row-major. */
export class LogitTables {
  private computed: { probabilities: Float64Array; logDensities: Float64Array } | null = null;

  constructor(
    private readonly logits: Float32Array | Float64Array,
    private readonly classCount: number,
  ) {}

  /** N x C, p_ac. */
  get probabilities(): Float64Array {
    return this.compute().probabilities;
  }

  /** N, log sum_c exp l_ac. */
  get logDensities(): Float64Array {
    return this.compute().logDensities;
  }

  private compute(): { probabilities: Float64Array; logDensities: Float64Array } {
    if (this.computed !== null) return this.computed;
    const { logits, classCount } = this;
    const probabilities = new Float64Array(logits.length);
    const logDensities = new Float64Array(logits.length / classCount);
    for (let row = 0, atom = 0; row < logits.length; row += classCount, atom++) {
      // Logits are taken relative to the largest, so that no exponential overflows.
      let largest = Number.NEGATIVE_INFINITY;
      for (let c = 0; c < classCount; c++) largest = Math.max(largest, logits[row + c]!);
      let sum = 0;
      for (let c = 0; c < classCount; c++) {
        const term = Math.exp(logits[row + c]! - largest);
        probabilities[row + c] = term;
        sum += term;
      }
      for (let c = 0; c < classCount; c++) probabilities[row + c]! /= sum;
      logDensities[atom] = largest + Math.log(sum);
    }
    this.computed = { probabilities, logDensities };
    return this.computed;
  }
}
