// npm test: set up, then every check there is. The last line is `N passed, N failed`; a style or type check counts as one.
import "./lib/require-node.mjs";

const { setup } = await import("./lib/setup.mjs");
const { checks } = await import("./lib/checks.mjs");

try {
  await setup({ extras: ["training"] });
} catch (error) {
  console.error(`phasewire: ${error.message}`);
  console.log("0 passed, 1 failed");
  process.exit(1);
}

let passed = 0;
let failed = 0;
for (const check of checks) {
  console.log(`\n== ${check.name}`);
  const start = performance.now();
  const result = await check.run();
  passed += result.passed;
  failed += result.failed;
  const took = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`== ${check.name}: ${result.passed} passed, ${result.failed} failed (${took} s)`);
}
console.log(`\n${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
