/**
 * The server: one ROUTER socket, sessions with bounded queues, one analysis at a time.
 *
 * Receiving never waits for an analysis, and no answer waits for a client that does not read it. A bad
 * message causes at most an error in reply.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { Context, Router } from "zeromq";
import { limits } from "../../src/contract/limits.js";
import { protocol } from "../../src/contract/protocol.js";
import { asPhasewireError, PhasewireError } from "../../src/errors/index.js";
import type { ClassWeights } from "../../src/model/index.js";
import type { Analysis, FrameAnalyser } from "./analyser.js";
import { bindEndpoint, checkEndpoint, isLocalEndpoint, releaseEndpoint } from "./endpoint.js";
import { MessageFrame } from "./frame.js";
import { admitClients, type ServerKeys, zapDomain } from "./keys.js";
import { type Logger, silentLogger } from "./log.js";
import { errorMessage, observedArrays, resultArrays, resultScalars } from "./replies.js";
import { Outbox } from "./sessions/outbox.js";
import { Priors } from "./sessions/prior.js";
import { SeriesStore } from "./sessions/series.js";
import { type Job, Session } from "./sessions/session.js";
import { type Replaced, Sessions } from "./sessions/sessions.js";
import { encodeMessage, type Placement, receiveArrays, receiveHeader, SequencedError } from "./wire/codec.js";
import { serverLimits } from "./wire/limits.js";
import { needsSession, readClientMessage } from "./wire/messages.js";
import { SharedFile, sharedFolder } from "./wire/shared-file.js";
import { UnsupportedError } from "./wire/unsupported.js";
import type {
  Analyse,
  Capability,
  ClientMessage,
  ErrorMessage,
  Hello,
  Limits,
  Peer,
  ResultScalars,
  ServerMessage,
  WireArray,
} from "./wire/wire.js";

/** Protocol versions that this server supports. */
export const protocolVersions: readonly number[] = [protocol.version];

const { capabilities, sharedCapability } = protocol;

const { alignment, orphanCheckMs } = limits.shared;
const { mostSessions, sessionsListed } = limits.server;
const { partingMs } = limits.transport;

export interface ServerOptions {
  /** Address to bind; see bridge/PROTOCOL.md. */
  endpoint: string;
  /** Analyses the frames. The server closes it when it ends. */
  analyser: FrameAnalyser;
  /** Version of the software, for the welcome. */
  version: string;
  /** Frames of more atoms are refused. */
  maxAtoms?: number;
  /** Allowed classes and their weights for sessions that do not set them; all if absent. */
  classes?: ClassWeights;
  /** Folder of the shared files of clients on this host; null for messages only. The platform's if absent. */
  sharedFolder?: string | null;
  /** CURVE keys; needed for an address that other machines can reach. */
  keys?: ServerKeys;
  /** Sessions at once; a further one replaces another. */
  mostSessions?: number;
  logger?: Logger;
}

/** A server that listens. */
export interface RunningServer {
  /** The address, with the port that was chosen if it was `*`. */
  readonly endpoint: string;
  readonly limits: Limits;
  /** Settles when the server no longer receives: after `close`, or with the error of its socket. */
  readonly finished: Promise<void>;
  /**
   * Sends goodbye to the clients, lets the current analysis finish, and frees socket and analyser. ZeroMQ
   * frees the address a moment later, when the goodbyes are sent.
   */
  close(): Promise<void>;
}

