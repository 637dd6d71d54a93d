import { execFileSync } from "node:child_process";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { venvBin } from "../../scripts/lib/paths.mjs";
import { read, root, trackedFiles } from "./repository.js";

/**
 * The parts of the repository, and which others each may import. A file belongs to the part with the longest
 * name that fits. The compiled core is loaded as a file, not imported. The rooms of the Python package have a
 * test of their own, python/tests/test_rooms.py.
 */
const allowed: Readonly<Record<string, readonly string[]>> = {
  assembly: [],
  src: [],
  bridge: ["src"],
  scripts: [],
  "python/src/phasewire": [],
  "python/tests": ["python/src/phasewire"],
  training: ["python/src/phasewire"],
  "training/tests": ["training", "python/src/phasewire"],
  accuracy: ["python/src/phasewire", "training"],
  "accuracy/tests": ["accuracy", "python/src/phasewire", "training"],
  bench: ["src", "scripts", "python/src/phasewire"],
  "bench/core": ["assembly"],
  fuzz: ["src", "bridge", "python/src/phasewire"],
  examples: ["python/src/phasewire"],
  test: ["src", "bridge", "bench", "scripts"],
  "vitest.config.ts": [],
};

/** Within a part, a folder or file may import those of earlier rows. "." stands for all other files. */
const levels: Readonly<Record<string, readonly (readonly string[])[]>> = {
  src: [
    ["contract"],
    ["errors"],
    ["frame", "package.ts"],
    ["core"],
    ["model"],
    ["formats", "variables"],
    ["analysis"],
    ["index.ts"],
    ["cli"],
  ],
  "bridge/server": [["access", "wire", "transport"], ["sessions"], ["."]],
};

/** Requirements of Python, and what may be imported of them. */
const requirements: Readonly<Record<string, readonly string[]>> = {
  "python/src/phasewire": ["python/pyproject.toml"],
  "python/tests": ["requirements.txt"],
  examples: ["requirements.txt"],
  training: ["requirements.txt", "training/requirements.txt", "accuracy/requirements.txt"],
  accuracy: ["requirements.txt", "training/requirements.txt", "accuracy/requirements.txt"],
  fuzz: ["requirements.txt"],
  bench: ["requirements.txt", "accuracy/requirements.txt", "bench/requirements.txt"],
};
/** Packages by the names of their modules, where the two differ. */
const packageOf: Readonly<Record<string, string>> = { PIL: "pillow", zmq: "pyzmq", freud: "freud-analysis" };
/** Installed by hand, to make a file in the repository again (docs/dependencies.md). */
const byHand = ["pyxtal"];

/** A file, and the file or package that it imports. */
type Edge = readonly [from: string, to: string];

const files = new Set(trackedFiles);
const isScript = (file: string): boolean => /\.(ts|js|mjs)$/.test(file);

