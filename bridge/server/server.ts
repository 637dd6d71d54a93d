/**
 * The server: sessions with bounded queues over a transport, and the analyses of their frames.
 *
 * Receiving never waits for an analysis, and no answer waits for a client that does not read it. A bad
 * message causes at most an error in reply.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { limits } from "../../src/contract/limits.js";
import { protocol } from "../../src/contract/protocol.js";
import { asPhasewireError, PhasewireError, refusal } from "../../src/errors/index.js";
import type { ClassWeights } from "../../src/model/index.js";
import { makeRuntimeFolder, usualEndpoint } from "./access/folder.js";
import { isSameProof, proofOf, TokenFile } from "./access/token.js";
import type { Analysis, FrameAnalyser } from "./analyser.js";
import { MessageFrame } from "./frame.js";
import { MessageIntake, RefusedIntake } from "./intake.js";
import { type Lane, Lanes, workOf } from "./lanes.js";
import { type Logger, silentLogger } from "./log.js";
import { heldBytes } from "./memory.js";
import { errorMessage, observedArrays, resultArrays, resultScalars } from "./replies.js";
import { Admission, type Grant } from "./sessions/admission.js";
import { Priors } from "./sessions/prior.js";
import { SeriesStore } from "./sessions/series.js";
import { type Job, Session } from "./sessions/session.js";
import { type Replaced, Sessions } from "./sessions/sessions.js";
import { checkEndpoint, isLocalEndpoint } from "./transport/endpoint.js";
import { listenKeyed } from "./transport/keyed.js";
import type { ServerKeys } from "./transport/keys.js";
import { listenPlain } from "./transport/plain.js";
import {
  type Connection,
  type Intake,
  type Receiver,
  strangers,
  type Transport,
} from "./transport/transport.js";
import {
  ArrivingArrays,
  encodeMessage,
  type Placement,
  receiveHeader,
  SequencedError,
} from "./wire/codec.js";
import { serverLimits } from "./wire/limits.js";
import { frameArrays, needsSession, readClientMessage } from "./wire/messages.js";
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
  ReceivedHeader,
  ResultScalars,
  ServerMessage,
  WireArray,
} from "./wire/wire.js";

/** Protocol versions that this server supports. */
export const protocolVersions: readonly number[] = [protocol.version];

const { capabilities, sharedCapability } = protocol;

const { alignment } = limits.shared;
const { mostSessions, mostSessionsOfPeer, sessionsListed, silentMs } = limits.server;
const { mostConnections } = limits.transport;

/** Longest time in which messages that have arrived are read before an analysis begins, in milliseconds. */
const readingMs = 5;
const noGrant: Grant = { release() {} };
const noArrays: ReadonlySet<string> = new Set();

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
  /** Lets every user of the machine connect at a loopback address; otherwise clients need a token. */
  isOpen?: boolean;
  /** Sessions at once, in all and of one peer; a further one replaces another. */
  mostSessions?: number;
  mostSessionsOfPeer?: number;
  /** Bytes that frames may hold while they arrive or wait; a share of the machine's if absent. */
  maxMemory?: number;
  logger?: Logger;
}

/** A server that listens. */
export interface RunningServer {
  /** The address, with the port that was chosen if it was `*`. */
  readonly endpoint: string;
  /** The clients that may connect: with keys, this user's by a socket or a token, or those of every user. */
  readonly access: "keys" | "socket" | "token" | "open";
  readonly limits: Limits;
  /** Settles when the server no longer receives: after `close`, or with the error of its socket. */
  readonly finished: Promise<void>;
  /** Sends goodbye to the clients, lets the current analysis finish, and frees socket and analyser. */
  close(): Promise<void>;
}

