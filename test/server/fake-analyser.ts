/**
 * An analyser for tests of the transport. Every atom is fcc with simple numbers, and the test decides when an
 * analysis ends.
 */
import type { Analysis, FrameAnalyser, FrameSource } from "../../bridge/server/analyser.js";
import type { Analyse, ModelInfo } from "../../bridge/server/wire/wire.js";
import type { CoreFrame } from "../../src/core/types.js";

/** The part of a frame that an analyser sees. */
function contentOf(source: FrameSource): CoreFrame {
  const { atomCount, cell, periodic, lengthScale, hasSpecies } = source;
  const positions = new Float64Array(3 * atomCount);
  const species = hasSpecies ? new Int32Array(atomCount) : null;
  source.read(positions, species);
  return { positions, cell, periodic, species, ...(lengthScale === undefined ? {} : { lengthScale }) };
}

export class FakeAnalyser implements FrameAnalyser {
  readonly model: ModelInfo = {
    name: "fake",
    sha256: "00".repeat(32),
    classes: ["disordered", "fcc"],
    aliases: { ccp: "fcc" },
    logitLength: 0.0625,
    cutoff: 2.3,
  };
  readonly threads = 1;
  /** Frames in the order in which their analysis began. */
  readonly seen: Analyse[] = [];
  readonly frames: CoreFrame[] = [];
  /** The weights of the classes for each of these frames. */
  readonly weights: (Float64Array | null)[] = [];
  closed = false;
  /** Called when an analysis begins. */
  onAnalyse: (request: Analyse) => void = () => {};
  /** The error that the next analysis throws. */
  failure: unknown = null;
  private gate: Promise<void> = Promise.resolve();
  private open: () => void = () => {};

  /** Lets analyses begin but not end, until `release`. */
  hold(): void {
    this.gate = new Promise((resolve) => {
      this.open = resolve;
    });
  }

  release(): void {
    this.open();
  }

  async analyse(source: FrameSource, request: Analyse, weights: Float64Array | null): Promise<Analysis> {
    this.seen.push(request);
    const frame = contentOf(source);
    this.frames.push(frame);
    this.weights.push(weights);
    this.onAnalyse(request);
    await this.gate;
    if (this.failure !== null) {
      const failure = this.failure;
      this.failure = null;
      throw failure;
    }
    const atoms = frame.positions.length / 3;
    const analysis: Analysis = {
      lengthScale: frame.lengthScale ?? 2,
      labels: new Uint16Array(atoms).fill(1),
      confidence: new Float32Array(atoms).fill(0.5),
      margin: new Float32Array(atoms).fill(4),
      distance: new Float32Array(atoms).fill(0.25),
      probabilities: new Float32Array(2 * atoms).fill(0.5),
      logits: new Float32Array(2 * atoms).fill(-1),
      logDensity: -atoms,
    };
    if (request.variables.length > 0) {
      analysis.bias = {
        values: request.variables.map(() => 0.5),
        energy: 2,
      };
    }
    if (request.variables.length > 0 || request.seed !== null) {
      analysis.forces = new Float64Array(3 * atoms).fill(request.step);
      analysis.virial = new Float64Array(9).fill(1);
    }
    return analysis;
  }

  async close(): Promise<void> {
    this.closed = true;
  }
}
