/**
 * Turns variables into a program for the core: records of numbers, and lists. assembly/variables/program.ts
 * has the layout. Names become numbers here.
 */
import type { CoreContext, CoreExports } from "../core/index.js";
import type { CustomVariable } from "./custom.js";
import type { Region, Selection } from "./declare.js";
import type { Mean, QuantityKey, ResolvedVariable } from "./resolve.js";
import type { FrameSpecies } from "./species.js";

/** Fields of a record, without their prefix. */
type Fields = Readonly<Record<string, number | readonly number[]>>;

/** One record: its fields, and the variable that it stands for. */
interface Entry {
  readonly fields: Fields;
  /** The mean or sum over atoms, if it is one. */
  readonly mean?: Mean;
  /** The custom variable, if it is one. */
  readonly custom?: CustomVariable;
}

/** Bytes of one number of a record. */
const numberBytes = 8;

/** Arrays that the variables need. */
export interface Needs {
  readonly positions: boolean;
  readonly species: boolean;
  readonly ids: boolean;
  /** Ideal logits and log-weights of the prior. */
  readonly ideal: boolean;
}

export class Program {
  /** The record of each variable of the list. */
  readonly tops: readonly number[];
  /** The records of custom variables. */
  readonly customs: readonly { readonly record: number; readonly variable: CustomVariable }[];
  readonly needs: Needs;
  private readonly entries: Entry[] = [];
  private readonly lists: number[] = [];

  /** @param speciesOf returns the species of the frame; called only if variables select by species */
  constructor(
    private readonly core: CoreExports,
    variables: readonly ResolvedVariable[],
    private readonly speciesOf: () => FrameSpecies,
  ) {
    this.tops = variables.map((variable) => this.add(variable));
    this.customs = this.entries.flatMap(({ custom }, record) =>
      custom === undefined ? [] : [{ record, variable: custom }],
    );
    const means = this.entries.flatMap(({ mean }) => (mean === undefined ? [] : [mean]));
    this.needs = {
      positions: means.some(({ select }) => select?.region !== undefined),
      species: means.some(({ select }) => select?.species !== undefined),
      ids: means.some(({ select }) => select?.ids !== undefined),
      ideal: means.some(({ key }) => key.kind === "distance"),
    };
  }

  get recordCount(): number {
    return this.entries.length;
  }

  get listLength(): number {
    return this.lists.length;
  }

  /** Returns the mean or sum over atoms that a record stands for. */
  meanOf(record: number): Mean {
    return this.entries[record]!.mean!;
  }

  /** Writes records and lists into their regions. */
  write(context: CoreContext): void {
    const records = this.records(context);
    records.fill(0);
    this.entries.forEach(({ fields }, record) => {
      for (const [name, value] of Object.entries(fields)) {
        const place = record * this.stride + this.place(name);
        records.set(typeof value === "number" ? [value] : value, place);
      }
    });
    context.doubles("VARIABLES_LISTS", this.listLength).set(this.lists);
  }

  field(context: CoreContext, record: number, name: string): number {
    return this.records(context)[record * this.stride + this.place(name)]!;
  }

  setField(context: CoreContext, record: number, name: string, value: number): void {
    this.records(context)[record * this.stride + this.place(name)] = value;
  }

  /** Returns the marks of a record's ids or species: 1 for each that an atom has. */
  marks(context: CoreContext, record: number, by: "ids" | "species"): Float64Array {
    const { fields } = this.entries[record]!;
    const [begin, length] =
      by === "ids" ? [fields.IDS, fields.ID_COUNT] : [fields.SPECIES, fields.SPECIES_COUNT];
    const columns = by === "ids" ? 1 : 2;
    const from = (begin as number) + columns * (length as number);
    return context.doubles("VARIABLES_LISTS", this.listLength).slice(from, from + (length as number));
  }

  private records(context: CoreContext): Float64Array {
    return context.doubles("VARIABLES_RECORDS", this.recordCount * this.stride);
  }

  private get stride(): number {
    return this.core.RECORD_BYTES.value / numberBytes;
  }

  private place(name: string): number {
    return this.core[`RECORD_${name}`].value / numberBytes;
  }

  /** Adds a variable after its inner ones, and returns its record. */
  private add(variable: ResolvedVariable): number {
    const entry = this.entryOf(variable);
    return this.entries.push(entry) - 1;
  }

