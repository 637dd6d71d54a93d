import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  chmodSync,
  closeSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { MessageFrame } from "../../bridge/server/frame.js";
import { type ServerOptions, startServer } from "../../bridge/server/server.js";
import { receiveMessage } from "../../bridge/server/wire/codec.js";
import { serverLimits } from "../../bridge/server/wire/limits.js";
import { readClientMessage } from "../../bridge/server/wire/messages.js";
import { SharedFile, sharedFolder } from "../../bridge/server/wire/shared-file.js";
import type { Analyse } from "../../bridge/server/wire/wire.js";
import { PhasewireError } from "../../src/errors/index.js";
import { encodePlain, f32, f64, i32, type Plain } from "./encoder.js";
import { FakeAnalyser } from "./fake-analyser.js";
import { FakeClient, frame } from "./fake-client.js";

const cleanUp: (() => unknown)[] = [];
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "phasewire-"));
});

afterEach(async () => {
  vi.restoreAllMocks();
  for (const action of cleanUp.splice(0).reverse()) await action();
  rmSync(folder, { recursive: true });
});

async function start(options: Partial<ServerOptions> = {}) {
  const analyser = new FakeAnalyser();
  const endpoint = "tcp://127.0.0.1:*";
  const server = await startServer({
    isOpen: true,
    endpoint,
    analyser,
    version: "0",
    maxAtoms: 1000,
    sharedFolder: folder,
    ...options,
  });
  cleanUp.push(() => {
    analyser.release();
    return server.close();
  });
  const client = (): FakeClient => {
    const made = new FakeClient(server.endpoint, { isStranger: true });
    cleanUp.push(() => made.close());
    return made;
  };
  return { server, analyser, client };
}

/** A shared file of 4096 bytes, as a client makes it. */
class ClientFile {
  readonly offer: { file: string; token: string };
  readonly path: string;

  constructor({ pid = process.pid, mode = 0o600, token = randomBytes(16).toString("hex") } = {}) {
    this.offer = { file: `phasewire-${pid}-${randomBytes(16).toString("hex")}`, token };
    this.path = join(folder, this.offer.file);
    const content = Buffer.alloc(4096);
    content.write(`phasewire-shared${token}`, "latin1");
    writeFileSync(this.path, content, { mode });
    chmodSync(this.path, mode);
  }

  write(offset: number, bytes: Uint8Array): void {
    const descriptor = openSync(this.path, "r+");
    writeSync(descriptor, bytes, 0, bytes.length, offset);
    closeSync(descriptor);
  }

  read(offset: number, length: number): Buffer {
    const bytes = Buffer.alloc(length);
    const descriptor = openSync(this.path, "r");
    readSync(descriptor, bytes, 0, length, offset);
    closeSync(descriptor);
    return bytes;
  }
}

async function agreed(client: FakeClient, file: ClientFile): Promise<void> {
  const { header } = await client.hello({ shared: file.offer });
  expect(header.shared).toBe(true);
}

/** A frame whose positions lie in the shared file. */
const shared = (atoms: number, offset: number, more: Record<string, Plain> = {}): Record<string, Plain> => ({
  ...frame()[0],
  arrays: [{ name: "positions", dtype: "f64", shape: [atoms, 3], source: "shared", offset }],
  ...more,
});

/** Descriptors of this process that a file is open under. */
function openDescriptors(path: string): number {
  return readdirSync("/proc/self/fd").filter((name) => {
    try {
      return readlinkSync(join("/proc/self/fd", name)).startsWith(path);
    } catch {
      return false;
    }
  }).length;
}

