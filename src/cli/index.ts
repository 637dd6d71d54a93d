export { type CliIo, exitCodes, writeError, writeText } from "./io.js";
export { buildOption, classesOption, mostDefaultThreads, mostThreads, parseCount } from "./options.js";
export { type AddCommand, runCli } from "./program.js";
