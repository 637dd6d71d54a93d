import { afterEach, describe, expect, it } from "vitest";
import { type RunningServer, type ServerOptions, startServer } from "../../bridge/server/server.js";
import type { WireMessage } from "../../bridge/server/wire/wire.js";
import { PhasewireError } from "../../src/errors/index.js";
import { encodePlain, f32, f64, i32, type Plain } from "./encoder.js";
import { FakeAnalyser } from "./fake-analyser.js";
import { FakeClient, type FakeClientOptions, frame } from "./fake-client.js";

const cleanUp: (() => unknown)[] = [];

afterEach(async () => {
  for (const action of cleanUp.splice(0).reverse()) await action();
});

async function start(
  endpoint = "tcp://127.0.0.1:*",
  more: Partial<ServerOptions> = {},
): Promise<{ server: RunningServer; analyser: FakeAnalyser }> {
  const analyser = new FakeAnalyser();
  const server = await startServer({ endpoint, analyser, version: "0.0.0", maxAtoms: 1000, ...more });
  cleanUp.push(() => {
    analyser.release();
    return server.close();
  });
  return { server, analyser };
}

/** Starts a server at the address of one that was just closed, once ZeroMQ has released it. */
async function startAgain(endpoint: string): ReturnType<typeof start> {
  for (;;) {
    try {
      return await start(endpoint);
    } catch (error) {
      if (!(error instanceof PhasewireError) || error.code !== "ENDPOINT_IN_USE") throw error;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

function connect(endpoint: string, options?: FakeClientOptions): FakeClient {
  const client = new FakeClient(endpoint, options);
  cleanUp.push(() => client.close());
  return client;
}

async function greeted(endpoint: string, more: Record<string, Plain> = {}): Promise<FakeClient> {
  const client = connect(endpoint);
  const { type } = await client.hello(more);
  expect(type).toBe("welcome");
  return client;
}

/** Waits until the analyser has begun `count` analyses. */
async function begun(analyser: FakeAnalyser, count: number): Promise<void> {
  while (analyser.seen.length < count) await new Promise((resolve) => setTimeout(resolve, 2));
}

function errorOf({ type, header }: WireMessage): Record<string, unknown> {
  expect(type).toBe("error");
  expect(typeof header.message).toBe("string");
  expect(String(header.remedy).length).toBeGreaterThan(10);
  return header;
}

describe("greeting", () => {
  it("agrees on the highest common version and lists what the server has", async () => {
    const { server, analyser } = await start("tcp://127.0.0.1:*", { sharedFolder: null });
    const client = connect(server.endpoint);
    const { type, header } = await client.hello({ versions: [4, 1, 2, 3], run: "melt" });
    expect(type).toBe("welcome");
    expect(header).toMatchObject({
      sequence: 0,
      version: 3,
      run: "melt",
      server: { name: "phasewire", version: "0.0.0" },
      model: analyser.model,
      limits: { maxAtoms: 1000, monitorQueue: 2, maxHeaderBytes: 262_144 },
    });
    expect(header.capabilities).toEqual([
      "monitor",
      "request",
      "bias",
      "denoise",
      "seed",
      "subscribe",
      "series",
    ]);
    expect(String(header.session)).toMatch(/^[0-9a-f-]{36}$/);
  });

  it.each([
    [{ versions: [1, 7] }, "versions", [1, 7], [3], "1, 7"],
    [{ versions: [2] }, "versions", [2], [3], "supports protocol versions 2; this server supports 3"],
    [{ versions: [] }, "versions", [], [3], "(none)"],
    [{ requires: ["telepathy"] }, "requires", ["telepathy"], expect.arrayContaining(["bias"]), "telepathy"],
  ])("refuses %j and names what each side has", async (hello, field, value, supported, named) => {
    const { server } = await start();
    const client = connect(server.endpoint);
    const error = errorOf(await client.hello(hello));
    expect(error).toMatchObject({ code: "PROTOCOL_VERSION", field, value, supported, sequence: 0 });
    expect(error.message).toContain(named);
    expect((await client.hello()).type).toBe("welcome");
  });

  it("asks for a greeting before anything else, except ping and goodbye", async () => {
    const { server } = await start();
    const client = connect(server.endpoint);
    for (const type of ["status", "series", "subscribe", "unsubscribe"]) {
      expect(errorOf(await client.ask({ type }))).toMatchObject({ code: "NO_SESSION", field: "type" });
    }
    expect(errorOf(await client.ask(...frame()))).toMatchObject({ code: "NO_SESSION" });
    expect((await client.ask({ type: "ping" })).type).toBe("pong");
    expect((await client.ask({ type: "goodbye" })).header.reason).toBe("asked");
  });

  it("starts a new session with a second hello, and ends one with goodbye", async () => {
    const { server } = await start();
    const client = connect(server.endpoint);
    const first = (await client.hello()).header.session;
    const second = (await client.hello()).header.session;
    expect(second).not.toBe(first);
    const { header } = await client.ask({ type: "status" });
    expect(header.sessions).toMatchObject([{ session: second, client: "fake 0" }]);
    await client.ask({ type: "goodbye" });
    expect(errorOf(await client.ask({ type: "status" })).code).toBe("NO_SESSION");
  });
});

describe("classes", () => {
  it("of a session apply to its frames, and those of a frame only to that frame", async () => {
    const { server, analyser } = await start();
    const client = connect(server.endpoint);
    const { header } = await client.hello({ classes: { ccp: 2, disordered: 0.5 } });
    expect(header.classes).toEqual({ disordered: 0.5, fcc: 2 });
    await client.ask(...frame());
    await client.ask(...frame({ classes: { fcc: 0.25 } }));
    await client.ask(...frame({ mode: "monitor" }));
    const other = await greeted(server.endpoint);
    await other.ask(...frame());
    const [own, of] = [Float64Array.of(0.5, 2), Float64Array.of(1, 0.25)];
    expect(analyser.weights).toEqual([own, of, own, null]);
  });

  it("of the server apply unless a session or frame has its own", async () => {
    const { server, analyser } = await start("tcp://127.0.0.1:*", { classes: { fcc: 3 } });
    const client = connect(server.endpoint);
    expect((await client.hello()).header.classes).toEqual({ disordered: 1, fcc: 3 });
    await client.ask(...frame());
    expect((await client.hello({ classes: { fcc: 1, disordered: 0 } })).header.classes).toEqual({
      disordered: 0,
      fcc: 1,
    });
    await client.ask(...frame());
    expect(analyser.weights).toEqual([Float64Array.of(1, 3), Float64Array.of(0, 1)]);
  });

  it("are not mentioned if all are equal", async () => {
    const { server } = await start();
    const client = connect(server.endpoint);
    expect((await client.hello()).header).not.toHaveProperty("classes");
  });

  it.each<[Plain, string, string]>([
    [{ fccc: 1 }, "BAD_OPTION", "classes"],
    [{ fcc: 1, ccp: 1 }, "BAD_OPTION", "classes"],
    [{}, "BAD_OPTION", "classes"],
    [{ disordered: 1 }, "BAD_OPTION", "classes"],
    [{ fcc: 0 }, "BAD_OPTION", "classes"],
    [{ fcc: -1 }, "BAD_OPTION", "classes.fcc"],
    [{ fcc: "1" }, "MESSAGE_FORMAT", "classes.fcc"],
    [["fcc"], "MESSAGE_FORMAT", "classes"],
    ["fcc", "MESSAGE_FORMAT", "classes"],
  ])("are refused: %j", async (classes, code, field) => {
    const { server, analyser } = await start();
    const client = connect(server.endpoint);
    expect(errorOf(await client.hello({ classes }))).toMatchObject({ code, field, sequence: 0 });
    expect((await client.hello()).type).toBe("welcome");
    expect(errorOf(await client.ask(...frame({ classes })))).toMatchObject({ code, field, sequence: 2 });
    expect((await client.ask(...frame())).type).toBe("result");
    expect(analyser.seen).toHaveLength(1);
  });

  it("that are unknown are refused with suggestions", async () => {
    const { server } = await start();
    const error = errorOf(await connect(server.endpoint).hello({ classes: { fccc: 1 } }));
    expect(error).toMatchObject({ value: "fccc", message: expect.stringContaining("fccc") });
    expect(error.remedy).toContain("Did you mean fcc?");
  });

  it("that the model lacks keep a server from starting", async () => {
    await expect(start("tcp://127.0.0.1:*", { classes: ["omega"] })).rejects.toMatchObject({
      code: "BAD_OPTION",
      field: "classes",
    });
  });
});

describe("analysing", () => {
  it("answers a request with scalars and the requested arrays, in their order", async () => {
    const { server, analyser } = await start();
    const client = await greeted(server.endpoint, { run: "r" });
    const message = frame(
      {
        step: 42,
        time: 0.5,
        observables: { temperature: 300 },
        fields: ["logits", "labels", "confidence"],
        speciesNames: ["Cu", "Zn"],
        selection: "oxygen of water",
        periodic: [true, true, true],
        arrays: [
          { name: "positions", dtype: "f32", shape: [2, 3] },
          { name: "unheard-of", dtype: "u8", shape: [1] },
          { name: "cell", dtype: "f64", shape: [3, 3] },
          { name: "species", dtype: "i32", shape: [2] },
        ],
      },
      [],
    )[0];
    const { header, arrays } = await client.ask(
      message,
      f32(0, 0, 0, 1, 1, 1.5),
      Buffer.of(1),
      f64(4, 0, 0, 0, 4, 0, 0, 0, -4),
      i32(0, 1),
    );
    expect(header).toMatchObject({
      type: "result",
      sequence: 1,
      run: "r",
      mode: "request",
      step: 42,
      time: 0.5,
      selection: "oxygen of water",
      observables: { temperature: 300 },
      atomCount: 2,
      lengthScale: 2,
      fractions: { fcc: 1 },
      logDensity: -2,
      meanLogDensityPerAtom: -1,
      meanMargin: 4,
      dropped: 0,
      queued: 0,
    });
    expect([...arrays.keys()]).toEqual(["logits", "labels", "confidence"]);
    expect(arrays.get("logits")).toMatchObject({ dtype: "f32", shape: [2, 2] });
    expect(arrays.get("labels")).toEqual({ dtype: "u16", shape: [2], data: Uint16Array.of(1, 1) });
    const [core] = analyser.frames;
    expect(core!.positions).toEqual(Float64Array.of(0, 0, 0, 1, 1, 1.5));
    expect(core!.cell![8]).toBe(-4);
    expect(core!.species).toEqual(Int32Array.of(0, 1));
    expect(core!.lengthScale).toBeUndefined();
  });

  it("ties a bias reply to its step", async () => {
    const { server } = await start();
    const client = await greeted(server.endpoint);
    const [header, positions] = frame({
      mode: "bias",
      lengthScale: 2.5,
      variables: [{ kind: "logDensity" }],
    });
    await client.send({ ...header, step: 10 }, positions);
    await client.send({ ...header, step: 11 }, positions);
    for (const step of [10, 11]) {
      const reply = await client.receive();
      expect(reply.header).toMatchObject({
        type: "result",
        sequence: step - 9,
        step,
        mode: "bias",
        energy: 2,
      });
      expect(reply.header.values).toEqual([0.5]);
      expect([...reply.arrays.keys()]).toEqual(["forces", "virial"]);
      expect(reply.arrays.get("forces")!.data[0]).toBe(step);
    }
  });

  it("keeps the newest monitor frames of a flood, drops the oldest and counts them", async () => {
    const { server, analyser } = await start();
    const client = await greeted(server.endpoint);
    analyser.hold();
    for (let step = 1; step <= 30; step++) await client.send(...frame({ mode: "monitor", step }));
    // A pong shows that everything before it has been received.
    expect((await client.ask({ type: "ping" })).type).toBe("pong");
    analyser.release();
    const replies: WireMessage[] = [];
    while (replies.at(-1)?.header.step !== 30) replies.push(await client.receive());
    const steps = replies.map(({ header }) => header.step as number);
    expect(steps.length).toBeLessThanOrEqual(3);
    expect(steps.slice(-2)).toEqual([29, 30]);
    expect(replies.at(-1)!.header.dropped).toBe(30 - steps.length);
    expect(analyser.seen.map(({ step }) => step)).toEqual(steps);
    const after = await client.ask(...frame({ mode: "monitor", step: 31 }));
    expect(after.header).toMatchObject({ step: 31, dropped: 30 - steps.length });
  });

  it("takes the newest frames after an analysis that kept the process busy", async () => {
    const { server, analyser } = await start();
    const client = await greeted(server.endpoint);
    analyser.onAnalyse = ({ step }) => {
      if (step !== 1) return;
      for (let later = 2; later <= 6; later++) void client.send(...frame({ mode: "monitor", step: later }));
      // The frames are sent on ZeroMQ's thread while this one sleeps.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
    };
    await client.send(...frame({ mode: "monitor", step: 1 }));
    const replies = [await client.receive(), await client.receive(), await client.receive()];
    expect(replies.map(({ header }) => header.step)).toEqual([1, 5, 6]);
    expect(replies[2]!.header.dropped).toBe(3);
  });

  it("refuses a request beyond the limit, and answers the others in order", async () => {
    const { server, analyser } = await start();
    const client = await greeted(server.endpoint);
    analyser.hold();
    const send = (step: number): Promise<number> => client.send(...frame({ step }));
    await send(0);
    await begun(analyser, 1);
    for (let step = 1; step <= 9; step++) await send(step);
    expect(errorOf(await client.receive())).toMatchObject({ code: "QUEUE_FULL", step: 9, mode: "request" });
    analyser.release();
    for (let step = 0; step <= 8; step++) expect((await client.receive()).header.step).toBe(step);
  });

  it("answers TIMEOUT for a frame that waited too long, without analysing it", async () => {
    const { server, analyser } = await start();
    const client = await greeted(server.endpoint);
    analyser.hold();
    await client.send(...frame({ step: 1 }));
    await begun(analyser, 1);
    await client.send(...frame({ step: 2, timeoutMs: 1 }));
    await client.ask({ type: "ping" });
    await new Promise((resolve) => setTimeout(resolve, 10));
    analyser.release();
    expect((await client.receive()).header.step).toBe(1);
    expect(errorOf(await client.receive())).toMatchObject({ code: "TIMEOUT", step: 2, sequence: 2 });
    expect(analyser.seen).toHaveLength(1);
  });

  it("lets clients take turns, waiting simulations first, without starving monitors", async () => {
    const { server, analyser } = await start();
    const [busy, monitor, other] = await Promise.all([
      greeted(server.endpoint),
      greeted(server.endpoint),
      greeted(server.endpoint),
    ]);
    analyser.hold();
    await busy.send(...frame({ step: 0 }));
    await begun(analyser, 1);
    for (let step = 1; step <= 6; step++) await busy.send(...frame({ step }));
    await monitor.send(...frame({ step: 100, mode: "monitor" }));
    for (let step = 201; step <= 202; step++) await other.send(...frame({ step }));
    for (const client of [busy, monitor, other]) await client.ask({ type: "ping" });
    analyser.release();
    for (let count = 0; count < 7; count++) await busy.receive();
    const steps = analyser.seen.map(({ step }) => step);
    expect(steps.indexOf(100)).toBeLessThanOrEqual(3);
    expect(steps.indexOf(202)).toBeLessThan(steps.indexOf(4));
    expect((await other.receive()).header.step).toBe(201);
  });

  it("reports a fault of the analyser as INTERNAL and continues", async () => {
    const { server, analyser } = await start();
    const client = await greeted(server.endpoint);
    analyser.failure = new TypeError("boom");
    expect(errorOf(await client.ask(...frame({ step: 3 })))).toMatchObject({
      code: "INTERNAL",
      step: 3,
      message: "boom",
    });
    analyser.failure = new PhasewireError("COINCIDENT_ATOMS", {
      field: "positions",
      value: [0, 1],
      message: "two",
    });
    expect(errorOf(await client.ask(...frame()))).toMatchObject({ code: "COINCIDENT_ATOMS", value: [0, 1] });
    expect((await client.ask(...frame())).type).toBe("result");
  });
});

describe("bad frames", () => {
  const [header] = frame({}, [0, 0, 0, 1, 1, 1]);
  const two = f64(0, 0, 0, 1, 1, 1);
  const array = (name: string, dtype: string, ...shape: number[]): Plain => ({ name, dtype, shape });
  const positions = array("positions", "f64", 2, 3);
  const cell = array("cell", "f64", 3, 3);
  const periodic = [true, true, true];
  const cases: [string, string, string, Record<string, Plain>, Uint8Array[]][] = [
    ["wrong length", "MESSAGE_LENGTH", "positions", header, [two.subarray(0, 40)]],
    ["a missing part", "MESSAGE_LENGTH", "arrays", header, []],
    [
      "a wrong shape",
      "MESSAGE_SHAPE",
      "positions",
      { ...header, arrays: [array("positions", "f64", 3, 2)] },
      [two],
    ],
    [
      "a wrong dtype",
      "MESSAGE_SHAPE",
      "positions",
      { ...header, arrays: [array("positions", "i32", 4, 3)] },
      [two],
    ],
    ["no positions", "MESSAGE_SHAPE", "positions", { ...header, arrays: [] }, []],
    [
      "no atoms",
      "EMPTY_FRAME",
      "positions",
      { ...header, arrays: [array("positions", "f64", 0, 3)] },
      [f64()],
    ],
    [
      "too many atoms",
      "TOO_LARGE",
      "positions",
      { ...header, arrays: [array("positions", "f32", 1001, 3)] },
      [Buffer.alloc(12012)],
    ],
    [
      "a huge declared N",
      "MESSAGE_LENGTH",
      "positions",
      { ...header, arrays: [array("positions", "f64", 2 ** 40, 3)] },
      [two],
    ],
    ["NaN", "NON_FINITE_POSITIONS", "positions", header, [f64(0, 0, 0, 1, Number.NaN, 1)]],
    ["infinity", "NON_FINITE_POSITIONS", "positions", header, [f64(0, 0, 0, 1, 1, Number.NEGATIVE_INFINITY)]],
    [
      "species of another length",
      "SHAPE_MISMATCH",
      "species",
      { ...header, arrays: [positions, array("species", "i32", 3)] },
      [two, i32(0, 0, 0)],
    ],
    [
      "an unknown species",
      "UNKNOWN_SPECIES",
      "species",
      { ...header, speciesNames: ["Cu"], arrays: [positions, array("species", "i32", 2)] },
      [two, i32(0, 1)],
    ],
    [
      "a singular cell",
      "SINGULAR_CELL",
      "cell",
      { ...header, periodic, arrays: [positions, cell] },
      [two, f64(1, 0, 0, 0, 1, 0, 1, 1, 0)],
    ],
    [
      "a cell with NaN",
      "NON_FINITE_CELL",
      "cell",
      { ...header, periodic, arrays: [positions, cell] },
      [two, f64(1, 0, 0, 0, Number.NaN, 0, 1, 1, 0)],
    ],
    ["no cell", "MISSING_CELL", "cell", { ...header, periodic }, [two]],
    ["length scale 0", "BAD_LENGTH_SCALE", "lengthScale", { ...header, lengthScale: 0 }, [two]],
    ["a negative length scale", "BAD_LENGTH_SCALE", "lengthScale", { ...header, lengthScale: -1 }, [two]],
    [
      "bias without length scale",
      "BAD_LENGTH_SCALE",
      "lengthScale",
      { ...header, mode: "bias", variables: [{ kind: "logDensity" }] },
      [two],
    ],
    ["bias without variables", "BAD_OPTION", "variables", { ...header, mode: "bias", lengthScale: 1 }, [two]],
    ["an unknown mode", "BAD_OPTION", "mode", { ...header, mode: "guess" }, [two]],
    ["an unknown field", "BAD_OPTION", "fields", { ...header, fields: ["colour"] }, [two]],
    ["a field twice", "BAD_OPTION", "fields", { ...header, fields: ["labels", "labels"] }, [two]],
    ["forces without an energy", "BAD_OPTION", "fields", { ...header, fields: ["forces"] }, [two]],
    [
      "denoised positions without denoising",
      "BAD_OPTION",
      "fields",
      { ...header, fields: ["denoised"] },
      [two],
    ],
    ["too many denoising steps", "BAD_OPTION", "denoise", { ...header, denoise: 10_001 }, [two]],
    ["zero denoising steps", "BAD_OPTION", "denoise", { ...header, denoise: 0 }, [two]],
    [
      "an unknown variable",
      "BAD_OPTION",
      "variables[1].kind",
      { ...header, variables: [{ kind: "logDensity" }, { kind: "colour" }] },
      [two],
    ],
    [
      "a variable without class",
      "BAD_OPTION",
      "variables[0].class",
      { ...header, variables: [{ kind: "fraction" }] },
      [two],
    ],
    [
      "the wrong number of coefficients",
      "BAD_OPTION",
      "coefficients",
      { ...header, variables: [{ kind: "logDensity" }], coefficients: [1, 2] },
      [two],
    ],
    [
      "a variable with a width below 0",
      "BAD_OPTION",
      "variables[0].select.region.width",
      {
        ...header,
        variables: [
          {
            kind: "logDensity",
            select: { region: { axis: 0, from: 0, to: 1, width: -1 } },
          },
        ],
      },
      [two],
    ],
    [
      "more variables than a frame may have, inner ones included",
      "BAD_OPTION",
      "variables",
      {
        ...header,
        variables: [
          {
            kind: "smoothMin",
            sharpness: 1,
            variables: Array.from({ length: 64 }, () => ({ kind: "logDensity" })),
          },
        ],
      },
      [two],
    ],
    [
      "ids of another length",
      "SHAPE_MISMATCH",
      "ids",
      { ...header, arrays: [positions, array("ids", "i32", 3)] },
      [two, i32(0, 0, 0)],
    ],
    [
      "ids that are not integers",
      "MESSAGE_SHAPE",
      "ids",
      { ...header, arrays: [positions, array("ids", "f64", 2)] },
      [two, f64(0, 1)],
    ],
    [
      "a seed in mode monitor",
      "BAD_OPTION",
      "seed",
      { ...header, mode: "monitor", arrays: [positions, array("seed", "f64", 2, 2)] },
      [two, f64(0, 1, 0, 1)],
    ],
    [
      "a seed together with variables",
      "BAD_OPTION",
      "seed",
      { ...header, variables: [{ kind: "logDensity" }], arrays: [positions, array("seed", "f64", 2, 2)] },
      [two, f64(0, 1, 0, 1)],
    ],
    [
      "a seed of integers",
      "MESSAGE_SHAPE",
      "seed",
      { ...header, arrays: [positions, array("seed", "i32", 2, 2)] },
      [two, i32(0, 1, 0, 1)],
    ],
    [
      "a seed for other atoms",
      "SHAPE_MISMATCH",
      "seed",
      { ...header, arrays: [positions, array("seed", "f64", 1, 4)] },
      [two, f64(0, 1, 0, 1)],
    ],
    ["no step", "MESSAGE_FORMAT", "step", { ...header, step: null }, [two]],
    ["a fractional step", "MESSAGE_FORMAT", "step", { ...header, step: 1.5 }, [two]],
    ["two axes", "MESSAGE_FORMAT", "periodic", { ...header, periodic: [true, true] }, [two]],
    ["text for an axis", "MESSAGE_FORMAT", "periodic", { ...header, periodic: ["p", "p", "p"] }, [two]],
    [
      "an observable of text",
      "MESSAGE_FORMAT",
      "observables.T",
      { ...header, observables: { T: "hot" } },
      [two],
    ],
    [
      "a name that is too long",
      "BAD_OPTION",
      "observables",
      { ...header, observables: { ["T".repeat(129)]: 1 } },
      [two],
    ],
    ["an unknown type", "MESSAGE_TYPE", "type", { type: "teleport" }, []],
    ["a negative sequence", "MESSAGE_FORMAT", "sequence", { ...header, sequence: -1 }, [two]],
  ];

  it("are refused by name, each followed by a good one, while another client is served", async () => {
    const { server } = await start();
    const client = await greeted(server.endpoint);
    const witness = await greeted(server.endpoint);
    for (const [what, code, field, message, parts] of cases) {
      const error = errorOf(await client.ask(message, ...parts));
      expect({ what, code: error.code, field: error.field }).toEqual({ what, code, field });
      if (message.type === "analyse" && Number.isInteger(message.step)) expect(error.step).toBe(1);
      expect((await client.ask(...frame())).type).toBe("result");
      expect((await witness.ask({ type: "ping" })).type).toBe("pong");
    }
  });

  it("are answered with the known types if their type is unknown", async () => {
    const { server } = await start();
    const client = connect(server.endpoint);
    const error = errorOf(await client.ask({ type: "teleport" }));
    expect(error.supported).toContain("analyse");
    expect(error.message).toContain('"teleport"');
  });

  it("are refused with a short message, however long they are", async () => {
    const { server } = await start();
    const client = await greeted(server.endpoint);
    const long = "x".repeat(20_000);
    const replies = [
      await client.ask({ type: long }),
      await client.ask({ ...header, mode: long }, two),
      await client.hello({ run: long }),
      await client.hello({ requires: [long, long, long] }),
      await client.ask({ ...header, arrays: [{ name: long, dtype: "f99", shape: [2, 3] }] }, two),
    ];
    for (const reply of replies) expect(JSON.stringify(errorOf(reply)).length).toBeLessThan(2000);
  });

  it("are refused without a sequence if the header cannot be read", async () => {
    const { server } = await start();
    const client = await greeted(server.endpoint);
    const deep = Buffer.concat([Buffer.of(0x81, 0xa1, 0x61), Buffer.alloc(60_000, 0x91), Buffer.of(0xc0)]);
    const bomb = Buffer.of(0x81, 0xa1, 0x61, 0xdd, 0xff, 0xff, 0xff, 0xff);
    const cut = encodePlain({ type: "ping", sequence: 3 }).subarray(0, 12);
    for (const header of [Buffer.from("not msgpack"), Buffer.alloc(0), deep, bomb, cut]) {
      await client.socket.send([header, f64(1)]);
      expect(errorOf(await client.receive())).toMatchObject({ code: "MESSAGE_FORMAT", sequence: null });
    }
    expect((await client.ask(...frame())).type).toBe("result");
  });
});

describe("two requests for one frame", () => {
  const header = {
    type: "analyse",
    mode: "bias",
    step: 4,
    periodic: [false, false, false],
    lengthScale: 1,
  };
  const positions = { name: "positions", dtype: "f64", shape: [2, 3] };
  const two = f64(0, 0, 0, 1, 1, 1);

  it("are answered with logits, then with the forces of a seed, and make one row and one notification", async () => {
    const { server, analyser } = await start();
    const client = await greeted(server.endpoint, { run: "biased" });
    const watcher = await greeted(server.endpoint);
    expect((await watcher.ask({ type: "subscribe" })).type).toBe("subscribed");
    const first = await client.ask({ ...header, fields: ["logits"], arrays: [positions] }, two);
    expect([...first.arrays.keys()]).toEqual(["logits"]);
    const seed = { name: "seed", dtype: "f32", shape: [2, 2] };
    const second = await client.ask({ ...header, arrays: [positions, seed] }, two, f32(1, 2, 3, 4));
    expect([...second.arrays.keys()]).toEqual(["forces", "virial"]);
    expect(second.header.values).toBeUndefined();
    expect(second.header.energy).toBeUndefined();
    expect(analyser.seen[1]!.seed!.shape).toEqual([2, 2]);
    const { arrays } = await client.ask({ type: "series" });
    expect(arrays.get("step")!.data).toEqual(Float64Array.of(4));
    const { type } = await watcher.receive();
    expect(type).toBe("observed");
    expect((await watcher.ask({ type: "ping" })).type).toBe("pong");
  });

  it("may have variables of the greatest depth, and ids", async () => {
    const { server, analyser } = await start();
    const client = await greeted(server.endpoint);
    const leaf = {
      kind: "distance",
      class: "ccp",
      select: { ids: [7], region: { centre: [0, 0.5, 1], radius: 1, width: 0.5 } },
    };
    const deep = [0, 1, 2].reduce<Plain>(
      (variable) => ({ kind: "sum", terms: [{ weight: 0.5, variable }] }),
      leaf,
    );
    const ids = { name: "ids", dtype: "i32", shape: [2] };
    const { type } = await client.ask(
      { ...header, variables: [deep], arrays: [positions, ids] },
      two,
      i32(7, 9),
    );
    expect(type).toBe("result");
    expect(analyser.seen[0]!.variables).toEqual([deep]);
    expect(analyser.seen[0]!.ids!.shape).toEqual([2]);
  });
});

describe("clients that vanish or do not read", () => {
  it("forgets a client that is gone when its answer is ready", async () => {
    const { server, analyser } = await start();
    const witness = await greeted(server.endpoint);
    const doomed = new FakeClient(server.endpoint);
    await doomed.hello({ run: "doomed" });
    analyser.hold();
    await doomed.send(...frame());
    await begun(analyser, 1);
    doomed.close();
    await new Promise((resolve) => setTimeout(resolve, 100));
    analyser.release();
    expect((await witness.ask(...frame())).type).toBe("result");
    const { header } = await witness.ask({ type: "status" });
    expect(header.sessions).toHaveLength(1);
    expect(header.analysed).toBe(2);
  });

  it("drops and counts answers to a client that does not read, and serves the others meanwhile", async () => {
    const { server } = await start();
    const witness = await greeted(server.endpoint);
    const deaf = connect(server.endpoint, { receiveHighWaterMark: 1, receiveBufferSize: 4096 });
    await deaf.hello({ run: "deaf" });
    const positions = Array.from({ length: 3000 }, (_, index) => index);
    const fields = ["logits", "probabilities", "labels", "confidence"];
    const status = async (): Promise<{ analysed: number; dropped: number }> => {
      const { header } = await witness.ask({ type: "status" });
      return (header.sessions as { run: string; analysed: number; dropped: number }[]).find(
        ({ run }) => run === "deaf",
      )!;
    };
    // Each frame is sent only when the previous one was analysed, so none is dropped from the queue.
    let { analysed, dropped } = await status();
    while (dropped === 0) {
      const step = analysed + 1;
      await deaf.send(...frame({ mode: "monitor", step, fields }, positions));
      while (analysed < step) ({ analysed, dropped } = await status());
    }
    expect(dropped).toBeGreaterThan(0);
    expect((await witness.ask(...frame())).type).toBe("result");
  });

  it("serves a client that said hello to the previous server", async () => {
    const { server } = await start();
    const client = connect(server.endpoint);
    await client.hello({ run: "long" });
    await client.ask(...frame({ step: 1 }));
    const { endpoint } = server;
    const reconnected = client.reconnected();
    await cleanUp.splice(0, 1)[0]!();
    expect((await client.receive()).header).toEqual({ type: "goodbye", reason: "shutdown" });
    const again = await startAgain(endpoint);
    await reconnected;
    expect(errorOf(await client.ask(...frame({ step: 2 })))).toMatchObject({ code: "NO_SESSION", step: 2 });
    expect((await client.hello({ run: "long" })).header.run).toBe("long");
    expect((await client.ask(...frame({ step: 3 }))).header).toMatchObject({ step: 3, dropped: 0 });
    expect(again.analyser.seen).toHaveLength(1);
  });
});

describe("a session that had to end", () => {
  const large = {
    mode: "monitor",
    arrays: [{ name: "positions", dtype: "f64", shape: [1, 3], source: "shared", offset: 64 }],
  };

  it("is named as the reason for any later message, whatever its arrays, with its sequence", async () => {
    const { server } = await start("tcp://127.0.0.1:*", { mostSessions: 4 });
    const paused = await greeted(server.endpoint, { run: "paused" });
    for (let script = 0; script < 6; script++) await greeted(server.endpoint, { run: `script ${script}` });
    const [header, part] = frame({ step: 5 });
    for (const [message, parts] of [
      [{ ...header, ...large }, []],
      [{ ...header, arrays: [{ name: "positions", dtype: "f64", shape: [1, 4] }] }, [part]],
      [{ ...header, periodic: "none" }, [part]],
      [{ type: "series", run: 7 }, []],
    ] as [Record<string, Plain>, Uint8Array[]][]) {
      const sequence = await paused.send(message, ...parts);
      const error = errorOf(await paused.receive());
      expect(error).toMatchObject({ code: "NO_SESSION", field: "type", sequence });
      if (message.type === "analyse") expect(error.step).toBe(5);
    }
    expect((await paused.hello({ run: "paused" })).header.run).toBe("paused");
    expect((await paused.ask(header, part)).type).toBe("result");
  });

  it("answers its frames that wait or are analysed", async () => {
    const { server, analyser } = await start("tcp://127.0.0.1:*", { mostSessions: 2 });
    const [one, other] = [await greeted(server.endpoint), await greeted(server.endpoint)];
    analyser.hold();
    for (let step = 1; step <= 3; step++) await one.send(...frame({ step }));
    await other.send(...frame({ step: 9, mode: "monitor" }));
    await begun(analyser, 1);
    for (const client of [one, other]) expect((await client.ask({ type: "ping" })).type).toBe("pong");
    // Both have frames; the first has been silent longer.
    await greeted(server.endpoint);
    for (let step = 1; step <= 3; step++) {
      expect(errorOf(await one.receive())).toMatchObject({ code: "NO_SESSION", step, sequence: step });
    }
    // A new hello replaces a session, too.
    expect(errorOf(await other.hello())).toMatchObject({ code: "NO_SESSION", step: 9, mode: "monitor" });
    expect((await other.receive()).type).toBe("welcome");
    analyser.release();
    expect((await other.ask(...frame({ step: 10 }))).header).toMatchObject({ type: "result", step: 10 });
    // No result of the ended session follows.
    expect((await one.ask({ type: "ping" })).type).toBe("pong");
  });
});

describe("watching", () => {
  it("passes every result of a run on to its watchers, with the fields that they request", async () => {
    const { server } = await start();
    const source = await greeted(server.endpoint, { run: "a" });
    const noise = await greeted(server.endpoint, { run: "b" });
    const watcher = await greeted(server.endpoint);
    await source.ask(...frame({ step: 1 }));
    const subscribed = await watcher.ask({
      type: "subscribe",
      run: "a",
      fields: ["positions", "labels", "cell"],
    });
    expect(subscribed.header.runs).toEqual(["a"]);
    await noise.ask(...frame({ step: 7 }));
    await source.ask(
      ...frame({ step: 2, mode: "monitor", observables: { temperature: 3 } }, [0.5, 0, 0, 1, 1, 1]),
    );
    const { header, arrays } = await watcher.receive();
    expect(header).toMatchObject({
      type: "observed",
      run: "a",
      step: 2,
      mode: "monitor",
      atomCount: 2,
      observables: { temperature: 3 },
      missed: 0,
    });
    expect(header).not.toHaveProperty("sequence");
    expect([...arrays.keys()]).toEqual(["positions", "labels"]);
    expect(arrays.get("positions")!.data[0]).toBe(0.5);
    await watcher.ask({ type: "unsubscribe" });
    await source.ask(...frame({ step: 3 }));
    expect((await watcher.ask({ type: "ping" })).type).toBe("pong");
  });

  it("gives the series of a run to watchers that come late", async () => {
    const { server } = await start();
    const source = await greeted(server.endpoint, { run: "a" });
    await source.ask(...frame({ step: 10, observables: { T: 1 } }));
    await source.ask(...frame({ step: 20, time: 0.25 }));
    source.close();
    const late = await greeted(server.endpoint);
    const { header, arrays } = await late.ask({ type: "series", run: "a" });
    expect(header).toMatchObject({ run: "a", columns: ["T"], classes: ["fcc"] });
    expect(arrays.get("step")!.data).toEqual(Float64Array.of(10, 20));
    expect(arrays.get("time")!.data).toEqual(Float64Array.of(Number.NaN, 0.25));
    expect(arrays.get("fractions")).toMatchObject({ shape: [2, 1], data: Float64Array.of(1, 1) });
    expect(arrays.get("observables")).toMatchObject({ shape: [2, 1], data: Float64Array.of(1, Number.NaN) });
    const newer = await late.ask({ type: "series", run: "a", after: 10 });
    expect(newer.arrays.get("step")!.data).toEqual(Float64Array.of(20));
    expect(newer.arrays.get("observables")!.shape).toEqual([1, 0]);
    const unknown = await late.ask({ type: "series", run: "nobody" });
    expect(unknown.header.classes).toEqual([]);
    expect(unknown.arrays.get("step")!.shape).toEqual([0]);
  });
});

describe("ending", () => {
  it("lets the current analysis finish and closes the analyser", async () => {
    const { server, analyser } = await start();
    const client = await greeted(server.endpoint);
    analyser.hold();
    await client.send(...frame({ step: 1 }));
    await begun(analyser, 1);
    await client.send(...frame({ step: 2 }));
    await client.ask({ type: "ping" });
    cleanUp.shift();
    const closed = server.close();
    analyser.release();
    await closed;
    expect(analyser.closed).toBe(true);
    expect(analyser.seen).toHaveLength(1);
    expect((await client.receive()).header).toMatchObject({ type: "result", step: 1 });
    expect((await client.receive()).header).toMatchObject({ type: "goodbye", reason: "shutdown" });
  });
});
