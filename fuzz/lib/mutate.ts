/** Mistakes in structured values: one to three at random places of a tree. */
import { isPlainMap, Pairs, pack, Raw, type Tree } from "./packer.js";
import type { Random } from "./random.js";

/** Values that programs often get wrong. */
const numbers: readonly Tree[] = [
  ...[0, -0, 1, -1, 0.5, 1e-320, 1e-9, 1e9, 1e300, -1e300, Number.MAX_VALUE],
  ...[Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  ...[2 ** 31, -(2 ** 31), 2 ** 32, 2 ** 53, 2 ** 53 + 2, -(2 ** 53) - 2, 1e21],
  ...[2n ** 63n, 2n ** 64n - 1n, -(2n ** 63n)],
];

const texts: readonly string[] = [
  ...["", " ", "\0", "a\0b", "null", "0", "-1", "NaN", "true", "[]", "é", "\u202e", "💠", "a".repeat(129)],
  ...["__proto__", "constructor", "toString", "length", "hasOwnProperty", "valueOf", "prototype"],
  ...["../../etc/passwd", "%s%n", "fcc", "FCC", "disordered", "positions", "shared", "part"],
];

/** MessagePack that is not allowed in a header, or is broken. */
const rawBytes: readonly (readonly number[])[] = [
  [0xc1],
  [0xc4, 2, 1, 2],
  [0xd4, 1, 7],
  [0xd6, 0xff, 0, 0, 0, 1],
  [0xc7, 3, 5, 1, 2, 3],
  [0xa3, 0xff, 0xfe, 0xfd],
  [0xa3, 0xed, 0xa0, 0x80],
  [0xca, 0x7f, 0xc0, 0, 0],
  [0xcb, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0],
  [0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0xdd, 0xff, 0xff, 0xff, 0xff],
  [0xdf, 0x7f, 0xff, 0xff, 0xff],
  [0xdb, 0xff, 0xff, 0xff, 0xf0],
  [0xd9, 0x20, 0x41],
];

/** How far a mutation may go. */
export interface MutationRules {
  /** Whether the tree becomes MessagePack, which may be broken; else it becomes JSON. */
  readonly binary: boolean;
}

/** A copy of a tree with one to three mistakes. */
export function mutate(tree: Tree, random: Random, rules: MutationRules): Tree {
  let changed = tree;
  for (let left = random.between(1, 3); left > 0; left--) changed = mutateOnce(changed, random, rules);
  return changed;
}

function mutateOnce(tree: Tree, random: Random, rules: MutationRules): Tree {
  const places = pathsOf(tree);
  return replaceAt(tree, random.pick(places), (value) => mistake(value, tree, random, rules));
}

type Path = readonly (string | number)[];

/** All places of a tree, but at most a few of long lists. */
function pathsOf(tree: Tree, path: Path = []): Path[] {
  const children: [string | number, Tree][] = Array.isArray(tree)
    ? tree.slice(0, 8).map((item, index) => [index, item])
    : isPlainMap(tree)
      ? Object.entries(tree)
      : [];
  return [path, ...children.flatMap(([key, item]) => pathsOf(item, [...path, key]))];
}

function replaceAt(tree: Tree, [key, ...rest]: Path, change: (value: Tree) => Tree): Tree {
  if (key === undefined) return change(tree);
  if (Array.isArray(tree)) {
    return tree.map((item, index) => (index === key ? replaceAt(item, rest, change) : item));
  }
  if (!isPlainMap(tree)) return tree;
  // `__proto__` as a computed key of a literal would set the prototype.
  return Object.fromEntries(
    Object.entries(tree).map(([name, item]) => [name, name === key ? replaceAt(item, rest, change) : item]),
  );
}

function mistake(value: Tree, whole: Tree, random: Random, rules: MutationRules): Tree {
  const number = (): Tree => {
    const chosen = random.pick(numbers);
    return rules.binary || (typeof chosen === "number" && Number.isFinite(chosen)) ? chosen : 1e308;
  };
  const anything = (): Tree => random.pick<Tree>([null, true, false, [], {}, number(), random.pick(texts)]);
  const common: [number, () => Tree][] = [
    [2, anything],
    [1, () => nested(value, random.pick([2, 3, 5, 15, 16, 17, 40, 400]), random)],
    [1, () => other(whole, random)],
    [0.3, () => "x".repeat(random.pick([128, 129, 1000, 70_000, 300_000]))],
  ];
  if (rules.binary) {
    common.push([1, () => new Raw(Buffer.from(random.pick(rawBytes)))]);
    common.push([0.3, () => new Raw(random.bytes(random.between(1, 12)))]);
  }
  if (typeof value === "number" || typeof value === "bigint") {
    return random.choose([
      [4, number],
      [1, () => -Number(value)],
      [1, () => Number(value) + random.pick([-1, 1, 0.5, 1e-9])],
      [1, () => Number(value) * random.pick([0.01, 10, 1000, 1e30])],
      [1, () => String(value)],
      ...common,
    ]);
  }
  if (typeof value === "string") {
    return random.choose([
      [3, () => random.pick(texts)],
      [1, () => value.toUpperCase()],
      [1, () => value.slice(0, random.below(value.length + 1))],
      [1, () => `${value}${random.pick(texts)}`],
      [1, () => "\ud800"],
      ...common,
    ]);
  }
  if (Array.isArray(value)) {
    const chosen = random.below(value.length);
    return random.choose([
      [2, () => value.filter((_, index) => index !== chosen)],
      [2, () => [...value, ...value]],
      [1, () => [...value, anything()]],
      [1, () => [...value].reverse()],
      [1, () => Array.from({ length: random.pick([17, 65, 300, 5000]) }, () => scalarOf(value[0]))],
      ...common,
    ]);
  }
  if (isPlainMap(value)) return mistakeInMap(value, random, anything, common, rules);
  return random.choose(common);
}

function mistakeInMap(
  map: { [key: string]: Tree },
  random: Random,
  anything: () => Tree,
  common: [number, () => Tree][],
  rules: MutationRules,
): Tree {
  const entries = Object.entries(map);
  const without = (index: number) => entries.filter((_, other) => other !== index);
  const chosen = entries[random.below(entries.length)];
  const renamed = (): Tree =>
    chosen === undefined
      ? map
      : Object.fromEntries([...without(entries.indexOf(chosen)), [random.pick(texts), chosen[1]]]);
  const choices: [number, () => Tree][] = [
    [4, () => Object.fromEntries(without(random.below(entries.length)))],
    [2, () => Object.fromEntries([...entries, [random.pick(texts), anything()]])],
    [2, renamed],
    [
      0.3,
      () =>
        Object.fromEntries([
          ...entries,
          ...Array.from({ length: random.pick([70, 300, 40_000]) }, (_, index) => [`k${index}`, index]),
        ]),
    ],
  ];
  if (rules.binary && chosen !== undefined) {
    choices.push([1, () => new Pairs([...entries, [chosen[0], anything()]])]);
    choices.push([0.5, () => new Pairs([...entries, [random.pick<Tree>([1, null, true, []]), 1]])]);
  }
  return random.choose([...choices, ...common.map(([weight, act]) => [weight / 4, act] as const)]);
}

/** A value to repeat often: deep ones would only keep the attacker busy. */
function scalarOf(value: Tree | undefined): Tree {
  return typeof value === "object" || value === undefined ? 0 : value;
}

/** A value inside lists or maps of a depth. */
function nested(value: Tree, depth: number, random: Random): Tree {
  const inLists = random.chance(0.5);
  let result = value;
  for (let level = 0; level < depth; level++) result = inLists ? [result] : { a: result };
  return result;
}

/** A value from another place of the tree. */
function other(whole: Tree, random: Random): Tree {
  let found = whole;
  for (const key of random.pick(pathsOf(whole))) found = (found as { [key: string]: Tree })[key]!;
  // A whole tree within itself grows without end.
  return found === whole || pack(found).length > 4096 ? null : found;
}
