/** A frame, checked and copied into the core's memory. */
import { refusal } from "../errors/index.js";
import { missingCell, wrongCount, wrongShape } from "../frame/index.js";
import type { CoreContext } from "./context.js";
import type { CoreFrame, FrameRoom } from "./types.js";

/**
 * Checks the shapes of a frame.
 *
 * @returns the number of atoms
 * @throws PhasewireError `EMPTY_FRAME`, `SHAPE_MISMATCH`, `MISSING_CELL`, `BAD_LENGTH_SCALE`
 */
export function checkShapes(frame: CoreFrame): number {
  const { positions, cell, periodic, species, lengthScale } = frame;
  if (positions.length === 0) throw refusal("emptyFrame", {});
  const atomCount = positions.length / 3;
  if (!Number.isInteger(atomCount)) throw wrongShape("positionsShape", positions.length);
  if (species !== null && species.length !== atomCount) {
    throw wrongCount("species", species.length, atomCount);
  }
  if (periodic.length !== 3) throw refusal("periodicShape", { found: `[${periodic.join(", ")}]` });
  if (cell === null && periodic.some(Boolean)) throw missingCell(periodic);
  if (cell !== null && cell.length !== 9) throw wrongShape("cellShape", cell.length);
  if (lengthScale !== undefined && !(lengthScale > 0 && lengthScale < Number.POSITIVE_INFINITY)) {
    throw refusal("badLengthScale", { number: lengthScale }, { value: lengthScale });
  }
  return atomCount;
}

/** Writes a frame that was laid out; arrays that are already in their room stay in place. */
export function writeFrame(context: CoreContext, frame: CoreFrame, room: FrameRoom): void {
  const { positions, species, cell, periodic, lengthScale } = frame;
  if (!sameMemory(positions, room.positions)) room.positions.set(positions);
  if (species !== null && !sameMemory(species, room.species)) room.species.set(species);
  context.setCount("SPECIES_USED", species === null ? 0 : 1);
  context.values("CELL", 9).fill(0);
  if (cell !== null) context.values("CELL", 9).set(cell);
  context.setCount(
    "PERIODIC",
    periodic.reduce((bits, wraps, axis) => bits | (wraps ? 1 << axis : 0), 0),
  );
  context.setValue("LENGTH_SCALE_GIVEN", lengthScale ?? 0);
}

/** Views of the arrays of the laid-out frame. */
export function frameRoom(context: CoreContext, atomCount: number): FrameRoom {
  return {
    positions: context.doubles("POSITIONS", 3 * atomCount),
    species: context.integers("SPECIES", atomCount),
  };
}

function sameMemory(one: ArrayBufferView, other: ArrayBufferView): boolean {
  return one.buffer === other.buffer && one.byteOffset === other.byteOffset;
}
