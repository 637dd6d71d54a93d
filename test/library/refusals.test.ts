/** contract/refusals.json, run by the TypeScript library and by the command line. */
import { chmodSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { generateKeys, serveCommand } from "../../bridge/server/index.js";
import { type AddCommand, runCli } from "../../src/cli/index.js";
import {
  asPhasewireError,
  createAnalyser,
  createFrame,
  type ErrorObject,
  loadModel,
  PhasewireError,
  readFrames,
  type Variable,
} from "../../src/index.js";
import { readVariables } from "../../src/variables/index.js";
import { shakenCrystal } from "../core/support.js";
import {
  casesOf,
  changedModel,
  expanded,
  frameOf,
  type Given,
  numberOf,
  type Options,
  type RefusalCase,
  xyzOf,
} from "./refusal-cases.js";
import { collect, TextSink, temporaryFolder } from "./support.js";

const folder = temporaryFolder();
const model = await loadModel();
const analyser = await createAnalyser(model, { threads: 1 });
afterAll(() => analyser.dispose());

let written = 0;
/** Writes a file; null: there is none. */
function fileOf(content: string | Buffer | null, ending: string): string {
  written += 1;
  const path = join(folder, `case-${written}${ending}`);
  if (content !== null) writeFileSync(path, content);
  return path;
}

/** Error, and the file that it may name. */
interface Outcome {
  readonly error: Partial<ErrorObject> | null;
  readonly path?: string;
}

function expectOutcome({ code, field, message, isMissing }: RefusalCase, { error, path }: Outcome): void {
  if (code === null) {
    expect(error).toBeNull();
    return;
  }
  expect(error?.code, error?.message).toBe(code);
  expect(error!.remedy).toMatch(/\w/);
  if (message !== undefined) expect(error!.message).toContain(message);
  // The command line reports errors of its options in words alone; faults of the software have no field.
  if (!("field" in error!) || code === "INTERNAL") return;
  expect(error.field).toMatch(/\w/);
  if (field === "{path}") expect(error.field).toContain(path);
  else if (field !== undefined) expect(error.field).toBe(field);
  if (isMissing !== true && path === undefined) expect(error.value, error.message).not.toBeNull();
}

async function errorOf(action: () => unknown): Promise<ErrorObject | null> {
  try {
    await action();
    return null;
  } catch (thrown) {
    expect(thrown).toBeInstanceOf(PhasewireError);
    return (thrown as PhasewireError).toJSON();
  }
}

function analyseOptions({ lengthScale, ...rest }: Options): object {
  return { ...rest, ...(lengthScale === undefined ? {} : { lengthScale: numberOf(lengthScale) }) };
}

async function inLibrary(given: Given): Promise<Outcome> {
  const { frame, options = {}, variables, forces } = given;
  if (variables !== undefined) {
    const declared = expanded(variables) as Variable[];
    const coefficients = forces === true ? { coefficients: [1] } : {};
    const more = { ...analyseOptions(options), ...coefficients };
    return { error: await errorOf(() => analyser.evaluate(frameOf(frame!), declared, more)) };
  }
  if (frame !== undefined) {
    return { error: await errorOf(() => analyser.analyse(frameOf(frame), analyseOptions(options))) };
  }
  if (given.analyser !== undefined) {
    return { error: await errorOf(() => createAnalyser(model, { threads: 1, ...given.analyser })) };
  }
  if (given.model !== undefined) {
    const name = given.model.name ?? given.model.path ?? fileOf(changedModel(given.model), ".safetensors");
    return { error: await errorOf(() => loadModel(name)) };
  }
  if (given.file !== undefined) {
    const path = fileOf(given.file, ".xyz");
    return { error: await errorOf(() => collect(readFrames(path))), path };
  }
  return { error: await errorOf(situations[given.situation!]!) };
}

const hot = shakenCrystal(3, 0.15, 1);
const shaken = createFrame({ positions: hot.positions, cell: hot.cell! });

const situations: Readonly<Record<string, () => unknown>> = {
  "an analysis that its caller ends": () => {
    const ending = new AbortController();
    const analysis = analyser.analyse(shaken, { denoise: 10_000, signal: ending.signal });
    setTimeout(() => ending.abort(), 50);
    return analysis;
  },
  "an analysis beyond its budget": () => analyser.analyse(shaken, { denoise: 10_000, budget: 0.01 }),
  "a fault of the software": () => {
    throw asPhasewireError(new TypeError("nothing of undefined"));
  },
};

describe("the library", () => {
  it.each(casesOf("library"))("$code: $name", async (one) => {
    expectOutcome(one, await inLibrary(one.given));
  });
});

const addServe: AddCommand = (program, io, finish) => {
  program
    .command("serve")
    .argument("[options...]")
    .allowUnknownOption()
    .action(async (args: string[]) => finish(await serveCommand(args, io)));
};

/** Runs a command; the error of each file, and that of the whole command. */
async function command(args: readonly string[]): Promise<Map<string | null, Partial<ErrorObject>>> {
  const [stdout, stderr] = [new TextSink(), new TextSink()];
  const { signal } = new AbortController();
  const code = await runCli(args, { stdout, stderr, signal }, [addServe]);
  const errors = new Map<string | null, Partial<ErrorObject>>();
  for (const line of stdout.text.split("\n").filter((text) => text.startsWith("{"))) {
    const { file, error } = JSON.parse(line) as { file: string | null; error?: ErrorObject };
    if (error !== undefined) errors.set(file, error);
  }
  const told = /^error (\w+): (.*)\n {2}(.*)$/m.exec(stderr.text);
  if (errors.size === 0 && told !== null) {
    errors.set(null, { code: told[1] as ErrorObject["code"], message: told[2]!, remedy: told[3]! });
  }
  expect(code === 0).toBe(errors.size === 0);
  return errors;
}

function pairs(map: Readonly<Record<string, string | number>>): string {
  return Object.entries(map)
    .map((pair) => pair.join("="))
    .join(",");
}

/** Options of the command line. */
function argsOf({ lengthScale, speciesMap, select, denoise, classes }: Options): string[] {
  return [
    ...(speciesMap === undefined ? [] : ["--species", pairs(speciesMap)]),
    ...(lengthScale === undefined ? [] : [`--length-scale=${lengthScale}`]),
    ...(select === undefined ? [] : ["--select", select]),
    ...(denoise === undefined ? [] : [`--denoise=${denoise}`]),
    ...(classes === undefined ? [] : ["--classes", pairs(classes)]),
  ];
}

const sound = fileOf(
  xyzOf({
    positions: [[0, 0, 0]],
    cell: [
      [4, 0, 0],
      [0, 4, 0],
      [0, 0, 4],
    ],
  }),
  ".xyz",
);

/** Arguments of `classify` for a case, and the file that its error names; null for cases without files. */
function classifyArguments(given: Given): { args: string[]; path: string | null } | null {
  if (given.variables !== undefined) {
    const variables = fileOf(JSON.stringify(expanded(given.variables)), ".json");
    const path = fileOf(xyzOf(given.frame!), ".xyz");
    return { args: [...argsOf(given.options!), "--variables", variables], path };
  }
  if (given.frame !== undefined)
    return { args: argsOf(given.options!), path: fileOf(xyzOf(given.frame), ".xyz") };
  if (given.file !== undefined) return { args: [], path: fileOf(given.file, ".xyz") };
  if (given.model === undefined) return null;
  const name = given.model.name ?? given.model.path ?? fileOf(changedModel(given.model), ".safetensors");
  return { args: ["--length-scale=3", "--model", name], path: sound };
}

const inUse = join(folder, "socket");
const listener = createServer().listen(inUse);
afterAll(() => listener.close());

const openKeys = join(folder, "keys");
await generateKeys(openKeys);
chmodSync(join(openKeys, "server.key_secret"), 0o644);

const commands: Readonly<Record<string, readonly string[]>> = {
  "an address that another server has": ["serve", "--endpoint", `ipc://${inUse}`],
  "a secret key that others may read": ["serve", "--keys", openKeys],
};

describe("the command line", async () => {
  const cases = casesOf("command");
  const asFiles = cases.flatMap((one) => {
    const found = classifyArguments(one.given);
    return found === null ? [] : [{ one, key: JSON.stringify(found.args), ...found }];
  });
  // Files with the same options go through one run.
  const runs = new Map<string, Promise<Map<string | null, Partial<ErrorObject>>>>();
  const runOf = (key: string, args: readonly string[]) => {
    const files = [...new Set(asFiles.filter((other) => other.key === key).map(({ path }) => path!))];
    if (!runs.has(key)) runs.set(key, command(["classify", "--json", "--threads=1", ...args, ...files]));
    return runs.get(key)!;
  };

  it.each(asFiles)("$one.code: $one.name", async ({ one, key, args, path }) => {
    const errors = await runOf(key, args);
    const error = errors.get(path) ?? errors.get(null) ?? null;
    expectOutcome(one, { error, ...(one.field === "{path}" ? { path: path! } : {}) });
  });

  it.each(cases.filter(({ given }) => given.variablesFile !== undefined))("$code: $name", async (one) => {
    const path = fileOf(one.given.variablesFile!, ".json");
    const errors = await command(["classify", "--json", "--variables", path, sound]);
    expectOutcome(one, { error: errors.get(null) ?? null, path });
  });

  it.each(cases.filter(({ given }) => given.situation !== undefined))("$code: $name", async (one) => {
    const errors = await command(commands[one.given.situation!]!);
    expectOutcome(one, { error: errors.get(null) ?? null });
  });

  it.each(cases.filter(({ given }) => given.endpoint !== undefined))("$code: $name", async (one) => {
    const errors = await command(["serve", "--endpoint", one.given.endpoint!]);
    expectOutcome(one, { error: errors.get(null) ?? null });
  });

  it("runs all of its cases", () => {
    const others = cases.filter(
      ({ given: { variablesFile, situation, endpoint } }) =>
        variablesFile !== undefined || situation !== undefined || endpoint !== undefined,
    );
    expect(asFiles.length + others.length).toBe(cases.length);
  });
});

describe("declarations that a program passes", () => {
  it("are refused as those of files are", async () => {
    expect((await errorOf(() => readVariables({ kind: "sum" })))?.field).toBe("variables");
  });
});
