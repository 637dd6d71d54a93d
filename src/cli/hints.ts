/** Hints for the user on standard error, next to the results: once, not for every frame. */
import { type Analyser, type FrameAnalysis, selectsAll } from "../analysis/index.js";
import { type Frame, renameSpecies } from "../frame/index.js";
import { type CliIo, writeNote } from "./io.js";
import { type AnalysisOptions, atomOptions } from "./options.js";

/**
 * A given length scale further than this from the estimate gets a hint; the estimate itself is good to some 3
 * %.
 */
const lengthScaleTolerance = 0.08;
/** In smaller clusters the estimate can be too long by more than that (docs/maths.md, "Length scale"). */
const fewestAtomsOfACluster = 100;
/** From this share of disordered atoms on, the whole frame counts as disordered. */
const disorderedShare = 0.99;

/** Writes hints about the frames of a run, each at most once per file. */
export interface Hints {
  /** Call this with every frame after its analysis. */
  frameDone(file: string, frameIndex: number, frame: Frame, analysis: FrameAnalysis): Promise<void>;
}

/**
 * Hints for a run.
 *
 * @param forPeople whether people read the results; if not, only warnings about the options are given
 */
export function createHints(
  io: CliIo,
  analyser: Analyser,
  options: AnalysisOptions,
  forPeople: boolean,
): Hints {
  const reported = new Set<string>();
  let fileOfDisorder: string | null = null;
  return {
    async frameDone(file, frameIndex, given, analysis) {
      const frame = renameSpecies(given, options.species);
      const place = `${file}, frame ${frameIndex}`;
      for (const name of missingSpecies(frame, options.select ?? [])) {
        if (reported.has(name)) continue;
        reported.add(name);
        await writeNote(io.stderr, `warning: ${place}: --select ${name}, but no atom is ${name}\n`);
      }
      if (!forPeople) return;
      const hints: (string | null)[] = analysis.hints.map(({ message, remedy }) => `${message}: ${remedy}`);
      if (frameIndex === 0) hints.push(await lengthScaleHint(analyser, given, options, analysis));
      if (fileOfDisorder !== file) {
        const hint = analysis.hints.length > 0 ? null : disorderHint(frame, analysis);
        if (hint !== null) fileOfDisorder = file;
        hints.push(hint);
      }
      for (const hint of hints) if (hint !== null) await writeNote(io.stderr, `hint: ${place}: ${hint}\n`);
    },
  };
}

function missingSpecies(frame: Frame, selected: readonly string[]): string[] {
  if (selected.length === 0 || selectsAll(selected)) return [];
  const present = new Set(frame.species);
  return [...new Set(selected)].filter((name) => !present.has(name));
}

async function lengthScaleHint(
  analyser: Analyser,
  frame: Frame,
  options: AnalysisOptions,
  analysis: FrameAnalysis,
): Promise<string | null> {
  const { lengthScale: given } = options;
  if (given === undefined) return null;
  if (!frame.periodic.every(Boolean) && analysis.atomCount < fewestAtomsOfACluster) return null;
  let estimate: number;
  try {
    estimate = await analyser.estimateLengthScale(frame, atomOptions(options));
  } catch {
    // The option exists for frames that allow no estimate, such as one in an extremely flat cell.
    return null;
  }
  if (Math.abs(given - estimate) <= lengthScaleTolerance * estimate) return null;
  return (
    `the given length scale is ${given}, the estimate is ${estimate.toFixed(4)}; ` +
    "it must be (volume per atom)^(1/3) of the phase of interest, not a lattice constant"
  );
}

function disorderHint(frame: Frame, analysis: FrameAnalysis): string | null {
  const { labels, selection, fractions, phases } = analysis;
  if (fractions[phases[0]!]! < disorderedShare) return null;
  const species = new Set<string>();
  if (frame.species !== null) {
    for (let row = 0; row < labels.length; row += 1) species.add(frame.species[selection?.[row] ?? row]!);
  }
  if (species.size < 2) return null;
  const advice =
    species.has("O") && species.has("H")
      ? "for water or ice, --select O analyses only the oxygen atoms"
      : `if one of them forms the crystal, --select NAME analyses only that one (${[...species].slice(0, 8).join(", ")})`;
  return `all atoms are disordered, with ${species.size} species: ${advice}`;
}
