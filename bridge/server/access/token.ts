/**
 * Tokens: how the clients and the server of one user know each other on the loopback interface, which all
 * users of a machine can reach. The server leaves a secret in a file that only its user can read. Each side
 * proves that it knows the secret, and does not send it.
 */
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { readdirSync, readFileSync, renameSync, unlinkSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { protocol } from "../../../src/contract/protocol.js";
import { PhasewireError } from "../../../src/errors/index.js";
import { checkRuntimeFolder, makeRuntimeFolder, runtimeFolder } from "./folder.js";

const { clientRole, open, serverRole, token, tokenFile, tokenVariable } = protocol.access;
const tokenText = new RegExp(`^${token}$`);
const tcpAddress = new RegExp(`^(?:${protocol.addresses.tcp})$`);
const tokenBytes = 32;

/** The knowledge that a client needs to talk to a server: its token, or that it needs none. */
export type Secret = { readonly token: string } | typeof open;

const roles = { client: clientRole, server: serverRole };

/** A proof that this side knows a token, for a nonce of the client. Each side has its own. */
export function proofOf(side: keyof typeof roles, known: string, challenge: string): string {
  return createHmac("sha256", Buffer.from(known, "hex")).update(`${roles[side]}:${challenge}`).digest("hex");
}

/** Compares proofs in constant time. */
export function isSameProof(found: string, expected: string): boolean {
  const [a, b] = [Buffer.from(found), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** A new nonce. */
export function newNonce(): string {
  return randomBytes(tokenBytes).toString("hex");
}

/**
 * The secret of the server at a loopback address, as this user knows it: from the environment, else from the
 * server's file. Null if there is none.
 *
 * @throws PhasewireError `ACCESS_DENIED` if others may have written the file
 */
export function findSecret(endpoint: string): Secret | null {
  const folder = runtimeFolder();
  const given = process.env[tokenVariable];
  if (given === undefined) checkRuntimeFolder(folder);
  const text = given ?? readText(join(folder, fileName(endpoint)));
  if (text?.trim() === open) return open;
  return text !== null && tokenText.test(text.trim()) ? { token: text.trim() } : null;
}

/** The file of a server, for its clients; it exists as long as the server. */
export class TokenFile {
  private constructor(
    readonly path: string,
    /** The token; null if every user may connect. */
    readonly token: string | null,
    private readonly text: string,
  ) {}

  /**
   * Leaves a token for the address at which a server listens: that of the environment, else a new one. An
   * earlier file is that of a killed server.
   *
   * @param isOpen leaves word instead that every user of the machine may connect
   * @throws PhasewireError `ACCESS_DENIED`, `FILE_ACCESS`
   */
  static leave(endpoint: string, isOpen: boolean): TokenFile {
    const folder = makeRuntimeFolder();
    const given = process.env[tokenVariable] ?? "";
    const fresh = tokenText.test(given) ? given : randomBytes(tokenBytes).toString("hex");
    const secret = isOpen ? null : fresh;
    const text = `${secret ?? open}\n`;
    const path = join(folder, fileName(endpoint));
    try {
      const draft = `${path}.${process.pid}`;
      writeFileSync(draft, text, { mode: 0o600 });
      renameSync(draft, path);
    } catch (cause) {
      const message = `the token for clients cannot be written to ${path}: ${(cause as Error).message}`;
      throw new PhasewireError("FILE_ACCESS", { field: "endpoint", value: path, message, cause });
    }
    // Such files do no harm.
    sweep(folder, path).catch(() => undefined);
    return new TokenFile(path, secret, text);
  }

  /** Removes the file, unless it belongs to another server by now. */
  remove(): void {
    if (readText(this.path) !== this.text) return;
    try {
      unlinkSync(this.path);
    } catch {
      // It is gone.
    }
  }
}

/** Removes the files of servers that were killed: nothing listens at their addresses. */
async function sweep(folder: string, own: string): Promise<void> {
  const [before, between] = tokenFile.split(/\{\w+\}/) as [string, string];
  const name = new RegExp(`^${before}([0-9a-zA-Z._]+)${between}(\\d+)$`);
  for (const file of readdirSync(folder)) {
    const path = join(folder, file);
    const [, host, port] = name.exec(file) ?? [];
    if (host === undefined || path === own) continue;
    const text = readText(path);
    if (await isListening(host.replaceAll("_", ":"), Number(port))) continue;
    if (readText(path) === text) unlinkSync(path);
  }
}

function isListening(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host).unref();
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code !== "ECONNREFUSED"));
  });
}

/** Name of the file for an address. */
function fileName(endpoint: string): string {
  const [, host, port] = tcpAddress.exec(endpoint) ?? [];
  const plain = host === "localhost" ? "127.0.0.1" : host!.replace(/^\[|\]$/g, "");
  return tokenFile.replace("{host}", plain.replaceAll(":", "_")).replace("{port}", String(port));
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
