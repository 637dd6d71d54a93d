// The cost of biasing a LAMMPS run: bench/bias with its own server.
import { runWithServer } from "../lib/with-server.mjs";

export const bias = {
  name: "bias",
  about: "cost of biasing a LAMMPS run; takes minutes",
  run: ({ quick, modelName, runOptions }) =>
    runWithServer("bench.bias", {
      modelName,
      options: quick ? ["--rounds", "1", "--steps", "5", "--cells", "3,4"] : runOptions,
    }),
};
