/**
 * The types of protocol version 3 (bridge/PROTOCOL.md): headers as decoded maps, with arrays separate. This
 * file has only types, so that a browser or a test can import them without the server.
 */
import type { protocol } from "../../../src/contract/protocol.js";
import type { ErrorObject } from "../../../src/errors/index.js";
import type { Variable } from "../../../src/variables/index.js";

/** An array's element type on the wire. */
export type Dtype = keyof typeof protocol.dtypes;

/** The typed array that holds each element type. */
export interface DtypeArrays {
  f32: Float32Array;
  f64: Float64Array;
  i32: Int32Array;
  u16: Uint16Array;
  u8: Uint8Array;
}

/** One array of a message: row-major data and its shape. */
export type WireArray = {
  [D in Dtype]: { readonly dtype: D; readonly shape: readonly number[]; readonly data: DtypeArrays[D] };
}[Dtype];

/** The arrays of a message, by name, in the order of their descriptors. */
export type WireArrays = ReadonlyMap<string, WireArray>;

/** A received array: its length agrees with dtype and shape, its values are not yet checked. */
export interface ArraySource {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /**
   * Copies the values, in the byte order of this machine, to memory of their length in bytes.
   *
   * @throws PhasewireError `SHARED_MEMORY` if they are in a shared file that no longer holds them
   */
  copyTo(target: Uint8Array): void;
}

/** The header of a received message. Its structure was checked, but not the keys of its type. */
export interface ReceivedHeader {
  readonly type: string;
  readonly header: Readonly<Record<string, unknown>>;
}

/** A message like `WireMessage`, whose arrays are not copied yet. */
export interface ReceivedMessage extends ReceivedHeader {
  readonly arrays: ReadonlyMap<string, ArraySource>;
}

/** A decoded message. The structure of its header was checked, but not the keys of its type. */
export interface WireMessage {
  readonly type: string;
  readonly header: Readonly<Record<string, unknown>>;
  readonly arrays: WireArrays;
}

export type Mode = (typeof protocol.modes)[number];

export type Capability = (typeof protocol.capabilities)[number] | typeof protocol.sharedCapability;

/** Per-atom and global arrays that a result can carry. */
export type ResultField = keyof typeof protocol.fields;

/** Arrays that a watcher can request. */
export type ObservedField = (typeof protocol.observedFields)[number];

export interface Peer {
  name: string;
  version: string;
}

/** A file in memory through which a client on the same host passes arrays. */
export interface SharedOffer {
  /** Its name in the folder that both sides know. */
  file: string;
  /** Its content: 128 random bits in hexadecimal. */
  token: string;
}

/** A range of bytes of the client's shared file. */
export interface SharedSpace {
  offset: number;
  bytes: number;
}

export interface Hello {
  type: "hello";
  sequence: number;
  versions: number[];
  client: Peer;
  /** The process of the client; null if it does not name it. */
  process: string | null;
  requires: string[];
  run: string | null;
  engine: string | null;
  title: string | null;
  /** Weights by class name for the frames of this session; null: the server's. */
  classes: Record<string, number> | null;
  shared: SharedOffer | null;
  /** A number for the server's proof, and the client's proof; null if the client knows no token. */
  nonce: string | null;
  proof: string | null;
}

/** Limits of a message, as bytes and counts. */
export interface Limits {
  maxAtoms: number;
  maxHeaderBytes: number;
  /** Longest part of a message. */
  maxFrameBytes: number;
  maxArrays: number;
  /** Monitor frames that wait in one session; the oldest is dropped when another arrives. */
  monitorQueue: number;
  /** Request and bias frames that wait in one session; a further one is refused. */
  requestQueue: number;
  /** Includes variables inside others. */
  maxVariables: number;
  maxDenoiseSteps: number;
  maxObservables: number;
}

export interface ModelInfo {
  name: string;
  /** Hex SHA-256 of the model file. */
  sha256: string;
  /** Class names in the order of class numbers; the first is `disordered`. */
  classes: string[];
  /** Other names of classes. */
  aliases: Record<string, string>;
  /** Names of classes where the atoms are the oxygens of water, by class name. */
  waterNames?: Record<string, string>;
  /** s, in units of a0. */
  logitLength: number;
  /** Logit of each class on its own prototype, without weights; distances are measured from it. */
  idealLogits?: number[];
  /** Neighbour cutoff, in units of a0. */
  cutoff: number;
}

