// What watching a LAMMPS run costs it: bench/overhead beside a server of its own.
import { runBesideServer } from "../lib/beside-server.mjs";

export const overhead = {
  name: "overhead",
  about: "what watching a LAMMPS run costs it; some minutes",
  run: ({ quick, modelName, runOptions }) =>
    runBesideServer("bench.overhead", {
      modelName,
      options: quick ? ["--rounds", "1", "--steps", "20", "--every", "20"] : runOptions,
    }),
};