  private entryOf(variable: ResolvedVariable): Entry {
    const { core } = this;
    switch (variable.kind) {
      case "mean":
        return { fields: this.meanFields(variable), mean: variable };
      case "sum": {
        const inner = this.list(variable.terms.map((term) => this.add(term.variable)));
        const weights = this.list(variable.terms.map(({ weight }) => weight)).LIST;
        const { constant } = variable;
        return { fields: { KIND: core.KIND_SUM.value, ...inner, WEIGHTS: weights, CONSTANT: constant } };
      }
      case "extremum": {
        const inner = this.list(variable.variables.map((one) => this.add(one)));
        return { fields: { KIND: core.KIND_EXTREMUM.value, ...inner, CONSTANT: variable.sharpness } };
      }
      case "switch": {
        const inner = this.list([this.add(variable.variable)]);
        return { fields: { KIND: core.KIND_SWITCH.value, ...inner, ...switchFields(variable.switch) } };
      }
      case "custom":
        return { fields: { KIND: core.KIND_GIVEN.value }, custom: variable };
    }
  }

  private meanFields({ key, reduce, switch: step, select }: Mean): Fields {
    const { core } = this;
    return {
      ...this.quantityFields(key),
      REDUCE: (reduce === "mean" ? core.REDUCE_MEAN : core.REDUCE_SUM).value,
      ...(step === undefined ? {} : switchFields(step)),
      ...(select === undefined ? {} : this.selectionFields(select)),
    };
  }

  private quantityFields(key: QuantityKey): Fields {
    const { core } = this;
    switch (key.kind) {
      case "fraction":
        return { KIND: core.KIND_FRACTION.value, ...this.list(key.classes) };
      case "meanLogit":
        return { KIND: core.KIND_LOGIT.value, CLASS: key.class, MINUS: -1 };
      case "logitDifference":
        return { KIND: core.KIND_LOGIT.value, CLASS: key.class, MINUS: key.minus };
      case "distance":
        return { KIND: core.KIND_DISTANCE.value, CLASS: key.class };
      case "logDensity":
        return { KIND: core.KIND_LOG_DENSITY.value };
    }
  }

  private selectionFields({ ids, species, region }: Selection): Fields {
    return {
      ...(ids === undefined ? {} : this.idFields(ids)),
      ...(species === undefined ? {} : this.speciesFields(species)),
      ...(region === undefined ? {} : this.regionFields(region)),
    };
  }

  private idFields(ids: readonly number[]): Fields {
    const sorted = ascending(ids);
    const marks = new Float64Array(sorted.length);
    return { IDS: this.list([...sorted, ...marks]).LIST, ID_COUNT: sorted.length };
  }

  private speciesFields(wanted: readonly (string | number)[]): Fields {
    const numbers = wanted.map((name) => this.speciesOf().numbersOf(name));
    // NaN stands for a name that no species has: no atom has that number.
    const found = numbers.map((own) => (own.length === 0 ? [Number.NaN] : own));
    const groups = found.flatMap((own, group) => own.map(() => group));
    const list = this.list([...found.flat(), ...groups, ...groups.map(() => 0)]).LIST;
    return { SPECIES: list, SPECIES_COUNT: groups.length };
  }

  private regionFields(region: Region): Fields {
    const { core } = this;
    if ("axis" in region) {
      const { axis, from, to, width } = region;
      return { REGION: core.REGION_SLAB.value, AXIS: axis, FROM: from, TO: to, EDGE: width };
    }
    const { centre, radius, width } = region;
    return { REGION: core.REGION_BALL.value, CENTRE: centre, RADIUS: radius, EDGE: width };
  }

  private list(numbers: readonly number[]): { LIST: number; LENGTH: number } {
    const place = { LIST: this.lists.length, LENGTH: numbers.length };
    for (const number of numbers) this.lists.push(number);
    return place;
  }
}

/** Returns the numbers in ascending order without repetitions. */
export function ascending(numbers: readonly number[]): Float64Array {
  const sorted = Float64Array.from(numbers);
  if (sorted.some((number, place) => number < sorted[place - 1]!)) sorted.sort();
  return sorted.filter((number, place) => number !== sorted[place - 1]);
}

function switchFields({ centre, width }: { readonly centre: number; readonly width: number }): Fields {
  return { SWITCH_CENTRE: centre, SWITCH_WIDTH: width };
}
