// Latency of a frame through the server, split into transport and analysis, and of bare echoes with as many
// bytes.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { stateFolder } from "../../scripts/lib/paths.mjs";
import { startServer } from "../../scripts/lib/server.mjs";
import { cellsFor, copper } from "../lib/copper.mjs";
import { startSocketEcho, startZeroMqEcho } from "../lib/echo.mjs";
import { rounds, spread } from "../lib/measure.mjs";
import { startWorker } from "../lib/worker.mjs";

/** The compared round trips, as requests to the worker. */
const ways = {
  shared: { do: "analyse", way: "shared" },
  messages: { do: "analyse", way: "messages" },
  zeroMqEcho: { do: "zeromq" },
  unixSocketEcho: { do: "unixSocket" },
};

export const bridge = {
  name: "bridge",
  about: "latency of a frame through the server, compared with bare echoes",
  async run({ quick, modelName, progress }) {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), "phasewire-bench-"));
    const socketPath = path.join(folder, "echo");
    progress.say("starting the server");
    fs.mkdirSync(stateFolder, { recursive: true });
    const server = await startServer({
      logFile: path.join(stateFolder, "bench-server.log"),
      model: modelName,
    });
    const zeroMq = await startZeroMqEcho();
    const socket = await startSocketEcho(socketPath);
    const worker = startWorker("bench.bridge");
    try {
      const { sharedMemory, ...versions } = await worker.ask({
        do: "start",
        server: server.endpoint,
        echo: zeroMq.endpoint,
        socket_path: socketPath,
      });
      const sizes = [];
      for (const wanted of quick ? [500] : [1_000, 10_000, 100_000]) {
        const { positions, cell } = copper(cellsFor(wanted));
        const file = path.join(folder, "positions");
        fs.writeFileSync(file, positions);
        sizes.push(await worker.ask({ do: "frame", file, edge: cell[0] }));
      }
      const limits = quick ? { least: 1, most: 1, seconds: 0 } : { least: 7, most: 40, seconds: 15 };
      const milliseconds = {};
      for (const atoms of sizes) milliseconds[atoms] = await measure(worker, atoms, limits, progress);
      return { sizes, transport: "tcp://127.0.0.1", sharedMemory, milliseconds, versions };
    } finally {
      await worker.close();
      await Promise.all([server.stop(), zeroMq.close(), socket.close()]);
      fs.rmSync(folder, { recursive: true });
    }
  },
};

/**
 * Spreads of the round trips of one size in milliseconds. Those to the server are split into their two parts.
 */
async function measure(worker, atoms, limits, progress) {
  const analyses = {};
  const ask = async (way) => {
    const { total, analysis } = await worker.ask({ ...ways[way], atoms });
    if (analysis !== undefined) analyses[way] = [...(analyses[way] ?? []), { total, analysis }];
    return { cpu: Number.NaN, wall: total };
  };
  for (const way of Object.keys(ways)) await worker.ask({ ...ways[way], atoms });
  const series = await rounds(limits, Object.keys(ways), ask, {
    progress: (text) => progress.say(`${atoms} atoms, ${text}`),
  });
  const inMs = (seconds) => spread(seconds.map((value) => 1000 * value));
  const split = (trips) => ({
    total: inMs(trips.map(({ total }) => total)),
    transport: inMs(trips.map(({ total, analysis }) => total - analysis)),
    analysis: inMs(trips.map(({ analysis }) => analysis)),
  });
  return {
    rounds: series.zeroMqEcho.wall.length,
    shared: split(analyses.shared),
    messages: split(analyses.messages),
    zeroMqEcho: inMs(series.zeroMqEcho.wall),
    unixSocketEcho: inMs(series.unixSocketEcho.wall),
  };
}