describe("an offer of shared memory", () => {
  it("is accepted if the file has the contents that the client states", async () => {
    const { client } = await start();
    const { header } = await client().hello({ shared: new ClientFile().offer });
    expect(header.shared).toBe(true);
    expect(header.capabilities).toContain("shared");
  });

  it("is optional", async () => {
    const { client } = await start();
    expect((await client().hello()).header).not.toHaveProperty("shared");
  });

  it.each<[string, (file: ClientFile) => unknown]>([
    ["is not there", ({ path }) => unlinkSync(path)],
    ["holds something else", (file) => file.write(20, Buffer.from("x"))],
    ["has no mark", (file) => file.write(0, Buffer.from("x"))],
    ["is too short", ({ path }) => truncateSync(path, 40)],
    ["can be read by others", ({ path }) => chmodSync(path, 0o640)],
    ["can be written by others", ({ path }) => chmodSync(path, 0o602)],
    ["has a second name", ({ path }) => linkSync(path, `${path}.other`)],
    [
      "is a symbolic link",
      ({ path }) => {
        renameSync(path, `${path}.other`);
        symlinkSync(`${path}.other`, path);
      },
    ],
    [
      "is a folder",
      ({ path }) => {
        unlinkSync(path);
        mkdirSync(path, 0o700);
      },
    ],
    [
      "is a named pipe",
      ({ path }) => {
        unlinkSync(path);
        execFileSync("mkfifo", ["-m", "600", path]);
      },
    ],
    [
      "belongs to another user",
      ({ path }) => {
        const { uid } = statSync(path);
        vi.spyOn(process as { getuid(): number }, "getuid").mockReturnValue(uid + 1);
      },
    ],
  ])("is ignored if the file %s", async (_, spoil) => {
    const { client } = await start();
    const file = new ClientFile();
    spoil(file);
    const made = client();
    const { type, header } = await made.hello({ shared: file.offer });
    expect(type).toBe("welcome");
    expect(header).not.toHaveProperty("shared");
    expect((await made.ask(...frame())).type).toBe("result");
    expect(openDescriptors(file.path)).toBe(0);
  });

  it.each<Plain>([
    { file: "../phasewire-1-00112233445566778899aabbccddeeff", token: "0".repeat(32) },
    { file: "/etc/passwd", token: "0".repeat(32) },
    { file: "phasewire-1-00112233445566778899aabbccddeeff/x", token: "0".repeat(32) },
    { file: "phasewire-1-00112233445566778899aabbccddeeff\n", token: "0".repeat(32) },
    { file: "phasewire-1-0011", token: "0".repeat(32) },
    { file: "phasewire-x-00112233445566778899aabbccddeeff", token: "0".repeat(32) },
    { file: "phasewire-1-00112233445566778899aabbccddeeff", token: "" },
    { file: "phasewire-1-00112233445566778899aabbccddeeff", token: "0".repeat(33) },
    { file: "phasewire-1-00112233445566778899aabbccddeeff" },
    { file: 1, token: 2 },
    "phasewire-1-00112233445566778899aabbccddeeff",
  ])("is refused in any other form: %j", async (offer) => {
    const { client } = await start();
    const made = client();
    const { type, header } = await made.hello({ shared: offer });
    expect(type).toBe("error");
    expect(String(header.field)).toMatch(/^shared/);
    expect(["BAD_OPTION", "MESSAGE_FORMAT"]).toContain(header.code);
    expect((await made.hello()).type).toBe("welcome");
  });

  it("is ignored by servers without the capability", async () => {
    const { client } = await start({ sharedFolder: null });
    const { header } = await client().hello({ shared: new ClientFile().offer });
    expect(header).not.toHaveProperty("shared");
    expect(header.capabilities).not.toContain("shared");
  });

  it("is expected in the platform's memory file system", () => {
    expect(sharedFolder()).toMatch(process.platform === "linux" ? /^\/dev\/shm$|^\/tmp/ : /./);
  });
});

