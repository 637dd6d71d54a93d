/**
 * The comment line of extended XYZ: `key=value` pairs.
 *
 * Values stand bare (`T=300`), in quotes (`note="two words"`, `stress='1 2 3'`), in braces (`{1 2 3}`, an old
 * form of lists) or in brackets (`[1, 2, 3]`). A key without a value is true. Format after the specification
 * at https://github.com/libAtoms/extxyz.
 */
import type { InfoValue } from "../../frame/index.js";
import { formatReal, parseInteger, parseLogical, parseReal } from "../numbers.js";

/** A value as it stood in the line, without its delimiters. */
export interface RawValue {
  readonly style: "bare" | "quoted" | "braces" | "brackets" | "none";
  readonly text: string;
}

/** Why a comment line cannot be read. */
export class CommentSyntaxError extends Error {}

/**
 * Splits a comment line into its pairs, in order.
 *
 * @throws CommentSyntaxError for a delimiter that is never closed or a key that is missing
 */
export function splitComment(line: string): [key: string, value: RawValue][] {
  const pairs: [string, RawValue][] = [];
  let at = skipSpace(line, 0);
  while (at < line.length) {
    let key: RawValue;
    [key, at] = readToken(line, at, "=");
    const afterKey = skipSpace(line, at);
    if (line[afterKey] !== "=") {
      pairs.push([key.text, { style: "none", text: "" }]);
      at = afterKey;
      continue;
    }
    if (key.text === "" && key.style === "bare") throw new CommentSyntaxError("a key is missing before =");
    let value: RawValue;
    [value, at] = readToken(line, skipSpace(line, afterKey + 1), "");
    pairs.push([key.text, value]);
    at = skipSpace(line, at);
  }
  return pairs;
}

/** The meaning of a value: number, logical, list of either, or text. */
export function interpretValue({ style, text }: RawValue): InfoValue {
  if (style === "none") return true;
  if (style === "bare") return parseFiniteNumber(text) ?? parseLogical(text) ?? text;
  if (style === "brackets") return asList(text.slice(1, -1).split(",")) ?? text;
  const words = text.trim() === "" ? [] : text.trim().split(/\s+/);
  if (style === "quoted" && words.length < 2) return text;
  return asList(words) ?? (style === "braces" ? `{${text}}` : text);
}

/**
 * One pair as text that reads back as the same value. Lists that stand as text in quotes read back as lists.
 */
export function formatPair(key: string, value: InfoValue): string {
  const bareKey = /^[^\s="'{}[\]\\]+$/.test(key) ? key : quote(key);
  return `${bareKey}=${formatValue(value)}`;
}

function formatValue(value: InfoValue): string {
  if (typeof value === "number") return formatReal(value);
  if (typeof value === "boolean") return value ? "T" : "F";
  if (typeof value === "string") return readsBackBare(value) ? value : quote(value);
  const words = value.map((item) => (typeof item === "number" ? formatReal(item) : item ? "T" : "F"));
  return words.length < 2 ? `{${words.join(" ")}}` : quote(words.join(" "));
}

/** Whether text can stand without quotes and still mean the same text. */
function readsBackBare(text: string): boolean {
  if (text === "" || /[\r\n]/.test(text)) return false;
  if (/\s/.test(text) && !text.startsWith("[")) return false;
  try {
    const [pair, ...more] = splitComment(`k=${text}`);
    return more.length === 0 && pair?.[1].style !== "quoted" && interpretValue(pair![1]) === text;
  } catch {
    return false;
  }
}

function quote(text: string): string {
  return `"${text.replace(/["\\]/g, "\\$&").replace(/\n/g, "\\n").replace(/\r/g, "\\r")}"`;
}

function parseFiniteNumber(text: string): number | undefined {
  const value = parseReal(text);
  if (value === undefined || !Number.isFinite(value)) return undefined;
  // A whole number with more digits than a double holds stays text, so that none is lost.
  const isExact = !/^[+-]?\d+$/.test(text) || parseInteger(text) !== undefined || String(value) === text;
  return isExact ? value : undefined;
}

function asList(words: string[]): number[] | boolean[] | undefined {
  const numbers = words.map((word) => parseFiniteNumber(word.trim()));
  if (numbers.every((value) => value !== undefined)) return numbers;
  const logicals = words.map((word) => parseLogical(word.trim()));
  return logicals.every((value) => value !== undefined) ? logicals : undefined;
}

function skipSpace(line: string, from: number): number {
  let at = from;
  while (at < line.length && /\s/.test(line[at]!)) at += 1;
  return at;
}

function readToken(line: string, from: number, stop: string): [RawValue, number] {
  const opening = line[from];
  if (opening === '"' || opening === "'") return readQuoted(line, from);
  if (opening === "{") {
    const end = line.indexOf("}", from);
    if (end < 0) throw new CommentSyntaxError("a { is never closed");
    return [{ style: "braces", text: line.slice(from + 1, end) }, end + 1];
  }
  if (opening === "[") return readBrackets(line, from);
  let at = from;
  while (at < line.length && line[at] !== stop && !/\s/.test(line[at]!)) at += 1;
  return [{ style: "bare", text: line.slice(from, at) }, at];
}

const escapes: Readonly<Record<string, string>> = { n: "\n", r: "\r", '"': '"', "'": "'", "\\": "\\" };

function readQuoted(line: string, from: number): [RawValue, number] {
  const mark = line[from];
  let text = "";
  for (let at = from + 1; at < line.length; at += 1) {
    const character = line[at]!;
    if (character === mark) return [{ style: "quoted", text }, at + 1];
    const escaped = character === "\\" ? escapes[line[at + 1] ?? ""] : undefined;
    text += escaped ?? character;
    if (escaped !== undefined) at += 1;
  }
  throw new CommentSyntaxError(`a ${mark} is never closed`);
}

function readBrackets(line: string, from: number): [RawValue, number] {
  let depth = 0;
  for (let at = from; at < line.length; at += 1) {
    if (line[at] === "[") depth += 1;
    if (line[at] === "]") depth -= 1;
    if (depth === 0) return [{ style: "brackets", text: line.slice(from, at + 1) }, at + 1];
  }
  throw new CommentSyntaxError("a [ is never closed");
}
