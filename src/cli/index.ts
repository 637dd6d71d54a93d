export { type CliIo, exitCodes, writeError, writeText } from "./io.js";
export { buildOption, classesOption, mostThreads, parseCount } from "./options.js";
export { type AddCommand, runCli } from "./program.js";
