/**
 * The frame that the core has evaluated, so that a second question about it need not repeat the evaluation. It is the same frame only if every number
 * that the evaluation depends on has the same bits.
 */
import type { PhaseCore } from "../../src/core/index.js";
import type { FrameSource } from "./analyser.js";

/** The arrays of a frame that was read, but not yet handed to the core. */
export interface FrameArrays {
  /** 3N */
  readonly positions: Float64Array;
  /** N; null where species do not count. */
  readonly species: Int32Array | null;
}

/** What the core was given beside the arrays, which still lie in its memory. */
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

/** All that decides about an evaluation, but the arrays; NaN, which no frame has, for what is absent. */
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
