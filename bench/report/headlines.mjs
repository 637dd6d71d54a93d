// The most important numbers of the sections that ran.
import { ownRow } from "../lib/names.mjs";

const tasksOverPeers = {
  forwardOverAdaptiveCna: ["forward", "overAdaptiveCna"],
  gradientOverAdaptiveCna: ["gradient", "overAdaptiveCna"],
  denoiseOverPtm: ["denoise", "overPtm"],
};

/** Medians of CPU-time ratios of one host and build. */
const ratiosOf = (peers, host, build) =>
  Object.fromEntries(
    Object.entries(tasksOverPeers).map(([key, [task, over]]) => [
      key,
      peers[over][ownRow(task, host, build)].median,
    ]),
  );

/**
 * Headlines of a report: the CPU-time ratios of the core in Node with its default build, and those of the
 * other hosts and builds in `ratiosByHost`; the fraction of the attainable peak by stage; the speed-up of a
 * forward pass by a second thread.
 */
export function headlines({ peers, stages, threads }) {
  return {
    ...(peers && {
      ...ratiosOf(peers, "Node", peers.defaultBuild),
      ratiosByHost: Object.fromEntries(
        ["Node", "Python"].map((host) => [
          host,
          Object.fromEntries(peers.builds.map((build) => [build, ratiosOf(peers, host, build)])),
        ]),
      ),
    }),
    ...(stages && {
      fractionOfPeak: Object.fromEntries(
        stages.stages.map(({ name, fractionOfPeak }) => [name, fractionOfPeak]),
      ),
    }),
    ...(threads && {
      twoThreadSpeedup: threads.speedup.forward[2].median,
      twoThreadSpeedups: Object.fromEntries(
        Object.entries(threads.speedup).map(([task, byCount]) => [task, byCount[2].median]),
      ),
    }),
  };
}
