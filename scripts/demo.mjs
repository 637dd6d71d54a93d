// npm run demo: set up, start the server, and let LAMMPS melt and regrow a copper crystal while the server
// watches.
import "./lib/require-node.mjs";

const { spawn } = await import("node:child_process");
const { once } = await import("node:events");
const fs = await import("node:fs");
const path = await import("node:path");
const { setup } = await import("./lib/setup.mjs");
const { inRoot, venvBin } = await import("./lib/paths.mjs");
const { startServer } = await import("./lib/server.mjs");

const graceMs = 10_000;
const interrupted = 130;

async function demo() {
  await setup();
  const out = inRoot("demo-output");
  fs.mkdirSync(out, { recursive: true });

  // In a terminal, Ctrl-C reaches all three processes. From elsewhere a signal reaches only this one. In both
  // cases the simulation ends first, after its current steps, and then the server.
  let driver = null;
  let stopping = false;
  for (const signal of ["SIGINT", "SIGTERM"]) {
    process.on(signal, () => {
      if (stopping) return;
      stopping = true;
      driver?.kill(signal);
      setTimeout(() => driver?.kill("SIGKILL"), graceMs).unref();
    });
  }

  const server = await startServer({ logFile: path.join(out, "server.log") });
  try {
    if (stopping) return interrupted;
    driver = spawn(
      venvBin("python"),
      [
        inRoot("examples", "lammps_melt.py"),
        "--server",
        server.endpoint,
        "--out",
        path.relative(process.cwd(), out),
      ],
      { stdio: "inherit" },
    );
    const [status, signal] = await once(driver, "close");
    if (stopping) return interrupted;
    if (status !== 0) {
      throw new Error(`the simulation ${signal ? `was ended by ${signal}` : `failed (status ${status})`}`);
    }
    if (server.hasEnded())
      throw new Error(`the server ended during the run; its last messages:\n${server.tail()}`);
    return 0;
  } finally {
    await server.stop();
  }
}

try {
  process.exitCode = await demo();
} catch (error) {
  console.error(`phasewire: ${error.message}`);
  process.exitCode = 1;
}
