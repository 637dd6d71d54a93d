/** `phasewire serve`: a server from the command line. */
import { Command, CommanderError, Option } from "commander";
import {
  buildOption,
  type CliIo,
  classesOption,
  mostDefaultThreads,
  mostThreads,
  parseCount,
} from "../../src/cli/index.js";
import { limits } from "../../src/contract/limits.js";
import { type BuildChoice, checkBudget, coresGiven } from "../../src/core/index.js";
import { PhasewireError } from "../../src/errors/index.js";
import { classWeights, loadModel } from "../../src/model/index.js";
import { packageVersion } from "../../src/package.js";
import { usualEndpoint } from "./access/folder.js";
import { CoreAnalyser } from "./core-analyser.js";
import { boundedWriter, createLogger, type LogLevel } from "./log.js";
import { defaultNiceness, parseNiceness, yieldToOthers } from "./priority.js";
import { type RunningServer, startServer } from "./server.js";
import { generateKeys, readServerKeys } from "./transport/keys.js";

/** Cores left to a simulation on the same machine if the number of threads is not given. */
const spareCores = 1;

const mebibyte = 2 ** 20;
/** Most memory that can be given: a tebibyte. */
const mostMebibytes = 2 ** 20;

interface ServeOptions {
  endpoint: string;
  model?: string;
  threads?: number;
  build?: BuildChoice;
  nice: number;
  sharedMemory: boolean;
  token: boolean;
  maxAtoms: number;
  budget: number;
  maxMemory?: number;
  classes?: Record<string, number>;
  keys?: string;
  generateKeys?: string;
  json?: boolean;
  logLevel: LogLevel;
}

/**
 * Runs a server until `io.signal` is set. When it listens, it prints one line on standard output, for which
 * the program that started it can wait. With `--json` the line is an object with `event` "ready" and the keys
 * `endpoint`, `access`, `model`, `classes`, `weights`, `threads`, `cores`, `build`, `maxAtoms`, `version` and
 * `pid`.
 *
 * @param args the arguments after `serve`
 * @returns the exit code, 0 also after a stop
 * @throws PhasewireError for wrong options, and the errors of `loadModel` and `startServer`
 */
export async function serveCommand(args: readonly string[], io: CliIo): Promise<number> {
  const options = parseOptions(args, io);
  if (options === null) return 0;
  if (options.generateKeys !== undefined) {
    const paths = await generateKeys(options.generateKeys);
    io.stdout.write(options.json ? `${JSON.stringify({ event: "keys", paths })}\n` : `${paths.join("\n")}\n`);
    return 0;
  }
  const version = packageVersion();
  const logger = createLogger(options.logLevel, boundedWriter(io.stderr));
  // Threads inherit the niceness, so it is set before any starts.
  yieldToOthers(options.nice, logger);
  const keys = options.keys === undefined ? undefined : await readServerKeys(options.keys);
  const model = await loadModel(options.model);
  const weights = options.classes === undefined ? null : classWeights(options.classes, model.classes);
  const analyser = await CoreAnalyser.create(model, {
    spareCores,
    budget: options.budget,
    ...(options.threads === undefined ? {} : { threads: options.threads }),
    ...(options.build === undefined ? {} : { build: options.build }),
  });
  const { endpoint: wanted, maxAtoms } = options;
  const server = await startServer({
    endpoint: wanted,
    analyser,
    version,
    maxAtoms,
    logger,
    ...(options.maxMemory === undefined ? {} : { maxMemory: options.maxMemory * mebibyte }),
    isOpen: !options.token,
    ...(options.sharedMemory ? {} : { sharedFolder: null }),
    ...(keys === undefined ? {} : { keys }),
    ...(options.classes === undefined ? {} : { classes: options.classes }),
  }).catch(async (error: unknown) => {
    await analyser.close();
    throw error;
  });
  const { endpoint, access } = server;
  if (access === "open") logger.warn("every user of this machine may connect", { endpoint });
  const { threads, cores, build } = analyser;
  const { name, classes } = analyser.model;
  const allowed = weights === null ? "" : `${weights.filter((weight) => weight > 0).length} of `;
  const ready = {
    event: "ready",
    endpoint,
    access,
    model: name,
    classes,
    weights: options.classes ?? null,
    threads,
    cores,
    build,
    maxAtoms,
    version,
    pid: process.pid,
  };
  io.stdout.write(
    options.json
      ? `${JSON.stringify(ready)}\n`
      : `serving model ${name} (${allowed}${classes.length} classes) at ${endpoint} for ${admitted[access]}, with ${counted(threads, "thread")} of ${counted(cores, "core")}, build ${build}; stop with Ctrl-C\n`,
  );
  try {
    await Promise.race([aborted(io.signal), server.finished]);
    logger.info("stopping");
  } finally {
    await server.close();
  }
  return 0;
}

