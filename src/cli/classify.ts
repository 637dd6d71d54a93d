import { type Command, Option } from "commander";
import { labelFrame } from "../analysis/index.js";
import { limits } from "../contract/limits.js";
import { readableTitles } from "../formats/index.js";
import { type CliIo, writeText } from "./io.js";
import {
  type AnalysisOptions,
  addAnalysisOptions,
  type OutputChoices,
  outFormatOption,
  parseCount,
} from "./options.js";
import { createReport, runText } from "./report.js";
import { runFiles } from "./run-files.js";
import { readVariablesFile, variablesOption } from "./variables-file.js";

interface ClassifyOptions extends AnalysisOptions, OutputChoices {
  denoise?: number | "converged";
  json?: boolean;
  out?: string;
  variables?: string;
}

/** `phasewire classify`: the phase of every atom. */
export function addClassifyCommand(program: Command, io: CliIo, finish: (exitCode: number) => void): void {
  const command = program
    .command("classify")
    .description("find the phase of every atom in structure files")
    .argument("<files...>", `files with any number of frames, plain or gzip: ${readableTitles()}`)
    .addOption(
      new Option(
        "--denoise <steps>",
        "label after this many denoising steps, or `converged`; default: no denoising",
      ).argParser((text) =>
        text === "converged"
          ? text
          : parseCount("denoise", text, limits.denoising.mostSteps, " or `converged`"),
      ),
    )
    .addOption(
      variablesOption("JSON file with a list of variables (docs/variables.md) to evaluate for each frame"),
    )
    .option("--json", "print only JSON on standard output: one object per frame, each on one line")
    .option(
      "--out <file>",
      "write the frames with columns phase, confidence, margin and distance; .gz compresses",
    )
    .addOption(outFormatOption());
  addAnalysisOptions(command).action(async (files: string[], options: ClassifyOptions) => {
    const { denoise, json, out } = options;
    const report = createReport(io.stdout.isTTY === true);
    const printLine = (value: unknown): Promise<void> => writeText(io.stdout, `${JSON.stringify(value)}\n`);
    const variables =
      options.variables === undefined ? undefined : await readVariablesFile(options.variables);
    const exitCode = await runFiles(io, {
      files,
      options,
      variables,
      denoise,
      out,
      outFormat: options.outFormat,
      hints: json !== true,
      annotate: labelFrame,
      begin: async (info) => {
        if (!json) await writeText(io.stdout, `${runText(info)}\n`);
      },
      report: (file, frame, analysis, info) =>
        json
          ? printLine({
              file,
              frame,
              natoms: analysis.atomCount,
              selection: analysis.selected,
              lengthScale: analysis.lengthScale,
              fractions: analysis.fractions,
              hints: analysis.hints,
              values: analysis.values,
              meanLogDensityPerAtom: analysis.meanLogDensityPerAtom,
              meanMargin: analysis.meanMargin,
              model: info.model,
              threads: info.threads,
              build: info.build,
              seconds: analysis.seconds,
            })
          : writeText(io.stdout, `${report(file, frame, analysis)}\n`),
      reportError: async (file, frame, error) => {
        if (json) await printLine({ file, frame, error });
      },
    });
    finish(exitCode);
  });
}
