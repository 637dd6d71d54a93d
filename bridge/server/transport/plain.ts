/**
 * The transport without keys: ZMTP on plain sockets, for clients on this machine.
 *
 * It is not libzmq's: a client can end a process through libzmq, whose input stops at a high-water mark, and
 * whose heartbeats on a connection that was reset meanwhile fail an assertion. And libzmq hands over whole
 * messages of any number of parts, so that their memory is taken before they can be refused.
 */
import { createServer, type Server } from "node:net";
import { limits } from "../../../src/contract/limits.js";
import { listenAt } from "./endpoint.js";
import { PlainConnection, type Surroundings } from "./plain-connection.js";
import { type Receiver, strangers, type Transport, type TransportLimits } from "./transport.js";
import { Turns } from "./turns.js";

const { checkMs, keepAliveMs, partingMs } = limits.transport;

/**
 * Listens at an address of this machine.
 *
 * @throws PhasewireError `ENDPOINT_IN_USE`, `BAD_OPTION`, `FILE_ACCESS`
 */
export async function listenPlain(
  endpoint: string,
  receiver: Receiver,
  bounds: TransportLimits,
): Promise<Transport> {
  // The system notices hosts that are gone. A host that is there may be silent for any time.
  const server = createServer({
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: keepAliveMs,
  });
  const transport = new PlainTransport(server, receiver, bounds);
  transport.begin(await listenAt(server, endpoint));
  return transport;
}

class PlainTransport implements Transport {
  endpoint = "";
  readonly finished: Promise<void>;
  private readonly turns = new Turns();
  private readonly connections = new Set<PlainConnection>();
  private check: NodeJS.Timeout | undefined;
  private lastCheck = performance.now();
  private accepted = 0;

  constructor(
    private readonly server: Server,
    receiver: Receiver,
    bounds: TransportLimits,
  ) {
    const around: Surroundings = {
      receiver,
      limits: bounds,
      unsentBytes: 0,
      onReadable: (connection) => this.turns.add(connection),
      onClose: (connection) => this.connections.delete(connection),
    };
    server.on("connection", (socket) => {
      if (this.connections.size >= bounds.mostConnections) this.makeRoom();
      this.connections.add(new PlainConnection(socket, String(this.accepted++), around));
    });
    this.finished = new Promise((resolve) => server.once("close", resolve));
  }

  /** The server listens. */
  begin(endpoint: string): void {
    this.endpoint = endpoint;
    // A connection that cannot be accepted, as for want of descriptors, concerns only its client.
    this.server.on("error", () => undefined);
    this.check = setInterval(() => this.checkTimes(), checkMs).unref();
  }

  get isBusy(): boolean {
    return this.turns.isBusy;
  }

  async close(): Promise<void> {
    clearInterval(this.check);
    this.server.close();
    for (const connection of this.connections) connection.end();
    const late = setTimeout(() => {
      for (const connection of this.connections) connection.destroy();
    }, partingMs);
    await this.finished;
    clearTimeout(late);
  }

  /** Ends the oldest connection without a session. Sessions have a bound of their own, which is lower. */
  private makeRoom(): void {
    for (const connection of this.connections) {
      if (connection.peer !== strangers) continue;
      connection.destroy();
      this.connections.delete(connection);
      return;
    }
  }

  private checkTimes(): void {
    const now = performance.now();
    const late = now - this.lastCheck > 2 * checkMs;
    this.lastCheck = now;
    // After a busy time, bytes that have arrived may not have been read yet.
    if (late || this.isBusy) return;
    for (const connection of this.connections) connection.checkTime(now);
  }
}
