/** Child processes: programs that talk in lines of JSON, and how they ended. */
import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { packageRoot } from "../../src/package.js";

/** Last bytes of standard error that are kept for a message. */
const keptOfErrors = 4000;

/** A process with pipes, its last errors, and its end. */
export class Child {
  readonly process: ChildProcess;
  /** How it ended, such as `signal SIGABRT`; null while it runs. */
  end: string | null = null;
  readonly ended: Promise<string>;
  private errors = "";

  constructor(program: string, args: readonly string[], options: SpawnOptions = {}) {
    this.process = spawn(program, args, {
      cwd: packageRoot(),
      stdio: ["pipe", "pipe", "pipe"],
      ...options,
    });
    this.process.stderr?.on("data", (chunk: Buffer) => {
      this.errors = (this.errors + chunk.toString()).slice(-keptOfErrors);
    });
    this.process.stdin?.on("error", () => undefined);
    this.ended = new Promise((resolve) => {
      this.process.once("error", (error) => resolve(error.message));
      this.process.once("exit", (code, signal) =>
        resolve(signal === null ? `exit code ${code}` : `signal ${signal}`),
      );
    });
    void this.ended.then((end) => {
      this.end = end;
    });
  }

  get pid(): number {
    return this.process.pid ?? -1;
  }

  /** The last lines of standard error, for a message. */
  get lastErrors(): string {
    return this.errors.trim().split("\n").slice(-6).join("\n");
  }

  /** Calls a function with each line of standard output that is JSON. */
  onLine(act: (line: unknown) => void): void {
    createInterface({ input: this.process.stdout! }).on("line", (line) => {
      let value: unknown;
      try {
        value = JSON.parse(line);
      } catch {
        return;
      }
      act(value);
    });
  }

  write(value: unknown): void {
    this.process.stdin?.write(`${JSON.stringify(value)}\n`);
  }

  kill(signal: NodeJS.Signals = "SIGKILL"): void {
    if (this.end === null) this.process.kill(signal);
  }

  /** Ends the process, at the latest by force after some seconds. Returns how it ended. */
  async stop(seconds: number, signal: NodeJS.Signals = "SIGTERM"): Promise<string> {
    this.kill(signal);
    const timer = setTimeout(() => this.kill("SIGKILL"), 1000 * seconds);
    const end = await this.ended;
    clearTimeout(timer);
    return end;
  }
}

/** The Python of the working copy. */
export function python(): string {
  const folder = process.platform === "win32" ? "Scripts" : "bin";
  return join(packageRoot(), ".venv", folder, process.platform === "win32" ? "python.exe" : "python");
}
