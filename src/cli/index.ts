export { type CliIo, exitCodes, writeError, writeText } from "./io.js";
export { type AddCommand, runCli } from "./program.js";
