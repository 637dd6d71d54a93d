/**
 * Hints about a frame: advice if it is probably not what its labels show (docs/hints.md). Each hint follows
 * from a second look at the frame, with some species merged or left out.
 */
import { hints as table } from "../contract/hints.js";
import type { CoreFrame, ForwardResult, PhaseCore } from "../core/index.js";
import { PhasewireError } from "../errors/index.js";
import type { SpeciesMap } from "../frame/index.js";
import type { Model } from "../model/index.js";

import type { PreparedFrame } from "./prepare.js";

export type HintCode = keyof typeof table.codes;

/** A hint that comes with an analysis. */
export interface Hint {
  readonly code: HintCode;
  /** The result of the second look. */
  readonly message: string;
  /** Options of the command line that show it. */
  readonly remedy: string;
  /** The class that most atoms then have, and their share. */
  readonly phase: string;
  readonly share: number;
  /** For `MERGE_SPECIES`: the option `speciesMap` that shows it. */
  readonly speciesMap?: SpeciesMap;
  /** For `LIGHT_ATOMS`: the option `select` that shows it. */
  readonly select?: readonly string[];
}

/** The results of the first analysis. */
export interface FirstLook {
  readonly labels: Uint16Array;
  readonly margin: Float32Array;
  readonly lengthScale: number;
  /** Positions after denoising; absent without it. */
  readonly denoised?: Float64Array;
}

const light: ReadonlySet<string> = new Set(table.light);
const { leastShare, leastGain, leastLight, marginGain } = table;

/**
 * Looks at the frame that the core has evaluated, and again with species merged or left out. The core then
 * holds another frame.
 *
 * @param given whether the length scale was given, and so holds for a part of the atoms as well
 */
export async function findHints(
  core: PhaseCore,
  { classes }: Pick<Model, "classes">,
  { core: frame, species }: Pick<PreparedFrame, "core" | "species">,
  first: FirstLook,
  given: boolean,
): Promise<Hint[]> {
  if (species === null) return [];
  const names = [...new Set(species)];
  if (names.length < 2) return [];
  const positions = first.denoised ?? frame.positions;
  // The groups follow from the evaluated frame, so they come first.
  const groups = frame.species === null ? null : core.groupSpecies();
  // Only a denoised frame is asked whether its surroundings are known.
  const steps = first.denoised === undefined ? 0 : 1;
  const look = { core, classes, first, species, names, steps, frame: { ...frame, positions } };
  const found = [await lookAtHosts(look, given), groups === null ? null : await lookAtGroups(look, groups)];
  return found.filter((hint) => hint !== null);
}

interface Look {
  readonly core: PhaseCore;
  readonly classes: Model["classes"];
  readonly first: FirstLook;
  readonly species: readonly string[];
  readonly names: readonly string[];
  /** Denoising steps of further looks. */
  readonly steps: number;
  readonly frame: CoreFrame;
}

/** The most frequent crystalline class among some atoms, and its share of them. */
function mostFrequent(labels: ArrayLike<number>, classCount: number): { label: number; share: number } {
  const counts = new Float64Array(classCount);
  for (let atom = 0; atom < labels.length; atom++) counts[labels[atom]!]! += 1;
  let label = 1;
  for (let c = 2; c < classCount; c++) if (counts[c]! > counts[label]!) label = c;
  return { label, share: counts[label]! / labels.length };
}

function shareOf(label: number, labels: Uint16Array): number {
  return labels.reduce((sum, own) => sum + (own === label ? 1 : 0), 0) / labels.length;
}

async function evaluate({ core, steps }: Look, frame: CoreFrame): Promise<ForwardResult> {
  core.load(frame, { gradients: steps > 0, perClass: false });
  return steps > 0 ? core.denoise({ steps, arrays: "atoms" }) : core.forward({ arrays: "atoms" });
}

