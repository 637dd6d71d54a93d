/** Limits that end calls of the core before they are done: a signal, and a budget of time. */
import { limits } from "../contract/limits.js";
import { type PhasewireError, refusal, show } from "../errors/index.js";

const { mostBudget } = limits.core;

export interface CallLimits {
  /** Ends a call with `ABORTED`, also while it waits for its turn. */
  readonly signal?: AbortSignal | undefined;
  /** Seconds after which a call ends with `OVER_BUDGET`, from its turn on. None by default. */
  readonly budget?: number | undefined;
}

/** @throws PhasewireError `BAD_OPTION` for a budget that is not a number of seconds above 0 */
export function checkBudget(budget: number | undefined): void {
  if (budget === undefined || (typeof budget === "number" && budget > 0 && budget <= mostBudget)) return;
  throw refusal("budget", { found: show(budget), most: mostBudget }, { value: budget });
}

/** The error for a call that was ended. */
export function abortedError(cause?: unknown): PhasewireError {
  return refusal("aborted", {}, cause === undefined ? {} : { cause });
}

/**
 * Watches the limits of calls.
 *
 * @param atoms returns the number of atoms in all frames, for the message
 * @param end called with the error when the first limit is reached, perhaps at once
 * @returns ends the watch
 */
export function watch(
  { signal, budget }: CallLimits,
  atoms: () => number,
  end: (error: PhasewireError) => void,
): () => void {
  const onAbort = (): void => end(abortedError(signal?.reason));
  if (signal?.aborted) onAbort();
  signal?.addEventListener("abort", onAbort, { once: true });
  const onTime = (): void =>
    end(refusal("overBudget", { atoms: atoms(), budget: budget! }, { value: budget }));
  const timer = budget === undefined ? undefined : setTimeout(onTime, 1000 * budget);
  return () => {
    signal?.removeEventListener("abort", onAbort);
    clearTimeout(timer);
  };
}
