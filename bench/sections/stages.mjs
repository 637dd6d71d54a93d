// Time of each stage on one thread, compared with its work by the cost model and the machine's peak in the
// same run.
import { costs } from "../cost-model.mjs";
import { cellsFor, copper } from "../lib/copper.mjs";
import { openCore } from "../lib/cores.mjs";
import { ratio, rounds, spread, timed } from "../lib/measure.mjs";
import { StageCore } from "../lib/stage-core.mjs";

/**
 * Names of stages in the cost model, by name in bench/core/bench.ts. Some have no cost, since they hardly
 * compute.
 */
const stageNames = {
  BIN: "sorting",
  PAIRS: "neighbours",
  RADIAL: "radial",
  HARMONICS: "harmonics",
  DENSITY: "density",
  INVARIANTS: "invariants",
  NETWORK1: "network1",
  MESSAGES: "messages",
  NETWORK2: "network2",
  READOUT: "readout",
  REVERSE: "reverse pairs",
  NETWORK2_ADJOINT: "network2Adjoint",
  MESSAGES_ADJOINT: "messagesAdjoint",
  NETWORK1_ADJOINT: "network1Adjoint",
  INVARIANTS_ADJOINT: "invariantsAdjoint",
  DENSITY_ADJOINT: "densityAdjoint",
  RADIAL_ADJOINT: "radialAdjoint",
  HARMONICS_ADJOINT: "harmonicsAdjoint",
  GATHER: "gather",
};

/** Stages that the backward pass repeats, since their results are not worth their memory. */
const recomputed = ["radial", "harmonics"];

/** A measurement repeats its stage until it takes about this long, in seconds. */
const atLeast = 0.02;

export const stages = {
  name: "stages",
  about: "time of each stage, compared with the cost model and the machine's peak",
  async run({ quick, model, progress }) {
    const usual = await openCore(model, { threads: 1 });
    await usual.dispose();
    const { build } = usual;
    progress.say("compiling the stages");
    const core = new StageCore(build, model);
    const frame = copper(cellsFor(quick ? 500 : 11_000));
    const atoms = frame.positions.length / 3;
    core.prepare(frame);
    const runs = {
      ...Object.fromEntries(
        Object.entries(stageNames).map(([name, shown]) => [shown, (repeats) => core.stage(name, repeats)]),
      ),
      peak: (repeats) => core.peak(repeats),
      read: (repeats) => core.read(repeats),
    };
    const repeats = {};
    for (const [name, run] of Object.entries(runs)) {
      core.restore();
      repeats[name] = await calibrate(run);
    }
    const limits = quick ? { least: 1, most: 1, seconds: 0 } : { least: 7, most: 40, seconds: 15 };
    const measure = (name) => {
      core.restore();
      // This brings its data into the caches again, as they are between the stages of a pass.
      runs[name](1);
      return timed(() => runs[name](repeats[name]));
    };
    const series = await rounds(limits, Object.keys(runs), measure, { progress: progress.say });
    const perSecond = (name) => series[name].cpu.map((seconds) => (repeats[name] * runs[name](1)) / seconds);
    const [peak, read] = [perSecond("peak"), perSecond("read")];
    const secondsOf = (name) => series[name].cpu.map((seconds) => seconds / (repeats[name] * atoms));
    const needed = costs(model, { neighbours: core.neighbours, candidates: core.candidates });
    return {
      atoms,
      neighbours: core.neighbours,
      candidates: core.candidates,
      build,
      rounds: peak.length,
      peak: { gigaflops: inBillions(peak), readGigabytes: inBillions(read) },
      recomputed,
      stages: Object.values(stageNames).map((name) =>
        stageReport(name, needed[name] ?? null, secondsOf(name), peak, read),
      ),
    };
  },
};

const inBillions = (values) => spread(values).median / 1e9;

/**
 * Number of repeats for a run that is long enough to be timed. The first run compiles it and warms up its
 * data.
 */
async function calibrate(run) {
  run(1);
  let repeats = 1;
  for (;;) {
    const { wall } = await timed(() => run(repeats));
    if (wall >= atLeast) return repeats;
    repeats = Math.ceil(repeats * Math.min(100, (1.2 * atLeast) / Math.max(wall, 1e-6)));
  }
}

/** Time of a stage for one atom, and its fraction of the ceilings, round by round. */
function stageReport(name, cost, seconds, peak, read) {
  const microseconds = spread(seconds.map((value) => 1e6 * value));
  if (cost === null) return { name, cost, microseconds };
  const perSecond = (work) => seconds.map((value) => work / value);
  return {
    name,
    cost,
    microseconds,
    gigaflops: inBillions(perSecond(cost.flops)),
    fractionOfPeak: ratio(perSecond(cost.flops), peak).median,
    fractionOfReads: ratio(perSecond(cost.bytes), read).median,
  };
}
