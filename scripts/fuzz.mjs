// npm run fuzz, npm run soak: set up, then run a program of fuzz/ with the remaining arguments.
import "./lib/require-node.mjs";

const { spawnSync } = await import("node:child_process");
const { inRoot } = await import("./lib/paths.mjs");
const { setup } = await import("./lib/setup.mjs");

const [program, ...args] = process.argv.slice(2);
try {
  await setup();
} catch (error) {
  console.error(`phasewire: ${error.message}`);
  process.exit(1);
}
const { status } = spawnSync(process.execPath, [inRoot("dist", "fuzz", `${program}.js`), ...args], {
  stdio: "inherit",
});
process.exitCode = status ?? 1;
