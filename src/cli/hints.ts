/** What a person should look at again, told on standard error beside the results: once, not for every frame. */
import { type Analyser, type FrameAnalysis, type FrameOptions, selectsAll } from "../analysis/index.js";
import type { Frame } from "../frame/index.js";
import { type CliIo, writeText } from "./io.js";
import type { AnalysisOptions } from "./options.js";

/** A given length scale further than this from the estimate is worth a second look; the estimate itself is good to some 3 %. */
const lengthScaleTolerance = 0.08;
/** In smaller clusters the estimate may be too long by more than that (docs/maths.md, "Length scale"). */
const fewestAtomsOfACluster = 100;
/** From this share of disordered atoms on, the frame counts as disordered throughout. */
const disorderedShare = 0.99;

/** Tells hints about the frames of a run, each at most once a file. */
export interface Hints {
  /** To be called with every frame that was analysed. */
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
  const missingTold = new Set<string>();
  let fileOfDisorder: string | null = null;
  return {
    async frameDone(file, frameIndex, frame, analysis) {
      const place = `${file}, frame ${frameIndex}`;
      for (const name of missingSpecies(frame, options.select ?? [])) {
        if (missingTold.has(name)) continue;
        missingTold.add(name);
        await writeText(io.stderr, `warning: ${place}: --select ${name}, but no atom is ${name}\n`);
      }
      if (!forPeople) return;
      const hints: (string | null)[] = [];
      if (frameIndex === 0) hints.push(await lengthScaleHint(analyser, frame, options, analysis));
      if (fileOfDisorder !== file) {
        const hint = disorderHint(frame, analysis);
        if (hint !== null) fileOfDisorder = file;
        hints.push(hint);
      }
      for (const hint of hints) if (hint !== null) await writeText(io.stderr, `hint: ${place}: ${hint}\n`);
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
  const { lengthScale: given, select, ignoreSpecies } = options;
  if (given === undefined) return null;
  if (!frame.periodic.every(Boolean) && analysis.atomCount < fewestAtomsOfACluster) return null;
  let estimate: number;
  try {
    const atoms: FrameOptions = {
      ...(select === undefined ? {} : { select }),
      ...(ignoreSpecies === undefined ? {} : { ignoreSpecies }),
    };
    estimate = await analyser.estimateLengthScale(frame, atoms);
  } catch {
    // Frames that allow no estimate, such as one in an extremely flat cell, are what the option is there for.
    return null;
  }
  if (Math.abs(given - estimate) <= lengthScaleTolerance * estimate) return null;
  return (
    `the length scale given is ${given}, the one estimated ${estimate.toFixed(4)}; ` +
    "it is (volume per atom)^(1/3) of the phase looked at, not a lattice constant"
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
      ? "water or ice? --select O looks at the oxygen atoms alone"
      : `if one of them makes up the crystal, --select NAME looks at it alone (${[...species].slice(0, 8).join(", ")})`;
  return `all is disordered, with ${species.size} species: ${advice}`;
}
