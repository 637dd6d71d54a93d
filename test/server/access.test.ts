/** Users of one machine: which server a client believes, and which client a server lets in. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { runtimeFolder, usualEndpoint } from "../../bridge/server/access/folder.js";
import { greetingFor } from "../../bridge/server/access/greeting.js";
import { proofOf } from "../../bridge/server/access/token.js";
import { type RunningServer, type ServerOptions, startServer } from "../../bridge/server/server.js";
import { packageRoot } from "../../src/package.js";
import type { Plain } from "./encoder.js";
import { FakeAnalyser } from "./fake-analyser.js";
import { FakeClient, type FakeClientOptions, frame } from "./fake-client.js";
import { goldenMessages } from "./golden.js";
import { RawClient } from "./raw-client.js";

const cleanUp: (() => unknown)[] = [];
let base: string;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), "pw-"));
  vi.stubEnv("XDG_RUNTIME_DIR", base);
  vi.stubEnv("PHASEWIRE_TOKEN", undefined);
});

afterEach(async () => {
  for (const action of cleanUp.splice(0).reverse()) await action();
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  rmSync(base, { recursive: true });
});

async function start(endpoint: string, more: Partial<ServerOptions> = {}): Promise<RunningServer> {
  const server = await startServer({ endpoint, analyser: new FakeAnalyser(), version: "0.0.0", ...more });
  cleanUp.push(() => server.close());
  return server;
}

function connect(endpoint: string, options: FakeClientOptions = {}): FakeClient {
  const client = new FakeClient(endpoint, options);
  cleanUp.push(() => client.close());
  return client;
}

const folder = (): string => join(base, "phasewire");
const loopback = "tcp://127.0.0.1:*";
const tokens = (): string[] => readdirSync(folder()).filter((name) => name.startsWith("token-"));

/** The code of the error that an action throws. */
function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    return (error as { code: string }).code;
  }
  return "none";
}

