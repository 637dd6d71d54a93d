/**
 * The loop of `classify` and `denoise`: every frame of every file goes through one analyser, in order.
 *
 * If a file fails, the error is reported and the next file begins; frames already written stay.
 */
import { statSync } from "node:fs";
import {
  type AnalyseOptions,
  type Analyser,
  type AnalyserInfo,
  createAnalyser,
  type FrameAnalysis,
} from "../analysis/index.js";
import { asPhasewireError, PhasewireError } from "../errors/index.js";
import { FrameWriter, readFrames } from "../formats/index.js";
import type { Frame } from "../frame/index.js";
import { classWeights, loadModel } from "../model/index.js";
import { resolveVariables, type Variable } from "../variables/index.js";
import { createHints } from "./hints.js";
import { type CliIo, exitCodes, writeError } from "./io.js";
import { type AnalysisOptions, atomOptions } from "./options.js";
import { createProgress } from "./progress.js";

/** Work of a command on each frame. */
export interface FileTask {
  readonly files: readonly string[];
  readonly options: AnalysisOptions;
  /** Variables to evaluate. */
  readonly variables: readonly Variable[] | undefined;
  readonly denoise: number | "converged" | undefined;
  /** Path of the output file, if there is one. */
  readonly out: string | undefined;
  /** Its format; by its name if undefined. */
  readonly outFormat: string | undefined;
  /** Whether hints for the user may appear on standard error, next to the results. */
  readonly hints: boolean;
  /** The frame to write to `out`. */
  annotate(frame: Frame, analysis: FrameAnalysis): Frame;
  /** Reports the analyser once, before the first finished frame. */
  begin(info: AnalyserInfo): Promise<void>;
  /** Reports a finished frame. */
  report(file: string, frame: number, analysis: FrameAnalysis, info: AnalyserInfo): Promise<void>;
  /**
   * Reports an error, in addition to the text on standard error; file and frame are null if it concerns none.
   */
  reportError(file: string | null, frame: number | null, error: PhasewireError): Promise<void>;
}

/** Marks an error of the output: no further frame can be written, so the whole run ends. */
class OutputFailure {
  constructor(readonly error: PhasewireError) {}
}

/** Runs a task and returns the exit code. */
export async function runFiles(io: CliIo, task: FileTask): Promise<number> {
  let analyser: Analyser | undefined;
  let writer: FrameWriter | undefined;
  let exitCode: number = exitCodes.success;
  let outputFailed = false;
  try {
    refuseOverwriting(task);
    const model = await loadModel(task.options.model);
    const { threads, build, classes } = task.options;
    // Errors here end the run; later they would come with every frame.
    if (classes !== undefined) classWeights(classes, model.classes);
    if (task.variables !== undefined) resolveVariables(task.variables, model.classes);
    analyser = await createAnalyser(model, {
      ...(threads === undefined ? {} : { threads }),
      ...(build === undefined ? {} : { build }),
    });
    writer =
      task.out === undefined ? undefined : await FrameWriter.open(task.out, { format: task.outFormat });
    exitCode = await runAll(io, task, analyser, writer);
  } catch (thrown) {
    // A failure that is reported here appears again when the output is closed.
    outputFailed = thrown instanceof OutputFailure;
    const error = thrown instanceof OutputFailure ? thrown.error : asPhasewireError(thrown);
    await reportToEnd(io, task, error);
    exitCode = error.code === "BAD_OPTION" ? exitCodes.usage : exitCodes.failure;
  }
  try {
    await writer?.close();
  } catch (thrown) {
    const error = asPhasewireError(thrown);
    if (!outputFailed) await reportToEnd(io, task, error);
    exitCode = exitCodes.failure;
  }
  await analyser?.dispose();
  return exitCode;
}

/** Reports an error that ends the run. */
async function reportToEnd(io: CliIo, task: FileTask, error: PhasewireError): Promise<void> {
  await writeError(io, error);
  // Standard output may be what failed.
  await task.reportError(null, null, error).catch(() => undefined);
}

async function runAll(
  io: CliIo,
  task: FileTask,
  analyser: Analyser,
  writer: FrameWriter | undefined,
): Promise<number> {
  const progress = createProgress(io, task.files.length);
  const hints = createHints(io, analyser, task.options, task.hints);
  let exitCode: number = exitCodes.success;
  let framesDone = 0;
  try {
    for (const [fileIndex, file] of task.files.entries()) {
      let frameIndex = 0;
      try {
        for await (const frame of readFrames(file, { format: task.options.format })) {
          if (io.signal.aborted) return exitCodes.interrupted;
          progress.update(fileIndex, file, framesDone);
          const analysis = await analyser.analyse(frame, {
            ...analyseOptions(task),
            signal: io.signal,
            onProgress: (share) => progress.updateFrame(share),
          });
          if (writer !== undefined) await put(writer.write(task.annotate(frame, analysis)));
          if (framesDone === 0) await put(task.begin(analyser.info()));
          await put(task.report(file, frameIndex, analysis, analyser.info()));
          await hints.frameDone(file, frameIndex, frame, analysis);
          frameIndex += 1;
          framesDone += 1;
        }
      } catch (thrown) {
        if (thrown instanceof OutputFailure) throw thrown;
        const error = asPhasewireError(thrown);
        if (error.code === "ABORTED") return exitCodes.interrupted;
        exitCode = exitCodes.failure;
        await writeError(io, located(error, file, frameIndex));
        await put(task.reportError(file, frameIndex, error));
      }
    }
    return exitCode;
  } finally {
    progress.stop();
  }
}

/** Waits for output; no later output is possible if it cannot be written. */
async function put(written: Promise<void>): Promise<void> {
  try {
    await written;
  } catch (thrown) {
    const error = asPhasewireError(thrown);
    throw error.code === "FILE_ACCESS" ? new OutputFailure(error) : error;
  }
}

function analyseOptions({ options, denoise, variables }: FileTask): AnalyseOptions {
  const { lengthScale, classes } = options;
  return {
    ...atomOptions(options),
    ...(lengthScale === undefined ? {} : { lengthScale }),
    ...(classes === undefined ? {} : { classes }),
    ...(denoise === undefined ? {} : { denoise }),
    ...(variables === undefined ? {} : { variables }),
    // Files hold no results per class.
    perClass: false,
  };
}

/** The error with file and frame in its message, unless the reader named the line already. */
function located(error: PhasewireError, file: string, frame: number): PhasewireError {
  if (error.field === file || error.field?.startsWith(`${file}:`)) return error;
  return new PhasewireError(error.code, {
    message: `${file}, frame ${frame}: ${error.message}`,
    remedy: error.remedy,
    cause: error,
  });
}

/** An output that is also an input would be emptied before it is read. */
function refuseOverwriting({ out, files }: FileTask): void {
  const target = out === undefined ? null : fileIdentity(out);
  const same = target === null ? undefined : files.find((file) => fileIdentity(file) === target);
  if (same === undefined) return;
  throw new PhasewireError("BAD_OPTION", {
    message: `--out ${out} is the input ${same}, which would be lost`,
    field: "out",
    value: out,
    remedy: "Give another name for the output.",
  });
}

/** Identity of a file, the same for all its names and links; null if it is not a regular file. */
function fileIdentity(path: string): string | null {
  try {
    const found = statSync(path, { bigint: true });
    return found.isFile() ? `${found.dev}:${found.ino}` : null;
  } catch {
    return null;
  }
}