/** @throws PhasewireError `BAD_OPTION` */
function parseBudget(text: string): number {
  const budget = text.trim() === "" ? Number.NaN : Number(text);
  checkBudget(budget);
  return budget;
}

/** The clients that a server admits. */
const admitted: Readonly<Record<RunningServer["access"], string>> = {
  keys: "holders of a key",
  socket: "this user",
  token: "this user",
  open: "every user of this machine",
};

function counted(count: number, name: string): string {
  return `${count} ${name}${count === 1 ? "" : "s"}`;
}

/** The options; null if help was requested and printed. */
function parseOptions(args: readonly string[], io: CliIo): ServeOptions | null {
  const command = new Command("phasewire serve")
    .description("Analyse the frames that running simulations send (protocol: bridge/PROTOCOL.md)")
    .option(
      "--endpoint <address>",
      "tcp://HOST:PORT (port *: any free port) or ipc://PATH",
      process.env[limits.transport.endpointVariable] || usualEndpoint(),
    )
    .addOption(classesOption())
    .option("--model <name>", "a model that `phasewire models` lists, or a .safetensors file")
    .addOption(
      new Option(
        "--threads <count>",
        `worker threads; default: one fewer than the cores that the process may use (${coresGiven()}), at least 1 and at most ${mostDefaultThreads}, which leaves one core to the simulation`,
      ).argParser((text) => parseCount("threads", text, mostThreads)),
    )
    .addOption(buildOption())
    .addOption(
      new Option(
        "--nice <number>",
        "how much to yield to other programs, from 0 (not at all) to 19; a simulation on the same core then keeps most of it",
      )
        .default(defaultNiceness)
        .argParser(parseNiceness),
    )
    .option("--no-shared-memory", "take arrays only in messages, also from clients on this machine")
    .addOption(
      new Option("--max-atoms <count>", "refuse larger frames")
        .default(limits.server.mostAtoms)
        .argParser((text) => parseCount("max-atoms", text, limits.frame.mostAtoms)),
    )
    .addOption(
      new Option("--budget <seconds>", "end an analysis that takes longer than this")
        .default(limits.server.budget)
        .argParser(parseBudget),
    )
    .addOption(
      new Option(
        "--max-memory <MiB>",
        "memory for frames that arrive or wait; half of it for one client. Default: a quarter of what the process may use",
      ).argParser((text) => parseCount("max-memory", text, mostMebibytes)),
    )
    .option("--no-token", "let every user of this machine connect at a loopback address")
    .option("--keys <dir>", "folder with CURVE keys; required for addresses that other machines can reach")
    .option("--generate-keys <dir>", "write keys of a server and a client to a folder, and exit")
    .option("--json", "print one JSON object when the server listens")
    .addOption(
      new Option("--log-level <level>", "lowest level of events written to standard error")
        .choices(["debug", "info", "warn", "error"])
        .default("info"),
    )
    .exitOverride()
    .configureOutput({
      writeOut: (text) => io.stdout.write(text),
      writeErr: (text) => io.stderr.write(text),
      outputError: () => undefined,
    });
  try {
    return command.parse(args, { from: "user" }).opts<ServeOptions>();
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return null;
    if (!(error instanceof CommanderError)) throw error;
    throw new PhasewireError("BAD_OPTION", {
      message: error.message.replace(/^error: /, ""),
      remedy: "Run `phasewire serve --help` for the options.",
      cause: error,
    });
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
