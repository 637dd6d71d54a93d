/** Long analyses on a server: they can be ended at any time, and meanwhile the server answers. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { afterEach, describe, expect, it } from "vitest";
import { CoreAnalyser } from "../../bridge/server/core-analyser.js";
import { startServer } from "../../bridge/server/server.js";
import type { WireMessage } from "../../bridge/server/wire/wire.js";
import { limits } from "../../src/contract/limits.js";
import { loadModel } from "../../src/model/index.js";
import { packageRoot } from "../../src/package.js";
import { shakenCrystal } from "../core/support.js";
import { f64, type Plain } from "./encoder.js";
import { FakeClient } from "./fake-client.js";

const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const action of cleanUp.splice(0).reverse()) await action();
});

const small = shakenCrystal(3, 0.1, 1);
/** Denoising it for the most steps takes over ten minutes. */
const large = shakenCrystal(12, 0.1, 2);

function request(
  { positions, cell }: typeof small,
  denoise: number | null,
): [Record<string, Plain>, ...Buffer[]] {
  return [
    {
      type: "analyse",
      mode: "request",
      step: 1,
      periodic: [true, true, true],
      fields: ["labels", "logits"],
      denoise,
      arrays: [
        { name: "positions", dtype: "f64", shape: [positions.length / 3, 3] },
        { name: "cell", dtype: "f64", shape: [3, 3] },
      ],
    },
    f64(...positions),
    f64(...cell!),
  ];
}

const endless = (): ReturnType<typeof request> => request(large, limits.denoising.mostSteps);

/** Starts a server with the core; returns a client, how to stop the server, and its address. */
async function serve(threads: number, budget?: number): Promise<[FakeClient, () => Promise<void>, string]> {
  const analyser = await CoreAnalyser.create(await loadModel(), { threads, budget, build: "baseline" });
  const server = await startServer({
    endpoint: "tcp://127.0.0.1:*",
    analyser,
    version: "0.0.0",
    maxAtoms: 100_000,
  });
  let closing: Promise<void> | null = null;
  const stop = (): Promise<void> => {
    closing ??= server.close();
    return closing;
  };
  cleanUp.push(stop);
  return [await greeted(server.endpoint), stop, server.endpoint];
}

async function greeted(endpoint: string, process = "simulation"): Promise<FakeClient> {
  const client = new FakeClient(endpoint);
  cleanUp.push(() => client.close());
  expect((await client.hello({ client: { name: "fake", version: "0", process } })).type).toBe("welcome");
  return client;
}

/** Sends a frame that takes very long, and returns once its analysis runs. */
async function begin(client: FakeClient): Promise<void> {
  await client.send(...endless());
  for (let ping = 0; ping < 5; ping++) {
    expect((await client.ask({ type: "ping" })).type).toBe("pong");
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
}

/** Seconds that an action takes. Without a way to end the analysis it would take minutes. */
async function secondsOf(action: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await action();
  return (performance.now() - began) / 1000;
}

describe.each([1, 3])("a server with %i threads in the middle of an analysis", (threads) => {
  it("answers pings, and ends it when it stops", async () => {
    const [client, stop] = await serve(threads);
    await begin(client);
    expect(await secondsOf(stop)).toBeLessThan(8);
    const answers: WireMessage[] = [await client.receive(), await client.receive()];
    expect(answers.map(({ type }) => type)).toEqual(["error", "goodbye"]);
    expect(answers[0]!.header).toMatchObject({ code: "ABORTED", step: 1 });
  });

  it("analyses shorter frames of another process at the same time, with the same results", async () => {
    const [client, , endpoint] = await serve(threads);
    const before = await client.ask(...request(small, 2));
    await begin(client);
    const neighbour = await greeted(endpoint, "neighbour");
    for (let turn = 0; turn < 3; turn++) {
      const beside = await neighbour.ask(...request(small, 2));
      expect(beside.type).toBe("result");
      expect(beside.arrays.get("logits")).toEqual(before.arrays.get("logits"));
    }
  });

  it.each([
    ["says goodbye", (client: FakeClient) => client.ask({ type: "goodbye" })],
    ["leaves", async (client: FakeClient) => client.close()],
  ])("ends it when its client %s", async (_, end) => {
    const [client, , endpoint] = await serve(threads);
    await begin(client);
    const another = await greeted(endpoint);
    await end(client);
    // Frames of one process are analysed one after the other.
    expect((await another.ask(...request(small, null))).type).toBe("result");
  });

  it("ends it when the budget is used up, and gives later frames the same results", async () => {
    const [client] = await serve(threads, 0.3);
    const before = await client.ask(...request(small, 2));
    await client.send(...endless());
    expect((await client.receive()).header).toMatchObject({
      code: "OVER_BUDGET",
      field: "budget",
      value: 0.3,
      message: "the analysis of 6912 atoms was ended after 0.3 s, its budget",
    });
    const after = await client.ask(...request(small, 2));
    expect(after.type).toBe("result");
    expect(after.arrays.get("logits")).toEqual(before.arrays.get("logits"));
  });
});

it("a server that is told to end by SIGTERM in the middle of an analysis ends", async () => {
  const main = `${packageRoot()}/dist/bridge/server/main.js`;
  const options = ["serve", "--endpoint", "tcp://127.0.0.1:*", "--threads", "1", "--nice", "0", "--json"];
  const server = spawn(process.execPath, [main, ...options], { stdio: ["ignore", "pipe", "ignore"] });
  cleanUp.push(() => server.kill("SIGKILL"));
  const exited = once(server, "exit");
  const [line] = (await once(createInterface(server.stdout), "line")) as [string];
  const { endpoint } = JSON.parse(line) as { endpoint: string };
  await begin(await greeted(endpoint));
  const seconds = await secondsOf(async () => {
    server.kill("SIGTERM");
    expect(await exited).toEqual([0, null]);
  });
  expect(seconds).toBeLessThan(8);
});
