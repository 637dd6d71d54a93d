/** A server to attack, in a process of its own. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Child } from "../lib/children.js";
import type { Victim } from "./script.js";

const executable = "dist/bridge/server/main.js";

/** The line that the server prints when it listens. */
interface Ready {
  readonly endpoint: string;
  readonly classes: readonly string[];
}

/** `phasewire serve` on a Unix socket in a folder of its own. */
export class ServerProcess implements Victim {
  private constructor(
    readonly child: Child,
    readonly endpoint: string,
    readonly classes: readonly string[],
    private readonly folder: string,
  ) {}

  /** @param folder where the socket is; a new temporary folder if absent */
  static async start(folder = mkdtempSync(join(tmpdir(), "phasewire-fuzz-"))): Promise<ServerProcess> {
    const endpoint = `ipc://${join(folder, "socket")}`;
    const args = ["serve", "--json", "--endpoint", endpoint, "--threads", "1", "--nice", "0"];
    const child = new Child(process.execPath, [executable, ...args, "--log-level", "error"]);
    const ready = new Promise<Ready>((resolve) => child.onLine((line) => resolve(line as Ready)));
    const first = await Promise.race([ready, child.ended]);
    if (typeof first === "string") {
      throw new Error(`the server did not start (${first}): ${child.lastErrors}`);
    }
    return new ServerProcess(child, endpoint, first.classes, folder);
  }

  get pid(): number {
    return this.child.pid;
  }

  get isAlive(): boolean {
    return this.child.end === null;
  }

  /** Asks it to end, and removes its folder. Returns how it ended. */
  async stop(seconds: number): Promise<string> {
    const end = await this.child.stop(seconds);
    rmSync(this.folder, { recursive: true, force: true });
    return end;
  }
}