/** The imports of a TypeScript or JavaScript source as it writes them, including those of types. */
function specifiers(source: string): string[] {
  const pattern =
    /^(?:import|export)\s(?:[\w*{}\s,$]*?\bfrom\s)?\s*["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']\s*\)/gm;
  return [...source.matchAll(pattern)].map((match) => (match[1] ?? match[2])!);
}

const isPath = (specifier: string): boolean => /^[./]/.test(specifier);

/**
 * The source of the path that a file imports: a built file comes from a source of the same name, and the page
 * of the browser's test is served from the root. Names of packages stay as they are.
 */
function sourceOf(file: string, specifier: string): string {
  if (!isPath(specifier)) return specifier;
  const start = specifier.startsWith("/") ? "/" : `/${path.posix.dirname(file)}`;
  const target = path.posix.join(start, specifier).replace(/^\/(dist\/)?/, "");
  return files.has(target) ? target : `${target.replace(/\.[jt]s$/, "")}.ts`;
}

const scriptEdges: readonly Edge[] = trackedFiles
  .filter(isScript)
  .flatMap((file) => specifiers(read(file)).map((specifier): Edge => [file, sourceOf(file, specifier)]));

const pythonEdges = JSON.parse(
  execFileSync(venvBin("python"), [path.join(root, "test", "tidy", "python_imports.py")], {
    cwd: root,
    encoding: "utf8",
    input: trackedFiles.filter((file) => file.endsWith(".py")).join("\n"),
  }),
) as readonly Edge[];

const edges = [...scriptEdges, ...pythonEdges];
const inside = edges.filter(([, to]) => files.has(to));
const outside = edges.filter(([, to]) => !files.has(to));

const startsWith = (file: string, folder: string): boolean =>
  file === folder || file.startsWith(`${folder}/`);

/** The longest of some folders that a file is in. */
const partOf = (file: string, parts: readonly string[]): string | undefined =>
  parts.filter((part) => startsWith(file, part)).sort((a, b) => b.length - a.length)[0];

const partsOf = Object.keys(allowed);

/** The folder or file of `levels` that a file belongs to, and its row; -1 if no row names it. */
function placeOf(part: string, file: string): readonly [child: string, row: number] {
  const [first, ...rest] = file.slice(part.length + 1).split("/");
  const rowOf = (child: string) => levels[part]!.findIndex((row) => row.includes(child));
  return rowOf(first!) < 0 && rest.length === 0 ? [".", rowOf(".")] : [first!, rowOf(first!)];
}

const shown = (wrong: readonly Edge[]): string[] => wrong.map(([from, to]) => `${from} imports ${to}`);

describe("imports", () => {
  it("are found, in files that exist", () => {
    const from = new Set(inside.map(([file]) => partOf(file, partsOf)));
    const alone = ["vitest.config.ts"];
    expect([...from, ...alone].sort()).toEqual([...partsOf].sort());
    expect(
      shown(scriptEdges.filter(([, to]) => to.includes("/") && to.endsWith(".ts") && !files.has(to))),
    ).toEqual([]);
  });

  it("belong to a part that is listed", () => {
    const sources = trackedFiles.filter((file) => isScript(file) || file.endsWith(".py"));
    // Not a module of the repository: it reads them.
    const apart = ["test/tidy/python_imports.py"];
    expect(sources.filter((file) => partOf(file, partsOf) === undefined && !apart.includes(file))).toEqual(
      [],
    );
  });

  it("go one way between the parts", () => {
    const wrong = inside.filter(([from, to]) => {
      const [part, other] = [partOf(from, partsOf)!, partOf(to, partsOf)!];
      return part !== other && !allowed[part]!.includes(other);
    });
    expect(shown(wrong)).toEqual([]);
  });

  it.each(Object.keys(levels))("go one way within %s", (part) => {
    const within = inside.filter(([from, to]) => startsWith(from, part) && startsWith(to, part));
    const wrong = within.filter(([from, to]) => {
      const [[child, row], [other, below]] = [placeOf(part, from), placeOf(part, to)];
      return row < 0 || below < 0 || (child !== other && below >= row);
    });
    expect(shown(wrong)).toEqual([]);
  });

  it("have no cycles between files", () => {
    expect(findCycle(inside)).toEqual([]);
  });

  it("of packages are those of package.json, and all of them", () => {
    const { dependencies, devDependencies } = JSON.parse(read("package.json")) as Record<string, object>;
    const names = (...groups: (object | undefined)[]): string[] =>
      groups.flatMap((group) => Object.keys(group!));
    const bare = outside
      .filter(([from, to]) => isScript(from) && !to.startsWith("node:"))
      .map(([from, to]): Edge => [from, /^(@[^/]+\/)?[^/]+/.exec(to)![0]]);
    const isRuntime = (file: string) => startsWith(file, "src") || startsWith(file, "bridge");
    const known = names(dependencies, devDependencies);
    const wrong = bare.filter(([from, to]) =>
      // Scripts run before any package is installed. Examples are code of users: they import phasewire.
      startsWith(from, "scripts")
        ? true
        : isRuntime(from)
          ? !names(dependencies).includes(to)
          : !known.includes(to) && !(startsWith(from, "examples") && to === "phasewire"),
    );
    expect(shown(wrong)).toEqual([]);
    const used = new Set(bare.filter(([from]) => isRuntime(from)).map(([, to]) => to));
    expect([...used].sort()).toEqual(names(dependencies).sort());
  });

  it.each(Object.entries(requirements))(
    "of packages in %s are those that its requirements name",
    (part, sources) => {
      const text = sources.map(read).join("\n");
      const named = new Set(
        [
          ...text.matchAll(/^ *"?([\w.-]+)(?:\[[\w,]+\])?[<>=]=/gm),
          ...text.matchAll(/"([\w.-]+)(?:\[[\w,]+\])?[<>=]=/g),
        ].map((match) => match[1]!),
      );
      const wrong = outside.filter(
        ([from, to]) =>
          from.endsWith(".py") &&
          startsWith(from, part) &&
          !named.has(packageOf[to] ?? to) &&
          !byHand.includes(to),
      );
      expect(shown(wrong)).toEqual([]);
    },
  );
});

describe("docs/architecture.md", () => {
  it("says of each folder what it may import", () => {
    const top = (part: string) => part.split("/")[0]!;
    const rows = [...read("docs/architecture.md").matchAll(/^\| `([^`]+)\/` \|.*\|(.*)\|$/gm)];
    const stated = rows.map(([, folder, targets]): [string, string[]] => [
      top(folder!),
      [...targets!.replace("the Python package", "`python/`").matchAll(/`([^`]+)\/`/g)].map(
        (match) => match[1]!,
      ),
    ]);
    const isTested = (part: string) => part.split("/").includes("tests") || top(part) === "test";
    const wanted = new Map<string, string[]>();
    for (const [part, targets] of Object.entries(allowed)) {
      if (isTested(part) || part.includes(".")) continue;
      wanted.set(top(part), [...(wanted.get(top(part)) ?? []), ...targets.map(top)]);
    }
    const sorted = (targets: readonly string[]) => [...new Set(targets)].sort();
    // Folders of tables and weights hold no sources.
    const sources = stated.filter(([folder]) => !["contract", "models"].includes(folder));
    expect(Object.fromEntries(sources.map(([folder, targets]) => [folder, sorted(targets)]))).toEqual(
      Object.fromEntries([...wanted].map(([folder, targets]) => [folder, sorted(targets)])),
    );
  });
});

describe("specifiers", () => {
  it("are those of imports and of what is passed on, and no other strings", () => {
    const source = [
      'import { a,\n  b } from "./a.js";',
      'import type { C } from "node:c";',
      'import "./effect.js";',
      'export * from "./all.js";',
      'export const text = "from nowhere";',
      // In two pieces, so that this file is not taken to import it.
      `const late = await ${"import"}("./late.mjs");`,
    ].join("\n");
    expect(specifiers(source)).toEqual(["./a.js", "node:c", "./effect.js", "./all.js", "./late.mjs"]);
  });
});

/** Files along one cycle, the first repeated at the end; empty if there is none. */
function findCycle(graph: readonly Edge[]): string[] {
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
