// npm run docs:classes: write the class table of the default model into docs/classes.md.
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { pathToFileURL } from "node:url";
import { inRoot } from "./lib/paths.mjs";

const markers = ["<!-- class table: begin -->", "<!-- class table: end -->"];

/** The classes in the output of `phasewire models --classes --json`, as a Markdown table. */
export function markdownTable(classes) {
  const rows = classes.map((entry) => [
    entry.number,
    `\`${entry.name}\``,
    entry.prototype,
    entry.strukturbericht,
    entry.pearson,
    entry.aflow && `\`${entry.aflow}\``,
    entry.spaceGroup,
    entry.aliases.map((alias) => `\`${alias}\``).join(", "),
    entry.water && `\`${entry.water}\``,
  ]);
  const titles = [
    ...["number", "name", "prototype", "Strukturbericht", "Pearson symbol"],
    ...["AFLOW label", "space group", "aliases", "in water"],
  ];
  const line = (cells) => `| ${cells.map((cell) => cell ?? "").join(" | ")} |`;
  return [line(titles), line(titles.map(() => "---")), ...rows.map(line)].join("\n");
}

/** The text with the table and the name of its model between its markers. */
export function withTable(text, classes) {
  const [before, after] = [text.split(markers[0])[0], text.split(markers[1])[1]];
  if (before === text || after === undefined) throw new Error(`the text lacks ${markers.join(" or ")}`);
  return `${before}${markers[0]}\n\nModel \`${classes[0].model}\`.\n\n${markdownTable(classes)}\n\n${markers[1]}${after}`;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const document = inRoot("docs", "classes.md");
  const command = [inRoot("dist", "bridge", "server", "main.js"), "models", "--classes", "--json"];
  const classes = JSON.parse(execFileSync(process.execPath, command, { encoding: "utf8" }));
  fs.writeFileSync(document, withTable(fs.readFileSync(document, "utf8"), classes));
}
