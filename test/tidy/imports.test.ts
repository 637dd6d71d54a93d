import path from "node:path";
import { describe, expect, it } from "vitest";
import { read, trackedFiles } from "./repository.js";

// The top folders that a folder may import from, including itself. The compiled core is loaded as a file, not
// imported.
const allowed: Record<string, readonly string[]> = {
  assembly: ["assembly"],
  bench: ["bench", "assembly"],
  src: ["src"],
  bridge: ["bridge", "src"],
};

/** Edges `[file, imported file]` between the TypeScript sources of the folders above. */
const edges = trackedFiles
  .filter((file) => file.endsWith(".ts") && Object.hasOwn(allowed, file.split("/")[0]!))
  .flatMap((file) =>
    [
      ...read(file).matchAll(
        /^(?:import|export)\b[^;'"]*?["'](\.[^'"]+)["']|\bimport\(\s*["'](\.[^'"]+)["']/gm,
      ),
    ]
      .map((match) => path.posix.join(path.posix.dirname(file), (match[1] ?? match[2])!))
      .map((target): [string, string] => [file, `${target.replace(/\.[jt]s$/, "")}.ts`]),
  );

describe("imports", () => {
  it("are found", () => {
    for (const folder of Object.keys(allowed)) {
      expect(
        edges.some(([file]) => file.startsWith(`${folder}/`)),
        folder,
      ).toBe(true);
    }
  });

  it("go one way between the folders", () => {
    const wrong = edges.filter(
      ([file, target]) => !allowed[file.split("/")[0]!]!.includes(target.split("/")[0]!),
    );
    expect(wrong.map(([file, target]) => `${file} imports ${target}`)).toEqual([]);
  });

  it("have no cycles between files", () => {
    expect(findCycle(edges)).toEqual([]);
  });
});

/** Files along one cycle, the first repeated at the end; empty if there is none. */
function findCycle(graph: readonly [string, string][]): string[] {
  const targets = new Map<string, string[]>();
  for (const [from, to] of graph) targets.set(from, [...(targets.get(from) ?? []), to]);
  const finished = new Set<string>();
  const visit = (file: string, trail: readonly string[]): string[] => {
    const seen = trail.indexOf(file);
    if (seen >= 0) return [...trail.slice(seen), file];
    if (finished.has(file)) return [];
    for (const target of targets.get(file) ?? []) {
      const cycle = visit(target, [...trail, file]);
      if (cycle.length > 0) return cycle;
    }
    finished.add(file);
    return [];
  };
  for (const file of targets.keys()) {
    const cycle = visit(file, []);
    if (cycle.length > 0) return cycle;
  }
  return [];
}

describe("findCycle", () => {
  it("finds a cycle, and only a cycle", () => {
    const line: [string, string][] = [
      ["a", "b"],
      ["b", "c"],
      ["a", "c"],
    ];
    expect(findCycle(line)).toEqual([]);
    expect(findCycle([...line, ["c", "b"]])).toEqual(["b", "c", "b"]);
  });
});
