// A phase server as a child process.
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import { createInterface } from "node:readline";
import { inRoot } from "./paths.mjs";

const startLimitMs = 60_000;
const graceMs = 5_000;
const tailLines = 20;

/**
 * Start `phasewire serve` on a free local port, and wait until it listens.
 *
 * @param {{logFile: string, threads?: number, model?: string | null}} options file for its events; number of
 *   worker threads, by default 1, which leaves the other cores to the simulation; its model if not the
 *   default
 * @returns {Promise<{endpoint: string, pid: number, hasEnded: () => boolean, tail: () => string,
 *   stop: () => Promise<void>}>} its address; its process; whether it has ended; the last lines of its log; a
 *   function that ends it
 * @throws {Error} with its last lines, if it ends or does not answer in time
 */
export async function startServer({ logFile, threads = 1, model = null }) {
  const log = fs.openSync(logFile, "w");
  const child = spawn(
    process.execPath,
    [
      inRoot("dist", "bridge", "server", "main.js"),
      ...["serve", "--json", "--endpoint", "tcp://127.0.0.1:*", "--threads", String(threads)],
      ...(model === null ? [] : ["--model", model]),
    ],
    { stdio: ["ignore", "pipe", log] },
  );
  fs.closeSync(log);
  const closed = once(child, "close");
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  const tail = () => fs.readFileSync(logFile, "utf8").trimEnd().split("\n").slice(-tailLines).join("\n");

  const stop = async () => {
    if (hasEnded()) return;
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), graceMs);
    await closed;
    clearTimeout(timer);
  };

  const lines = createInterface({ input: child.stdout });
  const timer = setTimeout(() => child.kill("SIGKILL"), startLimitMs);
  for await (const line of lines) {
    const { event, endpoint } = JSON.parse(line);
    if (event !== "ready") continue;
    clearTimeout(timer);
    return { endpoint, pid: child.pid, hasEnded, tail, stop };
  }
  clearTimeout(timer);
  await closed;
  throw new Error(`the server did not start; its last messages:\n${tail()}`);
}
