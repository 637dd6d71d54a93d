/**
 * The core's memory for a host: fields of the context and their regions. Every access makes a new view,
 * because the memory may have grown.
 */
import { PhasewireError } from "../errors/index.js";
import type { CoreExports } from "./exports.js";

const pageBytes = 65536;

/** Names of fields of the context without their prefix: VALUE_CELL is `CELL` to `values`. */
export class CoreContext {
  /** Address of the context. */
  readonly address: number;
  /** First address after the context. */
  readonly end: number;

  /**
   * @param address address of the context; the first free address if absent
   * @param bytes size of the context; that of a frame's context if absent
   */
  constructor(
    readonly core: CoreExports,
    private readonly memory: WebAssembly.Memory,
    address: number = core.heapBase(),
    bytes: number = core.CONTEXT_BYTES.value,
  ) {
    this.address = address;
    this.end = this.address + bytes;
    this.reserve(this.end, "context");
  }

  /**
   * A copy of this context at another address, with the same model; the next frame is laid out in the copy.
   */
  copyTo(address: number): CoreContext {
    const copy = new CoreContext(this.core, this.memory, address);
    const bytes = new Uint8Array(this.memory.buffer);
    bytes.copyWithin(address, this.address, this.end);
    return copy;
  }

  /**
   * A context of variables (docs/core-abi.md, "Variables") in the same memory, at the first aligned address
   * from `base` on.
   */
  forVariables(base: number): CoreContext {
    const { core, memory } = this;
    return new CoreContext(core, memory, Math.ceil(base / 64) * 64, core.VARIABLES_CONTEXT_BYTES.value);
  }

  /** The bytes of the context and of the memory after it, up to `end`. */
  bytes(end = this.end): Uint8Array {
    return new Uint8Array(this.memory.buffer, this.address, end - this.address);
  }

  /**
   * Grows the memory to `end`, as returned by a layout function.
   *
   * @throws PhasewireError `TOO_LARGE` if `end` is 0 (it does not fit into 4 GiB) or the memory is not
   *   available
   */
  reserve(end: number, field: string): void {
    const missing = Math.ceil(end / pageBytes) - this.memory.buffer.byteLength / pageBytes;
    try {
      if (end === 0) throw new RangeError("more than 4 GiB");
      if (missing > 0) this.memory.grow(missing);
    } catch (cause) {
      const size = end === 0 ? "more than 4 GiB" : `${(end / 2 ** 20).toFixed(0)} MiB`;
      throw new PhasewireError("TOO_LARGE", {
        message: `the ${field} needs ${size} of the core's memory, which is not available`,
        field,
        cause,
      });
    }
  }

  /** `length` numbers of a value field. */
  values(name: string, length = 1): Float64Array {
    return new Float64Array(this.memory.buffer, this.address + this.constant(`VALUE_${name}`), length);
  }

  value(name: string): number {
    return this.values(name)[0]!;
  }

  setValue(name: string, value: number): void {
    this.values(name)[0] = value;
  }

  count(name: string): number {
    return this.counts(name)[0]!;
  }

  setCount(name: string, value: number): void {
    this.counts(name)[0] = value;
  }

  /** Makes the calls at work on the frame of this context end soon, on whichever thread they are. */
  abort(): void {
    Atomics.store(this.counts("ABORT"), 0, 1);
  }

  /** Byte address of a region. */
  region(name: string): number {
    return new Uint32Array(this.memory.buffer, this.address + this.constant(`ADDRESS_${name}`), 1)[0]!;
  }

  setRegion(name: string, address: number): void {
    new Uint32Array(this.memory.buffer, this.address + this.constant(`ADDRESS_${name}`), 1)[0] = address;
  }

  shorts(name: string, length: number): Uint16Array {
    return new Uint16Array(this.memory.buffer, this.region(name), length);
  }

  integers(name: string, length: number): Int32Array {
    return new Int32Array(this.memory.buffer, this.region(name), length);
  }

  singles(name: string, length: number): Float32Array {
    return new Float32Array(this.memory.buffer, this.region(name), length);
  }

  doubles(name: string, length: number): Float64Array {
    return this.doublesAt(this.region(name), length);
  }

  /** Doubles at an address without a field. */
  doublesAt(address: number, length: number): Float64Array {
    return new Float64Array(this.memory.buffer, address, length);
  }

  private counts(name: string): Int32Array {
    return new Int32Array(this.memory.buffer, this.address + this.constant(`COUNT_${name}`), 1);
  }

  private constant(name: `VALUE_${string}` | `COUNT_${string}` | `ADDRESS_${string}`): number {
    const constant = this.core[name];
    if (constant === undefined) throw new Error(`the core does not export ${name}`);
    return constant.value;
  }
}
