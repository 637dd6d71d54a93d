// The generated parts of docs/performance.md: the tables of a section are between two marks. The text around
// them is written by hand.
import { markdown, wrapped } from "./format.mjs";
import { tables } from "./tables.mjs";

/** Section of a record, and its model if that is not the default one: `peers@core-large`. */
const partsOf = (key) => key.split("@");

/** Key of a record. */
export const recordKey = (section, model) => (model === null ? section : `${section}@${model}`);

const begin = (key) => {
  const [section, model] = partsOf(key);
  const options = `--only ${section}${model === undefined ? "" : ` --model ${model}`} --write`;
  return `<!-- begin ${key}: written by \`npm run bench -- ${options}\` -->`;
};
const end = (key) => `<!-- end ${key} -->`;

/** Text between the marks of a record. */
export function generated(key, record) {
  return tables[partsOf(key)[0]](record)
    .map((table) => `${wrapped(table.caption)}\n\n${markdown(table)}`)
    .join("\n\n");
}

/**
 * Puts the tables of records into their places on the page.
 *
 * @param {string} page
 * @param {Record<string, object>} records measurements, by `recordKey`
 * @throws {Error} if the page lacks the marks of a record
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