/**
 * Starts a server.
 *
 * @throws PhasewireError `ENDPOINT_INSECURE`, `ENDPOINT_IN_USE`, `BAD_OPTION`, `FILE_ACCESS`
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { endpoint, keys } = options;
  checkEndpoint(endpoint, keys !== undefined);
  const priors = new Priors(options.analyser.model, options.classes);
  const announced = serverLimits(
    options.maxAtoms ?? limits.server.mostAtoms,
    options.analyser.model.classes.length,
  );
  const context = new Context();
  const router = new Router({
    context,
    linger: 0,
    // Otherwise messages to clients that are gone or do not read would vanish without an error.
    mandatory: true,
    sendTimeout: 0,
    sendHighWaterMark: limits.transport.serverSendMark,
    receiveHighWaterMark: limits.transport.serverReceiveMark,
    maxMessageSize: announced.maxFrameBytes,
    heartbeatInterval: limits.transport.heartbeatMs,
    heartbeatTimeout: limits.transport.heartbeatTimeoutMs,
    heartbeatTimeToLive: limits.transport.heartbeatTimeoutMs,
  });
  let stopAdmitting = (): void => {};
  try {
    if (keys !== undefined) {
      stopAdmitting = await admitClients(context, keys);
      router.zapDomain = zapDomain;
      router.curveServer = true;
      router.curveSecretKey = keys.secretKey;
    }
    const address = await bindEndpoint(router, endpoint);
    const server = new Server(router, announced, priors, options);
    const finished = server.receive();
    return {
      endpoint: address,
      limits: announced,
      finished,
      close: async () => {
        await server.stop();
        await releaseEndpoint(address);
        router.linger = partingMs;
        router.close();
        stopAdmitting();
        await options.analyser.close();
        await finished;
      },
    };
  } catch (error) {
    router.close();
    stopAdmitting();
    throw error;
  }
}

class Server {
  private readonly outbox: Outbox;
  private readonly sessions: Sessions;
  private readonly series: SeriesStore;
  private readonly analyser: FrameAnalyser;
  private readonly logger: Logger;
  private readonly self: Peer;
  /** Folder of shared files; null if no client can be on this host. */
  private readonly folder: string | null;
  private readonly capabilities: readonly Capability[];
  private readonly orphanCheck: NodeJS.Timeout;
  private readonly startedAt = now();
  private analysed = 0;
  private stopping = false;
  /** Ends the running analysis when the server stops. */
  private readonly ending = new AbortController();
  /** The running analyses; null while no frame waits. */
  private work: Promise<void> | null = null;

  constructor(
    private readonly router: Router,
    private readonly limits: Limits,
    private readonly priors: Priors,
    options: ServerOptions,
  ) {
    this.outbox = new Outbox(router);
    this.sessions = new Sessions(options.mostSessions ?? mostSessions);
    this.analyser = options.analyser;
    this.series = new SeriesStore(options.analyser.model.classes);
    this.logger = options.logger ?? silentLogger;
    this.self = { name: "phasewire", version: options.version };
    const folder = options.sharedFolder === undefined ? sharedFolder() : options.sharedFolder;
    this.folder = isLocalEndpoint(options.endpoint) ? folder : null;
    this.capabilities = this.folder === null ? capabilities : [...capabilities, sharedCapability];
    this.orphanCheck = setInterval(() => this.closeOrphans(), orphanCheckMs).unref();
  }

  /** Receives until the socket is closed. */
  async receive(): Promise<void> {
    for await (const [routingId, ...parts] of this.router) {
      if (routingId === undefined || this.stopping) continue;
      try {
        this.handle(routingId, parts);
      } catch (error) {
        this.refuse(routingId, error);
      }
    }
  }

  async stop(): Promise<void> {
    this.stopping = true;
    const sessions = this.sessions.all();
    for (const session of sessions) session.clear();
    clearInterval(this.orphanCheck);
    this.ending.abort();
    await this.work;
    for (const session of sessions) session.close();
    await Promise.all(sessions.map((s) => this.reply(s.routingId, { type: "goodbye", reason: "shutdown" })));
  }

  private handle(routingId: Buffer, [header, ...parts]: Buffer[]): void {
    const head = receiveHeader(header);
    const session = this.sessions.get(routingId);
    if (session !== undefined) session.lastHeard = now();
    // Arrays mean something only within a session, which may have a shared file.
    else if (needsSession(head.type)) throw new SequencedError(withoutSession(head.type), head.header);
    const arrays = receiveArrays(head, parts, session?.shared ?? null);
    try {
      const request = readClientMessage({ ...head, arrays }, this.limits);
      if (session === undefined) this.handleStranger(routingId, request);
      else this.handleKnown(session, request);
    } catch (error) {
      throw error instanceof PhasewireError ? new SequencedError(error, head.header) : error;
    }
  }

  private handleStranger(routingId: Buffer, request: ClientMessage): void {
    const { type, sequence } = request;
    if (request.type === "hello") this.welcome(routingId, request);
    else if (type === "ping") void this.reply(routingId, { type: "pong", sequence });
    else void this.reply(routingId, { type: "goodbye", sequence, reason: "asked" });
  }

  private handleKnown(session: Session, request: ClientMessage): void {
    const { routingId } = session;
    const { sequence } = request;
    switch (request.type) {
      case "analyse":
        session.enqueue({ message: request, receivedAt: now() });
        this.work ??= this.analyseAll();
        break;
      case "series": {
        const run = request.run ?? session.run;
        const { columns, classes, arrays } = this.series.table(run, request.after);
        void this.reply(routingId, { type: "series", sequence, run, columns, classes }, arrays);
        break;
      }
      case "status":
        void this.reply(routingId, {
          type: "status",
          sequence,
          server: this.self,
          model: this.analyser.model.name,
          threads: this.analyser.threads,
          uptimeSeconds: now() - this.startedAt,
          analysed: this.analysed,
          sessions: this.sessions
            .all()
            .sort((a, b) => b.lastHeard - a.lastHeard)
            .slice(0, sessionsListed)
            .map((other) => other.status()),
        });
        break;
      case "subscribe":
        session.watch = request;
        session.missed = 0;
        void this.reply(routingId, { type: "subscribed", sequence, runs: this.series.names() });
        break;
      case "unsubscribe":
        session.watch = null;
        void this.reply(routingId, { type: "unsubscribed", sequence });
        break;
      case "goodbye":
        this.sessions.remove(session);
        void this.reply(routingId, { type: "goodbye", sequence, reason: "asked" });
        this.logger.info("session ended", { session: session.id, run: session.run });
        break;
      default:
        this.handleStranger(routingId, request);
    }
  }

  private welcome(routingId: Buffer, hello: Hello): void {
    const version = Math.max(...hello.versions.filter((offered) => protocolVersions.includes(offered)));
    if (version === Number.NEGATIVE_INFINITY) {
      throw refusedHello("versions", hello.versions, protocolVersions);
    }
    const known = this.capabilities as readonly string[];
    const missing = hello.requires.filter((wanted) => !known.includes(wanted));
    if (missing.length > 0) {
      throw refusedHello("requires", hello.requires, known);
    }
    const weights = this.priors.read(hello.classes, this.priors.ofServer);
    const { folder } = this;
    const shared = hello.shared === null || folder === null ? null : SharedFile.open(hello.shared, folder);
    const session = new Session(routingId, hello, this.limits, now(), weights, shared);
    const replaced = this.sessions.add(session);
    if (replaced !== null) this.endReplaced(replaced);
    void this.reply(routingId, {
      type: "welcome",
      sequence: hello.sequence,
      version,
      session: session.id,
      run: session.run,
      server: this.self,
      capabilities: [...this.capabilities],
      model: this.analyser.model,
      ...(weights === null ? {} : { classes: this.priors.named(weights) }),
      ...(shared === null ? {} : { shared: true as const }),
      limits: this.limits,
    });
    const arrays = shared === null ? "messages" : "shared memory";
    this.logger.info("session began", {
      session: session.id,
      run: session.run,
      engine: hello.engine,
      arrays,
    });
  }

  /** Answers the frames of a session that had to end, so that its client begins another. */
  private endReplaced({ session, unanswered }: Replaced): void {
    const { id, run, dropped } = session;
    this.logger.info("session replaced", { session: id, run, frames: unanswered.length });
    for (const { message } of unanswered) {
      const { mode, step, sequence } = message;
      const error = errorMessage(withoutSession(message.type), sequence);
      void this.reply(session.routingId, { ...error, mode, step, dropped });
    }
  }

  /** Closes the shared files of ended clients. */
  private closeOrphans(): void {
    for (const { shared } of this.sessions.all()) if (shared?.isOrphaned) shared.close();
  }

  /** Analyses frames until none waits. */
  private async analyseAll(): Promise<void> {
    for (;;) {
      // A turn of the event loop receives waiting messages, so that the chosen frame is the newest one.
      await nextTurn();
      const next = this.sessions.next();
      if (next === null) break;
      await this.analyse(next.session, next.job);
      next.session.finish();
    }
    this.work = null;
  }

  private async analyse(session: Session, { message: frame, receivedAt }: Job): Promise<void> {
    const began = now();
    const waitedSeconds = began - receivedAt;
    try {
      if (frame.mode !== "monitor" && frame.timeoutMs !== null && waitedSeconds * 1000 > frame.timeoutMs) {
        throw new PhasewireError("TIMEOUT", {
          field: "timeoutMs",
          value: frame.timeoutMs,
          message: `the frame waited ${Math.round(waitedSeconds * 1000)} ms for its turn; ${frame.timeoutMs} ms were allowed`,
        });
      }
      const weights = this.priors.read(frame.classes, session.weights);
      const source = new MessageFrame(frame);
      const analysis = await this.analyser.analyse(source, frame, weights, this.ending.signal);
      const { classes } = this.analyser.model;
      const scalars = resultScalars(frame, analysis, {
        run: session.run,
        classes,
        dropped: session.dropped,
        seconds: now() - began - source.secondsRead,
        waitedSeconds,
      });
      const arrays = resultArrays(frame.fields, analysis, classes.length);
      // After the answer, the client may reuse the memory of the frame's arrays. So the messages to watchers
      // are made before. A seed is a second request for a frame that watchers have already seen.
      const isNews = frame.seed === null;
      const observed = isNews ? this.observedOf(session, frame, analysis, scalars) : [];
      session.analysed++;
      session.lastStep = frame.step;
      this.analysed++;
      if (this.sessions.includes(session)) {
        const { sequence } = frame;
        const { queued } = session;
        await this.answer(session, frame, { type: "result", sequence, ...scalars, queued }, arrays);
      }
      if (isNews) this.series.record(scalars);
      for (const send of observed) send();
    } catch (error) {
      if (this.sessions.includes(session))
        await this.answer(session, frame, this.frameError(error, session, frame));
    }
  }

  /**
   * Answers a frame. A client that is gone loses its session. A client that does not read loses the answer;
   * lost monitor frames are counted.
   */
  private async answer(
    session: Session,
    frame: Analyse,
    message: ServerMessage,
    arrays?: ReadonlyMap<string, WireArray>,
  ): Promise<void> {
    const parts = encodeMessage(message, arrays, spaceFor(session, frame));
    const delivery = await this.outbox.send(session.routingId, parts);
    if (delivery === "full" && frame.mode === "monitor") session.dropped++;
    if (delivery === "gone") {
      this.sessions.remove(session);
      this.logger.info("client is gone", { session: session.id, run: session.run });
    }
  }

  /** Encodes the messages to the watchers of a run, and returns actions that send them. */
  private observedOf(
    source: Session,
    frame: Analyse,
    analysis: Analysis,
    scalars: ResultScalars,
  ): (() => void)[] {
    const watchers = this.sessions.all().filter(({ watch }) => {
      return watch !== null && (watch.run === null || watch.run === source.run);
    });
    return watchers.map((watcher) => {
      const arrays = observedArrays(watcher.watch!.fields, frame, analysis);
      const { missed } = watcher;
      const parts = encodeMessage({ type: "observed", session: source.id, ...scalars, missed }, arrays);
      return () => {
        void this.outbox.send(watcher.routingId, parts).then((delivery) => {
          if (delivery === "full") watcher.missed++;
          if (delivery === "gone") this.sessions.remove(watcher);
        });
      };
    });
  }

  /** Answers a message that could not be handled. */
  private refuse(routingId: Buffer, error: unknown): void {
    const header = error instanceof SequencedError ? error.header : {};
    const { sequence } = header;
    const known = Number.isSafeInteger(sequence) ? (sequence as number) : null;
    const message = this.reported(error, known);
    const session = this.sessions.get(routingId);
    if (header.type === "analyse") {
      const { mode, step } = header;
      if (mode === "monitor" || mode === "request" || mode === "bias") message.mode = mode;
      if (Number.isSafeInteger(step)) message.step = step as number;
      if (session !== undefined) message.dropped = session.dropped;
    }
    void this.reply(routingId, message);
  }

  private frameError(error: unknown, session: Session, frame: Analyse): ErrorMessage {
    const { mode, step, sequence } = frame;
    return { ...this.reported(error, sequence), mode, step, dropped: session.dropped };
  }

  /** An error as a message; faults of the server also go to the log. */
  private reported(thrown: unknown, sequence: number | null): ErrorMessage {
    const error = asPhasewireError(thrown);
    if (error.code === "INTERNAL") {
      const { cause } = error;
      this.logger.error(error.message, { stack: cause instanceof Error ? cause.stack : error.stack });
    } else this.logger.debug("refused", { code: error.code, message: error.message });
    const message = errorMessage(error, sequence);
    const { cause } = error;
    if (cause instanceof UnsupportedError) message.supported = [...cause.supported];
    return message;
  }

  private reply(routingId: Buffer, message: ServerMessage, arrays?: ReadonlyMap<string, WireArray>) {
    return this.outbox.send(routingId, encodeMessage(message, arrays));
  }
}

