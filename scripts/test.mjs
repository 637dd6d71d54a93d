// npm test: set up, then run all checks. The last line is `N passed, N failed`; a style check counts as one.
// npm run test:quick: the same, without the tests that slow.mjs lists.
import "./lib/require-node.mjs";

const { parseArgs } = await import("node:util");
const { setup } = await import("./lib/setup.mjs");
const { runChecks, styleChecks, suites } = await import("./lib/checks.mjs");
const { slow } = await import("./lib/slow.mjs");

const { values: options } = parseArgs({ options: { quick: { type: "boolean", default: false } } });
const start = performance.now();
try {
  await setup({ extras: ["training"] });
} catch (error) {
  console.error(`phasewire: ${error.message}`);
  console.log("0 passed, 1 failed");
  process.exit(1);
}

const left = options.quick ? slow : [];
const { passed, failed } = await runChecks([...suites(left.map(({ what }) => what)), ...styleChecks]);
if (options.quick) {
  console.log("\nLeft out. `npm test` runs these too. To run one of them:");
  console.log("  npx vitest run test/FILE    .venv/bin/python -m pytest FILE    npm run fuzz -- --quick");
  for (const { what, seconds, why } of left) console.log(`  ${what}: ${why} (${seconds} s)`);
  console.log(`Took ${((performance.now() - start) / 1000).toFixed(0)} s.`);
}
console.log(`\n${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
