/**
 * Compares docs/core-abi.md with the compiled core: the page names all that a host uses, and nothing else.
 */
import { describe, expect, it } from "vitest";
import { createMemory, instantiateCore } from "../../src/core/instance.js";
import { coreModule } from "../../src/core/node-host.js";
import { errorCatalogue } from "../../src/errors/index.js";
import { read } from "../tidy/repository.js";

const page = read("docs/core-abi.md");
const core = instantiateCore(await coreModule("baseline"), createMemory());
const [functions, constants] = ["function", "object"].map((type) =>
  Object.entries(core)
    .filter(([name, value]) => typeof value === type && !name.startsWith("__"))
    .map(([name]) => name),
) as [string[], string[]];

/** Fields of the context of a frame below a heading of assembly/abi.ts without the word `internal`. */
const hostFields = read("assembly/abi.ts")
  .split(/^\/\/ ---- /m)
  .filter((section) => !section.split("\n", 1)[0]!.includes("internal"))
  .flatMap((section) => [...section.matchAll(/^export const ((?:VALUE|COUNT|ADDRESS)_\w+)/gm)])
  .map(([, name]) => name!);

/** The page without the blocks of other languages. */
const text = page.replace(/```python\n[\s\S]*?```/g, "");
const words = new Set(text.match(/\w+/g));
/** Prefixes of constants, such as `VALUE_` for `VALUE_*`. */
const prefixes = [...text.matchAll(/`([A-Z]+(?:_[A-Z]+)*_)\*`/g)].map(([, prefix]) => prefix!);
/** Names and arguments of the functions in the tables, such as `setPrior(ctx) -> status`. */
const signatures = [...text.matchAll(/`(\w+)\(([\w, ]*)\)(?: -> \w+)?`/g)];
const argumentNames = new Set(signatures.flatMap(([, , list]) => list!.split(", ")));

describe("docs/core-abi.md", () => {
  it("has a signature of every exported function", () => {
    const documented = new Set(signatures.map(([, name]) => name));
    expect(functions.filter((name) => !documented.has(name))).toEqual([]);
  });

  it("names every field that a host writes or reads", () => {
    expect(hostFields.length).toBeGreaterThan(70);
    expect(hostFields.filter((name) => !words.has(name))).toEqual([]);
  });

  it("names every exported constant, or its prefix", () => {
    const isNamed = (name: string) => words.has(name) || prefixes.some((prefix) => name.startsWith(prefix));
    expect(constants.filter((name) => !isNamed(name))).toEqual([]);
  });

  it("names no constant that is not exported", () => {
    const known = new Set([...constants, ...Object.keys(errorCatalogue)]);
    const upper = [...words].filter((word) => /^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$/.test(word));
    expect(upper.filter((name) => !known.has(name))).toEqual([]);
    expect(prefixes.filter((prefix) => !constants.some((name) => name.startsWith(prefix)))).toEqual([]);
  });

  it("names no function that is not exported", () => {
    const spans = [...text.matchAll(/`([a-z]\w*[A-Z]\w*)`/g)].map(([, name]) => name!);
    const calls = [...text.matchAll(/\bcore\.([a-z]\w*)/g)].map(([, name]) => name!);
    const named = [...spans, ...calls, ...signatures.map(([, name]) => name!)];
    const methodsOfWasmtime = ["data_ptr", "data_len", "grow", "size"];
    const known = new Set([...functions, ...argumentNames, ...methodsOfWasmtime]);
    expect(named.filter((name) => !known.has(name))).toEqual([]);
  });
});
