// npm run setup [-- --with training]: everything that the demonstration and the tests need, from a fresh clone.
// Node built-ins only: it runs before any package is installed.
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
