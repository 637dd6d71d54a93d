/** A format for tests: boxes with labelled points, a header and an end. It reports a missing end. */

import { type FrameFormat, LineReader } from "../../src/formats/index.js";
import { type Column, createFrame, type Frame } from "../../src/frame/index.js";

const header = "POINTS 1";

async function* read(source: Parameters<NonNullable<FrameFormat["read"]>>[0]): AsyncGenerator<Frame> {
  const lines = new LineReader(source);
  try {
    if ((await lines.next()) !== header) throw lines.error(`the first line is not ${header}`);
    for (;;) {
      const line = await lines.next();
      if (line === null) throw lines.error("the end is missing");
      if (line === "end") return;
      const [, count, ...edges] = line.split(" ");
      const [a, b, c] = edges.map(Number) as [number, number, number];
      const species: string[] = [];
      const phases: string[] = [];
      const positions: number[] = [];
      for (let atom = 0; atom < Number(count); atom += 1) {
        const [name, x, y, z, phase] = (await lines.next())!.split(" ");
        species.push(name!);
        phases.push(phase!);
        positions.push(Number(x), Number(y), Number(z));
      }
      const phase: Column = { kind: "string", width: 1, data: phases };
      const arrays: Frame["arrays"] = phases.includes("-") ? {} : { phase };
      yield createFrame({ positions, species, cell: [a, 0, 0, 0, b, 0, 0, 0, c], arrays });
    }
  } finally {
    await lines.close();
  }
}

export const points: FrameFormat = {
  name: "points",
  title: "labelled points",
  extensions: [".pts", ".points"],
  recognises: (start) => new TextDecoder().decode(start).startsWith(`${header}\n`),
  read,
  createEncoder() {
    let frames = 0;
    return {
      *encode({ positions, cell, species, arrays }) {
        if (frames === 0) yield `${header}\n`;
        frames += 1;
        yield new TextEncoder().encode(`box ${species!.length} ${cell![0]} ${cell![4]} ${cell![8]}\n`);
        for (const [atom, name] of species!.entries()) {
          const place = positions.subarray(3 * atom, 3 * atom + 3).join(" ");
          yield `${name} ${place} ${arrays.phase?.data[atom] ?? "-"}\n`;
        }
      },
      end: () => ["end\n"],
    };
  },
};