/** The species with the same neighbours as one. */
async function lookAtGroups(look: Look, groups: ReadonlyMap<number, number>): Promise<Hint | null> {
  const { classes, first, names, frame } = look;
  const ofGroup = new Map<number, string[]>();
  for (const [species, group] of groups) ofGroup.set(group, [...(ofGroup.get(group) ?? []), names[species]!]);
  const merged = [...ofGroup.values()].filter((members) => members.length > 1);
  if (merged.length === 0) return null;
  const before = mostFrequent(first.labels, classes.length);
  // One group is a lattice without order, which has the name of an element.
  if (ofGroup.size === 1 && before.share >= leastShare && classes[before.label]!.speciesCount === 1)
    return null;
  const species = Int32Array.from(frame.species!, (own) => groups.get(own)!);
  const { labels } = await evaluate(look, { ...frame, species, lengthScale: first.lengthScale });
  const { label, share } = mostFrequent(labels, classes.length);
  const shareBefore = shareOf(label, first.labels);
  if (share < leastShare || share - shareBefore < leastGain) return null;
  const pairs = merged.flatMap((members) => {
    const [target, ...others] = [...members].sort() as [string, ...string[]];
    return others.map((name) => [name, target] as const);
  });
  return hint("MERGE_SPECIES", classes[label]!.name, share, shareBefore, {
    speciesMap: Object.fromEntries(pairs),
    texts: {
      species: merged.map((members) => [...members].sort().join(" and ")).join("; "),
      map: pairs.map((pair) => pair.join("=")).join(","),
    },
  });
}

/** The atoms without light ones between them. */
async function lookAtHosts(look: Look, given: boolean): Promise<Hint | null> {
  const { classes, first, species, names, frame } = look;
  const hosts = names.filter((name) => !light.has(name));
  if (hosts.length === 0 || hosts.length === names.length) return null;
  const own = Uint32Array.from(species.flatMap((name, atom) => (light.has(name) ? [] : [atom])));
  if (species.length - own.length < leastLight * species.length) return null;
  const { lengthScale: _, ...rest } = frame;
  const part: CoreFrame = {
    ...rest,
    positions: Float64Array.from(
      { length: 3 * own.length },
      (_, at) => frame.positions[3 * own[Math.floor(at / 3)]! + (at % 3)]!,
    ),
    species: frame.species === null ? null : Int32Array.from(own, (atom) => frame.species![atom]!),
    ...(given ? { lengthScale: first.lengthScale } : {}),
  };
  const result = await tryLook(look, part);
  if (result === null) return null;
  const { label, share } = mostFrequent(result.labels, classes.length);
  const before = Uint16Array.from(own, (atom) => first.labels[atom]!);
  const shareBefore = shareOf(label, before);
  if (share < leastShare || shareBefore >= leastShare) return null;
  // The margin of a crystal says how well it fits; that of disordered atoms does not.
  const isCrystal = shareOf(0, before) < 0.5;
  const marginBefore = mean(Float32Array.from(own, (atom) => first.margin[atom]!));
  if (isCrystal && mean(result.margin) < marginGain * marginBefore) return null;
  return hint("LIGHT_ATOMS", classes[label]!.name, share, shareBefore, {
    select: hosts,
    texts: { species: names.filter((name) => light.has(name)).join(", "), hosts: hosts.join(",") },
  });
}

/** A look, or null if the part has no length scale of its own. */
async function tryLook(look: Look, frame: CoreFrame): Promise<ForwardResult | null> {
  try {
    return await evaluate(look, frame);
  } catch (error) {
    if (error instanceof PhasewireError && error.code === "BAD_LENGTH_SCALE") return null;
    throw error;
  }
}

function mean(numbers: Float32Array): number {
  return numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
}

function hint(
  code: HintCode,
  phase: string,
  share: number,
  shareBefore: number,
  { texts, ...rest }: { texts: Readonly<Record<string, string>> } & Pick<Hint, "speciesMap" | "select">,
): Hint {
  const percent = (part: number) => (100 * part).toFixed(0);
  const blanks: Readonly<Record<string, string>> = {
    ...texts,
    class: phase,
    share: percent(share),
    before: percent(shareBefore),
  };
  const fill = (text: string) => text.replace(/\{(\w+)\}/g, (_, blank: string) => blanks[blank]!);
  const { message, remedy } = table.codes[code];
  return { code, message: fill(message), remedy: fill(remedy), phase, share, ...rest };
}