describe("arrays in shared memory", () => {
  it("reach the analyser like those in messages, and the file's name is removed", async () => {
    const { client, analyser } = await start();
    const [one, file] = [client(), new ClientFile()];
    await agreed(one, file);
    file.write(64, f32(0, 1, 2, 3, 4, 5));
    file.write(1001, i32(7, 8));
    const descriptors: Plain[] = [
      { name: "positions", dtype: "f32", shape: [2, 3], source: "shared", offset: 64 },
      { name: "cell", dtype: "f64", shape: [3, 3] },
      { name: "species", dtype: "i32", shape: [2], source: "shared", offset: 1001 },
    ];
    unlinkSync(file.path);
    const cell = [9, 0, 0, 0, 9, 0, 0, 0, 9];
    const header = { ...frame()[0], periodic: [true, true, true], arrays: descriptors };
    expect((await one.ask(header, f64(...cell))).type).toBe("result");
    expect(analyser.frames[0]).toMatchObject({
      positions: Float64Array.of(0, 1, 2, 3, 4, 5),
      cell: Float64Array.of(...cell),
      species: Int32Array.of(7, 8),
    });
  });

  it("are read when it is the frame's turn, and not after its answer", async () => {
    const { client, analyser } = await start();
    const [one, file] = [client(), new ClientFile()];
    await agreed(one, file);
    analyser.hold();
    await one.send(...frame({ step: 1 }));
    await one.send(shared(1, 64, { step: 2 }));
    await one.send({ type: "ping" });
    expect((await one.receive()).type).toBe("pong");
    file.write(64, f64(1, 2, 3));
    analyser.release();
    expect((await one.receive()).header.step).toBe(1);
    expect((await one.receive()).header.step).toBe(2);
    file.write(64, f64(4, 5, 6));
    expect(analyser.frames[1]!.positions).toEqual(Float64Array.of(1, 2, 3));
  });

  it("of a frame that was dropped are never read", async () => {
    const { client, analyser } = await start();
    const [one, file] = [client(), new ClientFile()];
    await agreed(one, file);
    analyser.hold();
    // The middle frames lie beyond the end of the file: reading them would be an error.
    await one.send(shared(1, 64, { mode: "monitor", step: 1 }));
    while (analyser.seen.length < 1) await new Promise((resolve) => setTimeout(resolve, 2));
    for (const step of [2, 3]) await one.send(shared(1, 1e9, { mode: "monitor", step }));
    for (const step of [4, 5]) await one.send(shared(1, 64, { mode: "monitor", step }));
    await one.send({ type: "ping" });
    expect((await one.receive()).type).toBe("pong");
    analyser.release();
    const replies = [await one.receive(), await one.receive(), await one.receive()];
    expect(replies.map(({ type, header }) => [type, header.step])).toEqual([
      ["result", 1],
      ["result", 4],
      ["result", 5],
    ]);
    expect(replies[2]!.header.dropped).toBe(2);
  });

  it("reach watchers before the client may overwrite them", async () => {
    const { client } = await start();
    const [one, watcher, file] = [client(), client(), new ClientFile()];
    await watcher.hello();
    await watcher.ask({ type: "subscribe", fields: ["positions", "species"] });
    await agreed(one, file);
    file.write(64, f64(1, 2, 3));
    const ask = one.ask(shared(1, 64)).then(() => file.write(64, f64(4, 5, 6)));
    const { type, arrays } = await watcher.receive();
    await ask;
    expect(type).toBe("observed");
    expect(arrays.get("positions")!.data).toEqual(Float32Array.of(1, 2, 3));
    expect(arrays.has("species")).toBe(false);
  });

  it("are refused before they are agreed on, and after the session", async () => {
    const { client } = await start();
    const [one, file] = [client(), new ClientFile()];
    const refused = { code: "MESSAGE_FORMAT", field: "positions", value: "shared" };
    await one.hello();
    expect((await one.ask(shared(1, 64))).header).toMatchObject(refused);
    await agreed(one, file);
    expect((await one.ask(shared(1, 64))).type).toBe("result");
    await one.hello();
    expect((await one.ask(shared(1, 64))).header).toMatchObject(refused);
  });

  it.each<[Plain]>([[63], [0], [-64], [64.5], ["64"], [null], [2 ** 53]])(
    "are refused at the offset %j",
    async (offset) => {
      const { client, analyser } = await start();
      const one = client();
      await agreed(one, new ClientFile());
      const { type, header } = await one.ask(shared(1, 64, { arrays: [descriptor(1, offset)] }));
      expect(type).toBe("error");
      expect(header).toMatchObject({ code: "MESSAGE_FORMAT", field: "positions" });
      expect(analyser.seen).toHaveLength(0);
    },
  );

  it.each<[string, number, number]>([
    ["partly", 2, 4096 - 24],
    ["wholly", 1, 4096],
    ["far", 1000, 2 ** 52],
  ])(
    "that lie %s beyond the file's end are an error, and the session continues",
    async (_, atoms, offset) => {
      const { client } = await start();
      const one = client();
      await agreed(one, new ClientFile());
      const { type, header } = await one.ask(shared(atoms, offset, { step: 9 }));
      expect(type).toBe("error");
      expect(header).toMatchObject({ code: "SHARED_MEMORY", field: "positions", step: 9, mode: "request" });
      expect((await one.ask(...frame())).type).toBe("result");
      expect((await one.ask(shared(1, 64))).type).toBe("result");
    },
  );

  it("are an error if the file is truncated in the middle of a run", async () => {
    const { client } = await start();
    const [one, file] = [client(), new ClientFile()];
    await agreed(one, file);
    expect((await one.ask(shared(1, 1024))).type).toBe("result");
    truncateSync(file.path, 64);
    expect((await one.ask(shared(1, 1024))).header).toMatchObject({ code: "SHARED_MEMORY" });
    expect((await one.ask(...frame())).type).toBe("result");
  });

  it("are checked like those in messages", async () => {
    const { client } = await start();
    const [one, file] = [client(), new ClientFile()];
    await agreed(one, file);
    file.write(64, f64(1, Number.NaN, 3));
    expect((await one.ask(shared(1, 64))).header).toMatchObject({ code: "NON_FINITE_POSITIONS" });
    expect((await one.ask(shared(1001, 64))).header).toMatchObject({ code: "TOO_LARGE" });
    const extra = await one.ask(shared(1, 64), f64(1, 2, 3));
    expect(extra.header).toMatchObject({ code: "MESSAGE_LENGTH", field: "arrays" });
  });
});

