// What watching a LAMMPS run costs it: bench/overhead beside a server of its own.
import { execFile } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { root, stateFolder, venvBin } from "../../scripts/lib/paths.mjs";
import { startServer } from "../../scripts/lib/server.mjs";

export const overhead = {
  name: "overhead",
  about: "what watching a LAMMPS run costs it; some minutes",
  async run({ quick, modelName, overheadOptions }) {
    fs.mkdirSync(stateFolder, { recursive: true });
    const server = await startServer({
      logFile: path.join(stateFolder, "bench-server.log"),
      model: modelName,
    });
    try {
      const model = modelName === null ? [] : ["--model", modelName];
      const limits = quick ? ["--rounds", "1", "--steps", "20", "--every", "20"] : overheadOptions;
      const { stdout } = await promisify(execFile)(
        venvBin("python"),
        [
          "-m",
          "bench.overhead",
          "--server",
          server.endpoint,
          "--server-pid",
          String(server.pid),
          "--json",
          ...model,
          ...limits,
        ],
        { cwd: root, maxBuffer: 2 ** 26 },
      );
      return JSON.parse(stdout.trim().split("\n").at(-1));
    } finally {
      await server.stop();
    }
  },
};
