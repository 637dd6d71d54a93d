// The core with its stages one by one: bench/core/bench.ts, compiled only for the benchmark.
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { filesBelow, fingerprint, isFresh, markFresh } from "../../scripts/lib/fingerprint.mjs";
import { inRoot, npmTool, root } from "../../scripts/lib/paths.mjs";
import { RawCore } from "./raw-core.mjs";

const targets = { baseline: "release", relaxed: "relaxed" };

/** Operations of one product of `benchPeak`, and the bytes that it works on. */
const peakOperations = 2 * 48 * 64 * 48;
const peakBytes = 48 * 1024;
/** Bytes of `benchRead` that stay in the nearest cache. */
const cachedBytes = 16 * 1024;

/** Sources of the module; the lock file has the version of the compiler. */
const sources = () => [
  ...filesBelow("assembly", [".ts", ".json"]),
  ...filesBelow("bench/core", [".ts", ".json"]),
  "asconfig.json",
  "package-lock.json",
];

/** Compiles the stages with the core's own settings, unless that is done. Returns the module. */
function compile(build) {
  const file = inRoot("build", `bench-${build}.wasm`);
  const stamp = `${file}.fingerprint`;
  const print = fingerprint(sources());
  if (!fs.existsSync(file) || !isFresh(stamp, print)) {
    const options = ["--config", "asconfig.json", "--target", targets[build], "--outFile", file];
    execFileSync(process.execPath, [npmTool.asc, "bench/core/bench.ts", ...options], { cwd: root });
    markFresh(stamp, print);
  }
  return new WebAssembly.Module(fs.readFileSync(file));
}

/** A core of a build that this process can run, with its stages. */
export class StageCore extends RawCore {
  constructor(build, model) {
    super(compile(build), model);
  }

  /** Loads a frame and runs the passes that the stages build on. */
  prepare(frame) {
    this.load(frame, this.features("GRADIENT", "KEEP_DENSITY"));
    this.require("forward");
    this.require("score");
    this.ceilingsAt = this.frameEnd;
    this.context.reserve(this.ceilingsAt + peakBytes, "ceilings");
    this.prepared = new Uint8Array(this.memory.buffer, 0, this.frameEnd).slice();
  }

  /**
   * Restores the memory as `prepare` left it. Stages change each other's numbers in place. Repeated out of
   * order, they reach numbers so small or so large that the arithmetic itself becomes slow.
   */
  restore() {
    new Uint8Array(this.memory.buffer).set(this.prepared);
  }

  /** Runs a stage (`PAIRS` for STAGE_PAIRS) over all atoms, `repeats` times. */
  stage(name, repeats) {
    this.core.benchStage(this.context.address, this.core[`STAGE_${name}`].value, repeats);
  }

  /** Multiplies matrices in the nearest cache. Returns the number of floating-point operations. */
  peak(repeats) {
    this.core.benchPeak(this.ceilingsAt, repeats);
    return repeats * peakOperations;
  }

  /** Reads memory in the nearest cache. Returns the number of bytes. */
  read(repeats) {
    this.core.benchRead(this.ceilingsAt, cachedBytes, repeats);
    return repeats * cachedBytes;
  }
}
