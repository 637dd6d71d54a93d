/**
 * The frame that the core has evaluated, so that a second request for it need not repeat the evaluation. It
 * is the same frame only if all numbers that determine the evaluation have the same bits.
 */
import type { PhaseCore } from "../../src/core/index.js";
import type { FrameSource } from "./analyser.js";

/** The arrays of a frame that was read, but not yet passed to the core. */
export interface FrameArrays {
  /** 3N */
  readonly positions: Float64Array;
  /** N; null if species do not count. */
  readonly species: Int32Array | null;
}

/** Input of the core besides the arrays, which are still in its memory. */
export class StandingFrame {
  private readonly numbers: Float64Array;

  /** @param weights of the classes; null for equal ones */
  constructor(frame: FrameSource, weights: Float64Array | null) {
    this.numbers = numbersOf(frame, weights);
  }

  /** Whether the frame in the core is this one. */
  isSame(core: PhaseCore, frame: FrameSource, weights: Float64Array | null, arrays: FrameArrays): boolean {
    const evaluated = core.evaluated();
    if (evaluated === null) return false;
    const { positions, species } = arrays;
    return (
      sameBits(this.numbers, numbersOf(frame, weights)) &&
      sameBits(evaluated.positions, positions) &&
      (species === null || sameBits(evaluated.species, species))
    );
  }
}

/** All numbers that determine an evaluation, except the arrays; NaN, which no frame has, for absent ones. */
function numbersOf(frame: FrameSource, weights: Float64Array | null): Float64Array {
  const { atomCount, cell, periodic, lengthScale, hasSpecies } = frame;
  return Float64Array.of(
    atomCount,
    Number(hasSpecies),
    lengthScale ?? Number.NaN,
    ...periodic.map(Number),
    ...(cell ?? new Float64Array(9).fill(Number.NaN)),
    ...(weights ?? [Number.NaN]),
  );
}

function sameBits(one: ArrayBufferView, other: ArrayBufferView): boolean {
  return one.byteLength === other.byteLength && bytesOf(one).equals(bytesOf(other));
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
