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

interface Kind {
  readonly isMean?: boolean;
  readonly needs?: Readonly<Record<string, string>>;
  readonly may?: Readonly<Record<string, string>>;
}

const { kinds, means, values } = readTable("variables") as {
  kinds: Record<string, Kind>;
  means: Record<string, string>;
  values: Record<string, { is: string } & Kind>;
};

describe("contract/variables.json", () => {
  const page = read("docs/variables.md");
  /** Words in code of a text. */
  const words = (text: string): string[] => [...text.matchAll(/`(\w+)`/g)].map((match) => match[1]!);
  const section = (from: string, to: string): string =>
    page.split(`## ${from}\n`)[1]!.split(`\n## ${to}`)[0]!;

  /** Keys of each kind in the tables of the page. */
  const documented = Object.fromEntries(
    [...page.matchAll(/^\| ((?:`\w+`(?:, )?)+) \| (.*?) \|/gm)].flatMap(([, names, keys]) =>
      words(names!)
        .filter((name) => name !== "kind")
        .map((name) => [name, words(keys!)] as const),
    ),
  );

  it("has the kinds of docs/variables.md with their keys", () => {
    const keysOf = ({ needs = {}, may = {} }: Kind): string[] => [...Object.keys(needs), ...Object.keys(may)];
    expect(documented).toEqual(
      Object.fromEntries(Object.entries(kinds).map(([name, kind]) => [name, keysOf(kind)])),
    );
  });

  it("has means where the page has means over atoms", () => {
    const table = section("Means over atoms", "Variables of variables");
    for (const [name, { isMean = false }] of Object.entries(kinds)) {
      expect(table.includes(`\n| \`${name}\``), name).toBe(isMean);
    }
  });

  it("has the keys of means, of selections and of regions that the page lists", () => {
    for (const key of Object.keys(means)) expect(page, key).toContain(`\`${key}`);
    for (const key of Object.keys(values.selection!.may!)) expect(page).toContain(`  - \`${key}\`: `);
    for (const name of ["switch", "slab", "ball", "term"]) {
      const keys = `{${Object.keys(values[name]!.needs!).join(", ")}}`;
      expect(page, name).toContain(keys);
    }
  });

  it("names only values that it has", () => {
    const tables = [...Object.values(kinds), ...Object.values(values)];
    const used = tables.flatMap(({ needs = {}, may = {} }) => [
      ...Object.values(needs),
      ...Object.values(may),
    ]);
    expect(used.filter((name) => !Object.hasOwn(values, name))).toEqual([]);
  });
});

interface Refusal {
  readonly name: string;
  readonly given: Readonly<Record<string, unknown>>;
  readonly hosts: readonly string[];
  readonly code: string | null;
}

describe("contract/refusals.json", () => {
  const { cases } = readTable("refusals") as { cases: Refusal[] };
  const { codes } = readTable("errors") as { codes: Record<string, unknown> };

  it("has every code of an error, and no other", () => {
    const found = new Set(cases.flatMap(({ code }) => (code === null ? [] : [code])));
    expect([...found].sort()).toEqual(Object.keys(codes).sort());
  });

  it("has cases of different names, each for hosts that there are", () => {
    const names = cases.map(({ name, hosts }) => `${name}, ${hosts.join(", ")}`);
    expect(new Set(names).size).toBe(names.length);
    const known = ["library", "command", "local", "server", "wire"];
    for (const { name, hosts } of cases) {
      expect(hosts.length, name).toBeGreaterThan(0);
      expect(known, name).toEqual(expect.arrayContaining([...hosts]));
    }
  });
});
