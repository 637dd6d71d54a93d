/** Frames that carry the result of their analysis, for writing to a file. */
import { atomCount, type Column, type Frame } from "../frame/index.js";
import type { FrameAnalysis } from "./analyser.js";

/** The phase written for atoms that were not selected, and so not analysed. */
export const notAnalysed = "none";

/** Significant digits of the written columns, as many as single precision holds. */
const digits = 6;

/**
 * Returns the frame with the columns `phase` (class name), `confidence`, `margin` and `distance`. Atoms
 * outside the selection get the phase `none` and zeros, since many programs cannot read NaN. Columns of the
 * same names are replaced.
 */
export function labelFrame(frame: Frame, analysis: FrameAnalysis): Frame {
  const phase = new Array<string>(atomCount(frame)).fill(notAnalysed);
  forSelected(analysis, (atom, row) => {
    phase[atom] = analysis.phases[analysis.labels[row]!]!;
  });
  return {
    ...frame,
    arrays: {
      ...frame.arrays,
      phase: { kind: "string", width: 1, data: phase },
      confidence: realColumn(frame, analysis, analysis.confidence),
      margin: realColumn(frame, analysis, analysis.margin),
      distance: realColumn(frame, analysis, analysis.distance),
    },
  };
}

/**
 * Returns the frame with its denoised positions and a column `displacement` (3 wide, denoised minus given
 * position). Atoms outside the selection do not move.
 */
export function denoisedFrame(frame: Frame, analysis: FrameAnalysis): Frame {
  const { denoised, denoising } = analysis;
  if (denoised === undefined || denoising === undefined) return frame;
  const positions = frame.positions.slice();
  const displacement = new Float64Array(positions.length);
  forSelected(analysis, (atom, row) => {
    positions.set(denoised.subarray(3 * row, 3 * row + 3), 3 * atom);
    displacement.set(denoising.displacement.subarray(3 * row, 3 * row + 3), 3 * atom);
  });
  return {
    ...frame,
    positions,
    arrays: { ...frame.arrays, displacement: { kind: "real", width: 3, data: displacement } },
  };
}

function realColumn(frame: Frame, analysis: FrameAnalysis, values: Float32Array): Column {
  const data = new Float64Array(atomCount(frame));
  forSelected(analysis, (atom, row) => {
    data[atom] = Number(values[row]!.toPrecision(digits));
  });
  return { kind: "real", width: 1, data };
}

function forSelected(analysis: FrameAnalysis, visit: (atom: number, row: number) => void): void {
  const { selection, atomCount: rows } = analysis;
  for (let row = 0; row < rows; row += 1) visit(selection === null ? row : selection[row]!, row);
}
