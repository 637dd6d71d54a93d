#!/usr/bin/env node
/**
 * `npm run soak`: minutes of mixed load on one server, with clients that live long, others that come and go
 * or are killed, and restarts. Nothing may grow.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Command } from "commander";
import { now } from "./lib/patience.js";
import { createProgress } from "./lib/progress.js";
import {
  killedClient,
  manyScripts,
  PythonClient,
  RestartedServer,
  sessionsOf,
  Watcher,
} from "./soak/load.js";
import { growthOf, growthOfNames, type Sample, sample, table } from "./soak/samples.js";

/** Seconds between samples, bursts of scripts, killed clients and restarts. */
const pauses = { sample: 3, scripts: 20, killed: 12, restart: 40 };
/** Scripts of a burst: several bursts fill the server's list of sessions. */
const scriptsAtOnce = 100;
/** The share of the time with restarts. Afterwards one server must hold its own. */
const restartShare = 0.5;

const { minutes } = new Command("npm run soak --")
  .option("--minutes <number>", "duration", Number, 10)
  .parse()
  .opts<{ minutes: number }>();

const print = (line: string): void => void process.stdout.write(`${line}\n`);
const broken: string[] = [];
const report = (what: string): void => {
  broken.push(what);
  print(`BROKEN: ${what}`);
};

const began = now();
const seconds = 60 * minutes;
const goesOn = (): boolean => now() - began < seconds;
const restarts = (): boolean => now() - began < restartShare * seconds;
const bar = createProgress("soak");

const server = new RestartedServer(report);
await server.start();
const { endpoint } = server;
const clients = (["monitor", "bias"] as const).map((kind) => new PythonClient(kind, endpoint));
const watcher = new Watcher();
watcher.watch(endpoint);
const samples: Sample[] = [];

/** Repeats something until the time is over. */
async function repeat(pause: number, act: () => Promise<void>, mayGoOn = goesOn): Promise<void> {
  for (;;) {
    for (const until = now() + pause; now() < until; await sleep(100)) if (!mayGoOn()) return;
    await act();
  }
}

let restartsDone = 0;
let [scripts, killed] = [0, 0];
await Promise.all([
  repeat(pauses.sample, async () => {
    const pids = {
      server: server.pid,
      ...Object.fromEntries(clients.map(({ kind, child }) => [kind, child.pid])),
    };
    samples.push(sample(now() - began, server.starts, pids, await sessionsOf(endpoint)));
    bar.update(Math.min(1, (now() - began) / seconds));
  }),
  repeat(pauses.scripts, async () => {
    await manyScripts(endpoint, scriptsAtOnce);
    scripts += scriptsAtOnce;
  }),
  repeat(pauses.killed, async () => {
    await killedClient(endpoint, 4000);
    killed += 1;
  }),
  repeat(
    pauses.restart,
    async () => {
      if (!server.isAlive) report(`the server ended by itself: ${server.end}`);
      await server.restart(restartsDone++ % 2 === 0 ? "SIGTERM" : "SIGKILL");
      watcher.watch(endpoint);
    },
    () => goesOn() && restarts(),
  ),
]);
bar.stop();

if (!server.isAlive) report(`the server ended by itself: ${server.end}`);
for (const client of clients) {
  const end = await client.finish();
  if (end !== "exit code 0") report(`the client ${client.kind} ended by ${end}: ${client.child.lastErrors}`);
  if (client.counts.wrong !== 0) report(`the client ${client.kind} got ${client.counts.wrong} wrong answers`);
}
watcher.close();
if (server.isAlive) await server.stop("SIGTERM");
server.close();

// Only samples of the last server are compared: memory, descriptors and threads of a process end with it.
const ofLast = samples.filter(({ starts }) => starts === server.starts);
const growths = [
  ...growthOf(ofLast, "server"),
  ...clients.flatMap(({ kind }) => growthOf(samples, kind)),
  growthOfNames(samples),
];
for (const line of table(samples, ["server", ...clients.map(({ kind }) => kind)])) print(line);
for (const { what, early, late, bound } of growths) {
  print(`${what}: ${early.toFixed(0)}, at the end ${late.toFixed(0)} (at most ${bound.toFixed(0)})`);
  if (!(late <= bound)) report(`${what} grew from ${early.toFixed(0)} to ${late.toFixed(0)}`);
}
for (const { counts } of clients) print(JSON.stringify(counts));
print(
  `${server.starts} starts, ${scripts} scripts without goodbye, ${killed} killed clients, ${watcher.observed} observed`,
);
print(broken.length === 0 ? "nothing grew, nothing broke" : `${broken.length} broken promises`);
process.exit(broken.length === 0 ? 0 : 1);
