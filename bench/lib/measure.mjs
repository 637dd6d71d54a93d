// Clocks, spreads and paired rounds.

/** Median, least and largest of numbers. */
export function spread(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { median, least: sorted[0], largest: sorted.at(-1) };
}

/** Spread of the ratios of two series, pair by pair. */
export const ratio = (values, others) => spread(values.map((value, index) => value / others[index]));

/** CPU seconds of this process, over all threads, and wall-clock seconds that an action takes. */
export async function timed(action) {
  const usage = process.cpuUsage();
  const begin = performance.now();
  await action();
  const wall = (performance.now() - begin) / 1000;
  const { user, system } = process.cpuUsage(usage);
  return { cpu: (user + system) / 1e6, wall };
}

/**
 * Measures everything that is compared once per round. The order alternates, so that a drift of the machine's
 * speed favours none. There are at least `least` and at most `most` rounds. Beyond `least`, no round starts
 * after `seconds`.
 *
 * @param {{least: number, most: number, seconds: number}} limits
 * @param {readonly string[]} names what is measured
 * @param {(name: string, round: number) => Promise<{cpu: number, wall: number}>} measure
 * @param {{begin?: (round: number) => Promise<Record<string, {cpu: number, wall: number}> | undefined>,
 *   progress?: (text: string) => void}} [hooks] `begin` runs before each round and may return more
 *   measurements
 * @returns {Promise<Record<string, {cpu: number[], wall: number[]}>>} seconds by name, one number per round
 */
export async function rounds(limits, names, measure, { begin, progress } = {}) {
  const series = {};
  const add = (name, { cpu, wall }) => {
    series[name] ??= { cpu: [], wall: [] };
    series[name].cpu.push(cpu);
    series[name].wall.push(wall);
  };
  const start = performance.now();
  for (let round = 0; round < limits.most; round++) {
    const passed = (performance.now() - start) / 1000;
    if (round >= limits.least && passed >= limits.seconds) break;
    for (const [name, time] of Object.entries((await begin?.(round)) ?? {})) add(name, time);
    for (const name of round % 2 === 0 ? names : [...names].reverse()) {
      progress?.(`round ${round + 1}: ${name}`);
      add(name, await measure(name, round));
    }
  }
  return series;
}

/** Slope of log y against log x by least squares: the exponent of a power law through `[x, y]` points. */
export function exponent(points) {
  const logs = points.map((point) => point.map(Math.log));
  const mean = (axis) => logs.reduce((sum, point) => sum + point[axis], 0) / logs.length;
  const [x, y] = [mean(0), mean(1)];
  const above = logs.reduce((sum, point) => sum + (point[0] - x) * (point[1] - y), 0);
  return above / logs.reduce((sum, point) => sum + (point[0] - x) ** 2, 0);
}

/**
 * Numbers of threads to compare: 1, 2, doubled up to the number of cores. On one core, 2 shows the extra
 * cost.
 */
export function threadCounts(cores) {
  const counts = [1, 2];
  while (counts.at(-1) * 2 <= cores) counts.push(counts.at(-1) * 2);
  if (counts.at(-1) < cores) counts.push(cores);
  return counts;
}
