/** A piece of text that is written to be read: a paragraph, a table cell, a comment, a string. */
export interface Passage {
  /** Line in the file, from 1, where the passage starts. */
  readonly line: number;
  /** The text, its line breaks kept and its code spans replaced by `CODE`. */
  readonly text: string;
  /** Whether line breaks may move, so that a width applies: false in tables and strings. */
  readonly wraps: boolean;
}

type Extract = (source: string) => Passage[];

/** Code between backticks has other rules. Line breaks in it stay, so that lines still count. */
const withoutCode = (text: string): string =>
  text.replace(/(`+)(?!`)[\s\S]*?(?<!`)\1(?!`)/g, (span) => `CODE${span.replace(/[^\n]/g, "")}`);

const lineAt = (source: string, index: number): number => source.slice(0, index).split("\n").length;

/**
 * Paragraphs, headings, list items and table cells; fenced blocks, comments and link targets are left out.
 */
export const markdown: Extract = (source) => {
  const blank = (match: string) => match.replace(/[^\n]/g, "");
  const text = source
    .replace(/^( *)(```|~~~)[\s\S]*?^\1\2 *$/gm, blank)
    .replace(/<!--[\s\S]*?-->/g, blank)
    .replace(/\]\([^)]*\)/g, (match) => `]${blank(match)}`);
  const passages: Passage[] = [];
  let open: { line: number; lines: string[] } | undefined;
  /** Whether deeper lines belong to a list; elsewhere four spaces mark code. */
  let inList = false;
  const close = () => {
    if (open)
      passages.push({ line: open.line, text: withoutCode(open.lines.join("\n")).trimEnd(), wraps: true });
    open = undefined;
  };
  text.split("\n").forEach((content, index) => {
    const line = index + 1;
    if (content.trim() === "" || /^\s*(\||#|[-*] |\d+\. |>|---)/.test(content)) close();
    if (content.trim() === "" || (!open && !inList && content.startsWith("    "))) return;
    if (/^\S/.test(content)) inList = /^([-*]|\d+\.) /.test(content);
    if (/^\s*\|/.test(content)) {
      for (const cell of withoutCode(content)
        .split("|")
        .filter((part) => /[A-Za-z]/.test(part)))
        passages.push({ line, text: cell.trim(), wraps: false });
    } else if (/^#/.test(content)) {
      passages.push({ line, text: withoutCode(content.replace(/^#+ /, "")), wraps: true });
    } else {
      open ??= { line, lines: [] };
      open.lines.push(content.replace(/^\s*(?:[-*]|\d+\.|>) /, ""));
    }
  });
  close();
  return passages;
};

/** A string is prose if it has at least two words. */
const isProse = (text: string): boolean => /[A-Za-z]{2,}[,;:]? +[A-Za-z]{2,}/.test(text);

interface Token {
  kind: "line comment" | "comment" | "string";
  /** Offset of the opening mark in the source. */
  start: number;
  /** Text between the marks. */
  text: string;
}

/** Passages of tokens; comments to the end of the line that stand below each other are one passage. */
function passagesOf(source: string, tokens: readonly Token[]): Passage[] {
  const passages: Passage[] = [];
  let last: { line: number; column: number; lines: string[] } | undefined;
  const close = () => {
    if (last)
      passages.push({
        line: last.line - last.lines.length + 1,
        text: withoutCode(last.lines.join("\n")),
        wraps: true,
      });
    last = undefined;
  };
  for (const { kind, start, text } of tokens) {
    const line = lineAt(source, start);
    const column = start - (source.lastIndexOf("\n", start - 1) + 1);
    if (kind === "line comment") {
      if (!last || last.line + 1 !== line || last.column !== column) close();
      last ??= { line: line - 1, column, lines: [] };
      last.line = line;
      last.lines.push(text.trim());
      continue;
    }
    close();
    if (kind === "comment" || isProse(text)) {
      const lines = text.split("\n").map((part) => part.replace(/^\s*\*+ ?/, "").trim());
      passages.push({ line, text: withoutCode(lines.join("\n")), wraps: kind === "comment" });
    }
  }
  close();
  return passages;
}

/** Where a slash starts a regular expression rather than divides: after an operator, a keyword or nothing. */
const beforeRegExp = /(?:^|[(,=:[!&|?{};+\-*%<>~^\n]|\b(?:return|typeof|case|in|of|do|else|void))\s*$/;

/** Comments and strings of TypeScript, JavaScript and AssemblyScript. */
export const typescript: Extract = (source) => {
  const tokens: Token[] = [];
  /** Reads code from an offset to its end or, within a template, to the brace that closes it. */
  const code = (from: number): number => {
    let depth = 0;
    let at = from;
    while (at < source.length) {
      const rest = source.slice(at, at + 2);
      if (rest === "//") {
        const end = source.indexOf("\n", at);
        const stop = end < 0 ? source.length : end;
        tokens.push({ kind: "line comment", start: at, text: source.slice(at + 2, stop) });
        at = stop;
      } else if (rest === "/*") {
        const end = source.indexOf("*/", at + 2);
        tokens.push({ kind: "comment", start: at, text: source.slice(at + 2, end) });
        at = end + 2;
      } else if (rest[0] === '"' || rest[0] === "'") {
        const end = endOfString(source, at);
        tokens.push({ kind: "string", start: at, text: source.slice(at + 1, end - 1) });
        at = end;
      } else if (rest[0] === "`") {
        at = template(at);
      } else if (rest[0] === "/" && beforeRegExp.test(source.slice(Math.max(0, at - 40), at))) {
        at += /^\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\//.exec(source.slice(at))?.[0].length ?? 1;
      } else {
        if (rest[0] === "{") depth++;
        if (rest[0] === "}" && depth-- === 0) return at;
        at++;
      }
    }
    return at;
  };
  /** Reads a template from its opening backtick; expressions in it are code, `...` stands for them. */
  const template = (start: number): number => {
    let text = "";
    let at = start + 1;
    const index = tokens.length;
    while (at < source.length && source[at] !== "`") {
      if (source.startsWith("${", at)) {
        at = code(at + 2) + 1;
        text += "...";
      } else {
        const length = source[at] === "\\" ? 2 : 1;
        text += source.slice(at, at + length);
        at += length;
      }
    }
    tokens.splice(index, 0, { kind: "string", start, text });
    return at + 1;
  };
  code(0);
  return passagesOf(source, tokens);
};