describe("results in shared memory", () => {
  const fields = ["labels", "logits"];

  it("lie in the space that the client gave, at the offsets in the result", async () => {
    const { client } = await start();
    const [one, file] = [client(), new ClientFile()];
    await agreed(one, file);
    await one.send(shared(2, 64, { fields, resultSpace: { offset: 1000, bytes: 500 } }));
    const [header, ...parts] = await one.receiveRaw();
    expect(parts).toHaveLength(0);
    const [labels, logits] = header.arrays as { offset: number }[];
    expect(labels).toMatchObject({ name: "labels", dtype: "u16", shape: [2], source: "shared" });
    expect([labels!.offset, logits!.offset]).toEqual([1024, 1088]);
    expect(file.read(1024, 4)).toEqual(Buffer.from([1, 0, 1, 0]));
    expect(file.read(1088, 16)).toEqual(f32(-1, -1, -1, -1));
  });

  it.each<[string, Plain, number]>([
    ["too small for the second", { offset: 1024, bytes: 79 }, 1],
    ["too small for any", { offset: 1024, bytes: 3 }, 2],
    ["beyond the file's end", { offset: 4096, bytes: 4096 }, 2],
  ])("travel by message if the space is %s", async (_, resultSpace, expected) => {
    const { client } = await start();
    const [one, file] = [client(), new ClientFile()];
    await agreed(one, file);
    await one.send(shared(2, 64, { fields, resultSpace }));
    const [header, ...parts] = await one.receiveRaw();
    expect(parts).toHaveLength(expected);
    const sources = (header.arrays as { source?: string }[]).filter(({ source }) => source === undefined);
    expect(sources).toHaveLength(expected);
    expect(parts.at(-1)).toEqual(f32(-1, -1, -1, -1));
    expect(statSync(file.path).size).toBe(4096);
    expect(file.read(64, 4032)).toEqual(expected === 1 ? expect.anything() : Buffer.alloc(4032));
  });

  it("travel by message if there is no shared file", async () => {
    const { client } = await start();
    const one = client();
    await one.hello();
    const [header, positions] = frame({ fields, resultSpace: { offset: 64, bytes: 1000 } });
    await one.send(header, positions);
    expect(await one.receiveRaw()).toHaveLength(3);
  });

  it.each<Plain>([
    { offset: 0, bytes: 100 },
    { offset: 64, bytes: -1 },
    { offset: 64.5, bytes: 1 },
    { offset: 64 },
    [64, 100],
  ])("are refused for the space %j", async (resultSpace) => {
    const { client } = await start();
    const one = client();
    await agreed(one, new ClientFile());
    const { header } = await one.ask(shared(1, 64, { resultSpace }));
    expect(String(header.field)).toMatch(/^resultSpace/);
  });

  it("do not touch the file if the client has started another session", async () => {
    const { client, analyser } = await start();
    const [one, file] = [client(), new ClientFile()];
    await agreed(one, file);
    const before = readFileSync(file.path);
    analyser.hold();
    await one.send(shared(1, 64, { fields, resultSpace: { offset: 1024, bytes: 500 } }));
    while (analyser.seen.length < 1) await new Promise((resolve) => setTimeout(resolve, 2));
    const { header } = await one.hello();
    expect(header).toMatchObject({ type: "error", code: "NO_SESSION" });
    expect((await one.receive()).type).toBe("welcome");
    analyser.release();
    expect((await one.ask(...frame())).type).toBe("result");
    expect(readFileSync(file.path).equals(before)).toBe(true);
  });
});

