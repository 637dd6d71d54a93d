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

interface Protocol {
  readonly version: number;
  readonly dtypes: Readonly<Record<string, number>>;
  readonly messages: readonly string[];
  readonly modes: readonly string[];
  readonly capabilities: readonly string[];
  readonly sharedCapability: string;
  readonly fields: Readonly<Record<string, { dtype: string; shape: readonly (string | number)[] }>>;
  readonly observedFields: readonly string[];
  readonly keys: Readonly<Record<string, string>>;
}

describe("contract/protocol.json", () => {
  const page = read("bridge/PROTOCOL.md");
  const protocol = readTable("protocol") as Protocol;
  const section = (title: string): string =>
    page
      .split(`${title}\n`)[1]!
      .split(/^###? /m)[0]!
      .replace(/[ \t]*\n[ \t]*/g, "\n");
  const words = (text: string): string[] => [...text.matchAll(/`(\w+)`/g)].map((match) => match[1]!);
  /** Cells of the rows of a table that begin with a name in code. */
  const rows = (text: string): string[][] =>
    [...text.matchAll(/^\| (`.*) \|$/gm)].map((match) => match[1]!.split(" | "));

  it("has the version of the page", () => {
    expect(page).toMatch(new RegExp(`^# .* version ${protocol.version}$`, "m"));
  });

  it("has the messages of clients", () => {
    expect(rows(section("## 5. Messages")).map(([type]) => words(type!)[0])).toEqual(protocol.messages);
  });

  it("has the dtypes with their bytes", () => {
    const found = rows(section("### Arrays")).flatMap(([names, bytes]) => {
      const sizes = bytes!.split(", ");
      return words(names!).map((name, index) => [name, Number(sizes[index] ?? sizes[0])] as const);
    });
    expect(Object.fromEntries(found)).toEqual(protocol.dtypes);
  });

  it("has the fields of results with their types and shapes", () => {
    const letters = { atoms: "N", classes: "C" } as Record<string, string>;
    const wanted = Object.entries(protocol.fields).map(([name, { dtype, shape }]) => [
      name,
      dtype,
      shape.map((extent) => letters[extent] ?? String(extent)).join(" x "),
    ]);
    const found = rows(section("### 5.4 result")).flatMap(([names, dtype, shape]) =>
      words(names!)
        .filter((name) => name in protocol.fields)
        .map((name) => [name, words(dtype!)[0], shape]),
    );
    expect(found).toEqual(wanted);
  });

  it("has the modes, the capabilities and the fields of watchers", () => {
    expect(rows(section("### 5.3 analyse"))[0]!.join(" ")).toContain(
      protocol.modes
        .map((mode) => `\`${mode}\``)
        .join(", ")
        .replace(/, (?=[^,]*$)/, " or "),
    );
    const all = [...protocol.capabilities, protocol.sharedCapability];
    const listed = (names: readonly string[]): string => names.map((name) => `\`${name}\``).join(", ");
    expect(page.replace(/\s+/g, " ")).toContain(
      `Capabilities of version ${protocol.version}: ${listed(all)}.`,
    );
    const observed = words(section("### 5.7 subscribe, observed").split("subscribed")[0]!);
    expect(observed.filter((word) => protocol.observedFields.includes(word))).toEqual(
      protocol.observedFields,
    );
  });

  it("has the names of the key files", () => {
    for (const name of Object.values(protocol.keys)) expect(page).toContain(`\`${name}\``);
  });
});

interface Size {
  readonly least: number;
  readonly most: number | string;
  readonly step: number;
  readonly usual?: number;
}

describe("contract/model.json", () => {
  const page = read("models/FORMAT.md");
  const { sizes, tensors, constants } = readTable("model") as {
    sizes: Record<string, Size>;
    tensors: Record<string, (number | string)[][]>;
    constants: Record<string, { least: number; most: number }>;
  };
  /** Cells of the rows of a table whose first cell has one of these names in code. */
  const rowsOf = (names: readonly string[]): string[][] =>
    [...page.matchAll(/^\| (`.*) \|$/gm)]
      .map((match) => match[1]!.split(" | "))
      .filter(([first]) => names.some((name) => first!.includes(`\`${name}\``)));

  it("has the sizes of models/FORMAT.md with their defaults and bounds", () => {
    const rows = rowsOf(Object.keys(sizes));
    for (const [first, , usual, possible] of rows) {
      const size = sizes[first!.replaceAll("`", "")]!;
      expect(usual!.startsWith(String(size.usual ?? "none")), first).toBe(true);
      const most = typeof size.most === "string" ? /to (\w+)/ : new RegExp(`\\b${size.most}\\b`);
      expect(possible, first).toMatch(most);
      expect(possible, first).toMatch(new RegExp(`\\b${size.least}\\b`));
      if (size.step > 1 && !possible!.includes(",") && !possible!.includes(";")) {
        expect(possible, first).toMatch(new RegExp(`\\b${size.step} from`));
      }
    }
    const named = rows.map(([first]) => first!.replaceAll("`", ""));
    expect([...named, "classCount"].sort()).toEqual(Object.keys(sizes).sort());
    const { least, most } = sizes.classCount!;
    expect(page).toContain(`There are ${least} to ${most} classes`);
  });

  it("has the tensors of models/FORMAT.md with as many extents", () => {
    const found = rowsOf(Object.keys(tensors)).flatMap(([names, shapes]) => {
      const parts = shapes!.split(", ");
      return names!
        .replaceAll("`", "")
        .split(", ")
        .map((name, index) => [name, (parts[index] ?? parts[0]!).split(" x ").length] as const);
    });
    expect(Object.fromEntries(found)).toEqual(
      Object.fromEntries(Object.entries(tensors).map(([name, extents]) => [name, extents.length])),
    );
  });

  it("has the constants of models/FORMAT.md", () => {
    const bounds = page.replace(/\s+/g, " ");
    for (const [name, { least, most }] of Object.entries(constants)) {
      expect(page, name).toContain(`"${name}":`);
      const stated = new RegExp(`\`${name}\`(?: and \`\\w+\`)? ([-\\de.]+) to ([-\\de]+)`).exec(bounds);
      expect(stated?.slice(1).map(Number), name).toEqual([least, most]);
    }
  });
});
