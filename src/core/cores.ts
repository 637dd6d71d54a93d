/**
 * The cores that this process may use: those it can be scheduled on, and no more than its control groups
 * allow (limits of containers and batch systems). Node counts only the former.
 */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { posix } from "node:path";

/** Mount points of control groups: version 2, and the cpu controller of version 1. */
const mount = "/sys/fs/cgroup";
const cpuMount = `${mount}/cpu`;

/** A file's text, or null if it cannot be read. */
export type ReadText = (path: string) => string | null;

/** Cores that this process may use, at least 1. */
export function coresGiven(
  schedulable: number = availableParallelism(),
  read: ReadText = readIfThere,
): number {
  return Math.max(1, Math.min(schedulable, Math.floor(cpuQuota(read))));
}

/** Cores' worth of time that the control groups of this process allow, infinite if they set no limit. */
function cpuQuota(read: ReadText): number {
  let least = Number.POSITIVE_INFINITY;
  for (const line of (read("/proc/self/cgroup") ?? "").split("\n")) {
    const [hierarchy, controllers, path] = splitLine(line);
    if (path === undefined) continue;
    if (hierarchy === "0" && controllers === "") {
      for (const group of groupAndParents(path)) least = Math.min(least, unifiedQuota(read, group));
    } else if (controllers?.split(",").includes("cpu")) {
      for (const group of groupAndParents(path)) least = Math.min(least, legacyQuota(read, group));
    }
  }
  return least;
}

/** `hierarchy:controllers:path`; the path may hold colons. */
function splitLine(line: string): [string?, string?, string?] {
  const match = /^(\d+):([^:]*):(\/.*)$/.exec(line);
  return match === null ? [] : [match[1], match[2], match[3]];
}

/**
 * A group's path and those above it: each can set a limit, and inside a container only the topmost is
 * visible.
 */
function groupAndParents(path: string): string[] {
  const groups = [path];
  for (let group = path; group !== "/" && group !== "."; groups.push(group)) group = posix.dirname(group);
  return groups;
}

function unifiedQuota(read: ReadText, group: string): number {
  const [quota, period] = (read(posix.join(mount, group, "cpu.max")) ?? "").trim().split(/\s+/);
  return share(quota, period);
}

function legacyQuota(read: ReadText, group: string): number {
  const folder = posix.join(cpuMount, group);
  return share(
    read(posix.join(folder, "cpu.cfs_quota_us"))?.trim(),
    read(posix.join(folder, "cpu.cfs_period_us"))?.trim(),
  );
}

/** quota / period; infinite if there is no limit (`max`, -1, no file). */
function share(quota: string | undefined, period: string | undefined): number {
  const ratio = Number(quota) / Number(period);
  return ratio > 0 ? ratio : Number.POSITIVE_INFINITY;
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
