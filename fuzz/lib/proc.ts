/** Figures of a process from /proc; on systems without it, nothing is known and nothing is asserted. */
import { existsSync, readdirSync, readFileSync } from "node:fs";

/** Memory, files and threads of a process. */
export interface Held {
  /** Resident memory, in MiB. */
  readonly memory: number;
  readonly descriptors: number;
  readonly threads: number;
}

/** Memory, files and threads of a process now; null if it has ended, or the system does not report them. */
export function heldBy(pid: number): Held | null {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    const field = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(status)![1]);
    return {
      memory: field("VmRSS") / 1024,
      threads: field("Threads"),
      descriptors: readdirSync(`/proc/${pid}/fd`).length,
    };
  } catch {
    return null;
  }
}

/** Whether time that a process waits for a core is known. */
export const knowsWaiting = existsSync("/proc/self/schedstat");

/**
 * Seconds that the threads of a process have been ready to run while other programs had the cores. Of the
 * helper threads, only the one that waited longest counts: they work side by side.
 */
export function secondsWaited(pid: number): number {
  const waitedBy = (path: string): number => {
    try {
      return Number(readFileSync(path, "utf8").split(" ")[1]) / 1e9;
    } catch {
      return 0;
    }
  };
  try {
    const others = readdirSync(`/proc/${pid}/task`).filter((thread) => Number(thread) !== pid);
    const longest = others.reduce(
      (most, thread) => Math.max(most, waitedBy(`/proc/${pid}/task/${thread}/schedstat`)),
      0,
    );
    return waitedBy(`/proc/${pid}/task/${pid}/schedstat`) + longest;
  } catch {
    return 0;
  }
}

/** Names in the folder of shared files that belong to this software. */
export function sharedNames(): string[] {
  try {
    return readdirSync("/dev/shm").filter((name) => name.startsWith("phasewire-"));
  } catch {
    return [];
  }
}
