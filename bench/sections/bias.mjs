// What biasing a LAMMPS run costs it: bench/bias beside a server of its own.
import { runBesideServer } from "../lib/beside-server.mjs";

export const bias = {
  name: "bias",
  about: "what biasing a LAMMPS run costs it; some minutes",
  run: ({ quick, modelName, runOptions }) =>
    runBesideServer("bench.bias", {
      modelName,
      options: quick ? ["--rounds", "1", "--steps", "5", "--cells", "3,4"] : runOptions,
    }),
};
