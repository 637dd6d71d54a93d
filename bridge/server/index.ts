/**
 * The public interface of the server: starting it from a program or from the command line, and the types of
 * its protocol.
 */
import { usualEndpoint } from "./access/folder.js";

export type { Analysis, BiasAnalysis, FrameAnalyser, FrameSource } from "./analyser.js";
export { CoreAnalyser, type CoreAnalyserOptions } from "./core-analyser.js";
export { createLogger, type Logger, type LogLevel } from "./log.js";
export { serveCommand } from "./serve-command.js";
export { protocolVersions, type RunningServer, type ServerOptions, startServer } from "./server.js";
/** Default address of a server. */
export const defaultEndpoint: string = usualEndpoint();
export { type Greeting, greetingFor } from "./access/greeting.js";
export { generateKeys, readServerKeys, type ServerKeys } from "./transport/keys.js";
export { decodeMessage, encodeMessage } from "./wire/codec.js";
export type * from "./wire/wire.js";
