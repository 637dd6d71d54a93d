/**
 * One analysis of a frame that the core takes whole, and the order of its steps: prior, load, forward pass, variables of the frame as given, derivatives of
 * their energy or of a seed, score, denoising. The library, energies and the server ask for different parts of it.
 */
import type { BackwardResult, DenoiseResult, ForwardResult, PassOptions, PhaseCore } from "../core/index.js";
import { type CoreEvaluation, evaluateInCore, type KnownInput } from "../variables/in-core.js";
import type { ResolvedVariable } from "../variables/index.js";

/** An energy of variables, and what its forces need of it. */
export interface EnergyOfValues {
  readonly energy: number;
  /** One a variable, dE/dV. */
  readonly derivatives: readonly number[];
}

/** Variables, and what is asked about them. */
export interface VariablesQuestion {
  readonly resolved: readonly ResolvedVariable[];
  /** Asked for when the frame is in the core. */
  readonly input: () => KnownInput;
  /** E as a function of the values; null for the values alone. */
  readonly energy: ((values: readonly number[]) => EnergyOfValues) | null;
  /** Whether gradient and virial of E are wanted. */
  readonly wantsDerivatives: boolean;
  /** Whether the length scale is (V/N)^(1/3), and has its part in the virial. */
  readonly followsCell: boolean;
}

/** What is asked about a frame. */
export interface Question {
  /** Sets the prior and puts the frame into the core; null if it stands there, evaluated. */
  readonly load: (() => void) | null;
  readonly variables: VariablesQuestion | null;
  /** N x C, dE/dl_ac of an energy whose derivatives are wanted. */
  readonly seed: Float32Array | Float64Array | null;
  readonly wantsScore: boolean;
  readonly denoise: number | "converged" | null;
  /** What becomes of the arrays that are read. */
  readonly arrays: NonNullable<PassOptions["arrays"]>;
}

/** The parts that were asked for; null where they were not. */
export interface Answer {
  /** Of the frame as given, or where it was denoised of that one. */
  readonly read: ForwardResult;
  readonly values: readonly number[] | null;
  readonly energy: EnergyOfValues | null;
  /** Gradient and virial, of the energy of the variables or else of the seed. */
  readonly derivatives: BackwardResult | null;
  /** N x 3 */
  readonly score: Float64Array | null;
  readonly denoised: DenoiseResult | null;
}

/**
 * Views hold until the core's next call.
 *
 * @throws PhasewireError what `PhaseCore` and `evaluateVariables` throw; whatever `load`, `input` and `energy` throw goes through
 */
export async function runPass(core: PhaseCore, question: Question): Promise<Answer> {
  const { load, variables, seed, wantsScore, denoise, arrays } = question;
  load?.();
  // Denoising evaluates the frame by itself; nobody reads that pass but variables, which do so in the core.
  const isRead = denoise === null;
  const raw = isRead || variables !== null ? await core.forward({ arrays: isRead ? arrays : "views" }) : null;
  // All that concerns the frame as given comes before denoising, which leaves the core with another one.
  const found = variables === null ? null : await evaluate(core, variables);
  const ofSeed = seed === null ? null : await core.pull(seed);
  const score = wantsScore ? (await core.score()).score : null;
  const denoised =
    denoise === null
      ? null
      : await core.denoise({
          ...(denoise === "converged" ? { untilConverged: true } : { steps: denoise }),
          arrays,
        });
  return {
    read: denoised ?? raw!,
    values: found?.values ?? null,
    energy: found?.energy ?? null,
    derivatives: ofSeed ?? found?.derivatives ?? null,
    score,
    denoised,
  };
}

async function evaluate(
  core: PhaseCore,
  { resolved, input, energy: energyOf, wantsDerivatives, followsCell }: VariablesQuestion,
): Promise<Pick<Answer, "values" | "energy" | "derivatives">> {
  const evaluation: CoreEvaluation = evaluateInCore(core, resolved, input());
  const values = [...evaluation.values];
  const energy = energyOf === null ? null : energyOf(values);
  const derivatives =
    energy !== null && wantsDerivatives ? await evaluation.pull(energy.derivatives, followsCell) : null;
  return { values, energy, derivatives };
}
