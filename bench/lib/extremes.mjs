// Frames at both ends of the scale, through the library: many small ones, and one beyond the core's memory.
import { createAnalyser, createFrame } from "../../dist/src/index.js";
import { cellsFor, copper, lengthScale } from "./copper.mjs";
import { rounds, spread, timed } from "./measure.mjs";

const frameCount = 100;

/**
 * Cost per atom of a hundred frames of a hundred atoms, and of one frame with the same total number of atoms.
 */
export async function smallFrames(model, limits, progress) {
  const analyser = await createAnalyser(model, { threads: 1 });
  try {
    const small = createFrame(copper(cellsFor(100)));
    const frames = Array.from({ length: frameCount }, () => small);
    const together = createFrame(copper(cellsFor((frameCount * small.positions.length) / 3)));
    const options = { perClass: false };
    const runs = {
      "one frame": [[together], options],
      batch: [frames, options],
      "batch, length scale given": [frames, { ...options, lengthScale }],
    };
    const atoms = (name) => runs[name][0].reduce((sum, { positions }) => sum + positions.length / 3, 0);
    const measure = (name) => timed(() => analyser.analyseBatch(...runs[name]));
    for (const name of Object.keys(runs)) await measure(name);
    const series = await rounds({ ...limits, seconds: 2 }, Object.keys(runs), measure, {
      progress: progress.say,
    });
    const perAtom = (name) => spread(series[name].cpu.map((seconds) => (1e6 * seconds) / atoms(name)));
    return {
      atoms: small.positions.length / 3,
      frames: frameCount,
      microsecondsAnAtom: Object.fromEntries(Object.keys(runs).map((name) => [name, perAtom(name)])),
    };
  } finally {
    await analyser.dispose();
  }
}

/** Labels one frame of any size once, in slabs if the core's memory does not hold it whole. */
export async function largeFrame(model, wanted, progress) {
  const analyser = await createAnalyser(model, { threads: 1 });
  try {
    const frame = createFrame(copper(cellsFor(wanted)));
    const atoms = frame.positions.length / 3;
    const onProgress = (share) => progress.say(`${atoms} atoms: ${Math.round(100 * share)} %`);
    let result;
    const { cpu, wall } = await timed(async () => {
      result = await analyser.analyse(frame, { perClass: false, onProgress });
    });
    return {
      atoms,
      slabs: result.slabs,
      fcc: result.fractions.fcc,
      seconds: { cpu, wall },
      microsecondsAnAtom: (1e6 * cpu) / atoms,
      // This is the maximum of the process, which has measured other sizes before.
      largestResidentGiB: process.resourceUsage().maxRSS / 2 ** 20,
    };
  } finally {
    await analyser.dispose();
  }
}
