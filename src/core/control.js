// @ts-check
/**
 * The control block between the host and its worker threads: an Int32Array on its own shared memory, changed
 * only by atomic operations. The host writes a job and raises the number of each worker that takes part. This
 * is plain JavaScript, because the workers read it.
 */

/** Indices into the control block. */
export const slots = Object.freeze({
  /** Index of the job's first stage in the list of stages, and the number of consecutive stages. */
  firstStage: 0,
  stageCount: 1,
  /** Address of the core's context. */
  context: 2,
  atomCount: 3,
  /** Atoms that a worker takes at a time, a multiple of the core's BLOCK. */
  chunk: 4,
  /** Workers that take part in the job: those with the lowest numbers. */
  participants: 5,
  /** Workers that wait at the end of a stage, and the number of times that all have met. */
  arrived: 6,
  round: 7,
  /** Workers that have finished the job. */
  finished: 8,
  /** First atom not yet taken, for each stage of the job. */
  next: 9,
  /** Whole frames of a job, `mostFrames` pairs: the address of a context and, when it is done, the status. */
  frames: 17,
  /** Number of the last job of each worker; each worker sleeps on its own number. */
  job: 273,
});

/** Largest number of whole frames in a job. */
export const mostFrames = (slots.job - slots.frames) / 2;

/** Largest number of stages. */
export const mostStages = slots.frames - slots.next;

/**
 * Length of the control block.
 *
 * @param {number} workers
 */
export function controlLength(workers) {
  return slots.job + workers;
}
