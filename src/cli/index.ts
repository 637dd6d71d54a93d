export { type CliIo, exitCodes, isWithoutReader, outputError, writeError, writeText, written } from "./io.js";
export { buildOption, classesOption, mostDefaultThreads, mostThreads, parseCount } from "./options.js";
export { type AddCommand, runCli } from "./program.js";
