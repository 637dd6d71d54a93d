// A Python module of this folder as a child process that answers requests, one JSON object per line each way.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { root, venvBin } from "../../scripts/lib/paths.mjs";

const tailCharacters = 2000;

/**
 * Start `python -m MODULE`. Libraries that would share work among threads are limited to one.
 *
 * @param {string} module
 * @param {readonly string[]} [options]
 * @returns {{ask: (request: object) => Promise<any>, close: () => Promise<void>}} `ask` rejects with the
 *   worker's last messages if it ends; `close` lets it end
 */
export function startWorker(module, options = []) {
  const one = { OMP_NUM_THREADS: "1", OPENBLAS_NUM_THREADS: "1", OVITO_THREAD_COUNT: "1" };
  const child = spawn(venvBin("python"), ["-m", module, ...options], {
    cwd: root,
    env: { ...process.env, ...one },
    stdio: ["pipe", "pipe", "pipe"],
  });
  let words = "";
  child.stderr.setEncoding("utf8").on("data", (text) => {
    words = (words + text).slice(-tailCharacters);
  });
  let waiting = null;
  const fail = (reason) => {
    waiting?.reject(new Error(`${module} ${reason}\n${words}`));
    waiting = null;
  };
  const closed = new Promise((resolve) => {
    child.on("close", (status) => {
      fail(`ended with status ${status}`);
      resolve();
    });
  });
  child.on("error", (error) => fail(`could not be started: ${error.message}`));
  // `close` reports a worker that has ended. The broken pipe adds nothing to that.
  child.stdin.on("error", () => undefined);
  createInterface({ input: child.stdout }).on("line", (line) => {
    const { resolve } = waiting ?? {};
    waiting = null;
    resolve?.(JSON.parse(line));
  });
  return {
    ask(request) {
      if (child.exitCode !== null) return Promise.reject(new Error(`${module} has ended\n${words}`));
      return new Promise((resolve, reject) => {
        waiting = { resolve, reject };
        child.stdin.write(`${JSON.stringify(request)}\n`);
      });
    },
    close() {
      child.stdin.end();
      return closed;
    },
  };
}
