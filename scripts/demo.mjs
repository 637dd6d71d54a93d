// npm run demo: set up, start the server, and let LAMMPS melt and regrow a copper crystal under its eyes.
import "./lib/require-node.mjs";

const { spawn } = await import("node:child_process");
const { once } = await import("node:events");
const fs = await import("node:fs");
const os = await import("node:os");
const path = await import("node:path");
const { setup } = await import("./lib/setup.mjs");
const { inRoot, venvBin } = await import("./lib/paths.mjs");
const { startServer } = await import("./lib/server.mjs");

const graceMs = 10_000;

async function demo() {
  await setup();
  const out = inRoot("demo-output");
  fs.mkdirSync(out, { recursive: true });

  const scratch = fs.mkdtempSync(path.join(os.tmpdir(), "phasewire-"));
  const server = await startServer({ scratch, logFile: path.join(out, "server.log") });
  let stopping = null;
  try {
    const driver = spawn(
      venvBin("python"),
      [inRoot("examples", "lammps_melt.py"), "--server", server.endpoint, "--out", out],
      { stdio: "inherit" },
    );
    // In a terminal Ctrl-C reaches all three processes, from elsewhere only this one: either way the driver ends the
    // run after its present step, and the server is stopped after the driver.
    for (const signal of ["SIGINT", "SIGTERM"]) {
      process.on(signal, () => {
        stopping ??= signal;
        driver.kill(signal);
        setTimeout(() => driver.kill("SIGKILL"), graceMs).unref();
      });
    }
    const [status, signal] = await once(driver, "close");
    if (stopping) return 130;
    if (status !== 0)
      throw new Error(`the simulation ${signal ? `was ended by ${signal}` : `failed (status ${status})`}`);
    if (server.hasEnded())
      throw new Error(`the server ended during the run; its last words:\n${server.tail()}`);
    return 0;
  } finally {
    await server.stop();
    fs.rmSync(scratch, { recursive: true, force: true });
  }
}

try {
  process.exitCode = await demo();
} catch (error) {
  console.error(`phasewire: ${error.message}`);
  process.exitCode = 1;
}
