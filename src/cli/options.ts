/** Options that several commands share, with their checks. */
import { type Command, Option } from "commander";
import { type FrameOptions, validateLengthScale } from "../analysis/index.js";
import { limits } from "../contract/limits.js";
import { type BuildChoice, buildChoices, coresGiven } from "../core/index.js";
import { PhasewireError, refusal } from "../errors/index.js";
import { readableFormats, writableFormats } from "../formats/index.js";
import type { SpeciesMap } from "../frame/index.js";

/** Choice and treatment of the atoms of a frame. */
export interface FrameChoices {
  /** New names of species. */
  species?: SpeciesMap;
  select?: string[];
  ignoreSpecies?: boolean;
  lengthScale?: number;
  /** Class names and their weights. */
  classes?: Record<string, number>;
}

/** Options of commands that analyse files. */
export interface AnalysisOptions extends FrameChoices, InputChoices {
  model?: string;
  threads?: number;
  build?: BuildChoice;
}

/** How structure files are read. */
export interface InputChoices {
  /** Name of the format. */
  format?: string;
}

/** How structure files are written. */
export interface OutputChoices {
  /** Name of the format. */
  outFormat?: string;
}

/** Worker threads that may be asked for, and that are taken otherwise. */
export const { mostDefaultThreads, mostThreads } = limits.core;

/** The choices as options of the library, without a length scale and classes. */
export function atomOptions({ species, select, ignoreSpecies }: FrameChoices): FrameOptions {
  return {
    ...(species === undefined ? {} : { speciesMap: species }),
    ...(select === undefined ? {} : { select }),
    ...(ignoreSpecies === undefined ? {} : { ignoreSpecies }),
  };
}

/** Adds the options of `FrameChoices` to a command. */
export function addFrameOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        "--species <names>",
        "other names for species, such as `Ni=A,Co=A`, which makes nickel and cobalt one species",
      ).argParser(parseSpeciesMap),
    )
    .addOption(
      new Option(
        "--select <species>",
        "analyse only these species, separated by commas, as if the others were absent; `all`: all atoms. Default: all atoms, or the oxygens of water",
      ).argParser(parseSpecies),
    )
    .option("--ignore-species", "treat all atoms as one species")
    .addOption(
      new Option(
        "--length-scale <length>",
        "(volume per atom)^(1/3) of the phase of interest, in the unit of the file; default: estimated",
      ).argParser(parseLengthScale),
    )
    .addOption(classesOption());
}

/** Adds the options of `AnalysisOptions` to a command. */
export function addAnalysisOptions(command: Command): Command {
  return addFrameOptions(command)
    .addOption(formatOption())
    .option("--model <name>", "a model that `phasewire models` lists, or a .safetensors file")
    .addOption(
      new Option(
        "--threads <count>",
        `worker threads; default: one per core that the process may use (${coresGiven()}), at most ${mostDefaultThreads}`,
      ).argParser((text) => parseCount("threads", text, mostThreads)),
    )
    .addOption(buildOption());
}

/** `--format` */
export function formatOption(): Option {
  return new Option(
    "--format <name>",
    "format of the input files; default: by their names, or by their first bytes",
  ).choices(readableFormats());
}

/** `--out-format` */
export function outFormatOption(): Option {
  return new Option("--out-format <name>", "format of the output file; default: by its name").choices(
    writableFormats(),
  );
}

/** `--build`, which the server also has. */
export function buildOption(): Option {
  return new Option(
    "--build <build>",
    "build of the core: `baseline` gives the same bits on every machine, `relaxed` is faster; default: `auto`, the fastest available",
  ).choices(buildChoices);
}

/** `--classes`, which the server also has. */
export function classesOption(): Option {
  return new Option(
    "--classes <names>",
    "the classes to choose among, in addition to `disordered`, separated by commas, such as `fcc,hcp` or with weights `fcc=2,hcp=1`",
  ).argParser(parseClasses);
}

/**
 * A whole number from 1.
 *
 * @param otherwise - other values that the option accepts, for the message
 * @throws PhasewireError `BAD_OPTION`
 */
export function parseCount(option: string, text: string, most: number, otherwise = ""): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= 1 && value <= most) return value;
  throw new PhasewireError("BAD_OPTION", {
    message: `--${option} is ${JSON.stringify(text)}; a whole number from 1 to ${most}${otherwise} is needed`,
    field: option,
    value: text,
  });
}

function parseSpecies(text: string, before: string[] | undefined): string[] {
  const names = text.split(",").map((name) => name.trim());
  if (!names.includes("")) return [...(before ?? []), ...names];
  throw new PhasewireError("BAD_OPTION", {
    message: `--select is ${JSON.stringify(text)}; names of species separated by commas are needed`,
    field: "select",
    value: text,
  });
}

function parseSpeciesMap(text: string, before: SpeciesMap | undefined): SpeciesMap {
  const map = new Map(Object.entries(before ?? {}));
  for (const item of text.split(",")) {
    const [name = "", other = "", ...more] = item.split("=").map((part) => part.trim());
    if (name === "" || other === "" || more.length > 0) {
      throw refusal("speciesMap", { found: JSON.stringify(text) }, { value: text });
    }
    if (map.has(name)) throw refusal("speciesMapTwice", { name }, { value: text });
    map.set(name, other);
  }
  return Object.fromEntries(map);
}

function parseClasses(text: string, before: Record<string, number> | undefined): Record<string, number> {
  const refused = (phrase: string): PhasewireError =>
    new PhasewireError("BAD_OPTION", {
      message: `--classes is ${JSON.stringify(text)}; ${phrase}`,
      field: "classes",
      value: text,
      remedy: "For example --classes fcc,hcp,bcc or --classes fcc=2,hcp=1,disordered=0.5.",
    });
  const weights = new Map(Object.entries(before ?? {}));
  for (const item of text.split(",")) {
    const [name = "", weight, ...more] = item.split("=").map((part) => part.trim());
    if (name === "" || weight === "" || more.length > 0) {
      throw refused("names of classes separated by commas are needed, each with =WEIGHT or without");
    }
    if (weights.has(name)) throw refused(`${name} is given twice`);
    weights.set(name, weight === undefined ? 1 : Number(weight));
    if (!(weights.get(name)! >= 0 && weights.get(name)! < Number.POSITIVE_INFINITY)) {
      throw refused(`the weight of ${name} must be a number of at least 0`);
    }
  }
  return Object.fromEntries(weights);
}

function parseLengthScale(text: string): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  validateLengthScale(value);
  return value;
}
