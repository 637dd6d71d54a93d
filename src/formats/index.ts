export { readFrames } from "./extxyz-reader.js";
export { FrameWriter, formatFrame, writeFrame } from "./extxyz-writer.js";
