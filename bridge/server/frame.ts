/** Turns a message into a frame for the analyser, and checks its values. */
import { PhasewireError } from "../../src/errors/index.js";
import { completeCell, validateFrame } from "../../src/frame/index.js";
import type { FrameSource } from "./analyser.js";
import { readArray } from "./wire/codec.js";
import type { Analyse } from "./wire/wire.js";

/** The frame of a message, whose arrays are not copied yet. */
export class MessageFrame implements FrameSource {
  readonly atomCount: number;
  readonly cell: Float64Array | null;
  readonly box: Float64Array | null;
  readonly speciesNames: readonly string[] | null;
  readonly hasSpecies: boolean;
  readonly lengthScale: number | undefined;
  readonly periodic: readonly [boolean, boolean, boolean];
  /** Time for copying and checking the arrays, in seconds. */
  secondsRead = 0;

  /** @throws PhasewireError `NON_FINITE_CELL`, `MISSING_CELL`, `SINGULAR_CELL`, `SHARED_MEMORY` */
  constructor(private readonly message: Analyse) {
    const { atomCount, periodic, lengthScale, ignoreSpecies, species } = message;
    const cell = message.cell && (readArray(message.cell).data as Float64Array);
    this.atomCount = atomCount;
    this.periodic = periodic;
    this.cell = completeCell(cell, periodic);
    this.box = cell;
    this.speciesNames = message.speciesNames;
    this.hasSpecies = species !== null && !ignoreSpecies;
    this.lengthScale = lengthScale ?? undefined;
  }

  /** @throws PhasewireError `NON_FINITE_POSITIONS`, `UNKNOWN_SPECIES`, `SHARED_MEMORY` */
  read(positions: Float64Array, species: Int32Array | null): void {
    const began = performance.now();
    const { message } = this;
    if (message.positions.dtype === "f64") message.positions.copyTo(bytesOf(positions));
    else positions.set(readArray(message.positions).data);
    const { box } = this;
    const { periodic } = message;
    validateFrame({ positions, cell: box, periodic, species: null, info: {}, arrays: {} });
    // Species are read even if they are not needed: a message that contradicts itself is refused.
    const numbers = species ?? (message.species === null ? null : new Int32Array(this.atomCount));
    if (message.species !== null && numbers !== null) {
      message.species.copyTo(bytesOf(numbers));
      checkNames(numbers, message.speciesNames);
    }
    this.secondsRead = (performance.now() - began) / 1000;
  }

  /** @throws PhasewireError `SHARED_MEMORY` */
  readSpecies(): Int32Array | null {
    return this.message.species && (readArray(this.message.species).data as Int32Array);
  }

  /** @throws PhasewireError `SHARED_MEMORY` */
  readIds(): Int32Array | null {
    return this.message.ids && (readArray(this.message.ids).data as Int32Array);
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function checkNames(species: Int32Array, names: readonly string[] | null): void {
  if (names === null) return;
  const atom = species.findIndex((number) => number < 0 || number >= names.length);
  if (atom < 0) return;
  throw new PhasewireError("UNKNOWN_SPECIES", {
    field: "species",
    value: species[atom],
    message: `atom ${atom} has species ${species[atom]}, but speciesNames has ${names.length} entries`,
    remedy: "Give every species a name, or omit speciesNames.",
  });
}