/**
 * Starts a server.
 *
 * @throws PhasewireError `ENDPOINT_INSECURE`, `ENDPOINT_IN_USE`, `BAD_OPTION`, `FILE_ACCESS`, `ACCESS_DENIED`
 */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const { endpoint, keys } = options;
  checkEndpoint(endpoint, keys !== undefined);
  if (endpoint === usualEndpoint()) makeRuntimeFolder();
  const priors = new Priors(options.analyser.model, options.classes);
  const memory = heldBytes(options.maxMemory);
  const announced = serverLimits(
    options.maxAtoms ?? limits.server.mostAtoms,
    options.analyser.model.classes.length,
    memory.ofPeer,
  );
  const server = new Server(announced, priors, new Admission(memory), options);
  const { maxHeaderBytes, maxFrameBytes } = announced;
  const bounds = { maxHeaderBytes, maxFrameBytes, mostUnsentBytes: memory.inAll, mostConnections };
  try {
    server.transport =
      keys === undefined
        ? await listenPlain(endpoint, server, bounds)
        : await listenKeyed(endpoint, keys, server, bounds);
  } catch (error) {
    await server.stop();
    throw error;
  }
  const { transport } = server;
  const isTcp = transport.endpoint.startsWith("tcp://");
  let tokenFile: TokenFile | null = null;
  try {
    // Clients that are there already send nothing before they find it.
    if (keys === undefined && isTcp) tokenFile = TokenFile.leave(transport.endpoint, options.isOpen === true);
  } catch (error) {
    await server.stop();
    await transport.close();
    throw error;
  }
  server.token = tokenFile?.token ?? null;
  const ofSystem = tokenFile === null ? "socket" : tokenFile.token === null ? "open" : "token";
  return {
    endpoint: transport.endpoint,
    access: keys === undefined ? ofSystem : "keys",
    limits: announced,
    finished: transport.finished,
    close: async () => {
      tokenFile?.remove();
      await server.stop();
      await transport.close();
      await server.lanes.close();
    },
  };
}

class Server implements Receiver {
  /** Set when it listens; before, nothing arrives. */
  transport: Transport | null = null;
  /** Clients must prove that they know it; null if they need not. */
  token: string | null = null;
  private readonly sessions: Sessions;
  private readonly series: SeriesStore;
  readonly lanes: Lanes;
  private readonly analyser: FrameAnalyser;
  private readonly logger: Logger;
  private readonly self: Peer;
  /** Folder of shared files; null if no client can be on this host. */
  private readonly folder: string | null;
  private readonly capabilities: readonly Capability[];
  private readonly check: NodeJS.Timeout;
  private readonly startedAt = now();
  private analysed = 0;
  private stopping = false;
  /** Ends the running analyses when the server stops. */
  private readonly ending = new AbortController();

  constructor(
    private readonly limits: Limits,
    private readonly priors: Priors,
    private readonly admission: Admission,
    options: ServerOptions,
  ) {
    this.sessions = new Sessions({
      inAll: options.mostSessions ?? mostSessions,
      ofPeer: options.mostSessionsOfPeer ?? mostSessionsOfPeer,
    });
    this.analyser = options.analyser;
    this.lanes = new Lanes(options.analyser);
    this.series = new SeriesStore(options.analyser.model.classes);
    this.logger = options.logger ?? silentLogger;
    this.self = { name: "phasewire", version: options.version };
    const folder = options.sharedFolder === undefined ? sharedFolder() : options.sharedFolder;
    this.folder = isLocalEndpoint(options.endpoint) ? folder : null;
    this.capabilities = this.folder === null ? capabilities : [...capabilities, sharedCapability];
    this.check = setInterval(() => this.checkSessions(), silentMs).unref();
  }

  async stop(): Promise<void> {
    this.stopping = true;
    const sessions = this.sessions.all();
    for (const session of sessions) session.clear();
    clearInterval(this.check);
    this.ending.abort();
    await this.lanes.finished();
    for (const session of sessions) session.close();
    await Promise.all(sessions.map((s) => this.reply(s.connection, { type: "goodbye", reason: "shutdown" })));
  }

  begin(connection: Connection, header: Uint8Array | null, bytes: number): Intake {
    const session = this.sessions.get(connection);
    if (session !== undefined) session.lastHeard = now();
    try {
      const head = receiveHeader(header, bytes);
      return this.beginMessage(connection, session, head);
    } catch (error) {
      return new RefusedIntake(() => this.refuse(connection, error));
    }
  }

  gone(connection: Connection): void {
    const session = this.sessions.get(connection);
    if (session !== undefined && !this.stopping) this.lose(session);
  }

