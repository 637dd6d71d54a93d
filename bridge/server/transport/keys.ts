/**
 * CURVE keys: making them, reading them, and admitting only known clients.
 *
 * Files have ZeroMQ's certificate format (a ZPL text with the sections `metadata` and `curve`), which
 * `zmq.auth` of pyzmq also reads and writes. Keys are in Z85. Protocols: https://rfc.zeromq.org/spec/26
 * (CURVE) and https://rfc.zeromq.org/spec/27 (ZAP).
 */
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type Context, curveKeyPair, Reply } from "zeromq";
import { protocol } from "../../../src/contract/protocol.js";
import { PhasewireError, refusal } from "../../../src/errors/index.js";

const { keys: names } = protocol;

/** Keys of a server for encrypted connections, in Z85, 40 characters each. */
export interface ServerKeys {
  publicKey: string;
  secretKey: string;
  /** Public keys of the clients that may connect. */
  clients: string[];
}

/**
 * Makes key pairs for a server and a client: `server.key`, `server.key_secret`, `client.key`,
 * `client.key_secret`.
 *
 * @param directory created if it does not exist
 * @returns the paths of the files
 * @throws PhasewireError `FILE_ACCESS`, also if one of the files exists: a key is never overwritten
 */
export async function generateKeys(directory: string): Promise<string[]> {
  const paths: string[] = [];
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    for (const [openName, secretName] of [
      [names.server, names.serverSecret],
      [names.client, names.clientSecret],
    ] as const) {
      const { publicKey, secretKey } = curveKeyPair();
      const open = join(directory, openName);
      const secret = join(directory, secretName);
      await writeFile(secret, certificate(publicKey, secretKey), { mode: 0o600, flag: "wx" });
      await writeFile(open, certificate(publicKey, null), { mode: 0o644, flag: "wx" });
      paths.push(open, secret);
    }
  } catch (cause) {
    throw new PhasewireError("FILE_ACCESS", {
      field: "keys",
      value: directory,
      message: `keys cannot be written to ${directory}: ${(cause as Error).message}`,
      remedy: "Choose an empty directory that you may write to.",
      cause,
    });
  }
  return paths;
}

/**
 * Reads `server.key_secret` of a directory, and the public keys of the clients from all its other `*.key`
 * files.
 *
 * @throws PhasewireError `FILE_ACCESS`, also if there are no clients; `FILE_FORMAT` if a file holds no keys;
 *   `ACCESS_DENIED` if others may read the secret key
 */
export async function readServerKeys(directory: string): Promise<ServerKeys> {
  const secretPath = join(directory, names.serverSecret);
  const found = await readdir(directory).catch((cause: unknown) => {
    throw unreadable(directory, cause);
  });
  const publicKey = await readKey(secretPath, "public-key");
  const secretKey = await readKey(secretPath, "secret-key");
  await checkSecret(secretPath);
  const others = found.filter((name) => name.endsWith(".key") && name !== names.server).sort();
  if (others.length === 0) {
    throw new PhasewireError("FILE_ACCESS", {
      field: "keys",
      value: directory,
      message: `${directory} has no public key of a client: no *.key besides ${names.server}`,
      remedy:
        "Copy the public keys of clients there, or make keys with `phasewire serve --generate-keys DIR`.",
    });
  }
  const clients = await Promise.all(others.map((name) => readKey(join(directory, name), "public-key")));
  return { publicKey, secretKey, clients };
}

async function readKey(path: string, name: "public-key" | "secret-key"): Promise<string> {
  const text = await readFile(path, "utf8").catch((cause: unknown) => {
    throw unreadable(path, cause);
  });
  const match = new RegExp(`^\\s+${name}\\s*=\\s*"([^"]{40})"\\s*$`, "m").exec(text);
  if (match !== null && [...match[1]!].every((character) => z85.includes(character))) return match[1]!;
  throw new PhasewireError("FILE_FORMAT", {
    field: "keys",
    value: path,
    message: `${path} has no line ${name} = "..." with a key of 40 characters`,
    remedy: "Make keys with `phasewire serve --generate-keys DIR`.",
  });
}

/** @throws PhasewireError `ACCESS_DENIED` if others may read a secret key */
async function checkSecret(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const mode = (await stat(path)).mode & 0o777;
  if ((mode & 0o077) === 0) return;
  throw refusal("openSecret", { path, mode: mode.toString(8) }, { value: path });
}

function unreadable(path: string, cause: unknown): PhasewireError {
  return new PhasewireError("FILE_ACCESS", {
    field: "keys",
    value: path,
    message: `${path} cannot be read: ${(cause as Error).message}`,
    remedy: "Make keys with `phasewire serve --generate-keys DIR`.",
    cause,
  });
}

function certificate(publicKey: string, secretKey: string | null): string {
  const secret = secretKey === null ? "" : `    secret-key = "${secretKey}"\n`;
  const warning = secretKey === null ? "public key: may be handed out" : "secret key: keep it to yourself";
  return `#   phasewire CURVE certificate, ${warning}\n\nmetadata\ncurve\n    public-key = "${publicKey}"\n${secret}`;
}

/** Name under which the server asks ZAP about clients. */
export const zapDomain = "phasewire";

/**
 * Answers ZeroMQ's requests (ZAP) about clients: a client may connect only if its public key is known.
 *
 * @param context the context of the socket to protect; ZAP works within one context
 * @returns a function that ends it
 */
export async function admitClients(context: Context, keys: ServerKeys): Promise<() => void> {
  const known = new Set(keys.clients.map((key) => decodeZ85(key).toString("hex")));
  const handler = new Reply({ context, linger: 0 });
  await handler.bind("inproc://zeromq.zap.01");
  void (async () => {
    for await (const [version, id, , , , mechanism, credential] of handler) {
      const admitted = mechanism?.toString() === "CURVE" && known.has(credential?.toString("hex") ?? "");
      const [code, text] = admitted ? ["200", "OK"] : ["400", "unknown public key"];
      await handler.send([version ?? "1.0", id ?? "", code!, text!, "", ""]);
    }
  })();
  return () => handler.close();
}

const z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

/**
 * Z85 text to bytes (https://rfc.zeromq.org/spec/32): five characters, base 85, are four bytes, big-endian.
 */
export function decodeZ85(text: string): Buffer {
  const bytes = Buffer.alloc((text.length / 5) * 4);
  for (let group = 0; group * 5 < text.length; group++) {
    let value = 0;
    for (const character of text.slice(group * 5, group * 5 + 5)) value = value * 85 + z85.indexOf(character);
    bytes.writeUInt32BE(value >>> 0, group * 4);
  }
  return bytes;
}
