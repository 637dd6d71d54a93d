/**
 * The core's memory as a host sees it: fields of the context and the regions they point to. Views are made anew at every access, because
 * the memory may have grown since the last.
 */
import { PhasewireError } from "../errors/index.js";
import type { CoreExports } from "./exports.js";

const pageBytes = 65536;

/** Names of fields of the context without their prefix: VALUE_CELL is `CELL` to `values`. */
export class CoreContext {
  /** Address of the context. */
  readonly address: number;
  /** First address behind the context. */
  readonly end: number;

  /**
   * @param address where the context lies; at the first free address if absent
   * @param bytes that it takes; those of the context of a frame if absent
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

  /** A context at another address that starts as a copy of this one: with the same model, and whatever frame is laid out next. */
  copyTo(address: number): CoreContext {
    const copy = new CoreContext(this.core, this.memory, address);
    const bytes = new Uint8Array(this.memory.buffer);
    bytes.copyWithin(address, this.address, this.end);
    return copy;
  }

  /** A context of variables (docs/core-abi.md, "Variables") in the same memory, at the first place for one from `base` on. */
  forVariables(base: number): CoreContext {
    const { core, memory } = this;
    return new CoreContext(core, memory, Math.ceil(base / 64) * 64, core.VARIABLES_CONTEXT_BYTES.value);
  }

  /** The bytes of the context and of what lies behind it, up to `end`. */
  bytes(end = this.end): Uint8Array {
    return new Uint8Array(this.memory.buffer, this.address, end - this.address);
  }

  /**
   * Makes the memory reach up to `end`, as a layout function returned it.
   *
   * @throws PhasewireError `TOO_LARGE` if `end` is 0 (it would not fit into 4 GiB) or the memory is not to be had
   */
  reserve(end: number, field: string): void {
    const missing = Math.ceil(end / pageBytes) - this.memory.buffer.byteLength / pageBytes;
    try {
      if (end === 0) throw new RangeError("more than 4 GiB");
      if (missing > 0) this.memory.grow(missing);
    } catch (cause) {
      const size = end === 0 ? "more than 4 GiB" : `${(end / 2 ** 20).toFixed(0)} MiB`;
      throw new PhasewireError("TOO_LARGE", {
        message: `the ${field} needs ${size} of the core's memory, which is not to be had`,
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

  /** Doubles at an address that no field names. */
  doublesAt(address: number, length: number): Float64Array {
    return new Float64Array(this.memory.buffer, address, length);
  }

  private counts(name: string): Int32Array {
    return new Int32Array(this.memory.buffer, this.address + this.constant(`COUNT_${name}`), 1);
  }

  private constant(name: `VALUE_${string}` | `COUNT_${string}` | `ADDRESS_${string}`): number {
    const constant = this.core[name];
    if (constant === undefined) throw new Error(`the core exports no ${name}`);
    return constant.value;
  }
}
