// Runs a Python benchmark of a LAMMPS run together with its own server.
import { execFile } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { root, stateFolder, venvBin } from "../../scripts/lib/paths.mjs";
import { startServer } from "../../scripts/lib/server.mjs";

/**
 * Run a module of `bench` that takes `--server`, `--server-pid`, `--model` and `--json`.
 *
 * @param {string} module such as `bench.overhead`
 * @param {{modelName: string | null, options: string[]}} settings the server's model, and more options
 * @returns {Promise<object>} the object that it prints on its last line
 */
export async function runWithServer(module, { modelName, options }) {
  fs.mkdirSync(stateFolder, { recursive: true });
  const server = await startServer({
    logFile: path.join(stateFolder, "bench-server.log"),
    model: modelName,
  });
  try {
    const model = modelName === null ? [] : ["--model", modelName];
    const { stdout } = await promisify(execFile)(
      venvBin("python"),
      [
        "-m",
        module,
        "--server",
        server.endpoint,
        "--server-pid",
        String(server.pid),
        "--json",
        ...model,
        ...options,
      ],
      { cwd: root, maxBuffer: 2 ** 26 },
    );
    return JSON.parse(stdout.trim().split("\n").at(-1));
  } finally {
    await server.stop();
  }
}
