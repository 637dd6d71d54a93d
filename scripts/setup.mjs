// npm run setup [-- --with training]: prepare a fresh clone for the demonstration and the tests.
// It uses Node built-ins only, since it runs before any package is installed.
import "./lib/require-node.mjs";

const { parseArgs } = await import("node:util");
const { setup } = await import("./lib/setup.mjs");

try {
  const { values } = parseArgs({ options: { with: { type: "string", multiple: true, default: [] } } });
  await setup({ extras: values.with });
} catch (error) {
  console.error(`phasewire: ${error.message}`);
  process.exitCode = 1;
}