  /**
   * Checks all that the header tells, before any array arrives.
   *
   * @throws SequencedError if the message is refused whatever follows
   */
  private beginMessage(
    connection: Connection,
    session: Session | undefined,
    head: ReceivedHeader,
  ): MessageIntake {
    const sequenced = (error: unknown): unknown =>
      error instanceof PhasewireError ? new SequencedError(error, head.header) : error;
    const refuse = (error: unknown): void => this.refuse(connection, sequenced(error));
    let arrays: ArrivingArrays;
    try {
      // Arrays mean something only within a session, which may have a shared file.
      if (session === undefined && needsSession(head.type)) throw withoutSession(head.type);
      arrays = new ArrivingArrays(head, session?.shared ?? null);
    } catch (error) {
      throw sequenced(error);
    }
    try {
      const request = readClientMessage({ ...head, arrays: arrays.sources }, this.limits);
      const grant =
        request.type === "analyse" ? this.admit(session!, request, arrays.bytesOf(frameArrays)) : noGrant;
      const accept = (): void => {
        try {
          this.accept(connection, session, request, grant);
        } catch (error) {
          grant.release();
          refuse(error);
        }
      };
      const kept = request.type === "analyse" ? frameArrays : noArrays;
      return new MessageIntake(arrays, kept, grant, null, { accept, refuse });
    } catch (error) {
      return new MessageIntake(arrays, noArrays, noGrant, error, { accept: () => undefined, refuse });
    }
  }

  /**
   * Grants the memory of a frame. A monitor frame may take that of older ones of its session.
   *
   * @throws PhasewireError `OVERLOADED`, `TOO_LARGE`, `QUEUE_FULL`
   */
  private admit(session: Session, { mode }: Analyse, bytes: number): Grant {
    session.checkRoom(mode);
    for (;;) {
      try {
        return this.admission.grant(session.peer, bytes);
      } catch (error) {
        if (mode !== "monitor" || !session.dropOldest()) throw error;
      }
    }
  }

  /** Handles a complete message. Its session may have ended while it arrived. */
  private accept(
    connection: Connection,
    session: Session | undefined,
    request: ClientMessage,
    grant: Grant,
  ): void {
    if (this.stopping) return;
    const present = this.sessions.get(connection);
    if (present === undefined && needsSession(request.type)) throw withoutSession(request.type);
    if (request.type === "analyse") {
      if (present !== session) throw withoutSession(request.type);
      present!.enqueue({ message: request, receivedAt: now(), grant });
      this.startAnalyses();
    } else if (present === undefined) this.handleStranger(connection, request);
    else this.handleKnown(present, request);
  }

  private handleStranger(connection: Connection, request: ClientMessage): void {
    const { type, sequence } = request;
    if (request.type === "hello") this.welcome(connection, request);
    else if (type === "ping") void this.reply(connection, { type: "pong", sequence });
    else void this.reply(connection, { type: "goodbye", sequence, reason: "asked" });
  }