/** Puts the arrays of a result, one after the other, into the room that its frame offers. */
function spaceFor({ shared }: Session, { resultSpace }: Analyse): Placement | undefined {
  if (shared === null || resultSpace === null) return undefined;
  let next = resultSpace.offset;
  const end = resultSpace.offset + resultSpace.bytes;
  return (bytes) => {
    const offset = Math.ceil(next / alignment) * alignment;
    if (offset + bytes.byteLength > end || !shared.write(bytes, offset)) return null;
    next = offset + bytes.byteLength;
    return offset;
  };
}

/** An error if the two sides cannot agree. It names what each side supports. */
function refusedHello(
  field: "versions" | "requires",
  offered: readonly (string | number)[],
  supported: readonly (string | number)[],
): UnsupportedError {
  const verb = field === "versions" ? "supports protocol versions" : "requires the capabilities";
  const list = offered.slice(0, 16).join(", ") || "(none)";
  const message = `the client ${verb} ${list}; this server supports ${supported.join(", ")}`;
  return new UnsupportedError("PROTOCOL_VERSION", { field, value: [...offered], message }, supported);
}

function withoutSession(type: string): PhasewireError {
  const message = `${type} needs a session, and this connection has none: the server was restarted or had to end it, or hello was not sent`;
  return new PhasewireError("NO_SESSION", { field: "type", value: type, message });
}

/** Seconds of a monotonic clock. */
function now(): number {
  return performance.now() / 1000;
}