/** Offset after the closing quote of a string on one line. */
function endOfString(source: string, start: number): number {
  let at = start + 1;
  while (at < source.length && source[at] !== source[start]) at += source[at] === "\\" ? 2 : 1;
  return at + 1;
}

/** Comments, docstrings and other strings of Python. A string of three quotes counts as a comment. */
export const python: Extract = (source) => {
  const token = /(#[^\n]*)|("""|''')([\s\S]*?)(?<!\\)\2|"((?:\\.|[^"\\\n])*)"|'((?:\\.|[^'\\\n])*)'/g;
  const tokens = [...source.matchAll(token)].map((match): Token => {
    const [, comment, , docstring, double, single] = match;
    if (comment !== undefined) return { kind: "line comment", start: match.index, text: comment.slice(1) };
    if (docstring !== undefined) return { kind: "comment", start: match.index, text: docstring };
    return { kind: "string", start: match.index, text: (double ?? single)! };
  });
  return passagesOf(source, tokens);
};

/** How passages are found in a file, by its extension. */
export const extractors: Readonly<Record<string, Extract>> = {
  ".md": markdown,
  ".ts": typescript,
  ".mjs": typescript,
  ".js": typescript,
  ".py": python,
};

/**
 * Sentences of a passage, with single spaces and the lines where they start. A blank line ends a sentence
 * too.
 */
export function sentences({ line, text }: Passage): { line: number; text: string }[] {
  const starts = [...text.matchAll(/^|\n\s*\n|[.!?]\s+(?=[A-Z"'(])/g)].map((m) => m.index + m[0].length);
  return starts.map((start, index) => ({
    line: lineAt(text, start) + line - 1,
    text: text
      .slice(start, starts[index + 1])
      .replace(/\s+/g, " ")
      .trim(),
  }));
}
