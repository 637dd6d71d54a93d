/** The parts of a mixed load: a server that is restarted, clients that live long, and others that do not. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Child, python } from "../lib/children.js";
import { Stopwatch } from "../lib/patience.js";
import { Attacker } from "../server/attacker.js";
import { bytesOf } from "../server/parts.js";
import { ServerProcess } from "../server/server-process.js";

/** Seconds in which a server ends after SIGTERM. */
const stopLimit = 1;

/** A client in Python, and its last counts. */
export class PythonClient {
  readonly child: Child;
  counts: Readonly<Record<string, number | string>> = {};

  constructor(
    readonly kind: "monitor" | "large" | "bias",
    endpoint: string,
  ) {
    this.child = new Child(python(), ["-m", "fuzz.soak.clients", kind, endpoint]);
    this.child.onLine((line) => {
      this.counts = line as Record<string, number | string>;
    });
  }

  /** Lets it end by itself. Returns how it ended. */
  async finish(): Promise<string> {
    this.child.process.stdin!.end();
    const timer = setTimeout(() => this.child.kill(), 60_000);
    const end = await this.child.ended;
    clearTimeout(timer);
    return end;
  }
}

/** A server at one address that is ended and started again. */
export class RestartedServer {
  private readonly folder = mkdtempSync(join(tmpdir(), "phasewire-soak-"));
  private current: ServerProcess | null = null;
  starts = 0;

  constructor(private readonly broken: (what: string) => void) {}

  async start(): Promise<void> {
    this.current = await ServerProcess.start(this.folder);
    this.starts++;
  }

  get endpoint(): string {
    return this.current!.endpoint;
  }

  get pid(): number {
    return this.current!.pid;
  }

  /** Whether it runs, and has not ended by itself. */
  get isAlive(): boolean {
    return this.current!.isAlive;
  }

  get end(): string {
    return `${this.current!.child.end}: ${this.current!.child.lastErrors}`;
  }

  /** Ends it in good order, which must be quick, or at once. */
  async restart(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    await this.stop(signal);
    await this.start();
  }

  async stop(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const { child, pid } = this.current!;
    const watch = new Stopwatch([pid]);
    const end = await child.stop(20, signal);
    if (signal === "SIGKILL") return;
    if (end !== "exit code 0") this.broken(`after SIGTERM the server ended by ${end}`);
    if (watch.exceeds(stopLimit)) this.broken(`the server took ${watch.elapsed.toFixed(1)} s to end`);
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A watcher of all runs, which begins a new session with each server. */
export class Watcher {
  observed = 0;
  private client: Attacker | null = null;
  private isEnding = false;

  /** Begins to watch, after a start of the server, too. */
  watch(endpoint: string): void {
    this.client?.close();
    const client = new Attacker(endpoint);
    this.client = client;
    void (async () => {
      await client.send([bytesOf({ hello: { run: "watcher" } }, 0, null)]);
      await client.send([
        bytesOf({ header: { type: "subscribe", fields: ["labels", "positions"] } }, 1, null),
      ]);
      let sequence = 2;
      for (let idle = 0; this.client === client && !this.isEnding; ) {
        const answer = await client.next(1000);
        if (answer?.header.type === "observed") this.observed++;
        // A session that is silent for long may be replaced.
        if (++idle % 200 === 0) {
          await client.send([bytesOf({ header: { type: "ping" } }, sequence++, null)]);
        }
      }
    })();
  }

  close(): void {
    this.isEnding = true;
    this.client?.close();
  }
}

/** The number of sessions of a server; null if it does not answer soon. */
export async function sessionsOf(endpoint: string): Promise<number | null> {
  const client = new Attacker(endpoint);
  await client.send([bytesOf({ hello: { run: "status" } }, 0, null)]);
  await client.next(2000);
  await client.send([bytesOf({ header: { type: "status" } }, 1, null)]);
  const answer = await client.next(2000);
  await client.send([bytesOf({ header: { type: "goodbye" } }, 2, null)]);
  await client.next(2000);
  client.close();
  const { sessions } = (answer?.header ?? {}) as { sessions?: readonly unknown[] };
  return sessions === undefined ? null : sessions.length;
}

/** A burst of short scripts without goodbye. */
export async function manyScripts(endpoint: string, count: number): Promise<void> {
  const program = fileURLToPath(new URL("scripts.js", import.meta.url));
  const child = new Child(process.execPath, [program, endpoint, String(count)]);
  const timer = setTimeout(() => child.kill(), 60_000);
  await child.ended;
  clearTimeout(timer);
}

/** A client with large frames, which is killed in the middle of its work. */
export async function killedClient(endpoint: string, afterMs: number): Promise<void> {
  const client = new PythonClient("large", endpoint);
  await sleep(afterMs);
  client.child.kill("SIGKILL");
  await client.child.ended;
}
