#!/usr/bin/env node
/**
 * The executable `phasewire`: the library's commands, and `serve`, whose sockets are loaded only when it
 * runs.
 */
import { type AddCommand, runCli } from "../../src/cli/index.js";

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
// The first interruption lets the current frame finish and closes the files; the second ends the process.
process.once("SIGINT", () => interruption.abort());
process.once("SIGTERM", () => interruption.abort());

// A reader that has seen enough, such as `head`, closes the pipe: the run ends as if it were interrupted.
process.stdout.on("error", () => interruption.abort());
// The reader of errors or of a server's log can also close its pipe; the work continues.
process.stderr.on("error", () => undefined);

process.exitCode = await runCli(
  process.argv.slice(2),
  { stdout: process.stdout, stderr: process.stderr, signal: interruption.signal },
  [addServeCommand],
);
