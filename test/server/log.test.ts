/** The log of a server. */
import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { boundedWriter } from "../../bridge/server/log.js";

describe("a log whose reader", () => {
  it("stops takes no more memory; what was dropped is counted when the reader goes on", () => {
    const stream = new PassThrough({ highWaterMark: 1024, encoding: "utf8" });
    const write = boundedWriter(stream);
    const line = `${"x".repeat(999)}\n`;
    for (let event = 0; event < 10_000; event++) write(line);
    expect(stream.writableLength + stream.readableLength).toBeLessThan(300_000);
    let text = "";
    stream.on("data", (part: string) => {
      text += part;
    });
    return new Promise<void>((resolve) => {
      stream.once("drain", () => {
        write("last\n");
        stream.end(() => {
          const lines = text.trimEnd().split("\n");
          const kept = lines.filter((found) => `${found}\n` === line).length;
          const note = / warn events were dropped count=(\d+)$/.exec(lines.at(-2) ?? "");
          expect(kept + Number(note?.[1])).toBe(10_000);
          expect(lines.at(-1)).toBe("last");
          resolve();
        });
      });
    });
  });

  it("reads gets every line", () => {
    const stream = new PassThrough({ encoding: "utf8" });
    const write = boundedWriter(stream);
    for (const line of ["a\n", "b\n"]) write(line);
    expect(stream.read()).toBe("a\nb\n");
  });
});
