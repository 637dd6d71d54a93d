// Runs other programs.
import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { root } from "./paths.mjs";

/** The error of a command that ended with a status other than 0, or that could not be started. */
export class CommandFailed extends Error {
  constructor(command, reason, output) {
    super(`${command} ${reason}`);
    this.name = "CommandFailed";
    this.output = output;
  }
}

/**
 * Run a program and collect its output (stdout and stderr together, in order of arrival), also in `logFile`.
 *
 * @param {string} program
 * @param {string[]} args
 * @param {{cwd?: string, env?: NodeJS.ProcessEnv, logFile?: string, shell?: boolean}} [options]
 * @returns {Promise<string>} the output; rejects with CommandFailed if the status is not 0
 */
export function runLogged(program, args, { cwd = root, env = process.env, logFile, shell = false } = {}) {
  const command = [path.basename(program), ...args].join(" ");
  const write = (text) => logFile && fs.appendFileSync(logFile, text);
  write(`\n$ ${command}\n`);
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, env, shell, stdio: ["ignore", "pipe", "pipe"] });
    const chunks = [];
    const collect = (chunk) => {
      chunks.push(chunk);
      write(chunk);
    };
    child.stdout.on("data", collect);
    child.stderr.on("data", collect);
    const output = () => Buffer.concat(chunks).toString();
    child.on("error", (error) =>
      reject(new CommandFailed(command, `could not be started: ${error.message}`, "")),
    );
    child.on("close", (status, signal) => {
      if (status === 0) resolve(output());
      else
        reject(
          new CommandFailed(
            command,
            signal ? `was ended by ${signal}` : `failed (status ${status})`,
            output(),
          ),
        );
    });
  });
}

/**
 * First line that a program prints, or null if it fails or cannot be run. For short answers such as a
 * version.
 */
export function ask(program, args) {
  const { status, stdout } = spawnSync(program, args, { encoding: "utf8", timeout: 30_000 });
  return status === 0 ? stdout.trim().split("\n")[0] : null;
}
