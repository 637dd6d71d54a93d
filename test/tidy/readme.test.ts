import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { venvBin } from "../../scripts/lib/paths.mjs";
import { read, root } from "./repository.js";

const run = promisify(execFile);

/** The fenced blocks of a language in the README. */
const snippets = (language: string): string[] =>
  [...read("README.md").matchAll(new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\`$`, "gm"))].map(
    (match) => match[1]!,
  );

describe("README snippets", () => {
  // Snippets run in a folder with the files that they may name, so that outputs stay out of the working copy.
  // It is below build/, so that `import "phasewire"` finds this package.
  let folder: string;
  beforeAll(() => {
    mkdirSync(path.join(root, "build"), { recursive: true });
    folder = mkdtempSync(path.join(root, "build", "readme-"));
    cpSync(path.join(root, "examples"), path.join(folder, "examples"), { recursive: true });
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const python = snippets("python");
  const typescript = snippets("ts");

  it("exist", () => {
    expect(python.length).toBeGreaterThanOrEqual(3);
    expect(typescript.length).toBeGreaterThanOrEqual(1);
  });

  it.each(python.map((text, index) => [index + 1, text] as const))("Python %i runs", async (index, text) => {
    const file = path.join(folder, `snippet${index}.py`);
    writeFileSync(file, text);
    const { stdout, stderr } = await run(venvBin("python"), ["-W", "error::RuntimeWarning", file], {
      cwd: folder,
    });
    expect(stderr).toBe("");
    expect(stdout.trim()).not.toBe("");
  });

  it("the LAMMPS snippet stopped halfway through melting, and wrote its files", () => {
    const rows = readFileSync(path.join(folder, "series.csv"), "utf8").trim().split("\n");
    const names = rows[0]!.split(",");
    const disordered = rows.slice(1).map((row) => Number(row.split(",")[names.indexOf("disordered")]));
    expect(disordered.at(0)).toBeLessThan(0.1);
    expect(disordered.at(-1)).toBeGreaterThan(0.5);
    expect(rows.length).toBeLessThan(200);
    expect(readFileSync(path.join(folder, "labelled.extxyz"), "utf8")).toContain("phase:S:1");
  });

  it.each(typescript.map((text, index) => [index + 1, text] as const))(
    "TypeScript %i runs",
    async (index, text) => {
      // The snippets use no type syntax, so Node takes them as they are.
      const file = path.join(folder, `snippet${index}.mjs`);
      writeFileSync(file, text);
      const { stdout, stderr } = await run(process.execPath, [file], { cwd: folder });
      expect(stderr).toBe("");
      expect(stdout).toMatch(/^0\.\d+ \w+$/m);
    },
  );

  it("commands run, except the server", async () => {
    const commands = snippets("sh")
      .join("\n")
      .split("\n")
      .filter((line) => line.startsWith("npx phasewire ") && !line.includes(" serve"));
    expect(commands.length).toBeGreaterThanOrEqual(3);
    for (const command of commands) {
      const args = command.split(" ").slice(2);
      const main = path.join(root, "dist", "bridge", "server", "main.js");
      const { stdout } = await run(process.execPath, [main, ...args], { cwd: folder });
      expect(stdout, command).not.toBe("");
    }
    for (const file of ["labelled.extxyz", "clean.extxyz"])
      expect(existsSync(path.join(folder, file))).toBe(true);
  });
});
