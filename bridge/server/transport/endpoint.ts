/** Addresses: checking and binding them, with helpful errors. */
import { once } from "node:events";
import { chmod, lstat, unlink } from "node:fs/promises";
import { type AddressInfo, connect, type Server } from "node:net";
import { isMainThread } from "node:worker_threads";
import type { Router } from "zeromq";
import { protocol } from "../../../src/contract/protocol.js";
import { PhasewireError, refusal } from "../../../src/errors/index.js";

const { hostOfThisMachine, largestPort, pathWithoutFile, tcp } = protocol.addresses;
const tcpAddress = new RegExp(`^(?:${tcp})$`);
const localHost = new RegExp(`^(?:${hostOfThisMachine})$`);
// Linux's abstract sockets have no file, so no permissions keep others away. With *, ZeroMQ chooses a path.
const noFile = new RegExp(`^(?:${pathWithoutFile})$`);

/** Longest path of a Unix socket, in bytes, on the systems that have them (sun_path less its final zero). */
const longestSocketPath = process.platform === "linux" ? 107 : 103;

/**
 * Whether only this machine can reach the address.
 *
 * @throws PhasewireError `BAD_OPTION` if a server cannot bind the address
 */
export function isLocalEndpoint(endpoint: string): boolean {
  const path = socketPath(endpoint);
  if (path !== null) {
    if (path.length === 0) throw badEndpoint(endpoint, "has no path");
    if (noFile.test(path)) throw badEndpoint(endpoint, "names no file");
    if (Buffer.byteLength(path) > longestSocketPath) {
      throw badEndpoint(
        endpoint,
        `has a path of more than ${longestSocketPath} bytes, the limit of Unix sockets`,
      );
    }
    return true;
  }
  const match = tcpAddress.exec(endpoint);
  if (match === null) throw badEndpoint(endpoint, "is neither tcp://HOST:PORT nor ipc://PATH");
  const [, host, port] = match;
  if (port !== "*" && Number(port) > largestPort)
    throw badEndpoint(endpoint, `has the port ${port}, above ${largestPort}`);
  return localHost.test(host!);
}

/**
 * Refuses an address that other machines can reach, unless keys protect it.
 *
 * @throws PhasewireError `ENDPOINT_INSECURE`, `BAD_OPTION`
 */
export function checkEndpoint(endpoint: string, hasKeys: boolean): void {
  if (isLocalEndpoint(endpoint) || hasKeys) return;
  const remedy =
    "Make keys with `phasewire serve --generate-keys DIR` and add `--keys DIR`, or listen on ipc://PATH or tcp://127.0.0.1:PORT.";
  throw refusal("exposedEndpoint", { endpoint }, { value: endpoint, remedy });
}

/**
 * Lets a server listen at an address without keys.
 *
 * @returns the address with the port that was chosen, if it was `*`
 * @throws PhasewireError `ENDPOINT_IN_USE`, `BAD_OPTION`, `FILE_ACCESS`
 */
export async function listenAt(server: Server, endpoint: string): Promise<string> {
  const path = socketPath(endpoint);
  if (path !== null) await removeStaleSocket(path, endpoint);
  try {
    const listening = once(server, "listening");
    if (path === null) server.listen(hostAndPort(endpoint));
    else privately(() => server.listen(path));
    await listening;
  } catch (error) {
    throw bindError(endpoint, error);
  }
  if (path !== null) await chmod(path, 0o600);
  return path === null ? addressOf(server) : endpoint;
}

/**
 * Binds a ROUTER socket. ZeroMQ would take over an ipc path from a live server, or delete any file at that
 * path, so the path is checked first.
 *
 * @returns the address with the port that was chosen, if it was `*`; and what to call before the socket is
 *   closed: it removes the file of an ipc address. As long as the server listens, no other can have taken it
 * @throws PhasewireError `ENDPOINT_IN_USE`, `BAD_OPTION`, `FILE_ACCESS`
 */
export async function bindRouter(
  router: Router,
  endpoint: string,
): Promise<{ address: string; release: () => Promise<void> }> {
  const path = socketPath(endpoint);
  if (path !== null) await removeStaleSocket(path, endpoint);
  else router.ipv6 = endpoint.includes("[");
  try {
    await router.bind(endpoint);
  } catch (error) {
    throw bindError(endpoint, error);
  }
  if (path === null) return { address: router.lastEndpoint ?? endpoint, release: async () => undefined };
  await chmod(path, 0o600);
  return { address: endpoint, release: () => unlink(path).catch(() => undefined) };
}

/** The path of an ipc address, else null. */
function socketPath(endpoint: string): string | null {
  return endpoint.startsWith("ipc://") ? endpoint.slice("ipc://".length) : null;
}

/** Host and port as Node names them. ZeroMQ's names for them have a meaning here, too. */
function hostAndPort(endpoint: string): { host: string; port: number } {
  const [, host, port] = tcpAddress.exec(endpoint)!;
  return {
    host: host === "localhost" ? "127.0.0.1" : host!.replace(/^\[|\]$/g, ""),
    port: Number(port) || 0,
  };
}

function addressOf(server: Server): string {
  const { address, family, port } = server.address() as AddressInfo;
  return `tcp://${family === "IPv6" ? `[${address}]` : address}:${port}`;
}

/** Runs an action whose files are for this user only, from the moment that they exist. */
function privately(action: () => void): void {
  if (!isMainThread) {
    action();
    return;
  }
  const before = process.umask(0o177);
  try {
    action();
  } finally {
    process.umask(before);
  }
}

/** Removes a socket without a listener, which a killed server has left. */
async function removeStaleSocket(path: string, endpoint: string): Promise<void> {
  const found = await lstat(path).catch(() => null);
  if (found === null) return;
  if (!found.isSocket()) throw badEndpoint(endpoint, "names a file that is not a socket");
  if (await isListening(path)) throw inUse(endpoint);
  await unlink(path).catch((cause: unknown) => {
    throw new PhasewireError("FILE_ACCESS", {
      field: "endpoint",
      value: endpoint,
      message: `the socket ${path}, left behind by another server, cannot be removed`,
      cause,
    });
  });
}

function isListening(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", () => resolve(false));
  });
}

function bindError(endpoint: string, cause: unknown): PhasewireError {
  const code = (cause as NodeJS.ErrnoException | null)?.code;
  if (code === "EADDRINUSE") return inUse(endpoint);
  if (code === "EACCES" || code === "ENOENT") {
    return new PhasewireError("FILE_ACCESS", {
      field: "endpoint",
      value: endpoint,
      message: `${endpoint} cannot be bound: ${(cause as Error).message}`,
      remedy: "Create the directory first, choose a writable one, or use a port above 1023.",
      cause,
    });
  }
  const reason = cause instanceof Error ? cause.message : String(cause);
  return badEndpoint(endpoint, `cannot be bound: ${reason}`);
}

function inUse(endpoint: string): PhasewireError {
  return new PhasewireError("ENDPOINT_IN_USE", {
    field: "endpoint",
    value: endpoint,
    message: `another program is already listening at ${endpoint}`,
  });
}

function badEndpoint(endpoint: string, problem: string): PhasewireError {
  return refusal("badEndpoint", { endpoint, problem }, { value: endpoint });
}
