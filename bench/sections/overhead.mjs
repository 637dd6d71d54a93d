// The cost of watching a LAMMPS run: bench/overhead with its own server.
import { runWithServer } from "../lib/with-server.mjs";

export const overhead = {
  name: "overhead",
  about: "cost of watching a LAMMPS run; takes minutes",
  run: ({ quick, modelName, runOptions }) =>
    runWithServer("bench.overhead", {
      modelName,
      options: quick ? ["--rounds", "1", "--steps", "20", "--every", "20"] : runOptions,
    }),
};
