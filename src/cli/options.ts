/** Options that several commands share, with their checks. */
import { availableParallelism } from "node:os";
import { type Command, Option } from "commander";
import { validateLengthScale } from "../analysis/index.js";
import { PhasewireError } from "../errors/index.js";

/** Options of commands that analyse files. */
export interface AnalysisOptions {
  select?: string[];
  ignoreSpecies?: boolean;
  lengthScale?: number;
  model?: string;
  threads?: number;
}

/** Most worker threads that may be asked for. */
export const mostThreads = 256;

/** Adds the options of `AnalysisOptions` to a command. */
export function addAnalysisOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        "--select <species>",
        "analyse only these species, separated by commas, as if the others were absent; `all`: all atoms. Of frames that are water the oxygens are analysed if left out",
      ).argParser(parseSpecies),
    )
    .option("--ignore-species", "treat all atoms as one species")
    .addOption(
      new Option(
        "--length-scale <length>",
        "(volume per atom)^(1/3) of the phase looked at, in the unit of the file; estimated if left out",
      ).argParser(parseLengthScale),
    )
    .option("--model <name>", "a model that `phasewire models` lists, or a .safetensors file")
    .addOption(
      new Option(
        "--threads <count>",
        `worker threads; one fewer than the ${availableParallelism()} cores of this machine, at least 1 and at most 16, if left out`,
      ).argParser((text) => parseCount("threads", text, mostThreads)),
    );
}

/**
 * A whole number from 1.
 *
 * @param otherwise - what else the option takes, for the message
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

function parseLengthScale(text: string): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  validateLengthScale(value);
  return value;
}
