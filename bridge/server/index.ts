/**
 * The public interface of the server: starting it from a program or from the command line, and the types of
 * its protocol.
 */
export type { Analysis, BiasAnalysis, FrameAnalyser, FrameSource } from "./analyser.js";
export { CoreAnalyser, type CoreAnalyserOptions } from "./core-analyser.js";
export { createLogger, type Logger, type LogLevel } from "./log.js";
export { serveCommand } from "./serve-command.js";
export { protocolVersions, type RunningServer, type ServerOptions, startServer } from "./server.js";
export { defaultEndpoint } from "./transport/endpoint.js";
export { generateKeys, readServerKeys, type ServerKeys } from "./transport/keys.js";
export { decodeMessage, encodeMessage } from "./wire/codec.js";
export type * from "./wire/wire.js";
