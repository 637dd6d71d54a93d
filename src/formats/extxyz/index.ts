/** Extended XYZ as a format of the table. */
import type { FrameFormat } from "../format.js";
import { readExtendedXyz } from "./reader.js";
import { formatFrame } from "./writer.js";

const lineFeed = 0x0a;

export const extendedXyz: FrameFormat = {
  name: "extxyz",
  title: "extended XYZ",
  extensions: [".extxyz", ".exyz", ".xyz"],
  recognises(start) {
    const text = new TextDecoder("latin1").decode(start).trimStart();
    // The first line that is not blank is the number of atoms.
    return start.includes(lineFeed) && /^\d+[ \t]*\r?\n/.test(text);
  },
  read: readExtendedXyz,
  createEncoder: () => ({ encode: formatFrame }),
};
