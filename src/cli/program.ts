/**
 * The `phasewire` command. This folder has the commands that work on files; the executable in bridge/server
 * adds those that need sockets.
 */
import { Command, CommanderError } from "commander";
import { asPhasewireError, PhasewireError } from "../errors/index.js";
import { packageVersion } from "../package.js";
import { addCheckGradientsCommand } from "./check-gradients.js";
import { addClassifyCommand } from "./classify.js";
import { addDenoiseCommand } from "./denoise.js";
import { type CliIo, exitCodes, writeError } from "./io.js";
import { addModelsCommand } from "./models.js";

/** Adds a command to the program; `finish` takes the exit code. */
export type AddCommand = (program: Command, io: CliIo, finish: (exitCode: number) => void) => void;

const commands: readonly AddCommand[] = [
  addClassifyCommand,
  addDenoiseCommand,
  addModelsCommand,
  addCheckGradientsCommand,
];

/**
 * Runs the command line and returns the exit code: 0 for success, 1 for an error in the input, 2 for wrong
 * usage, 130 after an interruption.
 *
 * @param args arguments without interpreter and script
 * @param more commands in addition to those of this folder
 */
export async function runCli(
  args: readonly string[],
  io: CliIo,
  more: readonly AddCommand[] = [],
): Promise<number> {
  let exitCode: number = exitCodes.success;
  const finish = (code: number): void => {
    exitCode = code;
  };
  const program = createProgram(io);
  for (const add of commands.concat(more)) add(program, io, finish);
  // Commands copy these settings when they are added, so all of them are set.
  for (const command of [program, ...program.commands]) command.exitOverride().configureOutput(quiet(io));
  try {
    await program.parseAsync(args, { from: "user" });
    return exitCode;
  } catch (thrown) {
    if (thrown instanceof CommanderError) return endOfParsing(thrown, io);
    const error = asPhasewireError(thrown);
    await writeError(io, error);
    const isUsage = error.code === "BAD_OPTION" || error.code === "BAD_LENGTH_SCALE";
    return isUsage ? exitCodes.usage : exitCodes.failure;
  }
}

function createProgram(io: CliIo): Command {
  return new Command("phasewire")
    .description("The phase of every atom: in files, or in a running simulation")
    .version(packageVersion(), "-V, --version", "print the version")
    .configureOutput(quiet(io))
    .showSuggestionAfterError();
}

/** Help goes to standard output; errors are written by `endOfParsing`, in the form of all errors. */
function quiet(io: CliIo): {
  writeOut(text: string): void;
  writeErr(text: string): void;
  outputError(): void;
} {
  return {
    writeOut: (text) => io.stdout.write(text),
    writeErr: (text) => io.stderr.write(text),
    outputError: () => undefined,
  };
}

async function endOfParsing(thrown: CommanderError, io: CliIo): Promise<number> {
  if (thrown.exitCode === 0) return exitCodes.success;
  if (thrown.code === "commander.help") return exitCodes.usage;
  await writeError(
    io,
    new PhasewireError("BAD_OPTION", {
      message: thrown.message.replace(/^error: /, "").replace(/\s*\n\s*/g, " "),
      remedy: "Run `phasewire help` for the commands, `phasewire help COMMAND` for their options.",
    }),
  );
  return exitCodes.usage;
}
