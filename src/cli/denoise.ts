import { type Command, Option } from "commander";
import { denoisedFrame, labelFrame } from "../analysis/index.js";
import { limits } from "../contract/limits.js";
import { readableTitles, writableTitles } from "../formats/index.js";
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

interface DenoiseOptions extends AnalysisOptions, OutputChoices {
  out: string;
  steps?: number;
}

/** `phasewire denoise`: the frames with the atoms moved back to the sites they vibrate about. */
export function addDenoiseCommand(program: Command, io: CliIo, finish: (exitCode: number) => void): void {
  const command = program
    .command("denoise")
    .description("move the atoms to the sites they vibrate about, and write the frames with their phases")
    .argument("<files...>", `files with any number of frames, plain or gzip: ${readableTitles()}`)
    .requiredOption("--out <file>", `file to write, ${writableTitles()}; .gz compresses`)
    .addOption(outFormatOption())
    .addOption(
      new Option("--steps <steps>", "number of denoising steps; default: until converged").argParser((text) =>
        parseCount("steps", text, limits.denoising.mostSteps),
      ),
    );
  addAnalysisOptions(command).action(async (files: string[], options: DenoiseOptions) => {
    const report = createReport(io.stdout.isTTY === true);
    const exitCode = await runFiles(io, {
      files,
      options,
      variables: undefined,
      denoise: options.steps ?? "converged",
      out: options.out,
      outFormat: options.outFormat,
      hints: false,
      annotate: (frame, analysis) => labelFrame(denoisedFrame(frame, analysis), analysis),
      begin: (info) => writeText(io.stdout, `${runText(info)}\n`),
      report: (file, frame, analysis) => writeText(io.stdout, `${report(file, frame, analysis)}\n`),
      reportError: async () => undefined,
    });
    finish(exitCode);
  });
}
