/**
 * The analyses that run: usually one. A frame does not wait for a longer one of another peer: both run at the
 * same time, so that the shorter one takes about twice its usual time (docs/bridge-costs.md).
 */
import { type FrameAnalyser, needsGradient } from "./analyser.js";
import type { Analyse } from "./wire/wire.js";

/** Forward passes that take as long as a denoising step, and as a pass with gradients. */
const passesOfStep = 4;
const passesOfGradient = 4;
/** Denoising steps where their number is open. */
const usualSteps = 8;

/** An analysis, as far as others depend on it. */
interface Running {
  readonly peer: string;
  readonly work: number;
}

/** A place for one analysis at a time. */
export class Lane {
  running: Running | null = null;
  /** The analyses of this lane one after the other; null while it has none. */
  loop: Promise<void> | null = null;

  constructor(
    private readonly start: () => Promise<FrameAnalyser>,
    private started: Promise<FrameAnalyser> | null = null,
  ) {}

  /** Its analyser, which starts when it is first needed; one that could not start is tried again. */
  analyser(): Promise<FrameAnalyser> {
    this.started ??= this.start().catch((error: unknown) => {
      this.started = null;
      throw error;
    });
    return this.started;
  }

  async close(): Promise<void> {
    await (await this.started)?.close();
  }
}

export class Lanes {
  private readonly lanes: readonly Lane[];

  /** One lane, and a second if the analyser can start another. */
  constructor(analyser: FrameAnalyser) {
    const ready = Promise.resolve(analyser);
    const first = new Lane(() => ready, ready);
    this.lanes = analyser.beside === undefined ? [first] : [first, new Lane(() => analyser.beside!())];
  }

  /** A lane that has nothing to do; undefined if all are busy. */
  idle(): Lane | undefined {
    return this.lanes.find(({ loop }) => loop === null);
  }

  /** Whether a frame of a peer may start: every analysis that runs is longer, and of another peer. */
  mayStart(peer: string, frame: Analyse): boolean {
    const work = workOf(frame);
    return this.lanes.every(
      ({ running }) => running === null || (running.peer !== peer && running.work > work),
    );
  }

  /** Settles when no analysis runs. */
  async finished(): Promise<void> {
    await Promise.all(this.lanes.map(({ loop }) => loop));
  }

  async close(): Promise<void> {
    await Promise.all(this.lanes.map((lane) => lane.close()));
  }
}

/** The work of a frame, about in forward passes of an atom. */
export function workOf(request: Analyse): number {
  const { positions, denoise } = request;
  const steps = denoise === "converged" ? usualSteps : (denoise ?? 0);
  const passes = needsGradient(request) ? passesOfGradient : 1;
  return positions.shape[0]! * (passes + passesOfStep * steps);
}
