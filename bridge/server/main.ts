#!/usr/bin/env node
/**
 * The executable `phasewire`: the library's commands, and `serve`, whose sockets are loaded only when it
 * runs.
 */
import { setImmediate, setTimeout } from "node:timers/promises";
import {
  type AddCommand,
  exitCodes,
  isWithoutReader,
  outputError,
  runCli,
  writeError,
  written,
} from "../../src/cli/index.js";

const addServeCommand: AddCommand = (program, io, finish) => {
  program
    .command("serve")
    .description(
      "analyse the frames that running simulations send (`phasewire serve --help` for its options)",
    )
    .argument("[options...]")
    .allowUnknownOption()
    .helpOption(false)
    .action(async (args: string[]) => {
      const { serveCommand } = await import("./index.js");
      finish(await serveCommand(args, io));
    });
};

const interruption = new AbortController();
const interrupt = (): void => interruption.abort();
// The first interruption lets the current frame finish and closes the files; the second ends the process.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, interrupt);

// A reader that has seen enough, such as `head`, closes the pipe: the run ends as if it were interrupted.
let lostOutput: Error | undefined;
process.stdout.on("error", (error) => {
  if (!isWithoutReader(error)) lostOutput ??= error;
  interrupt();
});
// The reader of errors or of a server's log can also close its pipe; the work continues.
process.stderr.on("error", () => undefined);

const io = { stdout: process.stdout, stderr: process.stderr, signal: interruption.signal };
const exitCode = await runCli(process.argv.slice(2), io, [addServeCommand]);
// Commands report output that they wait for; help, for example, is only written, and fails soon after.
await setImmediate();
const isUnreported = lostOutput !== undefined && exitCode !== exitCodes.failure;
if (isUnreported) await writeError(io, outputError(lostOutput));
// A full pipe would hold the process for ever. Results are waited for, errors and events only so long.
const patience = 500;
await written(process.stdout);
await Promise.race([written(process.stderr), setTimeout(patience)]);
process.exit(isUnreported ? exitCodes.failure : exitCode);
