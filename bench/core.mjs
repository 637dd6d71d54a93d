// Time of the core a frame and an atom: a thermal-looking copper crystal, one thread and several.
// Usage: node bench/core.mjs [repeats of the cubic cell, default 14] [threads, default 1 2]
// Wall-clock and CPU time of the whole process, median and range over runs after a warm-up; run `npm run build` first.
import { cpus } from "node:os";
import { PhaseCore } from "../dist/src/core/index.js";
import { loadModel } from "../dist/src/model/index.js";

const runs = 7;
const repeats = Number(process.argv[2] ?? 14);
const threadCounts = process.argv.length > 3 ? process.argv.slice(3).map(Number) : [1, 2];

/** Cubic cells of copper, every coordinate moved by up to 0.15 Å by a fixed sequence. */
function copper() {
  const edge = 3.61;
  let state = 12345;
  const noise = () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return 0.3 * (state / 0x7fffffff - 0.5);
  };
  const sites = [
    [0, 0, 0],
    [0.5, 0.5, 0],
    [0.5, 0, 0.5],
    [0, 0.5, 0.5],
  ];
  const positions = [];
  for (let a = 0; a < repeats; a++) {
    for (let b = 0; b < repeats; b++) {
      for (let c = 0; c < repeats; c++) {
        for (const [x, y, z] of sites) {
          positions.push((a + x) * edge + noise(), (b + y) * edge + noise(), (c + z) * edge + noise());
        }
      }
    }
  }
  const length = repeats * edge;
  return {
    positions: Float64Array.from(positions),
    cell: Float64Array.of(length, 0, 0, 0, length, 0, 0, 0, length),
    periodic: [true, true, true],
    species: null,
  };
}

/** Median, least and largest of numbers, in microseconds an atom. */
function summary(milliseconds, atomCount) {
  const perAtom = milliseconds.map((time) => (1000 * time) / atomCount).sort((a, b) => a - b);
  const [median, least, most] = [perAtom[perAtom.length >> 1], perAtom[0], perAtom.at(-1)];
  return `${median.toFixed(2).padStart(7)} (${least.toFixed(2)} to ${most.toFixed(2)})`;
}

async function measure(name, atomCount, action) {
  const wall = [];
  const cpu = [];
  for (let run = -2; run < runs; run++) {
    const begin = performance.now();
    const usage = process.cpuUsage();
    await action();
    if (run < 0) continue;
    const { user, system } = process.cpuUsage(usage);
    wall.push(performance.now() - begin);
    cpu.push((user + system) / 1000);
  }
  console.log(`${name.padEnd(30)} wall ${summary(wall, atomCount)}   cpu ${summary(cpu, atomCount)}`);
}

const frame = copper();
const atomCount = frame.positions.length / 3;
const model = await loadModel();
console.log(`${cpus()[0].model}, ${cpus().length} cores; Node ${process.version}; model ${model.name}`);
console.log(`${atomCount} atoms; microseconds an atom, median (range) of ${runs} runs`);
for (const threads of threadCounts) {
  const core = await PhaseCore.create(model, { threads });
  console.log(`threads: ${threads}`);
  await measure("load", atomCount, () => core.load(frame));
  await measure("load, forward", atomCount, async () => {
    core.load(frame);
    await core.forward();
  });
  await measure("load, forward, gradient", atomCount, async () => {
    core.load(frame);
    await core.score();
  });
  await measure("load, 8 denoising steps", atomCount, async () => {
    core.load(frame);
    await core.denoise({ steps: 8 });
  });
  await core.dispose();
}
