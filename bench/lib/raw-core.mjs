// A host that calls the core's stages one by one, for measurements that the library does not offer
// (docs/core-abi.md).
import { CoreContext } from "../../dist/src/core/context.js";
import { createMemory, instantiateCore } from "../../dist/src/core/instance.js";
import { nodeHost } from "../../dist/src/core/node-host.js";
import { writeModel } from "../../dist/src/core/write-model.js";

/** A core with a model in its memory. */
export class RawCore {
  /**
   * @param {WebAssembly.Module} module the compiled core
   * @param {import("../../dist/src/model/index.js").Model} model
   */
  constructor(module, model) {
    const memory = createMemory();
    this.memory = memory;
    this.core = instantiateCore(module, memory);
    this.context = new CoreContext(this.core, memory);
    this.modelEnd = writeModel(model, this.context);
  }

  /** Opens the core of a build. */
  static async open(build, model) {
    return new RawCore(await nodeHost.compile(build), model);
  }

  /** Sum of feature bits by name, e.g. `GRADIENT`. */
  features(...names) {
    return names.reduce((bits, name) => bits | this.core[`FEATURE_${name}`].value, 0);
  }

  /** Bytes of a frame with the core's own estimate of its pairs. Infinite if 4 GiB do not hold it. */
  frameBytes(atoms, features) {
    const end = this.core.layoutFrame(this.context.address, this.modelEnd, atoms, 0, 1, features);
    return end === 0 ? Number.POSITIVE_INFINITY : end - this.modelEnd;
  }

  /** Loads a periodic frame of one species and finds its neighbours on one thread. */
  load({ positions, cell }, features) {
    const { core, context } = this;
    const atoms = positions.length / 3;
    let pairs = 0;
    for (;;) {
      this.frameEnd = core.layoutFrame(context.address, this.modelEnd, atoms, pairs, 1, features);
      context.reserve(this.frameEnd, "frame");
      context.doubles("POSITIONS", positions.length).set(positions);
      context.setCount("SPECIES_USED", 0);
      context.setCount("PERIODIC", 7);
      context.values("CELL", 9).set(cell);
      context.setValue("LENGTH_SCALE_GIVEN", 0);
      const status = core.loadFrame(context.address);
      if (status === core.STATUS_OK.value) return;
      if (status !== core.STATUS_PAIR_OVERFLOW.value) throw new Error(`loadFrame returned status ${status}`);
      pairs = Math.ceil(1.05 * context.count("PAIRS_NEEDED"));
    }
  }

  /** Mean number of neighbours in the loaded frame. */
  get neighbours() {
    const starts = this.context.integers("PAIR_COUNT", this.context.count("ATOMS"));
    return starts.reduce((sum, count) => sum + count, 0) / starts.length;
  }

  /** Mean number of atoms, including images, in the cells that the search from one atom visits. */
  get candidates() {
    const perAxis = (field) =>
      new Int32Array(this.memory.buffer, this.context.address + this.core[field].value, 3);
    const [cells, reach] = [perAxis("COUNT_GRID_CELLS"), perAxis("COUNT_GRID_REACH")];
    const visited = reach.reduce((product, cellsAway) => product * (2 * cellsAway + 1), 1);
    return (visited * this.context.count("ATOMS")) / cells.reduce((product, count) => product * count, 1);
  }

  /** Calls a function of the core and throws unless it returns the status OK. */
  require(name) {
    const status = this.core[name](this.context.address);
    if (status !== this.core.STATUS_OK.value) throw new Error(`${name} returned status ${status}`);
  }
}
