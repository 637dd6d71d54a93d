/** Reads the golden messages of bridge/golden. */
import { readdirSync, readFileSync } from "node:fs";

const folder = new URL("../../bridge/golden/", import.meta.url);

export interface GoldenMessage {
  name: string;
  from: "client" | "server";
  header?: Record<string, unknown>;
  /** Flat values by name; null stands for NaN. */
  arrays?: Record<string, (number | null)[]>;
  error?: { code: string; field?: string };
  parts: Uint8Array[];
}

export function goldenMessages(): GoldenMessage[] {
  const names = readdirSync(folder).filter((name) => name.endsWith(".json"));
  return names.map((name) => ({
    ...(JSON.parse(readFileSync(new URL(name, folder), "utf8")) as Omit<GoldenMessage, "parts">),
    parts: splitParts(readFileSync(new URL(name.replace(/json$/, "bin"), folder))),
  }));
}

/** The parts as views of one buffer, most of them unaligned, as ZeroMQ may deliver them. */
function splitParts(bytes: Buffer): Uint8Array[] {
  const parts: Uint8Array[] = [];
  let at = 4;
  for (let part = 0; part < bytes.readUInt32LE(0); part++) {
    const length = bytes.readUInt32LE(at);
    parts.push(bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  if (at !== bytes.length) throw new Error(`${bytes.length - at} bytes follow the last part`);
  return parts;
}
