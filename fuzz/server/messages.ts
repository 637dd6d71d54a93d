/** Valid messages of clients, as a start for mistakes. */
import { protocol } from "../../src/contract/protocol.js";
import { declarations } from "../lib/declarations.js";
import type { Tree } from "../lib/packer.js";
import type { Random } from "../lib/random.js";
import type { Structure } from "../lib/structures.js";
import { bytesOfArray } from "./parts.js";

export interface WireArray {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Buffer;
}

/** A message before it is encoded. */
export interface Message {
  readonly kind: string;
  /** Without sequence number and descriptors. */
  readonly header: { [key: string]: Tree };
  readonly arrays: readonly WireArray[];
}

/** Names and structures that messages may refer to. */
export interface Facts {
  readonly classes: readonly string[];
  readonly structures: readonly Structure[];
}

const resultFields = Object.keys(protocol.fields);

/** A valid message of a session. */
export function validMessage(random: Random, facts: Facts): Message {
  const plain = (header: { [key: string]: Tree; type: string }): Message => ({
    kind: header.type,
    header,
    arrays: [],
  });
  return random.choose<Message>([
    [12, () => analyse(random, facts)],
    [1, () => plain(hello(random, facts))],
    [0.5, () => plain({ type: "ping" })],
    [0.5, () => plain({ type: "status" })],
    [1, () => plain({ type: "series", run: runName(random), after: random.between(-1, 50) })],
    [
      1,
      () => plain({ type: "subscribe", run: runName(random), fields: some(random, protocol.observedFields) }),
    ],
    [0.5, () => plain({ type: "unsubscribe" })],
    [0.3, () => plain({ type: "goodbye" })],
  ]);
}

const runName = (random: Random): string => `fuzz-${random.below(4)}`;

function some<Item>(random: Random, items: readonly Item[]): Item[] {
  const share = random.unit();
  return items.filter(() => random.chance(share));
}

function hello(random: Random, { classes }: Facts): { [key: string]: Tree; type: string } {
  return {
    type: "hello",
    versions: random.pick([[protocol.version], [1, protocol.version, 99]]),
    client: { name: "fuzzer", version: "0" },
    ...(random.chance(0.7) ? { run: runName(random) } : {}),
    ...(random.chance(0.3) ? { engine: "none", title: "an attack" } : {}),
    ...(random.chance(0.3) ? { requires: some(random, protocol.capabilities) } : {}),
    ...(random.chance(0.3) ? { classes: weights(random, classes) } : {}),
  };
}

function weights(random: Random, classes: readonly string[]): { [key: string]: Tree } {
  const named = some(random, classes.slice(1)).map((name) => [name, random.pick([1, 0.5, 2])] as const);
  return Object.fromEntries([[classes[1]!, 1], ...named]);
}

/** A valid frame with a random question. */
export function analyse(random: Random, { classes, structures }: Facts): Message {
  const structure = random.pick(structures);
  const { cell, periodic, lengthScale, species, positions } = structure;
  const atoms = positions.length;
  const mode = random.pick(protocol.modes);
  const hasSeed = mode !== "monitor" && random.chance(0.2);
  const hasVariables = !hasSeed && random.chance(mode === "bias" ? 0.8 : 0.4);
  const denoise = random.choose<Tree>([
    [8, () => null],
    [1, () => random.between(1, 8)],
    [0.3, () => "converged"],
  ]);
  const hasEnergy = hasSeed || hasVariables;
  const fields = some(random, resultFields).filter(
    (name) =>
      (hasEnergy || (name !== "forces" && name !== "virial")) && (denoise !== null || name !== "denoised"),
  );
  const names = { classes, species: [], atoms };
  const variables = hasVariables ? declarations(random, names) : [];
  const isScaled = mode === "bias" || random.chance(0.7);
  const header: { [key: string]: Tree } = {
    type: "analyse",
    mode,
    step: random.below(1_000_000),
    periodic: [...periodic],
    ...(isScaled ? { lengthScale } : {}),
    ...(denoise === null ? {} : { denoise }),
    ...(fields.length > 0 || (mode === "bias" && !hasEnergy)
      ? { fields: fields.length > 0 ? fields : ["labels"] }
      : {}),
    ...(hasVariables ? { variables } : {}),
    ...(hasVariables && random.chance(0.5)
      ? { coefficients: variables.map(() => random.between(-5, 5)) }
      : {}),
    ...(random.chance(0.2) ? { time: random.unit() } : {}),
    ...(random.chance(0.2) ? { observables: { temperature: 300, pressure: random.unit() } } : {}),
    ...(random.chance(0.1) ? { classes: weights(random, classes) } : {}),
    ...(random.chance(0.1) ? { ignoreSpecies: true } : {}),
    ...(random.chance(0.1) ? { timeoutMs: random.pick([1, 100, 10_000]) } : {}),
  };
  const arrays: WireArray[] = [
    {
      name: "positions",
      dtype: "f64",
      shape: [atoms, 3],
      bytes: bytesOfArray(Float64Array.from(positions.flat())),
    },
  ];
  if (cell !== null && periodic.includes(true)) {
    arrays.push({
      name: "cell",
      dtype: "f64",
      shape: [3, 3],
      bytes: bytesOfArray(Float64Array.from(cell.flat())),
    });
  }
  const whole = (name: string, values: readonly number[]): WireArray => ({
    ...{ name, dtype: "i32", shape: [atoms] },
    bytes: bytesOfArray(Int32Array.from(values)),
  });
  if (random.chance(0.5)) arrays.push(whole("species", species));
  if (random.chance(0.2))
    arrays.push(
      whole(
        "ids",
        positions.map((_, atom) => atom),
      ),
    );
  if (hasSeed) {
    const seed = Float64Array.from({ length: atoms * classes.length }, () => random.unit() - 0.5);
    arrays.push({ name: "seed", dtype: "f64", shape: [atoms, classes.length], bytes: bytesOfArray(seed) });
  }
  return { kind: `analyse (${mode})`, header, arrays };
}
