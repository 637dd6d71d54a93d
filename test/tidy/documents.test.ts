import { readdirSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { serveCommand } from "../../bridge/server/index.js";
import { runCli } from "../../src/cli/index.js";
import { TextSink } from "../library/support.js";
import { read, root, trackedFiles } from "./repository.js";

interface Models {
  readonly default: string;
  readonly models: readonly { readonly name: string; readonly classCount: number }[];
}
const { default: usual, models } = JSON.parse(read("models/manifest.json")) as Models;
const classCount = (name: string): number => models.find((model) => model.name === name)!.classCount;

/** The settings that a run of training goes through, first to last. */
function stages(settings: string): string[] {
  const { start } = JSON.parse(read(`training/configs/${settings}.json`)) as { start?: string };
  return [...(start === undefined ? [] : stages(start)), settings];
}

/** Default of a field of training's settings. */
const training = (field: string): number =>
  Number(new RegExp(`^    ${field}: int = (\\d+)$`, "m").exec(read("training/config.py"))![1]);

const words = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
const numberOf = (text: string): number => (/^\d+$/.test(text) ? Number(text) : words.indexOf(text));

/** Names in code spans in the first cells of a table, which begins with a row. */
function firstCells(page: string, head: string): string[] {
  const [, ...after] = read(page).split(`\n${head}\n`);
  expect(after.length, `${page} has one table that begins with ${head}`).toBe(1);
  const rows = after[0]!.split("\n").slice(1);
  const end = rows.findIndex((row) => !row.startsWith("|"));
  return rows
    .slice(0, end < 0 ? undefined : end)
    .flatMap((row) => [...row.split("|")[1]!.matchAll(/`([^`]+)`/g)].map((match) => match[1]!));
}

/** Names of `__all__` of a Python module. */
function exported(module: string): string[] {
  const list = /^__all__ = \[([^\]]*)\]/m.exec(read(`python/src/phasewire/${module}/__init__.py`))![1]!;
  return [...list.matchAll(/"(\w+)"/g)].map((match) => match[1]!);
}

const isFunction = (name: string): boolean => /^[a-z]/.test(name);

describe("counts in documents", () => {
  // A document, a sentence of it, in which a group stands for each number, and what these must be.
  it.each<[string, RegExp, readonly number[]]>([
    ["README.md", /from (\w+) classes by default or (\w+) with the/, [classCount(usual), classCount("all")]],
    ["docs/bridge-costs.md", /probabilities and logits of (\w+) classes/, [classCount(usual)]],
    ["CHANGELOG.md", /^- Model `core` with (\w+) classes is the default/m, [classCount("core")]],
    ["CHANGELOG.md", /^- Model `all` with (\w+) classes/m, [classCount("all")]],
    ["models/README.md", /the (\w+) stages of `core-large`/, [stages("core-large").length]],
    ["models/README.md", /the (\w+) stages of\s+`core`/, [stages("core").length]],
    [
      "training/README.md",
      /the model core-large, from scratch, in (\w+) stages/,
      [stages("core-large").length],
    ],
    [
      "training/README.md",
      /the model core, which learns from core-large, in (\w+)$/m,
      [stages("core").length],
    ],
    ["training/README.md", /so `core` is trained in (\w+) stages/, [stages("core").length]],
    ["training/README.md", /weights, optimiser and step, every (\d+) steps/, [training("checkpoint_every")]],
    ["training/README.md", /means of the losses over (\d+) steps/, [training("log_every")]],
  ])("%s: %s", (page, pattern, expected) => {
    const match = pattern.exec(read(page));
    expect(match, "the sentence is there").not.toBeNull();
    expect(match!.slice(1).map(numberOf)).toEqual(expected);
  });
});

describe("lists in documents", () => {
  it("models/README.md has the models with their classes", () => {
    const rows = [...read("models/README.md").matchAll(/^\| `([\w-]+)`( \(default\))? \| (\d+) \|/gm)];
    const stated = rows.map(([, name, mark, count]) => [name, mark !== undefined, Number(count)]);
    expect(stated.sort()).toEqual(
      models.map(({ name, classCount }) => [name, name === usual, classCount]).sort(),
    );
  });

  it("models/README.md has a picture of every stage, in their order", () => {
    const pictures = [
      ...read("models/README.md").matchAll(/\[([\w-]+)\]\(\.\.\/docs\/images\/training-\1\.png\)/g),
    ];
    const trained = new Set(["core-large", "core", "all"].flatMap(stages));
    expect(pictures.map((match) => match[1])).toEqual([...trained]);
  });

  it("training/README.md has the keys of the settings", () => {
    const fields = (file: string, name: string): string[] =>
      [
        ...read(file)
          .split(`class ${name}`)[1]!
          .split(/\n\n\n|\n {4}(?:def|@)/)[0]!
          .matchAll(/^ {4}(\w+): /gm),
      ].map((match) => match[1]!);
    expect(firstCells("training/README.md", "| key | |").sort()).toEqual(
      fields("training/config.py", "TrainingConfig").sort(),
    );
  });

  it("training/README.md has the files of the folder", () => {
    const files = readdirSync(path.join(root, "training")).filter((file) => file.endsWith(".py"));
    expect(firstCells("training/README.md", "| file | idea |").sort()).toEqual(
      files.filter((file) => file !== "__init__.py").sort(),
    );
  });

  it("examples/README.md has the files of the folder", () => {
    const files = trackedFiles
      .filter((file) => /^examples\/[^/]+$/.test(file) && !/README|test_/.test(file))
      .map((file) => file.split("/")[1]!);
    const folders = ["fine-tune/", "show/"];
    const frames = trackedFiles.filter((file) => file.startsWith("examples/frames/"));
    expect(firstCells("examples/README.md", "| file | what it does |").sort()).toEqual(
      [...files, ...folders, ...frames.map((file) => file.slice("examples/".length))].sort(),
    );
  });

  it("docs/architecture.md has the folders of the repository", () => {
    const folders = new Set(
      trackedFiles.filter((file) => file.includes("/")).map((file) => file.split("/")[0]!),
    );
    // Without code of the product.
    for (const folder of [".ci", "docs", "test"]) folders.delete(folder);
    const stated = firstCells("docs/architecture.md", "| folder | contents | may import |");
    expect([...new Set(stated.map((folder) => folder.split("/")[0]!))].sort()).toEqual([...folders].sort());
  });

  it("docs/biasing.md has the biases", () => {
    const stated = firstCells("docs/biasing.md", "| class | E | parameters and usual values | literature |");
    const others = ["BiasPotential", "Grid", "Reweighted", "reweight"];
    expect(stated.filter((name) => name !== "phasewire.Plumed").sort()).toEqual(
      exported("bias")
        .filter((name) => !others.includes(name))
        .sort(),
    );
  });

  it("docs/diagnostics.md has the functions", () => {
    const stated = firstCells("docs/diagnostics.md", "| function | gives |").map(
      (call) => call.split("(")[0]!,
    );
    expect(stated.sort()).toEqual(exported("diagnostics").filter(isFunction).sort());
  });

  it("docs/cli.md and bridge/PROTOCOL.md have the options of the commands", async () => {
    const optionsIn = (text: string) =>
      new Set([...text.matchAll(/(?<![\w-])--[a-z][\w-]*/g)].map(([name]) => name));
    const io = { stdout: new TextSink(), stderr: new TextSink(), signal: new AbortController().signal };
    for (const command of ["classify", "denoise", "models", "check-gradients"])
      expect(await runCli([command, "--help"], io)).toBe(0);
    await serveCommand(["--help"], io);
    const options = optionsIn(io.stdout.text);
    options.delete("--help");
    expect([...options]).toEqual(expect.arrayContaining(["--denoise", "--tolerance", "--generate-keys"]));
    const page = optionsIn(read("docs/cli.md"));
    const both = new Set([...page, ...optionsIn(read("bridge/PROTOCOL.md"))]);
    expect([...options].filter((name) => !both.has(name))).toEqual([]);
    // Of npx and of the help itself.
    const others = ["--prefix", "--help"];
    expect([...page].filter((name) => !options.has(name) && !others.includes(name))).toEqual([]);
  });

  it("documents name scripts of package.json, and together all that users start", () => {
    const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
    const texts = trackedFiles.filter((file) => /\.(md|ts|mjs|py|txt|toml)$/.test(file));
    const named = texts.flatMap((file) =>
      [...read(file).matchAll(/\bnpm run (?:--silent )?([a-z][\w:-]*\w)/g)].map((match): [string, string] => [
        file,
        match[1]!,
      ]),
    );
    expect(named.filter(([, name]) => scripts[name] === undefined)).toEqual([]);
    const inPages = new Set(named.filter(([file]) => file.endsWith(".md")).map(([, name]) => name));
    const parts = Object.keys(scripts).filter((name) => name.startsWith("build:"));
    const missing = Object.keys(scripts).filter((name) => ![...inPages, ...parts, "test"].includes(name));
    expect(missing).toEqual([]);
  });
});
