// Files generated from the tables of contract/: modules for the TypeScript library, which can then be bundled
// for a browser and needs no JSON import, and constants for the core.
import fs from "node:fs";
import { inRoot } from "./paths.mjs";

/** The tables, by name, in the order in which they are written. */
const tables = ["errors", "hints", "limits", "model", "protocol", "species", "variables"];

const marker = (table) => `// Generated from ${table} by \`npm run contract\`. Do not edit.`;

export const readTable = (name) => JSON.parse(fs.readFileSync(inRoot("contract", `${name}.json`), "utf8"));

/** Texts of all generated files, by their paths from the root. */
export function generated() {
  const read = Object.fromEntries(tables.map((name) => [name, readTable(name)]));
  return {
    "docs/errors.md": withTable("docs/errors.md", "errors", tableOfErrors(read.errors)),
    "src/contract/errors.ts": moduleOf("errors", read.errors),
    "src/contract/hints.ts": moduleOf("hints", read.hints),
    "src/contract/limits.ts": moduleOfLimits(read.limits),
    "src/contract/model.ts": moduleOf("model", read.model),
    "src/contract/protocol.ts": moduleOf("protocol", read.protocol),
    "src/contract/species.ts": moduleOf("species", read.species),
    "src/contract/variables.ts": moduleOf("variables", read.variables),
    "assembly/contract.ts": constantsOfCore(read.limits, read.model),
  };
}

/** Groups of entries of limits.json, without the text about the table. */
export const groupsOf = ({ about: _about, ...groups }) => Object.entries(groups);

function moduleOfLimits(limits) {
  const lines = [marker("contract/limits.json"), "export const limits = {"];
  for (const [group, entries] of groupsOf(limits)) {
    lines.push(`  ${group}: {`);
    for (const [name, { value, unit, meaning }] of Object.entries(entries)) {
      lines.push(...comment(`${meaning}${unit === "none" ? "" : ` Unit: ${unit}.`}`, "    ", 110));
      lines.push(`    ${name}: ${JSON.stringify(value)},`);
    }
    lines.push("  },");
  }
  return `${lines.join("\n")}\n} as const;\n`;
}

function moduleOf(name, { about: _about, ...table }) {
  const value = JSON.stringify(table, null, 2);
  return `${marker(`contract/${name}.json`)}\nexport const ${name} = ${value} as const;\n`;
}

function tableOfErrors({ codes }) {
  const rows = Object.entries(codes).map(
    ([code, { meaning, remedy }]) => `| \`${code}\` | ${meaning} | ${remedy} |`,
  );
  return ["| code | meaning | remedy |", "|---|---|---|", ...rows].join("\n");
}

/** A document with the part between its markers replaced. */
function withTable(file, name, table) {
  const begin = `<!-- ${name}: begin; \`npm run contract\` renews it -->\n`;
  const end = `\n<!-- ${name}: end -->`;
  const text = fs.readFileSync(inRoot(file), "utf8");
  const [before, rest] = text.split(begin);
  const after = rest?.split(end)[1];
  if (after === undefined) throw new Error(`${file} lacks the markers of the table "${name}"`);
  return before + begin + table + end + after;
}

function constantsOfCore(limits, model) {
  const lines = [marker("contract/limits.json and contract/model.json")];
  const add = (meaning, { name, type }, value) => {
    lines.push(...comment(meaning, "", 100), `export const ${name}: ${type} = ${value};`);
  };
  for (const [, entries] of groupsOf(limits)) {
    for (const { core, meaning, value } of Object.values(entries)) if (core) add(meaning, core, value);
  }
  for (const [key, size] of Object.entries(model.sizes)) {
    for (const [bound, name] of Object.entries(size.constants ?? {})) {
      add(`${boundNames[bound]} of ${key}.`, { name, type: "i32" }, size[bound]);
    }
  }
  for (const [key, { core, least, most }] of Object.entries(model.constants)) {
    add(`${boundNames.least} of ${key}.`, { name: `LEAST_${core}`, type: "f64" }, least);
    add(`${boundNames.most} of ${key}.`, { name: `MOST_${core}`, type: "f64" }, most);
  }
  return `${lines.join("\n")}\n`;
}

/** Lines of a documentation comment that fits the width. */
function comment(text, indent, width) {
  const whole = `${indent}/** ${text} */`;
  if (whole.length <= width) return [whole];
  const lines = [];
  for (const word of text.split(" ")) {
    const longer = `${lines.at(-1)} ${word}`;
    if (lines.length > 0 && longer.length <= width) lines[lines.length - 1] = longer;
    else lines.push(`${indent} * ${word}`);
  }
  return [`${indent}/**`, ...lines, `${indent} */`];
}

const boundNames = { least: "Least value", most: "Largest value", step: "Step between the values" };
