// @ts-check
/**
 * The control block between the host and its worker threads: an Int32Array on shared memory of its own, changed by atomic operations only.
 * The host writes a job and raises `job`; plain JavaScript, because worker.js reads it.
 */

/** Indices into the control block. */
export const slots = Object.freeze({
  /** Number of the current job; workers sleep on it. */
  job: 0,
  /** Index of the job's first stage in the list of stages, and how many follow each other. */
  firstStage: 1,
  stageCount: 2,
  /** Address of the core's context. */
  context: 3,
  atomCount: 4,
  /** Atoms a worker takes at a time, a multiple of the core's BLOCK. */
  chunk: 5,
  /** Workers waiting at the end of a stage, and how often all have met. */
  arrived: 6,
  round: 7,
  /** Workers that are through with the job. */
  finished: 8,
  /** First atom not yet taken, one for each stage of the job. */
  next: 9,
  /** Length of the control block. */
  length: 16,
});
