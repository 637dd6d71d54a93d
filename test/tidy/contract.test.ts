import { describe, expect, it } from "vitest";
import { generated, groupsOf, readTable } from "../../scripts/lib/contract.mjs";
import { read } from "./repository.js";

describe("files generated from contract/", () => {
  it.each(Object.entries(generated()))("%s is up to date; `npm run contract` updates it", (file, text) => {
    expect(read(file)).toBe(text);
  });
});

interface Entry {
  readonly value: number | string;
  readonly unit: string;
  readonly meaning: string;
  readonly stated?: Readonly<Record<string, string>>;
}

const entries = groupsOf(readTable("limits")).flatMap(([group, limits]) =>
  Object.entries(limits as Record<string, Entry>).map(
    ([name, entry]) => [`${group}.${name}`, entry] as const,
  ),
);

describe("contract/limits.json", () => {
  it.each(entries)("%s has a value, a unit and a meaning", (_name, { value, unit, meaning }) => {
    expect(["number", "string"]).toContain(typeof value);
    expect(unit).not.toBe("");
    expect(meaning).toMatch(/^[A-Z].*\.$/);
  });

  const textOf = (value: number | string): string =>
    typeof value === "number" && Math.abs(value) < 1e-4 ? value.toExponential() : String(value);
  const stated = entries.flatMap(([name, { value, stated = {} }]) =>
    Object.entries(stated).map(
      ([file, words]) => [name, file, words.replace("{value}", textOf(value))] as const,
    ),
  );

  it.each(stated)("%s is what %s states: %s", (_name, file, words) => {
    expect(read(file).replace(/\s+/g, " ").includes(words)).toBe(true);
  });
});
