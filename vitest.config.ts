import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.{ts,mjs}"],
    // Tests start servers and Python processes; a busy machine must not fail them.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    // One process for all files of a worker: starting one, and reading the library, costs as much as many a file's tests.
    // So a file gives back what it takes: spies, environment variables, clocks, handles.
    pool: "forks",
    isolate: false,
  },
});
