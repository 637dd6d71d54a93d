/** One client's session: its identity, and the frames that wait for their analysis. */
import { randomUUID } from "node:crypto";
import { PhasewireError } from "../../../src/errors/index.js";
import type { Connection } from "../transport/transport.js";
import type { SharedFile } from "../wire/shared-file.js";
import type { Analyse, Hello, Limits, Mode, SessionStatus, Subscribe } from "../wire/wire.js";
import type { Grant } from "./admission.js";

/** A frame that waits. */
export interface Job {
  readonly message: Analyse;
  /** Time of arrival, in seconds of a monotonic clock. */
  readonly receivedAt: number;
  /** The memory of its arrays, which is given back when the job ends. */
  readonly grant: Grant;
}

/** The peer of all sessions whose clients do not name their process. */
export const unnamed = "unnamed";

/**
 * A session and its two queues. The newest `limits.monitorQueue` monitor frames are kept; the oldest is
 * dropped and counted when another arrives. Request and bias frames are served in order; a frame beyond the
 * limit is refused, never dropped.
 */
export class Session {
  readonly id: string = randomUUID();
  readonly run: string;
  /** The process of the client, which may have several sessions: peers take turns. */
  readonly peer: string;
  /** Monitor frames that were dropped, here or because the client did not read. */
  dropped = 0;
  analysed = 0;
  lastStep: number | null = null;
  /** The subscription of this session. */
  watch: Subscribe | null = null;
  /** Observed messages that it missed because it read too slowly. */
  missed = 0;
  /** Last message, in seconds of a monotonic clock. */
  lastHeard: number;

  private readonly monitorJobs: Job[] = [];
  private readonly waitingJobs: Job[] = [];
  private readonly leaving = new AbortController();
  /** The frame that is being analysed. */
  private running: Job | null = null;

  constructor(
    readonly connection: Connection,
    private readonly hello: Hello,
    private readonly limits: Limits,
    now: number,
    /** Weights of the classes for its frames; null for equal ones. */
    readonly weights: Float64Array | null = null,
    /** The shared file of the client, if there is one. */
    readonly shared: SharedFile | null = null,
  ) {
    this.run = hello.run ?? `run-${this.id.slice(0, 8)}`;
    this.peer = hello.process ?? unnamed;
    this.lastHeard = now;
  }

  /**
   * Checks that there is room for a frame.
   *
   * @throws PhasewireError `QUEUE_FULL` in the modes request and bias
   */
  checkRoom(mode: Mode): void {
    const { length } = this.waitingJobs;
    if (mode === "monitor" || length < this.limits.requestQueue) return;
    throw new PhasewireError("QUEUE_FULL", {
      field: "mode",
      value: length,
      message: `${length} frames of this session are already waiting; at most ${this.limits.requestQueue} are allowed`,
    });
  }

  /**
   * Queues a frame.
   *
   * @throws PhasewireError `QUEUE_FULL` in the modes request and bias
   */
  enqueue(job: Job): void {
    const { mode } = job.message;
    this.checkRoom(mode);
    if (mode !== "monitor") this.waitingJobs.push(job);
    else {
      this.monitorJobs.push(job);
      while (this.monitorJobs.length > this.limits.monitorQueue) this.dropOldest();
    }
  }

  /** Drops and counts the oldest monitor frame that waits; false if there is none. */
  dropOldest(): boolean {
    const oldest = this.monitorJobs.shift();
    if (oldest === undefined) return false;
    oldest.grant.release();
    this.dropped++;
    return true;
  }

  /** The oldest frame of a queue, which stays there; null if there is none. */
  first(queue: Queue): Job | null {
    return this.jobs(queue)[0] ?? null;
  }

  /** Takes the oldest frame of a queue. It counts as running until `finish`. */
  take(queue: Queue): Job | null {
    const job = this.jobs(queue).shift() ?? null;
    if (job !== null) this.running = job;
    return job;
  }

  /** The analysis of the frame that was taken has ended. */
  finish(): void {
    this.running = null;
  }

  /** Number of frames that wait in a queue. */
  waiting(queue: Queue): number {
    return this.jobs(queue).length;
  }

  /** Frames that wait in both queues. */
  get queued(): number {
    return this.monitorJobs.length + this.waitingJobs.length;
  }

  /** Whether no frame waits or is being analysed. */
  get isIdle(): boolean {
    return this.queued === 0 && this.running === null;
  }

  /** Set when its client has left, and the running analysis is no longer wanted. */
  get left(): AbortSignal {
    return this.leaving.signal;
  }

  /** Its client has left. */
  leave(): void {
    this.leaving.abort();
  }

  /** Forgets all frames that wait. */
  clear(): void {
    for (const { grant } of [...this.monitorJobs, ...this.waitingJobs]) grant.release();
    this.monitorJobs.length = 0;
    this.waitingJobs.length = 0;
  }

  /** Ends the session and closes its shared file. Returns its frames without an answer, the oldest first. */
  close(): Analyse[] {
    const jobs = [...this.monitorJobs, ...this.waitingJobs];
    if (this.running !== null) jobs.push(this.running);
    this.clear();
    this.running = null;
    this.shared?.close();
    return jobs.map(({ message }) => message).sort((a, b) => a.sequence - b.sequence);
  }

  status(): SessionStatus {
    const { client, engine, title } = this.hello;
    return {
      session: this.id,
      run: this.run,
      client: `${client.name} ${client.version}`,
      engine,
      title,
      lastStep: this.lastStep,
      analysed: this.analysed,
      dropped: this.dropped,
      queued: this.queued,
    };
  }

  private jobs(queue: Queue): Job[] {
    return queue === "monitor" ? this.monitorJobs : this.waitingJobs;
  }
}

/** The two queues of a session: frames whose simulation continues, and frames whose simulation waits. */
export type Queue = "monitor" | "waiting";