  private handleKnown(session: Session, request: ClientMessage): void {
    const { connection } = session;
    const { sequence } = request;
    switch (request.type) {
      case "series": {
        const run = request.run ?? session.run;
        const { columns, classes, arrays } = this.series.table(run, request.after);
        void this.reply(connection, { type: "series", sequence, run, columns, classes }, arrays);
        break;
      }
      case "status":
        void this.reply(connection, {
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
        void this.reply(connection, { type: "subscribed", sequence, runs: this.series.names() });
        break;
      case "unsubscribe":
        session.watch = null;
        void this.reply(connection, { type: "unsubscribed", sequence });
        break;
      case "goodbye":
        this.end(session);
        void this.reply(connection, { type: "goodbye", sequence, reason: "asked" });
        this.logger.info("session ended", { session: session.id, run: session.run });
        break;
      default:
        this.handleStranger(connection, request);
    }
  }

  private welcome(connection: Connection, hello: Hello): void {
    const version = Math.max(...hello.versions.filter((offered) => protocolVersions.includes(offered)));
    if (version === Number.NEGATIVE_INFINITY) {
      throw refusedHello("versions", hello.versions, protocolVersions);
    }
    const proof = this.proveTo(hello);
    const known = this.capabilities as readonly string[];
    const missing = hello.requires.filter((wanted) => !known.includes(wanted));
    if (missing.length > 0) {
      throw refusedHello("requires", hello.requires, known);
    }
    const weights = this.priors.read(hello.classes, this.priors.ofServer);
    const { folder } = this;
    const shared = hello.shared === null || folder === null ? null : SharedFile.open(hello.shared, folder);
    const session = new Session(connection, hello, this.limits, now(), weights, shared);
    const replaced = this.sessions.add(session);
    connection.peer = session.peer;
    if (replaced !== null) this.endReplaced(replaced);
    void this.reply(connection, {
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
      ...(proof === null ? {} : { proof }),
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

  /**
   * Checks the proof of a client, and returns that of this server; null if none is needed.
   *
   * @throws PhasewireError `ACCESS_DENIED`
   */
  private proveTo({ nonce, proof }: Hello): string | null {
    const { token } = this;
    if (token === null) return null;
    if (nonce !== null && proof !== null && isSameProof(proof, proofOf("client", token, nonce))) {
      return proofOf("server", token, nonce);
    }
    throw refusal("unprovenClient", {});
  }

  /** Answers the frames of a session that had to end, so that its client begins another. */
  private endReplaced({ session, unanswered }: Replaced): void {
    const { id, run, dropped, connection } = session;
    if (this.sessions.get(connection) === undefined) connection.peer = strangers;
    this.logger.info("session replaced", { session: id, run, frames: unanswered.length });
    for (const { type, mode, step, sequence } of unanswered) {
      const error = errorMessage(withoutSession(type), sequence);
      void this.reply(connection, { ...error, mode, step, dropped });
    }
  }

  private end(session: Session): void {
    session.leave();
    this.sessions.remove(session);
    session.connection.peer = strangers;
  }

  /** Ends the session of a client that has left. */
  private lose(session: Session): void {
    this.end(session);
    this.logger.info("client is gone", { session: session.id, run: session.run });
  }

  /** Closes the shared files of ended clients, and looks whether silent ones are still there. */
  private checkSessions(): void {
    const silentSince = now() - silentMs / 1000;
    for (const session of this.sessions.all()) {
      const { connection, shared } = session;
      if (shared?.isOrphaned) shared.close();
      if (connection.noticesItsEnd || session.lastHeard > silentSince) continue;
      void this.reply(connection, { type: "pong" }).then((delivery) => {
        if (delivery === "gone" && this.sessions.includes(session)) this.lose(session);
      });
    }
  }

  private startAnalyses(): void {
    const lane = this.lanes.idle();
    if (lane !== undefined) lane.loop = this.analyseAll(lane);
  }

  /** Analyses frames until none waits that may start. */
  private async analyseAll(lane: Lane): Promise<void> {
    for (;;) {
      await this.readWaiting();
      const next = this.sessions.next((peer, frame) => this.lanes.mayStart(peer, frame));
      if (next === null) break;
      const { session, job } = next;
      lane.running = { peer: session.peer, work: workOf(job.message) };
      await this.analyse(lane, session, job);
      lane.running = null;
      session.finish();
      job.grant.release();
    }
    lane.loop = null;
  }

  /** Reads messages that have arrived, so that the next frame is the newest one. */
  private async readWaiting(): Promise<void> {
    const began = performance.now();
    do await nextTurn();
    while (this.transport?.isBusy && performance.now() - began < readingMs);
  }

  private async analyse(lane: Lane, session: Session, { message: frame, receivedAt }: Job): Promise<void> {
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
      const analyser = await lane.analyser();
      const signal = AbortSignal.any([this.ending.signal, session.left]);
      const analysis = await analyser.analyse(source, frame, weights, signal);
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
    const delivery = await session.connection.send(parts);
    if (delivery === "full" && frame.mode === "monitor") session.dropped++;
    if (delivery === "gone" && this.sessions.includes(session)) this.lose(session);
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
        void watcher.connection.send(parts).then((delivery) => {
          if (delivery === "full") watcher.missed++;
          if (delivery === "gone" && this.sessions.includes(watcher)) this.lose(watcher);
        });
      };
    });
  }

  /** Answers a message that could not be handled. */
  private refuse(connection: Connection, error: unknown): void {
    const header = error instanceof SequencedError ? error.header : {};
    const { sequence } = header;
    const known = Number.isSafeInteger(sequence) ? (sequence as number) : null;
    const message = this.reported(error, known);
    const session = this.sessions.get(connection);
    if (header.type === "analyse") {
      const { mode, step } = header;
      if (mode === "monitor" || mode === "request" || mode === "bias") message.mode = mode;
      if (Number.isSafeInteger(step)) message.step = step as number;
      if (session !== undefined) message.dropped = session.dropped;
    }
    void this.reply(connection, message);
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

  private reply(connection: Connection, message: ServerMessage, arrays?: ReadonlyMap<string, WireArray>) {
    return connection.send(encodeMessage(message, arrays));
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
