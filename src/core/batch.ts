/**
 * Many small frames at a time. Each gets its own context and regions after the model, which all share. One
 * thread loads and evaluates a whole frame, so threads meet once per group and not once per stage.
 */
import { limits } from "../contract/limits.js";
import type { CoreContext } from "./context.js";
import { mostFramesOfAJob, type WorkerPool } from "./pool.js";
import { readForward } from "./read-forward.js";
import { RefusedFrame } from "./refused-frame.js";
import { statusError } from "./status.js";
import type { BatchOptions, CoreFrame, ForwardResult } from "./types.js";
import { evaluateFrame } from "./worker-loop.js";
import { checkShapes, frameRoom, writeFrame } from "./write-frame.js";

/** Bytes of memory that the frames of a group may take; a group has at least one frame. */
const groupBytes = 2 ** 28;
const { mostPairs, pairHeadroom } = limits.core;

interface LaidOutFrame {
  readonly context: CoreContext;
  readonly frame: CoreFrame;
  readonly atomCount: number;
}

/** Frames in the memory after a model. */
export class FrameBatch {
  private end: number;
  private group: LaidOutFrame[] = [];

  /**
   * @param model a context with a model
   * @param modelEnd first address after the model
   * @param pool worker threads, or null to compute on this one
   */
  constructor(
    private readonly model: CoreContext,
    private readonly modelEnd: number,
    private readonly pool: WorkerPool | null,
    private readonly classCount: number,
    /** Lets the event loop turn; throws if the batch was ended. */
    private readonly pause: () => Promise<void>,
  ) {
    this.end = modelEnd;
  }

  /**
   * @throws RefusedFrame around an error of `PhaseCore.load` or `PhaseCore.forward`, for the first refused
   *   frame
   */
  async forward(frames: readonly CoreFrame[], options: BatchOptions): Promise<ForwardResult[]> {
    const results: ForwardResult[] = [];
    for (let first = 0; first < frames.length; ) {
      const group: LaidOutFrame[] = [];
      this.group = group;
      this.end = this.modelEnd;
      while (first < frames.length && group.length < mostFramesOfAJob && this.hasRoom()) {
        group.push(refusedAs(first, () => this.layOut(frames[first]!, options)));
        first += 1;
      }
      const statuses = await this.evaluate(group);
      await this.pause();
      for (const [index, laidOut] of group.entries()) {
        const context = refusedAs(results.length, () => this.settle(laidOut, statuses[index]!, options));
        const classCount = options.arrays === "atoms" ? 0 : this.classCount;
        results.push(readForward(context, laidOut.atomCount, classCount, options));
      }
    }
    return results;
  }

  /** Makes the frames in progress end soon. */
  abort(): void {
    for (const { context } of this.group) context.abort();
  }

  private hasRoom(): boolean {
    return this.end - this.modelEnd < groupBytes;
  }

  private layOut(frame: CoreFrame, options: BatchOptions): LaidOutFrame {
    const atomCount = checkShapes(frame);
    const context = this.model.copyTo(Math.ceil(this.end / 64) * 64);
    this.place(context, atomCount, 0, options);
    writeFrame(context, frame, frameRoom(context, atomCount));
    return { context, frame, atomCount };
  }

  private place(context: CoreContext, atomCount: number, pairs: number, { arrays }: BatchOptions): void {
    const { core } = context;
    const features = arrays === "atoms" ? core.FEATURE_NO_TABLES.value : 0;
    const end = core.layoutFrame(context.address, context.end, atomCount, pairs, 1, features);
    context.reserve(end, "frame");
    this.end = end;
  }

  private async evaluate(group: readonly LaidOutFrame[]): Promise<number[]> {
    const addresses = group.map(({ context }) => context.address);
    if (this.pool !== null && group.length > 1) return this.pool.evaluateFrames(addresses);
    const statuses: number[] = [];
    for (const address of addresses) {
      statuses.push(this.evaluateHere(address));
      await this.pause();
    }
    return statuses;
  }

  private evaluateHere(address: number): number {
    return evaluateFrame(this.model.core, address);
  }

  /**
   * The context that holds a frame's results. A frame with more pairs than usual is evaluated again, after
   * all others in memory.
   */
  private settle(
    { context, frame, atomCount }: LaidOutFrame,
    status: number,
    options: BatchOptions,
  ): CoreContext {
    const { core } = context;
    if (status === core.STATUS_OK.value) return context;
    if (status !== core.STATUS_PAIR_OVERFLOW.value) throw statusError(status, context);
    const needed = context.count("PAIRS_NEEDED");
    const roomier = this.model.copyTo(Math.ceil(this.end / 64) * 64);
    // A count that wrapped around is beyond any memory.
    this.place(roomier, atomCount, needed > 0 ? Math.ceil(needed * pairHeadroom) : mostPairs, options);
    writeFrame(roomier, frame, frameRoom(roomier, atomCount));
    const again = this.evaluateHere(roomier.address);
    if (again !== core.STATUS_OK.value) throw statusError(again, roomier);
    return roomier;
  }
}

function refusedAs<Result>(index: number, action: () => Result): Result {
  try {
    return action();
  } catch (thrown) {
    throw new RefusedFrame(index, thrown);
  }
}