export interface Welcome {
  type: "welcome";
  sequence: number;
  version: number;
  session: string;
  run: string;
  server: Peer;
  capabilities: Capability[];
  model: ModelInfo;
  /**
   * Weights in effect by class name: `disordered` and every class that is not left out; absent if all are
   * equal.
   */
  classes?: Record<string, number>;
  /** The server has the client's shared file open; absent if not. */
  shared?: true;
  /** That the server knows the token of the user's server. */
  proof?: string;
  limits: Limits;
}

/** One frame to analyse. Lengths in the simulation's unit. */
export interface Analyse {
  type: "analyse";
  sequence: number;
  mode: Mode;
  step: number;
  time: number | null;
  periodic: [boolean, boolean, boolean];
  speciesNames: string[] | null;
  /** Which atoms of a larger system these are, in words. */
  selection: string | null;
  ignoreSpecies: boolean;
  /** a0; null: estimate. */
  lengthScale: number | null;
  /** Number of denoising steps, until convergence, or no denoising. */
  denoise: number | "converged" | null;
  /** Weights by class name for this frame; null: the session's. */
  classes: Record<string, number> | null;
  fields: ResultField[];
  variables: Variable[];
  /** One per variable. */
  coefficients: number[];
  observables: Record<string, number>;
  timeoutMs: number | null;
  /** Room for the arrays of the result. */
  resultSpace: SharedSpace | null;
  atomCount: number;
  /** N x 3, f64 or f32. */
  positions: ArraySource;
  /** 3 x 3, f64; rows are the cell vectors. */
  cell: ArraySource | null;
  /** N, i32. */
  species: ArraySource | null;
  /** N, i32: the simulation's ids of the atoms. */
  ids: ArraySource | null;
  /** N x C, f32 or f64: dL/dl_ac of the energy L whose forces are requested. */
  seed: ArraySource | null;
}

export interface Subscribe {
  type: "subscribe";
  sequence: number;
  /** null: all runs. */
  run: string | null;
  fields: ObservedField[];
}

export interface SeriesRequest {
  type: "series";
  sequence: number;
  run: string | null;
  /** Only rows with a step above it. */
  after: number | null;
}

/** Messages with only type and sequence. */
export interface Bare {
  type: "ping" | "status" | "unsubscribe" | "goodbye";
  sequence: number;
}

export type ClientMessage = Hello | Analyse | Subscribe | SeriesRequest | Bare;

/** The scalars of a result that watchers and series share. */
export interface ResultScalars {
  run: string;
  mode: Mode;
  step: number;
  time?: number;
  selection?: string;
  observables: Record<string, number>;
  atomCount: number;
  lengthScale: number;
  /** Of the classes that occur. */
  fractions: Record<string, number>;
  logDensity: number;
  meanLogDensityPerAtom: number;
  meanMargin: number;
  denoising?: { steps: number; meanDisplacement: number };
  values?: number[];
  energy?: number;
  dropped: number;
  seconds: number;
  waitedSeconds: number;
}

export interface Result extends ResultScalars {
  type: "result";
  sequence: number;
  queued: number;
}

export interface Observed extends ResultScalars {
  type: "observed";
  session: string;
  missed: number;
}

export interface ErrorMessage extends ErrorObject {
  type: "error";
  sequence: number | null;
  supported?: (string | number)[];
  mode?: Mode;
  step?: number;
  dropped?: number;
}

export interface SessionStatus {
  session: string;
  run: string;
  client: string;
  engine: string | null;
  title: string | null;
  lastStep: number | null;
  analysed: number;
  dropped: number;
  queued: number;
}

export interface Status {
  type: "status";
  sequence: number;
  server: Peer;
  model: string;
  threads: number;
  uptimeSeconds: number;
  analysed: number;
  sessions: SessionStatus[];
}

export interface SeriesReply {
  type: "series";
  sequence: number;
  run: string;
  columns: string[];
  /** The classes that occur in these rows. */
  classes: string[];
}

export type ServerMessage =
  | Welcome
  | Result
  | Observed
  | ErrorMessage
  | Status
  | SeriesReply
  | { type: "pong"; sequence?: number }
  | { type: "unsubscribed"; sequence: number }
  | { type: "subscribed"; sequence: number; runs: string[] }
  | { type: "goodbye"; sequence?: number; reason: "asked" | "shutdown" };