describe("the default address", () => {
  it("is a socket in the user's runtime folder, which no other user can enter", async () => {
    const endpoint = usualEndpoint();
    expect(endpoint).toBe(`ipc://${base}/phasewire/server.sock`);
    const server = await start(endpoint);
    expect(server.access).toBe("socket");
    expect(statSync(folder()).mode & 0o777).toBe(0o700);
    expect(statSync(join(folder(), "server.sock")).mode & 0o777).toBe(0o600);
    const client = connect(endpoint);
    expect((await client.hello()).type).toBe("welcome");
    expect((await client.ask(...frame())).type).toBe("result");
    await expect(start(endpoint)).rejects.toMatchObject({ code: "ENDPOINT_IN_USE" });
    expect((await client.ask({ type: "ping" })).type).toBe("pong");
  });

  it("is free again after its server was killed", async () => {
    const main = join(packageRoot(), "dist/bridge/server/main.js");
    const child = spawn(process.execPath, [main, "serve", "--json", "--threads", "1"], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    const exit = once(child, "exit");
    const [line] = (await once(child.stdout, "data")) as [Buffer];
    expect(JSON.parse(line.toString())).toMatchObject({ endpoint: usualEndpoint(), access: "socket" });
    await expect(start(usualEndpoint())).rejects.toMatchObject({ code: "ENDPOINT_IN_USE" });
    child.kill("SIGKILL");
    await exit;
    expect(existsSync(join(folder(), "server.sock"))).toBe(true);
    await start(usualEndpoint());
    expect((await connect(usualEndpoint()).hello()).type).toBe("welcome");
  });

  it("is in a folder of this user's name if there is no runtime folder, or one that others may write to", () => {
    const user = String(process.getuid!());
    const system = `/run/user/${user}`;
    const fallback = join(tmpdir(), `phasewire-${user}`);
    const expected = existsSync(system) ? join(system, "phasewire") : fallback;
    for (const unusable of [undefined, "", "relative", join(base, "none")]) {
      vi.stubEnv("XDG_RUNTIME_DIR", unusable);
      expect(runtimeFolder()).toBe(expected);
    }
    chmodSync(base, 0o777);
    vi.stubEnv("XDG_RUNTIME_DIR", base);
    expect(runtimeFolder()).toBe(expected);
    chmodSync(base, 0o700);
    vi.spyOn(process as { getuid(): number }, "getuid").mockReturnValue(987_654);
    expect(runtimeFolder()).toBe(join(tmpdir(), "phasewire-987654"));
  });

  it.each<[string, (path: string) => void]>([
    ["is a link", (path) => symlinkSync(tmpdir(), path)],
    ["is a file", (path) => writeFileSync(path, "")],
    ["can be read by others", (path) => mkdirSync(path, { mode: 0o755 })],
  ])("is not used if its folder %s", async (_, make) => {
    make(folder());
    const denied = { code: "ACCESS_DENIED", field: "endpoint", value: folder() };
    await expect(start(usualEndpoint())).rejects.toMatchObject(denied);
    await expect(start(loopback)).rejects.toMatchObject(denied);
  });

  it("names the limit of its length if the runtime folder has a long name", async () => {
    const long = join(base, "x".repeat(100));
    mkdirSync(long, { mode: 0o700 });
    vi.stubEnv("XDG_RUNTIME_DIR", long);
    await expect(start(usualEndpoint())).rejects.toMatchObject({
      code: "BAD_OPTION",
      message: expect.stringContaining("107 bytes"),
    });
  });
});

describe("a loopback address", () => {
  it("has a token that only this user can read, as long as its server", async () => {
    const server = await start(loopback);
    expect(server.access).toBe("token");
    const [name] = tokens();
    expect(name).toBe(`token-127.0.0.1-${server.endpoint.split(":").at(-1)}`);
    const path = join(folder(), name!);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readFileSync(path, "utf8")).toMatch(/^[0-9a-f]{64}\n$/);
    const client = connect(server.endpoint);
    expect((await client.hello()).type).toBe("welcome");
    expect((await client.ask(...frame())).type).toBe("result");
    await cleanUp.shift()!();
    expect(tokens()).toEqual([]);
  });

  it.each<[string, Record<string, Plain>]>([
    ["without a proof", {}],
    ["with a nonce alone", { nonce: "00".repeat(32) }],
    ["with a wrong proof", { nonce: "00".repeat(32), proof: "00".repeat(32) }],
    ["with a short proof", { nonce: "00".repeat(32), proof: "0" }],
    ["with a proof of the server", { nonce: "11".repeat(32), proof: "swapped" }],
    ["with a proof for another nonce", { nonce: "22".repeat(32), proof: "stale" }],
  ])("refuses a hello %s, and tells the client nothing", async (_, keys) => {
    const server = await start(loopback);
    const token = readFileSync(join(folder(), tokens()[0]!), "utf8").trim();
    const known: Record<string, string> = {
      swapped: proofOf("server", token, "11".repeat(32)),
      stale: proofOf("client", token, "33".repeat(32)),
    };
    const proof = known[String(keys.proof)] ?? keys.proof;
    const client = await RawClient.open(server.endpoint);
    cleanUp.push(() => client.close());
    const answer = await client.hello(proof === undefined ? keys : { ...keys, proof });
    expect(answer).toMatchObject({ type: "error", code: "ACCESS_DENIED", field: "proof", value: null });
    expect(JSON.stringify(answer)).not.toContain("fcc");
    for (const type of ["status", "series", "subscribe"]) {
      expect(await client.ask({ type, sequence: 1 })).toMatchObject({ code: "NO_SESSION" });
    }
    expect(await client.ask({ type: "ping", sequence: 2 })).toMatchObject({ type: "pong" });
  });

  it("refuses a nonce of another form", async () => {
    const server = await start(loopback);
    const client = await RawClient.open(server.endpoint);
    cleanUp.push(() => client.close());
    expect(await client.hello({ nonce: "xyz" })).toMatchObject({ code: "BAD_OPTION", field: "nonce" });
  });

  it("lets every user in only if this is requested, and says so", async () => {
    const server = await start(loopback, { isOpen: true });
    expect(server.access).toBe("open");
    expect(readFileSync(join(folder(), tokens()[0]!), "utf8")).toBe("open\n");
    expect((await connect(server.endpoint).hello()).type).toBe("welcome");
    expect((await connect(server.endpoint, { isStranger: true }).hello()).type).toBe("welcome");
  });

  it("takes the token of the environment on both sides", async () => {
    vi.stubEnv("PHASEWIRE_TOKEN", "ab".repeat(32));
    const server = await start(loopback);
    expect(readFileSync(join(folder(), tokens()[0]!), "utf8")).toBe(`${"ab".repeat(32)}\n`);
    rmSync(folder(), { recursive: true });
    expect((await connect(server.endpoint).hello()).type).toBe("welcome");
    vi.stubEnv("PHASEWIRE_TOKEN", "cd".repeat(32));
    expect((await connect(server.endpoint).hello()).header.code).toBe("ACCESS_DENIED");
    vi.stubEnv("PHASEWIRE_TOKEN", "open");
    expect((await connect(server.endpoint).hello()).header.code).toBe("ACCESS_DENIED");
  });

  it("clears away the tokens of servers that were killed", async () => {
    const server = await start(loopback);
    const dead = createServer().listen(0, "127.0.0.1");
    await once(dead, "listening");
    const { port } = dead.address() as { port: number };
    dead.close();
    await once(dead, "close");
    writeFileSync(join(folder(), `token-127.0.0.1-${port}`), "old");
    writeFileSync(join(folder(), "other"), "kept");
    await start(loopback);
    while (tokens().length > 2) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(tokens()).toContain(`token-127.0.0.1-${server.endpoint.split(":").at(-1)}`);
    expect(existsSync(join(folder(), "other"))).toBe(true);
  });

  it("does not take away the token of a later server at its address", async () => {
    const server = await start(loopback);
    const path = join(folder(), tokens()[0]!);
    writeFileSync(path, "of another");
    await server.close();
    cleanUp.shift();
    expect(readFileSync(path, "utf8")).toBe("of another");
  });
});

