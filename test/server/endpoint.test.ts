import {
  chmodSync,
  existsSync,
  linkSync,
  mkdtempSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Context, curveKeyPair } from "zeromq";
import { type RunningServer, startServer } from "../../bridge/server/server.js";
import { checkEndpoint } from "../../bridge/server/transport/endpoint.js";
import {
  decodeZ85,
  generateKeys,
  readServerKeys,
  type ServerKeys,
} from "../../bridge/server/transport/keys.js";
import { FakeAnalyser } from "./fake-analyser.js";
import { FakeClient } from "./fake-client.js";

let folder: string;
const cleanUp: (() => unknown)[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "phasewire-"));
});

afterEach(async () => {
  for (const action of cleanUp.splice(0).reverse()) await action();
  rmSync(folder, { recursive: true });
});

async function start(endpoint: string, keys?: ServerKeys): Promise<RunningServer> {
  const server = await startServer({
    endpoint,
    analyser: new FakeAnalyser(),
    version: "0.0.0",
    ...(keys === undefined ? {} : { keys }),
  });
  cleanUp.push(() => server.close());
  return server;
}

describe("addresses", () => {
  it.each([
    "tcp://127.0.0.1:5757",
    "tcp://127.3.2.1:*",
    "tcp://localhost:1",
    "tcp://[::1]:80",
    "ipc:///run/x",
  ])("allows %s without keys", (endpoint) => {
    expect(() => checkEndpoint(endpoint, false)).not.toThrow();
  });

  it.each([
    "tcp://*:5757",
    "tcp://0.0.0.0:5757",
    "tcp://[::]:5757",
    "tcp://example.org:5757",
    "tcp://127.evil.com:1",
  ])("refuses %s without keys, and explains how to make them", (endpoint) => {
    expect(() => checkEndpoint(endpoint, false)).toThrow(
      expect.objectContaining({
        code: "ENDPOINT_INSECURE",
        value: endpoint,
        remedy: expect.stringContaining("--generate-keys"),
      }),
    );
    expect(() => checkEndpoint(endpoint, true)).not.toThrow();
  });

  it.each([
    "",
    "5757",
    "http://localhost:80",
    "tcp://localhost",
    "tcp://localhost:99999",
    "ipc://",
    "ipc://@abstract",
    "ipc://*",
    `ipc:///${"x".repeat(200)}`,
  ])("refuses %s, which is not an address", (endpoint) => {
    expect(() => checkEndpoint(endpoint, true)).toThrow(expect.objectContaining({ code: "BAD_OPTION" }));
  });

  it("refuses an address that is in use, on tcp and ipc, without disturbing its owner", async () => {
    for (const wanted of ["tcp://127.0.0.1:*", `ipc://${folder}/socket`]) {
      const { endpoint } = await start(wanted);
      await expect(start(endpoint)).rejects.toMatchObject({ code: "ENDPOINT_IN_USE", value: endpoint });
      const client = new FakeClient(endpoint);
      cleanUp.push(() => client.close());
      expect((await client.hello()).type).toBe("welcome");
    }
  });

  it("replaces the socket of a killed server, and only its owner can read it", async () => {
    const path = join(folder, "socket");
    const dead = createServer().listen(join(folder, "first-name"));
    await new Promise((resolve) => dead.once("listening", resolve));
    // A second name survives the orderly end of the listener, like the file of a killed one.
    linkSync(join(folder, "first-name"), path);
    await new Promise((resolve) => dead.close(resolve));
    expect(statSync(path).isSocket()).toBe(true);
    const { endpoint } = await start(`ipc://${path}`);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const client = new FakeClient(endpoint);
    cleanUp.push(() => client.close());
    expect((await client.hello()).type).toBe("welcome");
    await cleanUp.shift()!();
    expect(existsSync(path)).toBe(false);
  });

  it("never deletes a file that is not a socket", async () => {
    const path = join(folder, "thesis.tex");
    writeFileSync(path, "precious");
    await expect(start(`ipc://${path}`)).rejects.toMatchObject({ code: "BAD_OPTION", field: "endpoint" });
    expect(statSync(path).size).toBe(8);
  });

  it("reports a missing directory", async () => {
    await expect(start(`ipc://${folder}/missing/socket`)).rejects.toMatchObject({ code: "FILE_ACCESS" });
  });
});

describe("keys", () => {
  it("are written once, secret ones only for their owner, and read back", async () => {
    const directory = join(folder, "keys");
    const paths = await generateKeys(directory);
    expect(paths.map((path) => path.slice(directory.length + 1)).sort()).toEqual([
      "client.key",
      "client.key_secret",
      "server.key",
      "server.key_secret",
    ]);
    expect(statSync(join(directory, "server.key_secret")).mode & 0o777).toBe(0o600);
    const keys = await readServerKeys(directory);
    expect(keys.clients).toHaveLength(1);
    expect(keys.clients).not.toContain(keys.publicKey);
    await expect(generateKeys(directory)).rejects.toMatchObject({ code: "FILE_ACCESS" });
    expect(await readServerKeys(directory)).toEqual(keys);
  });

  it("are named if they are missing or damaged", async () => {
    await expect(readServerKeys(join(folder, "none"))).rejects.toMatchObject({
      code: "FILE_ACCESS",
      field: "keys",
    });
    writeFileSync(join(folder, "server.key_secret"), 'curve\n    public-key = "short"\n');
    await expect(readServerKeys(folder)).rejects.toMatchObject({ code: "FILE_FORMAT" });
  });

  it("are refused if others may read the secret one, or if there is no client", async () => {
    const directory = join(folder, "keys");
    await generateKeys(directory);
    const secret = join(directory, "server.key_secret");
    for (const mode of [0o644, 0o640, 0o604, 0o660]) {
      chmodSync(secret, mode);
      await expect(readServerKeys(directory)).rejects.toMatchObject({
        code: "ACCESS_DENIED",
        field: "keys",
        value: secret,
        message: expect.stringContaining(`mode ${mode.toString(8)}`),
        remedy: expect.stringContaining("chmod 600"),
      });
    }
    chmodSync(secret, 0o600);
    expect((await readServerKeys(directory)).clients).toHaveLength(1);
    unlinkSync(join(directory, "client.key"));
    await expect(readServerKeys(directory)).rejects.toMatchObject({
      code: "FILE_ACCESS",
      field: "keys",
      message: expect.stringContaining("no public key of a client"),
    });
  });

  it("decode from Z85 as in its specification", () => {
    expect(decodeZ85("HelloWorld").toString("hex")).toBe("864fd26fb559f75b");
  });

  it("admit only the clients that are known", async () => {
    const pair = curveKeyPair();
    const known = curveKeyPair();
    const server = await start("tcp://127.0.0.1:*", { ...pair, clients: [known.publicKey] });
    const connect = (curve?: { publicKey: string; secretKey: string }): FakeClient => {
      const client = new FakeClient(server.endpoint, {
        receiveTimeout: 300,
        context: new Context(),
        isStranger: true,
        ...(curve === undefined ? {} : { curve: { ...curve, serverKey: pair.publicKey } }),
      });
      cleanUp.push(() => client.close());
      return client;
    };
    await expect(connect(curveKeyPair()).hello()).rejects.toMatchObject({ code: "EAGAIN" });
    await expect(connect().hello()).rejects.toMatchObject({ code: "EAGAIN" });
    const client = connect(known);
    client.socket.receiveTimeout = 20_000;
    expect((await client.hello()).type).toBe("welcome");
  });
});
