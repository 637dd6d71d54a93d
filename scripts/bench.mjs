// npm run bench [-- OPTIONS]: set up everything for the benchmark, then run it (bench/main.mjs; --help lists
// the options).
import "./lib/require-node.mjs";

const { spawn } = await import("node:child_process");
const { inRoot, root } = await import("./lib/paths.mjs");
const { setup } = await import("./lib/setup.mjs");

try {
  await setup({ extras: ["accuracy", "bench"] });
  const child = spawn(process.execPath, [inRoot("bench", "main.mjs"), ...process.argv.slice(2)], {
    cwd: root,
    stdio: "inherit",
  });
  child.on("close", (status) => {
    process.exitCode = status ?? 1;
  });
} catch (error) {
  console.error(`phasewire: ${error.message}`);
  process.exitCode = 1;
}
