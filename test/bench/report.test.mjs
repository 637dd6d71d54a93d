import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { exponent, ratio, rounds, spread, threadCounts } from "../../bench/lib/measure.mjs";
import { columns, markdown, wrapped } from "../../bench/report/format.mjs";
import { headlines } from "../../bench/report/headlines.mjs";
import { generated, recordKey, withTables } from "../../bench/report/page.mjs";
import { tables } from "../../bench/report/tables.mjs";
import { inRoot } from "../../scripts/lib/paths.mjs";

const read = (...parts) => readFileSync(inRoot(...parts), "utf8");
const page = read("docs", "performance.md");
const record = existsSync(inRoot("docs", "performance.json"))
  ? JSON.parse(read("docs", "performance.json"))
  : {};

describe("spreads", () => {
  it("take the middle value, or the mean of the two middle values of an even number", () => {
    expect(spread([3, 1, 2])).toEqual({ median: 2, least: 1, largest: 3 });
    expect(spread([4, 1, 10, 2])).toEqual({ median: 3, least: 1, largest: 10 });
  });

  it("of ratios pair the rounds", () => {
    expect(ratio([2, 30, 8], [1, 10, 2])).toEqual({ median: 3, least: 2, largest: 4 });
  });
});

describe("rounds", () => {
  it("alternate the order, within their limits", async () => {
    const order = [];
    const series = await rounds(
      { least: 2, most: 3, seconds: 0 },
      ["a", "b"],
      async (name, round) => {
        order.push(name);
        return { cpu: round, wall: 10 * round };
      },
      { begin: async (round) => ({ step: { cpu: -round, wall: 0 } }) },
    );
    expect(order).toEqual(["a", "b", "b", "a"]);
    expect(series.a).toEqual({ cpu: [0, 1], wall: [0, 10] });
    expect(series.step.cpu).toEqual([-0, -1]);
  });

  it("end at the largest number even if there is time left", async () => {
    const measure = async () => ({ cpu: 1, wall: 1 });
    const { a } = await rounds({ least: 1, most: 4, seconds: 1e9 }, ["a"], measure);
    expect(a.cpu).toHaveLength(4);
  });
});

describe("headlines", () => {
  const row = (median) => ({ median, least: median, largest: median });
  const methods = {};
  for (const [host, factor] of [
    ["Node", 1],
    ["Python", 10],
  ]) {
    for (const [build, share] of [
      ["relaxed", 1],
      ["baseline", 2],
    ]) {
      for (const [task, value] of [
        ["forward", 1],
        ["gradient", 2],
        ["denoise", 3],
      ]) {
        methods[`phasewire ${task}, ${host}, ${build}`] = row(factor * share * value);
      }
    }
  }
  const peers = {
    builds: ["relaxed", "baseline"],
    defaultBuild: "relaxed",
    overAdaptiveCna: methods,
    overPtm: methods,
  };

  it("are those of the default build in Node, and separately of the other hosts and builds", () => {
    const found = headlines({ peers });
    expect(found).toMatchObject({ forwardOverAdaptiveCna: 1, gradientOverAdaptiveCna: 2, denoiseOverPtm: 3 });
    expect(found.ratiosByHost.Python.baseline).toEqual({
      forwardOverAdaptiveCna: 20,
      gradientOverAdaptiveCna: 40,
      denoiseOverPtm: 60,
    });
  });

  it("have the fraction of the peak by stage, and the gain by a second thread", () => {
    const stages = {
      stages: [
        { name: "sorting", cost: null },
        { name: "density", cost: { flops: 1, functions: 0, bytes: 1 }, fractionOfPeak: 0.5 },
      ],
    };
    const threads = { speedup: { forward: { 1: row(1), 2: row(1.9) }, denoise: { 1: row(1), 2: row(1.8) } } };
    expect(headlines({ stages, threads })).toEqual({
      fractionOfPeak: { density: 0.5 },
      twoThreadSpeedup: 1.9,
      twoThreadSpeedups: { forward: 1.9, denoise: 1.8 },
    });
  });

  it("leave out what was not measured", () => {
    expect(headlines({})).toEqual({});
  });
});

describe("tables", () => {
  const table = {
    header: ["name", "value"],
    rows: [
      ["long name", "1"],
      ["x", "22"],
    ],
  };

  it("are Markdown for the page", () => {
    expect(markdown(table)).toBe("| name | value |\n|---|---|\n| long name | 1 |\n| x | 22 |");
  });

  it("have captions in lines of a width, and a longer word on its own line", () => {
    expect(wrapped("one two three four", 9)).toBe("one two\nthree\nfour");
    expect(wrapped("a word-of-13-columns b", 9)).toBe("a\nword-of-13-columns\nb");
  });

  it("are columns for the terminal", () => {
    expect(columns(table)).toBe("name       value\nlong name      1\nx             22");
  });
});

describe("docs/performance.md", () => {
  it("has a place for the tables of every section", () => {
    for (const name of Object.keys(tables)) {
      expect(page, name).toContain(`<!-- begin ${name}:`);
      expect(page, name).toContain(`<!-- end ${name} -->`);
    }
  });

  it("agrees with docs/performance.json", () => {
    expect(withTables(page, record)).toBe(page);
  });

  it("keeps the records of other models apart", () => {
    expect(recordKey("peers", null)).toBe("peers");
    expect(recordKey("peers", "core-large")).toBe("peers@core-large");
  });

  it("refuses a page without the marks", () => {
    expect(() => withTables("# Performance\n", { scale: {} })).toThrow("marks of scale");
  });

  it.each(Object.keys(record))("has the numbers of %s only between its marks", (name) => {
    const without = page.replace(generated(name, record[name]), "");
    expect(without.length).toBeLessThan(page.length);
    expect(withTables(without, { [name]: record[name] })).toBe(page);
  });
});

describe("numbers of threads", () => {
  it.each([
    [1, [1, 2]],
    [2, [1, 2]],
    [4, [1, 2, 4]],
    [6, [1, 2, 4, 6]],
  ])("for %i cores are %j", (cores, counts) => {
    expect(threadCounts(cores)).toEqual(counts);
  });
});

describe("the exponent of a power law", () => {
  it("is found from its points", () => {
    const points = [2, 30, 400].map((x) => [x, 5 * x ** 1.25]);
    expect(exponent(points)).toBeCloseTo(1.25, 10);
  });
});
