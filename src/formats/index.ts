export { formatFrame } from "./extxyz/writer.js";
export type { FrameEncoder, FrameFormat, FrameSource } from "./format.js";
export { LineReader } from "./lines.js";
export { type ReadOptions, readFrames } from "./read.js";
export {
  readableFormats,
  readableTitles,
  registerFormat,
  writableFormats,
  writableTitles,
} from "./table.js";
export { FrameWriter, type WriteOptions, writeFrame } from "./write.js";
