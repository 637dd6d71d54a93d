/** The classes that are allowed: those of a frame, else of its session, else of the server. */
import { type ClassNames, type ClassWeights, classWeights } from "../../../src/model/index.js";
import type { ModelInfo } from "../wire/wire.js";

/** The priors of a server over the classes of its model, as C weights or null for equal ones. */
export class Priors {
  /** For sessions that do not set their own. */
  readonly ofServer: Float64Array | null;
  private readonly classes: readonly ClassNames[];

  /** @throws PhasewireError `BAD_OPTION` for classes and weights that `classWeights` refuses */
  constructor(model: ModelInfo, ofServer?: ClassWeights) {
    const aliases = new Map(model.classes.map((name) => [name, [] as string[]]));
    for (const [alias, name] of Object.entries(model.aliases)) aliases.get(name)?.push(alias);
    this.classes = model.classes.map((name) => ({ name, aliases: aliases.get(name)! }));
    this.ofServer = ofServer === undefined ? null : classWeights(ofServer, this.classes);
  }

  /**
   * The weights that a message names, or `otherwise` if it names none.
   *
   * @throws PhasewireError `BAD_OPTION`
   */
  read(named: ClassWeights | null, otherwise: Float64Array | null): Float64Array | null {
    return named === null ? otherwise : classWeights(named, this.classes);
  }

  /** Weights by name: of `disordered`, and of every class that is not left out. */
  named(weights: Float64Array): Record<string, number> {
    const all = this.classes.map(({ name }, index) => [name, weights[index]!] as const);
    return Object.fromEntries(all.filter(([, weight], index) => index === 0 || weight > 0));
  }
}
