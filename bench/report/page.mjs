// The generated parts of docs/performance.md: a section's tables stand between two marks, what people wrote stands around them.
import { markdown } from "./format.mjs";
import { tables } from "./tables.mjs";

const begin = (name) => `<!-- begin ${name}: written by \`npm run bench -- --only ${name} --write\` -->`;
const end = (name) => `<!-- end ${name} -->`;

/** What stands between the marks of a section. */
export function generated(name, record) {
  return tables[name](record)
    .map((table) => `${table.caption}\n\n${markdown(table)}`)
    .join("\n\n");
}

/**
 * The page with the tables of these records in their places.
 *
 * @param {string} page
 * @param {Record<string, object>} records what was measured, by section
 * @throws {Error} if the page lacks the marks of a section
 */
export function withTables(page, records) {
  return Object.entries(records).reduce((text, [name, record]) => {
    const from = text.indexOf(begin(name));
    const to = text.indexOf(end(name), from);
    if (from < 0 || to < 0)
      throw new Error(`docs/performance.md lacks the marks of ${name}: ${begin(name)} and ${end(name)}`);
    return `${text.slice(0, from)}${begin(name)}\n\n${generated(name, record)}\n\n${text.slice(to)}`;
  }, page);
}
