// Run a Python module that needs the packages of training and accuracy:
// `node scripts/training.mjs MODULE [ARGUMENTS]`.
import "./lib/require-node.mjs";

const { spawn } = await import("node:child_process");
const { venvBin, root } = await import("./lib/paths.mjs");
const { setup } = await import("./lib/setup.mjs");

const [module, ...rest] = process.argv.slice(2);
try {
  await setup({ extras: ["training", "accuracy"] });
  const child = spawn(venvBin("python"), ["-m", module, ...rest], { cwd: root, stdio: "inherit" });
  child.on("close", (status) => {
    process.exitCode = status ?? 1;
  });
} catch (error) {
  console.error(`phasewire: ${error.message}`);
  process.exitCode = 1;
}
