/** Attacks on the server below its messages: connections, frames, heartbeats, turns. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { Context } from "zeromq";
import { type RunningServer, type ServerOptions, startServer } from "../../bridge/server/server.js";
import { generateKeys, readServerKeys } from "../../bridge/server/transport/keys.js";
import { Turns } from "../../bridge/server/transport/turns.js";
import { readFrameHead, readPing } from "../../bridge/server/transport/zmtp.js";
import { packageRoot } from "../../src/package.js";
import { encodePlain, f64, type Plain } from "./encoder.js";
import { FakeAnalyser } from "./fake-analyser.js";
import { FakeClient, frame } from "./fake-client.js";
import {
  dealerReady,
  greetingOf,
  RawClient,
  rawCommand,
  rawFrame,
  rawHead,
  rawMessage,
  rawPing,
} from "./raw-client.js";

const cleanUp: (() => unknown)[] = [];

afterEach(async () => {
  for (const action of cleanUp.splice(0).reverse()) await action();
});

async function start(more: Partial<ServerOptions> = {}): Promise<RunningServer & { analyser: FakeAnalyser }> {
  const analyser = new FakeAnalyser();
  const server = await startServer({
    endpoint: "tcp://127.0.0.1:*",
    analyser,
    version: "0.0.0",
    maxAtoms: 1000,
    isOpen: true,
    ...more,
  });
  cleanUp.push(() => {
    analyser.release();
    return server.close();
  });
  return { ...server, analyser };
}

async function connect(endpoint: string): Promise<RawClient> {
  const client = await RawClient.connect(endpoint);
  cleanUp.push(() => client.close());
  return client;
}

async function open(endpoint: string): Promise<RawClient> {
  const client = await RawClient.open(endpoint);
  cleanUp.push(() => client.close());
  return client;
}

const ping = (sequence: number): Record<string, Plain> => ({ type: "ping", sequence });

/** Waits until the server has this many sessions, as a client sees it. */
async function sessions(witness: RawClient, count: number): Promise<void> {
  for (let sequence = 1000; ; sequence++) {
    const { sessions: found } = await witness.ask({ type: "status", sequence });
    if ((found as unknown[]).length === count) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Starts `phasewire serve` as a process of its own, which may die. */
async function serve(...more: string[]): Promise<{ endpoint: string; pid: number; hasEnded: () => boolean }> {
  const main = join(packageRoot(), "dist/bridge/server/main.js");
  const args = [
    "serve",
    "--json",
    "--threads",
    "1",
    "--endpoint",
    "tcp://127.0.0.1:*",
    "--no-token",
    ...more,
  ];
  const child = spawn(process.execPath, [main, ...args], { stdio: ["ignore", "pipe", "ignore"] });
  const exit = once(child, "exit");
  cleanUp.push(async () => {
    child.kill("SIGTERM");
    expect(await exit).toEqual([0, null]);
  });
  const [line] = (await once(child.stdout, "data")) as [Buffer];
  const { endpoint } = JSON.parse(line.toString()) as { endpoint: string };
  return { endpoint, pid: child.pid!, hasEnded: () => child.exitCode !== null || child.signalCode !== null };
}

describe("a client that fills the server's input and leaves", () => {
  const pings = (count: number): Buffer =>
    Buffer.concat(Array.from({ length: count }, (_, sequence) => rawMessage(ping(sequence))));
  const [request] = frame();
  const work = Array.from({ length: 256 }, (_, atom) => [atom % 7, (atom / 7) % 6, atom / 42]).flat();

  it("does not end it, with heartbeats of ZeroMQ among its messages", async () => {
    const { endpoint, hasEnded } = await serve();
    for (let turn = 0; turn < 24; turn++) {
      const client = await RawClient.open(endpoint);
      await client.hello();
      if (turn % 2 === 0) {
        const positions = { name: "positions", dtype: "f64", shape: [256, 3] };
        client.send({ ...request, sequence: 1, arrays: [positions] }, f64(...work));
      }
      client.socket.write(Buffer.concat([pings(60), rawPing([0, 1, 100][turn % 3]!), pings(40)]));
      await new Promise((resolve) => setTimeout(resolve, turn % 8));
      if (turn % 4 === 3) client.close();
      else client.reset();
    }
    const witness = await open(endpoint);
    expect((await witness.hello()).type).toBe("welcome");
    expect((await witness.ask(ping(1))).type).toBe("pong");
    await sessions(witness, 1);
    expect(hasEnded()).toBe(false);
  });

  it("does not end one with keys either", async () => {
    const folder = mkdtempSync(join(tmpdir(), "phasewire-"));
    cleanUp.push(() => rmSync(folder, { recursive: true }));
    const keys = join(folder, "keys");
    await generateKeys(keys);
    const { publicKey: serverKey } = await readServerKeys(keys);
    const secret = readFileSync(join(keys, "client.key_secret"), "utf8");
    const [publicKey, secretKey] = [...secret.matchAll(/-key = "(.{40})"/g)].map((match) => match[1]!);
    const curve = { publicKey: publicKey!, secretKey: secretKey!, serverKey };
    const { endpoint, hasEnded } = await serve("--keys", keys);
    for (let turn = 0; turn < 8; turn++) {
      const context = new Context();
      // Heartbeats come between the pings, and are still to be read when the client leaves.
      const client = new FakeClient(endpoint, {
        curve,
        context,
        heartbeatInterval: 1,
        heartbeatTimeout: 5000,
      });
      await client.hello();
      for (let count = 0; count < 4; count++) await client.send(...frame({ denoise: 20 }, work));
      for (let count = 0; count < 100; count++) {
        await client.send({ type: "ping" });
        if (count % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 2));
      }
      client.close();
    }
    const witness = new FakeClient(endpoint, { curve, context: new Context() });
    cleanUp.push(() => witness.close());
    expect((await witness.hello()).type).toBe("welcome");
    expect(hasEnded()).toBe(false);
  });
});

describe("connections", () => {
  it("end their sessions when they end", async () => {
    const { endpoint } = await start();
    const witness = await open(endpoint);
    await witness.hello();
    const others = await Promise.all(Array.from({ length: 20 }, () => open(endpoint)));
    for (const other of others) await other.hello();
    await sessions(witness, 21);
    others.forEach((other, index) => {
      if (index % 2 === 0) other.close();
      else other.reset();
    });
    await sessions(witness, 1);
  });

  it("that are silent beyond the time to live of their heartbeat count as gone", async () => {
    const { endpoint } = await start();
    const [witness, half] = [await open(endpoint), await open(endpoint)];
    await witness.hello();
    await half.hello();
    await sessions(witness, 2);
    half.socket.write(rawPing(1));
    expect(await half.receive()).toEqual({ command: "PONG", body: Buffer.alloc(0) });
    await half.closed();
    await sessions(witness, 1);
  });

  it("get back the context of a heartbeat, at most 16 bytes, and nothing for one that is cut off", async () => {
    const { endpoint } = await start();
    const client = await open(endpoint);
    client.socket.write(rawCommand("PING"));
    client.socket.write(rawCommand("PING", Buffer.of(0)));
    const long = Buffer.from("\0\0abcdefghijklmnopqrstuvwxyz");
    client.socket.write(rawCommand("PING", long));
    expect(await client.receive()).toEqual({ command: "PONG", body: Buffer.from("abcdefghijklmnop") });
    expect(readPing(Buffer.of(1))).toBeNull();
  });

  it.each([
    ["another program", Buffer.from("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".padEnd(64))],
    [
      "an old ZeroMQ",
      Buffer.concat([Buffer.of(0xff), Buffer.alloc(8), Buffer.of(0x7f, 1, 5), Buffer.alloc(52)]),
    ],
    ["keys where there are none", greetingOf("CURVE")],
    ["a message before the handshake", Buffer.concat([greetingOf(), rawMessage(ping(0))])],
    ["a handshake without a kind of socket", Buffer.concat([greetingOf(), rawCommand("READY")])],
    ["a handshake that is cut off", Buffer.concat([greetingOf(), rawFrame(4, Buffer.of(9, 82))])],
    ["a property that is cut off", Buffer.concat([greetingOf(), rawCommand("READY", Buffer.of(200, 1))])],
    [
      "a socket that only publishes",
      Buffer.concat([
        greetingOf(),
        rawCommand("READY", Buffer.from("\x0bSocket-Type\0\0\0\x03PUB", "latin1")),
      ]),
    ],
    ["flags that do not exist", Buffer.concat([greetingOf(), dealerReady, Buffer.of(8, 0)])],
    ["a command in several frames", Buffer.concat([greetingOf(), dealerReady, Buffer.of(5, 0)])],
    ["a command that is too long", Buffer.concat([greetingOf(), dealerReady, rawHead(4, 10_000)])],
    ["a frame beyond 2^53 bytes", Buffer.concat([greetingOf(), dealerReady, rawHead(0, 2 ** 60)])],
  ])("end for %s, and others are served", async (_, bytes) => {
    const { endpoint } = await start();
    const client = await connect(endpoint);
    client.socket.write(bytes);
    await client.closed();
    expect((await (await open(endpoint)).hello()).type).toBe("welcome");
  });

  it("are of any number, at the cost of those without a session", async () => {
    const { endpoint } = await start();
    const known = await open(endpoint);
    expect((await known.hello()).type).toBe("welcome");
    const strangers: RawClient[] = [];
    for (let count = 0; count < 1030; count++) strangers.push(await connect(endpoint));
    await strangers[0]!.closed();
    expect((await known.ask(ping(1))).type).toBe("pong");
    expect((await (await open(endpoint)).hello()).type).toBe("welcome");
  });
});

describe("messages in pieces of any length", () => {
  const values = Array.from({ length: 30 }, (_, index) => index / 7);
  const array = { name: "positions", dtype: "f64", shape: [10, 3] };
  const header = { ...frame()[0], sequence: 1, arrays: [array] };

  it.each([1, 2, 3, 7, 64, 100])("of %i bytes arrive whole", async (length) => {
    const { endpoint, analyser } = await start();
    const client = await connect(endpoint);
    const hello = { type: "hello", sequence: 0, versions: [3], client: { name: "raw", version: "0" } };
    const bytes = Buffer.concat([
      greetingOf(),
      dealerReady,
      rawMessage(hello),
      rawPing(0),
      rawMessage(header, f64(...values)),
      rawMessage(ping(2)),
    ]);
    for (let at = 0; at < bytes.length; at += length) {
      client.socket.write(bytes.subarray(at, at + length));
      if (at % 50 < length) await new Promise((resolve) => setImmediate(resolve));
    }
    while (analyser.frames.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    expect(analyser.frames[0]!.positions).toEqual(Float64Array.from(values));
  });

  it("may have parts that no frame has, which are read and left out", async () => {
    const { endpoint, analyser } = await start();
    const client = await open(endpoint);
    await client.hello();
    const large = { name: "movie", dtype: "u8", shape: [3_000_000] };
    const sent = client.ask({ ...header, arrays: [large, array] }, Buffer.alloc(3_000_000), f64(...values));
    expect((await sent).type).toBe("result");
    expect(analyser.frames[0]!.positions).toEqual(Float64Array.from(values));
  });

  it("are refused with their sequence if a part is not as long as announced", async () => {
    const { endpoint } = await start();
    const client = await open(endpoint);
    await client.hello();
    const error = await client.ask({ ...header, sequence: 7 }, Buffer.alloc(1_000_000));
    expect(error).toMatchObject({
      code: "MESSAGE_LENGTH",
      field: "positions",
      value: 1_000_000,
      sequence: 7,
    });
    client.socket.write(Buffer.concat([rawHead(0, 300_000), Buffer.alloc(300_000)]));
    expect(await client.receive()).toMatchObject({ code: "MESSAGE_FORMAT", sequence: null });
    client.socket.write(Buffer.concat([rawFrame(1, encodePlain(ping(8))), rawFrame(0, Buffer.alloc(10))]));
    expect(await client.receive()).toMatchObject({ code: "MESSAGE_LENGTH", field: "arrays", sequence: 8 });
    expect((await client.ask(header, f64(...values))).type).toBe("result");
  });

  it("have heads of two or nine bytes", () => {
    expect(readFrameHead(Buffer.of(1, 200))).toEqual({
      isCommand: false,
      hasMore: true,
      size: 200,
      bytes: 2,
    });
    expect(readFrameHead(rawHead(0, 70_000))).toMatchObject({ size: 70_000, bytes: 9, hasMore: false });
    for (const cut of [Buffer.alloc(0), Buffer.of(0), rawHead(0, 70_000).subarray(0, 8)]) {
      expect(readFrameHead(cut)).toBeNull();
    }
  });
});

describe("memory", () => {
  /** Most megabytes that a process has held. */
  const held = (pid: number): number =>
    Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]) / 1024;
  const megabyte = Buffer.alloc(1 << 20, 1);
  /** A part of 2 MiB, sent in pieces, so that this process does not hold it either. */
  async function sendLong(client: RawClient, flags: number): Promise<void> {
    client.socket.write(rawHead(flags, 2 << 20));
    for (let piece = 0; piece < 2; piece++) {
      if (!client.socket.write(megabyte)) await once(client.socket, "drain");
    }
  }
  const unknown = (count: number): Plain[] =>
    Array.from({ length: count }, (_, index) => ({ name: `x${index}`, dtype: "u8", shape: [2 << 20] }));
  const [request, position] = frame();

  it.runIf(existsSync("/proc/self/status"))(
    "is not taken for messages of too many parts, nor for arrays that no frame has, however many wait",
    async () => {
      const { endpoint, pid } = await serve("--max-memory", "64");
      const [busy, client] = [await open(endpoint), await open(endpoint)];
      await busy.hello();
      await client.hello();
      const atoms = 6859;
      const crystal = f64(
        ...Array.from({ length: atoms }, (_, n) => [n % 19, (n / 19) % 19, n / 361].map(Math.floor)).flat(),
      );
      const long = {
        ...request,
        lengthScale: 1,
        denoise: 10,
        arrays: [{ name: "positions", dtype: "f64", shape: [atoms, 3] }],
      };
      // The core takes its memory.
      expect((await busy.ask({ ...long, sequence: 1 }, crystal)).type).toBe("result");
      const before = held(pid);
      // Many parts: the header says so, or does not.
      for (const arrays of [unknown(41), unknown(2)]) {
        client.socket.write(rawFrame(1, encodePlain({ ...request, sequence: 1, arrays })));
        for (let part = 0; part < 41; part++) await sendLong(client, part < 40 ? 1 : 0);
        expect(String((await client.receive()).code)).toMatch(/MESSAGE_(FORMAT|LENGTH)/);
      }
      // Eight frames that wait behind a long analysis, each with 16 MiB that no frame has.
      busy.send({ ...long, sequence: 2 }, crystal);
      for (let sequence = 2; sequence < 10; sequence++) {
        const arrays = [...unknown(8), ...(request.arrays as Plain[])];
        client.socket.write(rawFrame(1, encodePlain({ ...request, sequence, lengthScale: 1, arrays })));
        for (let part = 0; part < 8; part++) await sendLong(client, 1);
        client.socket.write(rawFrame(0, position));
      }
      for (let sequence = 2; sequence < 10; sequence++) {
        expect(await client.receive()).toMatchObject({ type: "result", sequence });
      }
      // One of the long messages has 82 MiB, and the frames together 128 MiB.
      expect(held(pid) - before).toBeLessThan(50);
      expect((await busy.receive()).type).toBe("result");
    },
  );

  it("of a client is bounded, and other clients are served meanwhile", async () => {
    const { endpoint, analyser } = await start({ maxMemory: 100_000 });
    const [greedy, other] = [await open(endpoint), await open(endpoint)];
    const hello = (process: string): Record<string, Plain> => ({
      client: { name: "raw", version: "0", process },
    });
    await greedy.hello(hello("greedy"));
    await other.hello(hello("other"));
    const arrays = [{ name: "positions", dtype: "f64", shape: [900, 3] }];
    const send = (client: RawClient, sequence: number, mode = "request"): void =>
      client.send({ ...request, mode, step: sequence, sequence, arrays }, Buffer.alloc(900 * 24));
    analyser.hold();
    // Each frame has 21,600 bytes; 50,000 are for one client.
    for (const sequence of [1, 2, 3]) send(greedy, sequence);
    expect(await greedy.receive()).toMatchObject({
      code: "OVERLOADED",
      field: "arrays",
      value: 21_600,
      step: 3,
    });
    send(other, 1);
    while (analyser.seen.length < 1) await new Promise((resolve) => setTimeout(resolve, 1));
    // Two clients hold 64,800 bytes: there is room for one more frame.
    send(other, 2, "monitor");
    send(other, 3, "monitor");
    const third = await open(endpoint);
    await third.hello(hello("third"));
    send(third, 1);
    expect(await third.receive()).toMatchObject({ code: "OVERLOADED", sequence: 1 });
    analyser.release();
    for (const step of [1, 2]) expect(await greedy.receive()).toMatchObject({ type: "result", step });
    // The newer monitor frame has taken the memory of the older one.
    expect(await other.receive()).toMatchObject({ type: "result", step: 1 });
    expect(await other.receive()).toMatchObject({ type: "result", step: 3, dropped: 1 });
    // All of it was given back.
    for (const sequence of [4, 5]) send(greedy, sequence);
    for (const step of [4, 5]) expect(await greedy.receive()).toMatchObject({ type: "result", step });
  });

  it("of a message whose client leaves is given back", async () => {
    const { endpoint } = await start({ maxMemory: 100_000 });
    const arrays = [{ name: "positions", dtype: "f64", shape: [900, 3] }];
    for (let turn = 0; turn < 20; turn++) {
      const client = await open(endpoint);
      await client.hello();
      client.socket.write(rawFrame(1, encodePlain({ ...request, sequence: 1, arrays })));
      client.socket.write(Buffer.concat([rawHead(0, 21_600), Buffer.alloc(20_000)]));
      await new Promise((resolve) => setTimeout(resolve, 2));
      client.reset();
    }
    const client = await open(endpoint);
    await client.hello();
    const answer = await client.ask({ ...request, sequence: 1, arrays }, Buffer.alloc(21_600));
    expect(answer.type).toBe("result");
  });

  it("is bounded for a frame that no client may send", async () => {
    const { endpoint } = await start({ maxMemory: 10_000 });
    const client = await open(endpoint);
    await client.hello();
    const arrays = [{ name: "positions", dtype: "f64", shape: [900, 3] }];
    const error = await client.ask({ ...request, sequence: 4, arrays }, Buffer.alloc(21_600));
    expect(error).toMatchObject({ code: "TOO_LARGE", field: "arrays", value: 21_600, sequence: 4 });
  });
});

