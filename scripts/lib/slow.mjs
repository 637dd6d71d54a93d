/**
 * Tests that `npm run test:quick` leaves out: folders of a suite, test files, or single Python tests as
 * `FILE::NAME`, each with its seconds on an idle core and the reason. All other tests run.
 *
 * @type {readonly {what: string, seconds: number, why: string}[]}
 */
export const slow = [
  { what: "training/tests", seconds: 90, why: "compiles models and trains them" },
  { what: "examples", seconds: 70, why: "runs simulations with known answers" },
  { what: "fuzz", seconds: 45, why: "attacks a server, a client and readers at random" },
  { what: "accuracy/tests/test_suite.py", seconds: 13, why: "writes every page" },

  { what: "test/tidy/readme.test.ts", seconds: 20, why: "runs the commands and snippets of the README" },
  { what: "test/core/gradients.test.ts", seconds: 11, why: "finite differences" },
  { what: "test/library/check-gradients.test.ts", seconds: 10, why: "finite differences" },
  { what: "test/library/analysis.test.ts", seconds: 9, why: "denoises many frames" },
  { what: "test/server/transport.test.ts", seconds: 9, why: "floods servers" },
  { what: "test/core/threads.test.ts", seconds: 8, why: "many numbers of threads" },
  { what: "test/library/cli.test.ts", seconds: 7, why: "starts many processes" },
  { what: "test/core/skin.test.ts", seconds: 7, why: "runs along trajectories" },
  { what: "test/core/shapes.test.ts", seconds: 7, why: "models of many sizes" },
  { what: "test/library/formats.test.ts", seconds: 7, why: "random files" },
  { what: "test/core/abort.test.ts", seconds: 6, why: "ends calls at random moments" },
  { what: "test/variables/chain.test.ts", seconds: 6, why: "finite differences" },
  { what: "test/variables/golden.test.ts", seconds: 3, why: "every kind of variable on every frame" },
  { what: "test/core/outer-width.test.ts", seconds: 3, why: "models of many sizes" },
  { what: "test/core/length-scale.test.ts", seconds: 3, why: "many frames" },
  { what: "test/core/neighbours.test.ts", seconds: 3, why: "compares with all pairs" },
  { what: "test/core/nameable.test.ts", seconds: 2, why: "compares with the reference" },
  { what: "test/core/dense.test.ts", seconds: 2, why: "frames of a million atoms" },
  { what: "test/server/abort.test.ts", seconds: 3, why: "starts and ends servers" },
  { what: "test/server/serve.test.ts", seconds: 3, why: "starts and ends servers" },
  { what: "test/tooling/jobs.test.mjs", seconds: 4, why: "waits" },
  { what: "test/tooling/lock.test.mjs", seconds: 4, why: "waits" },
  { what: "test/tooling/demo.test.mjs", seconds: 12, why: "melts a crystal" },
  {
    what: "test/bench/quick.test.mjs",
    seconds: 10,
    why: "measures, and compiles the core for that if it has changed",
  },

  { what: "python/tests/conformance", seconds: 42, why: "runs LAMMPS and ASE" },
  { what: "python/tests/test_bias_opes.py", seconds: 21, why: "free energies of toys" },
  { what: "python/tests/test_server.py", seconds: 20, why: "starts and kills servers" },
  { what: "python/tests/test_hostile_server.py", seconds: 19, why: "floods clients" },
  { what: "python/tests/test_client.py", seconds: 16, why: "waits for servers that are lost" },
  { what: "python/tests/test_bias_evaluation.py", seconds: 14, why: "starts and kills servers" },
  { what: "python/tests/test_abort.py", seconds: 14, why: "ends calls at random moments" },
  { what: "python/tests/test_bias_metadynamics.py", seconds: 12, why: "free energies of toys" },
  { what: "python/tests/test_outages.py", seconds: 12, why: "starts and kills servers" },
  { what: "python/tests/test_bias_ase.py", seconds: 11, why: "runs and kills simulations" },
  { what: "python/tests/test_umbrella.py", seconds: 11, why: "free energies of toys" },
  { what: "python/tests/test_bias_lammps.py", seconds: 7, why: "runs simulations" },
  { what: "python/tests/test_names.py", seconds: 6, why: "imports each module in a process of its own" },
  { what: "python/tests/test_package.py", seconds: 5, why: "builds a wheel" },
];
