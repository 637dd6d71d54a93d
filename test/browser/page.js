/** Evaluates a model on frames in a page, with the library's own core in a host for browsers. */
import { validatesRelaxed } from "/dist/src/core/build.js";
import { PhaseCore } from "/dist/src/core/phase-core.js";

const files = { baseline: "phasewire.wasm", relaxed: "phasewire-relaxed.wasm" };

const browserHost = {
  compile: (build) => WebAssembly.compileStreaming(fetch(`/build/${files[build]}`)),
  acceptsRelaxed: validatesRelaxed,
  cores: () => navigator.hardwareConcurrency,
  freeMemory: () => 2 ** 30,
  nextTurn: () => new Promise((resolve) => setTimeout(resolve)),
  startWorker(start, listener) {
    const thread = new Worker("/test/browser/worker.js", { type: "module" });
    thread.onmessage = ({ data }) => listener.message(data);
    thread.onerror = (event) => listener.failed(event.message ?? "a worker cannot be started");
    thread.postMessage(start);
    return { keepAlive: () => undefined, terminate: async () => thread.terminate() };
  },
};

/** Numbers of a JSON text as the typed arrays that the core takes. */
function asModel({ tensors, ...numbers }) {
  const arrays = Object.entries(tensors).map(([name, values]) => [name, Float32Array.from(values)]);
  return { ...numbers, tensors: Object.fromEntries(arrays) };
}

function asFrame({ positions, cell, species, ...rest }) {
  return {
    ...rest,
    positions: Float64Array.from(positions),
    cell: cell && Float64Array.from(cell),
    species: species && Int32Array.from(species),
  };
}

globalThis.isolated = () => globalThis.crossOriginIsolated;

/** Logits, score and virial of every frame, and the build that was chosen. */
globalThis.evaluateFrames = async (text) => {
  const { model, frames, build, threads } = JSON.parse(text);
  const core = await PhaseCore.create(asModel(model), { host: browserHost, build, threads });
  const results = [];
  for (const frame of frames) {
    core.load(asFrame(frame));
    const { logits, logDensity, labels } = await core.forward();
    const { score, virial } = await core.score();
    results.push({
      logits: [...logits],
      labels: [...labels],
      logDensity,
      score: [...score],
      virial: [...virial],
    });
  }
  await core.dispose();
  return JSON.stringify({ build: core.build, cores: core.cores, results });
};
globalThis.ready = true;
