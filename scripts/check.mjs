// npm run check: format, lint and types of TypeScript and Python, side by side. Builds nothing.
import "./lib/require-node.mjs";

const { setup } = await import("./lib/setup.mjs");
const { runChecks, styleChecks } = await import("./lib/checks.mjs");

const start = performance.now();
try {
  await setup({ only: ["npm packages", "Python packages"] });
  const { passed, failed } = await runChecks(styleChecks);
  const took = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`\n${passed} passed, ${failed} failed (${took} s)`);
  process.exitCode = failed === 0 ? 0 : 1;
} catch (error) {
  console.error(`phasewire: ${error.message}`);
  process.exitCode = 1;
}