describe("a program that took the port first", () => {
  /** Listens like a server, and keeps everything that clients send. */
  async function impostor(): Promise<{ endpoint: string; heard: () => string; server: Server }> {
    let heard = "";
    const sockets: Socket[] = [];
    const server = createServer((socket) => {
      sockets.push(socket);
      socket.on("data", (chunk) => {
        heard += chunk.toString("latin1");
      });
      socket.on("error", () => undefined);
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    cleanUp.push(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    const { port } = server.address() as { port: number };
    return { endpoint: `tcp://127.0.0.1:${port}`, heard: () => heard, server };
  }

  it("gets no hello if no server of this user was there", async () => {
    const { endpoint, heard } = await impostor();
    await expect(connect(endpoint).hello()).rejects.toMatchObject({ code: "ACCESS_DENIED", value: endpoint });
    expect(heard()).not.toContain("hello");
  });

  it("is not believed if it cannot prove that it knows the token, whatever it answers", async () => {
    const { endpoint } = await impostor();
    mkdirSync(folder(), { mode: 0o700 });
    const token = "12".repeat(32);
    writeFileSync(join(folder(), `token-127.0.0.1-${endpoint.split(":").at(-1)}`), token);
    const { keys, check } = greetingFor(endpoint);
    expect(keys.proof).toBe(proofOf("client", token, keys.nonce!));
    expect(JSON.stringify(keys)).not.toContain(token);
    // It repeats what it heard, answers for another nonce, or leaves the proof out.
    for (const proof of [keys.proof, undefined, null, "", 7, proofOf("server", token, "00".repeat(32))]) {
      expect(codeOf(() => check(proof))).toBe("ACCESS_DENIED");
    }
    expect(codeOf(() => check(proofOf("server", token, keys.nonce!)))).toBe("none");
    expect(greetingFor(endpoint).keys.nonce).not.toBe(keys.nonce);
  });

  it("cannot be a socket of another user", async () => {
    const server = await start(usualEndpoint());
    expect(codeOf(() => greetingFor(server.endpoint))).toBe("none");
    const { uid } = statSync(join(folder(), "server.sock"));
    vi.spyOn(process as { getuid(): number }, "getuid").mockReturnValue(uid + 1);
    expect(codeOf(() => greetingFor(server.endpoint))).toBe("ACCESS_DENIED");
  });
});

describe("the golden messages", () => {
  it("have the proofs of their token", () => {
    const token = Buffer.from(Array.from({ length: 32 }, (_, index) => index)).toString("hex");
    const header = (name: string): Record<string, unknown> =>
      goldenMessages().find((message) => message.name === name)!.header!;
    const { nonce, proof } = header("hello");
    expect(proof).toBe(proofOf("client", token, String(nonce)));
    expect(header("welcome").proof).toBe(proofOf("server", token, String(nonce)));
  });
});
