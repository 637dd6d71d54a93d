/**
 * Time limits on a machine that other programs use too.
 *
 * A promise such as "answered within 2 s" is about the software, so a limit grows by the time in which the
 * processes concerned were ready to run and got no core, and by the delays of the attacker's own event loop.
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { secondsWaited } from "./proc.js";

/** Seconds after which nothing is excused any more. */
const mostPatience = 120;

/** Seconds of a monotonic clock. */
export const now = (): number => performance.now() / 1000;

/** Measures how long something takes, less the time that the machine took away. */
export class Stopwatch {
  private readonly began = now();
  private readonly waited: number;

  /** @param pids processes that work on it, besides this one */
  constructor(private readonly pids: readonly number[]) {
    this.waited = this.total();
  }

  /** Seconds since the start. */
  get elapsed(): number {
    return now() - this.began;
  }

  /** Seconds since the start, less those without a core. */
  get charged(): number {
    return Math.max(0, this.elapsed - (this.total() - this.waited));
  }

  /** Whether a limit is exceeded. It costs little until the clock alone exceeds it. */
  exceeds(limit: number): boolean {
    const { elapsed } = this;
    return elapsed > limit && (elapsed > mostPatience || this.charged > limit);
  }

  private total(): number {
    return [process.pid, ...this.pids].reduce((sum, pid) => sum + secondsWaited(pid), ownDelay());
  }
}

const delay = monitorEventLoopDelay({ resolution: 20 });
delay.enable();
let delayed = 0;

/** Seconds by which this process's event loop was late, beyond 0.1 s at a time. */
function ownDelay(): number {
  const late = delay.max / 1e9;
  if (late > 0.1) {
    delayed += late;
    delay.reset();
  }
  return delayed;
}
