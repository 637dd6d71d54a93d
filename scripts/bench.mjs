// npm run bench:NAME [-- OPTIONS]: set up, start a server, and run the benchmark bench/NAME with its address.
import "./lib/require-node.mjs";

const { spawn } = await import("node:child_process");
const { once } = await import("node:events");
const path = await import("node:path");
const { setup } = await import("./lib/setup.mjs");
const { root, stateFolder, venvBin } = await import("./lib/paths.mjs");
const { startServer } = await import("./lib/server.mjs");

const [name, ...options] = process.argv.slice(2);
try {
  await setup();
  const server = await startServer({ logFile: path.join(stateFolder, "bench-server.log") });
  try {
    const child = spawn(venvBin("python"), ["-m", `bench.${name}`, "--server", server.endpoint, ...options], {
      cwd: root,
      stdio: "inherit",
    });
    const [status] = await once(child, "close");
    process.exitCode = status ?? 1;
  } finally {
    await server.stop();
  }
} catch (error) {
  console.error(`phasewire: ${error.message}`);
  process.exitCode = 1;
}
