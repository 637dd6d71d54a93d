/** Cases: what an attacker sends, in a form that a file can hold. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../src/package.js";

export const targetNames = ["server", "client", "files", "models", "variables"] as const;
export type TargetName = (typeof targetNames)[number];

/** One attack. Each target has its own further keys. */
export interface Case {
  readonly target: TargetName;
  /** The attack in a few words. */
  readonly what: string;
  /** Whether it takes many seconds; quick runs leave it out. */
  readonly slow?: boolean;
}

/** A file of cases, which `--repeat` takes. */
interface CaseFile {
  readonly found?: string;
  readonly cases: readonly Case[];
}

/** The cases of a file. */
export function readCases(path: string): readonly Case[] {
  return (JSON.parse(readFileSync(path, "utf8")) as CaseFile).cases;
}

/** Attacks that once succeeded, in their smallest form. */
export function corpusOf(target: TargetName): readonly Case[] {
  const folder = join(packageRoot(), "fuzz", "corpus", target);
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder).filter((name) => name.endsWith(".json"));
  return files.sort().flatMap((name) => readCases(join(folder, name)));
}

/**
 * Writes cases that failed to a file.
 *
 * @returns its path
 */
export function writeCases(folder: string, name: string, found: string, cases: readonly Case[]): string {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, `${name}.json`);
  const content: CaseFile = { found, cases };
  writeFileSync(path, `${JSON.stringify(content, null, 1)}\n`);
  return path;
}
