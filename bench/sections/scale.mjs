// Cost and memory per atom from a thousand atoms to a million.
import { cellsFor, copper } from "../lib/copper.mjs";
import { openCore, tasks } from "../lib/cores.mjs";
import { largeFrame, smallFrames } from "../lib/extremes.mjs";
import { exponent, rounds, spread, timed } from "../lib/measure.mjs";
import { RawCore } from "../lib/raw-core.mjs";

/**
 * Small frames are repeated up to about this number of atoms, so that clocks and schedulers do not matter.
 */
const atomsAtLeast = 20_000;

const features = {
  "labels alone": ["NO_TABLES"],
  forward: [],
  "with gradient": ["GRADIENT"],
  // Hosts request these up to a certain size, to save the backward pass and denoising work.
  "kept for speed": ["GRADIENT", "KEEP_DENSITY", "LISTS"],
};

export const scale = {
  name: "scale",
  about: "cost and memory per atom from 1,000 atoms to 1,000,000",
  async run({ quick, model, largest, progress }) {
    const wanted = quick ? [500, 2_000] : [100, 1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000];
    const frames = Object.fromEntries(
      wanted.map((atoms) => {
        const frame = copper(cellsFor(atoms));
        return [frame.positions.length / 3, frame];
      }),
    );
    const atomCounts = Object.keys(frames).map(Number);
    const core = await openCore(model, { threads: 1 });
    try {
      const measure = async (name) => {
        const [task, atoms] = name.split(" ");
        const repeats = Math.ceil(atomsAtLeast / atoms);
        const { cpu, wall } = await timed(async () => {
          for (let repeat = 0; repeat < repeats; repeat++) await tasks[task](core, frames[atoms]);
        });
        return { cpu: cpu / repeats, wall: wall / repeats };
      };
      progress.say("warming up");
      await measure(`gradient ${atomCounts.at(-1)}`);
      const names = atomCounts.flatMap((atoms) => [`forward ${atoms}`, `gradient ${atoms}`]);
      const limits = quick ? { least: 1, most: 1, seconds: 0 } : { least: 2, most: 5, seconds: 40 };
      const series = await rounds(limits, names, measure, { progress: progress.say });
      const perAtom = (task, atoms) =>
        spread(series[`${task} ${atoms}`].cpu.map((seconds) => (1e6 * seconds) / atoms));
      const sizes = atomCounts.map((atoms) => ({
        atoms,
        forward: perAtom("forward", atoms),
        gradient: perAtom("gradient", atoms),
      }));
      const large = sizes.filter(({ atoms }) => atoms >= 500);
      return {
        build: core.build,
        rounds: series[names[0]].cpu.length,
        sizes,
        // Small frames are left out, since the constant cost per frame shows in them.
        exponent: {
          forward: exponent(large.map(({ atoms, forward }) => [atoms, atoms * forward.median])),
          gradient: exponent(large.map(({ atoms, gradient }) => [atoms, atoms * gradient.median])),
        },
        ...(await memory(core.build, model)),
        smallFrames: await smallFrames(model, limits, progress),
        ...(largest && { largest: await largeFrame(model, largest, progress) }),
      };
    } finally {
      await core.dispose();
    }
  },
};

/**
 * Memory by the core's layout: bytes per atom by the number of atoms, and the largest frames. Nothing is
 * allocated.
 */
async function memory(build, model) {
  const raw = await RawCore.open(build, model);
  const bits = Object.entries(features).map(([name, wanted]) => [name, raw.features(...wanted)]);
  const each = (form) => Object.fromEntries(bits.map(([name, bit]) => [name, form(bit)]));
  return {
    memory: [1_000, 10_000, 100_000, 500_000, 1_000_000].map((atoms) => ({
      atoms,
      bytesAnAtom: each((bit) => raw.frameBytes(atoms, bit) / atoms),
    })),
    mostAtoms: each((bit) => mostAtoms((atoms) => Number.isFinite(raw.frameBytes(atoms, bit)))),
  };
}

/** Largest number of atoms that fits, to within a thousand. */
function mostAtoms(fits) {
  let [fitting, tooMany] = [1, 2 ** 24];
  while (tooMany - fitting > 1000) {
    const middle = (fitting + tooMany) >> 1;
    if (fits(middle)) fitting = middle;
    else tooMany = middle;
  }
  return fitting;
}
