// CPU time per atom of phasewire and its peers, in turn on the same frames of a LAMMPS run.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { cube } from "../lib/copper.mjs";
import { openCore, openCores, tasks } from "../lib/cores.mjs";
import { ratio, rounds, spread, timed } from "../lib/measure.mjs";
import { ownRow } from "../lib/names.mjs";
import { startWorker } from "../lib/worker.mjs";

const adaptiveCna = "OVITO adaptive CNA";
const templateMatching = "OVITO PTM";

/** Skin of the neighbour lists that frames of one run share, in units of a0. */
const skin = 0.3;

export const peers = {
  name: "peers",
  about: "native analyses on the same frames, one thread each",
  async run({ quick, model, modelName, progress }) {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "phasewire-bench-"));
    const frameFile = path.join(folder, "positions");
    const cores = await openCores(model);
    const following = await openCore(model, { threads: 1, skin });
    const worker = startWorker("bench.peers", [frameFile]);
    try {
      progress.say("bringing the crystal to its temperature");
      const builds = Object.keys(cores);
      const started = await worker.ask({ do: "start", cells: quick ? 6 : 14, model: modelName, builds });
      let frame;
      const advance = async () => {
        const { edge, step } = await worker.ask({ do: "advance" });
        const bytes = fs.readFileSync(frameFile);
        const positions = new Float64Array(
          bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength),
        );
        frame = cube(positions, edge);
        return { "EAM time step": step };
      };
      const actions = Object.fromEntries(
        started.methods.map((name) => [name, () => worker.ask({ do: "method", name })]),
      );
      for (const build of builds) {
        for (const [task, work] of Object.entries(tasks)) {
          actions[ownRow(task, "Node", build)] = () => timed(() => work(cores[build], frame));
          actions[ownRow(task, "Python", build)] = () => worker.ask({ do: "phasewire", build, task });
        }
      }
      actions[ownRow("forward, lists kept", "Node", following.build)] = () =>
        timed(() => tasks.forward(following, frame));
      const names = Object.keys(actions);
      progress.say("warming up");
      await advance();
      // The gradient also warms up denoising, which would take as long as all others together.
      for (const name of names.filter((name) => !name.includes("denoise"))) await actions[name]();
      const limits = quick ? { least: 1, most: 1, seconds: 0 } : { least: 3, most: 15, seconds: 16 };
      const series = await rounds(limits, names, (name) => actions[name](), {
        begin: advance,
        progress: progress.say,
      });
      return report(started, builds, series);
    } finally {
      for (const core of [...Object.values(cores), following]) await core.dispose();
      await worker.close();
      fs.rmSync(folder, { recursive: true });
    }
  },
};

function report({ atoms, temperature, potential, versions }, builds, series) {
  const each = (form) =>
    Object.fromEntries(Object.entries(series).map(([name, times]) => [name, form(times)]));
  const perAtom = (seconds) => spread(seconds.map((value) => (1e6 * value) / atoms));
  const over = (peer) => each(({ cpu }) => ratio(cpu, series[peer].cpu));
  return {
    atoms,
    temperature,
    potential,
    rounds: series[adaptiveCna].cpu.length,
    builds,
    defaultBuild: builds[0],
    microsecondsAnAtom: each(({ cpu, wall }) => ({ cpu: perAtom(cpu), wall: perAtom(wall) })),
    overAdaptiveCna: over(adaptiveCna),
    overPtm: over(templateMatching),
    versions,
  };
}
