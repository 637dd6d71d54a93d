/** The interface between the server and what carries its messages. */

/** Fate of a message: on its way, dropped because the client does not read, or without a client. */
export type Delivery = "sent" | "full" | "gone";

/** The peer of a connection that has not yet said who it is. All such connections share their turns. */
export const strangers = "strangers";

/** One client's connection. */
export interface Connection {
  /** Unique among the connections of a transport. */
  readonly name: string;
  /** Whether `Receiver.gone` is called as soon as the other end has left, without writing to it. */
  readonly noticesItsEnd: boolean;
  /** Name of the process at the other end. Peers take turns, however many connections each has. */
  peer: string;
  /**
   * Sends a message, after those sent before. If the client does not read and its queue is full, the message
   * is dropped.
   */
  send(parts: readonly Uint8Array[]): Promise<Delivery>;
}

/** Takes the parts of one message while they arrive. */
export interface Intake {
  /**
   * Whether the next part, of this many bytes, is to be kept. No memory was taken for it yet; a part that is
   * not kept is read and discarded.
   */
  wants(bytes: number): boolean;
  /** Takes a part that is kept, in pieces of any length. */
  take(pieces: readonly Uint8Array[]): void;
  /** The message is complete. */
  end(): void;
  /** The connection ended before the message was complete. */
  abandon(): void;
}

/** The receiving side of a transport. Its methods do not throw. */
export interface Receiver {
  /**
   * A message begins.
   *
   * @param header its first part, valid during the call; null if it is too long to be read
   * @param bytes length of that part
   */
  begin(connection: Connection, header: Uint8Array | null, bytes: number): Intake;
  /** The connection has ended. */
  gone(connection: Connection): void;
}

/** Bounds of a transport. */
export interface TransportLimits {
  /** Longest first part that is read. */
  readonly maxHeaderBytes: number;
  /** Longest other part. */
  readonly maxFrameBytes: number;
  /** Bytes that may wait to be sent, over all clients. */
  readonly mostUnsentBytes: number;
  /** Connections at once. */
  readonly mostConnections: number;
}

/** A transport that listens. */
export interface Transport {
  /** The address, with the port that was chosen if it was `*`. */
  readonly endpoint: string;
  /** Settles when it no longer receives: after `close`, or with the error of its socket. */
  readonly finished: Promise<void>;
  /** Whether bytes have arrived that were not yet read. */
  readonly isBusy: boolean;
  /** Ends all connections. Messages that were sent have a moment to leave. */
  close(): Promise<void>;
}
