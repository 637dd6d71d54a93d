/** Helpers of the library's tests: temporary folders, expected errors, crystals. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { afterAll, expect } from "vitest";
import { type ErrorCode, PhasewireError } from "../../src/errors/index.js";
import { createFrame, type Frame } from "../../src/frame/index.js";

/** A folder that is removed after the tests of the file; to be called at the file's top level. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "phasewire-test-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Expects an action to fail with a PhasewireError of this code, and returns the error. */
export async function expectError(code: ErrorCode, action: () => unknown): Promise<PhasewireError> {
  let thrown: unknown;
  try {
    await action();
  } catch (error) {
    thrown = error;
  }
  expect(thrown, `an error ${code} was expected`).toBeInstanceOf(PhasewireError);
  const error = thrown as PhasewireError;
  expect(error.code, error.message).toBe(code);
  expect(error.remedy).not.toBe("");
  return error;
}

/** All items of an asynchronous sequence. */
export async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const collected: Item[] = [];
  for await (const item of items) collected.push(item);
  return collected;
}

/** A stream that keeps everything written to it, and calls `onText` after each write. */
export class TextSink extends Writable {
  text = "";

  constructor(private readonly onText: () => void = () => undefined) {
    super();
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    this.onText();
    done();
  }
}

/** A block of `repeats`^3 cubic cells of edge `edge`, with sites in fractions of a cell. */
export function crystal(
  sites: readonly (readonly [number, number, number])[],
  edge: number,
  repeats: number,
  species: readonly string[] = sites.map(() => "Cu"),
): Frame {
  const positions: number[] = [];
  const names: string[] = [];
  for (let i = 0; i < repeats; i += 1) {
    for (let j = 0; j < repeats; j += 1) {
      for (let k = 0; k < repeats; k += 1) {
        sites.forEach(([x, y, z], site) => {
          positions.push((i + x) * edge, (j + y) * edge, (k + z) * edge);
          names.push(species[site]!);
        });
      }
    }
  }
  const length = repeats * edge;
  return createFrame({ positions, cell: [length, 0, 0, 0, length, 0, 0, 0, length], species: names });
}

export const fccSites = [
  [0, 0, 0],
  [0, 0.5, 0.5],
  [0.5, 0, 0.5],
  [0.5, 0.5, 0],
] as const;

export const bccSites = [
  [0, 0, 0],
  [0.5, 0.5, 0.5],
] as const;

/** A frame whose atoms are displaced by reproducible amounts up to `amplitude` along each axis. */
export function shaken(frame: Frame, amplitude: number): Frame {
  let state = 12345;
  const positions = frame.positions.map((coordinate) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return coordinate + amplitude * (state / 2 ** 31 - 1);
  });
  return { ...frame, positions };
}