describe("a shared file", () => {
  it("is closed with its session, by goodbye, hello and the server's end", async () => {
    const { client } = await start();
    const [stop] = cleanUp.splice(0, 1);
    const [one, first, second] = [client(), new ClientFile(), new ClientFile()];
    await agreed(one, first);
    expect(openDescriptors(first.path)).toBe(1);
    await agreed(one, second);
    expect([openDescriptors(first.path), openDescriptors(second.path)]).toEqual([0, 1]);
    await one.ask({ type: "goodbye" });
    expect(openDescriptors(second.path)).toBe(0);
    await agreed(one, first);
    await stop!();
    expect(openDescriptors(first.path)).toBe(0);
  });

  it("is orphaned when its creator has ended", async () => {
    const maker: ChildProcess = spawn("sleep", ["60"], { stdio: "ignore" });
    cleanUp.push(() => maker.kill());
    const { offer } = new ClientFile({ pid: maker.pid! });
    const file = SharedFile.open(offer, folder)!;
    cleanUp.push(() => file.close());
    expect(file.isOrphaned).toBe(false);
    maker.kill("SIGKILL");
    await once(maker, "exit");
    expect(file.isOrphaned).toBe(true);
    file.close();
    expect(file.isOrphaned).toBe(false);
    // A process that is not visible from here is not known to have ended.
    const hidden = SharedFile.open(new ClientFile({ pid: maker.pid! }).offer, folder)!;
    expect(hidden.isOrphaned).toBe(false);
    hidden.close();
  });

  it("is closed soon after its creator was killed; otherwise the session continues", async () => {
    vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
    cleanUp.push(() => vi.useRealTimers());
    const maker = spawn("sleep", ["60"], { stdio: "ignore" });
    cleanUp.push(() => maker.kill());
    const { client } = await start();
    const [one, file] = [client(), new ClientFile({ pid: maker.pid! })];
    await agreed(one, file);
    vi.advanceTimersByTime(60_000);
    expect(openDescriptors(file.path)).toBe(1);
    maker.kill("SIGKILL");
    await once(maker, "exit");
    vi.advanceTimersByTime(60_000);
    expect(openDescriptors(file.path)).toBe(0);
    expect((await one.ask(shared(1, 64))).header).toMatchObject({ code: "SHARED_MEMORY" });
    expect((await one.ask(...frame())).type).toBe("result");
  });

  it("gives a frame or a named refusal for any description of its contents", () => {
    const { offer, path } = new ClientFile();
    const file = SharedFile.open(offer, folder)!;
    const before = readFileSync(path);
    const number = fc.oneof(fc.integer({ min: -10, max: 5000 }), fc.double(), fc.maxSafeInteger());
    const item = fc.record({
      name: fc.constantFrom("positions", "species", "cell", "other"),
      dtype: fc.constantFrom("f64", "f32", "i32", "u16"),
      shape: fc.array(fc.oneof(fc.nat(40), number), { maxLength: 3 }),
      source: fc.constantFrom("shared", "shared", "part", "file", null),
      offset: fc.oneof(number, fc.constant(null), fc.constant("64")),
    });
    fc.assert(
      fc.property(fc.array(item, { maxLength: 4 }), (arrays) => {
        try {
          const header = encodePlain({ ...frame()[0], sequence: 1, arrays: arrays as Plain });
          const message = readClientMessage(receiveMessage([header], file), serverLimits(1000)) as Analyse;
          new MessageFrame(message).read(
            new Float64Array(3 * message.atomCount),
            message.species === null ? null : new Int32Array(message.atomCount),
          );
        } catch (error) {
          if (!(error instanceof PhasewireError) || error.code === "INTERNAL") throw error;
        }
      }),
      { numRuns: 2000 },
    );
    file.close();
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  it("can no longer be read or written once it is closed", () => {
    const { offer } = new ClientFile();
    const file = SharedFile.open(offer, folder)!;
    file.close();
    expect(() => file.read(new Uint8Array(1), 64, "cell")).toThrow(/cell was closed/);
    expect(file.write(new Uint8Array(1), 64)).toBe(false);
  });
});

function descriptor(atoms: number, offset: Plain): Plain {
  return { name: "positions", dtype: "f64", shape: [atoms, 3], source: "shared", offset };
}
