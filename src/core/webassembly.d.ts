/**
 * The part of the WebAssembly interface that the host uses: Node's types leave it out, and the DOM's bring a
 * browser along.
 */
declare namespace WebAssembly {
  class Module {
    constructor(bytes: Uint8Array);
    /** Keeps other objects from passing for a module. */
    private readonly module: never;
  }

  class Memory {
    constructor(descriptor: { initial: number; maximum: number; shared: true });
    readonly buffer: SharedArrayBuffer;
    /** Grows by a number of 64 KiB pages; throws a RangeError beyond the maximum. */
    grow(pages: number): number;
  }

  function validate(bytes: Uint8Array): boolean;
  function compile(bytes: Uint8Array): Promise<Module>;
}
