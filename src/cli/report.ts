/** The report for human readers: one block per frame, with a bar for each phase. */
import pc from "picocolors";
import type { AnalyserInfo, FrameAnalysis } from "../analysis/index.js";

const barWidth = 30;
/** A bar's last cell, in eighths. */
const eighths = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

type Colors = ReturnType<typeof pc.createColors>;

/** A function that formats frames, with colours if the stream shows them. */
export function createReport(
  isTTY: boolean,
): (file: string, frame: number, analysis: FrameAnalysis) => string {
  const colors = pc.createColors(isTTY && pc.isColorSupported);
  return (file, frame, analysis) =>
    [
      `${colors.bold(file)}  frame ${frame}  ${analysis.atomCount} atoms${selectedText(analysis)}  length scale ${analysis.lengthScale.toFixed(4)}  ${analysis.seconds.toFixed(3)} s${slabText(analysis)}`,
      ...phaseLines(analysis, colors),
      ...valueLines(analysis),
      colors.dim(
        `  log density ${analysis.meanLogDensityPerAtom.toFixed(3)} per atom, margin ${analysis.meanMargin.toFixed(3)}${denoisingText(analysis)}`,
      ),
      "",
    ].join("\n");
}

function slabText({ slabs }: FrameAnalysis): string {
  return slabs === 1 ? "" : `  in ${slabs} slabs`;
}

/** Model, threads and build of the frames below. */
export function runText({ model, threads, cores, build }: AnalyserInfo): string {
  return `model ${model}, ${counted(threads, "thread")} of ${counted(cores, "core")}, build ${build}\n`;
}

function counted(count: number, name: string): string {
  return `${count} ${name}${count === 1 ? "" : "s"}`;
}

function selectedText({ selected }: FrameAnalysis): string {
  return selected === null ? "" : ` (${selected})`;
}

/** The phases that occur, largest share first. */
function phaseLines({ phases, titles, fractions }: FrameAnalysis, colors: Colors): string[] {
  const present = phases
    .map((name, label) => ({ title: titles[label]!, fraction: fractions[name]! }))
    .filter(({ fraction }) => fraction > 0)
    .sort((first, second) => second.fraction - first.fraction);
  const width = Math.max(...present.map(({ title }) => title.length));
  return present.map(({ title, fraction }) => {
    const percent = (100 * fraction).toFixed(1).padStart(5);
    return `  ${title.padEnd(width)} ${percent} %  ${colors.cyan(bar(fraction))}`;
  });
}

/** The values of variables, if any were requested. */
function valueLines({ values = {} }: FrameAnalysis): string[] {
  const width = Math.max(0, ...Object.keys(values).map((name) => name.length));
  return Object.entries(values).map(
    ([name, value]) => `  ${name.padEnd(width)}  ${Number(value.toPrecision(6))}`,
  );
}

function bar(fraction: number): string {
  const cells = Math.round(8 * barWidth * fraction);
  return "█".repeat(Math.floor(cells / 8)) + eighths[cells % 8];
}

function denoisingText({ denoising, lengthScale, atomCount }: FrameAnalysis): string {
  if (denoising === undefined) return "";
  const { displacement, steps, converged } = denoising;
  const meanSquare = displacement.reduce((sum, part) => sum + part * part, 0) / atomCount;
  const relative = (Math.sqrt(meanSquare) / lengthScale).toFixed(4);
  return `, denoised in ${steps} steps${converged ? "" : " (not converged)"}, moved ${relative} length scales (rms)`;
}