describe("turns in reading", () => {
  /** A reader with a number of steps, which writes down each. */
  class Counter {
    constructor(
      readonly peer: string,
      private readonly name: string,
      private steps: number,
      private readonly seen: string[],
      private readonly cost = 0,
    ) {}

    step(): boolean {
      this.seen.push(this.name);
      const end = performance.now() + this.cost;
      while (performance.now() < end);
      return --this.steps > 0;
    }
  }

  async function done(turns: Turns): Promise<void> {
    while (turns.isBusy) await new Promise((resolve) => setImmediate(resolve));
  }

  it("rotate among peers, and then among the connections of a peer", async () => {
    const [turns, seen] = [new Turns(), [] as string[]];
    for (const name of ["h1", "h2", "h3"]) turns.add(new Counter("hostile", name, 4, seen));
    turns.add(new Counter("honest", "a", 3, seen));
    turns.add(new Counter("other", "b", 1, seen));
    await done(turns);
    expect(seen.join(" ")).toBe("h1 a b h2 a h3 a h1 h2 h3 h1 h2 h3 h1 h2 h3");
  });

  it("leave the event loop free between rounds, however much there is to read", async () => {
    const [turns, seen] = [new Turns(), [] as string[]];
    for (let count = 0; count < 20; count++) turns.add(new Counter(`p${count}`, "x", 5, seen, 0.5));
    let others = 0;
    let before = 0;
    let most = 0;
    while (turns.isBusy) {
      await new Promise((resolve) => setTimeout(resolve, 0));
      most = Math.max(most, seen.length - before);
      before = seen.length;
      others++;
    }
    expect(seen).toHaveLength(100);
    expect(others).toBeGreaterThan(3);
    // A round is 2 ms, which are 4 steps; a timer may see two rounds.
    expect(most).toBeLessThan(30);
  });

  it("let an honest client's pings through a flood", async () => {
    const { endpoint } = await start();
    const honest = await open(endpoint);
    await honest.hello({ client: { name: "raw", version: "0", process: "honest" } });
    const flood = Buffer.concat(
      Array.from({ length: 20_000 }, () => rawMessage({ type: "nonsense", sequence: 1 })),
    );
    const hostile = await Promise.all(Array.from({ length: 10 }, () => open(endpoint)));
    for (const client of hostile) {
      client.socket.pause();
      for (let repeat = 0; repeat < 5; repeat++) client.socket.write(flood);
    }
    for (let sequence = 1; sequence <= 20; sequence++) {
      expect(await honest.ask(ping(sequence))).toMatchObject({ type: "pong", sequence });
    }
    // A million messages were sent before: most of them still wait.
    expect(hostile.every(({ socket }) => socket.writableLength > 0)).toBe(true);
  });
});
