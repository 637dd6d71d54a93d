/**
 * Writes golden.json into this folder: small systems with given logits, and the results of every kind of
 * variable and every option. The tests in TypeScript and in Python compare with it. Those in TypeScript also
 * check it against central differences of the definitions in docs/variables.md.
 *
 * Results that the file has already stay as they are. If new ones differ from them, nothing is written; after
 * a change that is meant, remove the entry from the file first.
 *
 *     npm run build && node test/variables/generate.mjs
 */
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  evaluateVariables,
  readVariables,
  resolveVariables,
  variableNames,
} from "../../dist/src/variables/index.js";

const folder = dirname(fileURLToPath(import.meta.url));

const classes = ["disordered", "fcc", "hcp", "bcc"];
const aliases = { hcp: ["A3"], bcc: ["A2"] };

/** Returns a generator of random numbers in [0, 1) with a seed (mulberry32). */
function randomNumbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/**
 * Returns random atoms in and around a cell, with logits of order one. Numbers are rounded, so that the file
 * is short and exact.
 */
function randomSystem(name, seed, { atomCount, cell, periodic, spread = 3, outside = 1, ...more }) {
  const random = randomNumbers(seed);
  const rounded = (x, digits) => Number(x.toFixed(digits));
  const rows = cell ?? [
    [5, 0, 0],
    [0, 5, 0],
    [0, 0, 5],
  ];
  const positions = Array.from({ length: atomCount }, () => {
    const shares = periodic.map(
      (wraps) => random() + (wraps && random() < 0.4 ? outside * (Math.floor(3 * random()) - 1) : 0),
    );
    return [0, 1, 2].map((i) =>
      rounded(
        shares.reduce((sum, share, axis) => sum + share * rows[axis][i], 0),
        4,
      ),
    );
  });
  const logits = Array.from({ length: atomCount }, () =>
    classes.map((_, c) => (c === 0 ? 0.75 : rounded(spread * (2 * random() - 1) + 1, 4))),
  );
  return {
    name,
    logits,
    logWeights: [0, 0, 0, 0],
    idealLogits: [0.75, 6.5, 2.25, 7],
    logitLength: 0.0625,
    lengthScale: 2.5,
    positions,
    cell,
    periodic,
    species: null,
    speciesNames: null,
    ids: null,
    ...more,
  };
}

const systems = [
  randomSystem("alloy: triclinic, periodic, species, ids, prior", 1, {
    atomCount: 9,
    cell: [
      [6.1, 0.3, -0.2],
      [1.4, 5.7, 0.1],
      [-0.9, 1.1, 6.4],
    ],
    periodic: [true, true, true],
    logWeights: [-0.4, 0.7, 0, -1.25],
    species: [1, 0, 0, 1, 0, 2, 1, 0, 0],
    speciesNames: ["Cu", "Zn", "Al"],
    ids: [104, 101, 117, 102, 109, 103, 105, 108, 112],
  }),
  randomSystem("slab: left-handed, periodic along two axes, species by number alone", 2, {
    atomCount: 12,
    cell: [
      [7.2, 0, 0.4],
      [-2.1, 6.6, 0],
      [0.5, -0.8, -9.3],
    ],
    periodic: [true, true, false],
    lengthScale: 2.3,
    species: [29, 30, 29, 29, 30, 30, 29, 29, 30, 29, 29, 30],
  }),
  randomSystem("cluster: no cell, no species", 3, {
    atomCount: 6,
    cell: null,
    periodic: [false, false, false],
  }),
  randomSystem("extreme logits, one class left out", 4, {
    atomCount: 7,
    cell: [
      [6, 0, 0],
      [0, 6, 0],
      [0, 0, 6],
    ],
    periodic: [true, true, true],
    spread: 40,
    logWeights: [0, 0, -1000, 0.5],
  }),
];
// The logits of a class of weight 0 contain -1000. The first atom has its ideal phase, the second is beyond
// it.
systems[3].logits = systems[3].logits.map(([a, b, c, d], atom) => [
  a,
  atom === 0 ? 6.5 : b,
  atom === 1 ? c - 960 : c - 1000,
  d,
]);

const slabAcross = { axis: 2, from: 0.8, to: 1.15, width: 0.2 };
const ball = { centre: [0.9, 0.1, 0.95], radius: 1.25, width: 1.2 };
const fcc = { kind: "fraction", class: "fcc" };
const distance = { kind: "distance", class: "fcc" };

/** [system, variable] */
const declared = [
  // The kinds without options.
  ...[0, 1, 2, 3].flatMap((system) => [
    [system, fcc],
    [system, { kind: "fraction", classes: ["fcc", "hcp"] }],
    [system, { kind: "meanLogit", class: "bcc" }],
    [system, { kind: "logitDifference", class: "fcc", minus: "A3" }],
    [system, distance],
    [system, { kind: "logDensity" }],
  ]),
  [0, { kind: "fraction", classes: ["disordered", "A2", "fcc"], name: "all-but_hcp.1" }],
  [0, { kind: "distance", class: "hcp" }],
  [3, { kind: "distance", class: "hcp" }],
  // Reductions and switches.
  [0, { ...fcc, reduce: "sum" }],
  [0, { ...fcc, reduce: "mean" }],
  [1, { kind: "logDensity", reduce: "mean" }],
  [1, { ...distance, reduce: "sum" }],
  [0, { ...fcc, switch: { centre: 0.5, width: 0.1 } }],
  [0, { ...fcc, switch: { centre: 0.5, width: 0.1 }, reduce: "sum" }],
  [1, { ...distance, switch: { centre: 0.4, width: 0.05 } }],
  [2, { kind: "meanLogit", class: "hcp", switch: { centre: 1, width: 0.5 } }],
  [2, { kind: "logitDifference", class: "fcc", minus: "bcc", switch: { centre: 0, width: 1 } }],
  [2, { kind: "logDensity", switch: { centre: 3, width: 0.25 } }],
  [3, { kind: "meanLogit", class: "fcc", switch: { centre: 1, width: 0.01 } }],
  // Selections.
  [0, { ...fcc, select: { ids: [101, 117, 112] } }],
  [0, { kind: "logDensity", select: { ids: [104] } }],
  [1, { ...fcc, select: { ids: [0, 11, 5] } }],
  [0, { ...fcc, select: { species: ["Cu"] } }],
  [0, { ...fcc, select: { species: ["Zn", 2] } }],
  [1, { kind: "meanLogit", class: "fcc", select: { species: [30] } }],
  [0, { ...fcc, select: { region: { axis: 0, from: 0.2, to: 0.6, width: 0.25 } } }],
  [0, { ...fcc, select: { region: slabAcross } }],
  [0, { ...fcc, select: { region: { axis: 1, from: -0.3, to: 0.1, width: 0.3 } } }],
  [0, { ...fcc, reduce: "sum", select: { region: slabAcross } }],
  [0, { kind: "logDensity", select: { region: { axis: 0, from: 0.5, to: 0.5, width: 0.5 } } }],
  [1, { ...fcc, select: { region: { axis: 2, from: 0.1, to: 0.5, width: 0.3 } } }],
  [1, { ...distance, select: { region: { axis: 1, from: 0.75, to: 1.25, width: 0.2 } } }],
  [0, { ...fcc, select: { region: ball } }],
  [0, { kind: "meanLogit", class: "hcp", reduce: "sum", select: { region: ball } }],
  [1, { ...fcc, select: { region: { centre: [0.1, 0.9, 0.4], radius: 1.5, width: 1.5 } } }],
  [1, { ...distance, select: { region: { centre: [0.5, 0.5, 0.5], radius: 0, width: 3 } } }],
  [
    0,
    {
      ...fcc,
      select: { species: ["Cu", "Zn"], region: slabAcross, ids: [104, 101, 117, 102, 109, 105, 108] },
    },
  ],
  [
    0,
    {
      ...distance,
      name: "solid",
      reduce: "sum",
      switch: { centre: 0.3, width: 0.1 },
      select: { species: ["Cu"], region: ball },
    },
  ],
  // Variables of variables.
  [0, { kind: "sum", terms: [{ weight: 2.5, variable: fcc }], constant: -0.75 }],
  [
    0,
    {
      kind: "sum",
      terms: [
        { weight: -1.5, variable: distance },
        { weight: 0.5, variable: { kind: "logDensity" } },
        { weight: 3, variable: { ...fcc, select: { region: ball } } },
      ],
    },
  ],
  [
    0,
    {
      kind: "smoothMin",
      variables: [fcc, { kind: "fraction", class: "bcc" }, { kind: "fraction", class: "hcp" }],
      sharpness: 12,
    },
  ],
  [0, { kind: "smoothMax", variables: [distance, { kind: "distance", class: "bcc" }], sharpness: 5 }],
  [2, { kind: "smoothMin", variables: [{ kind: "logDensity" }], sharpness: 1 }],
  [
    3,
    {
      kind: "smoothMax",
      variables: [{ kind: "logDensity" }, { kind: "meanLogit", class: "fcc" }],
      sharpness: 50,
    },
  ],
  [0, { kind: "switch", variable: fcc, centre: 0.4, width: 0.2 }],
  [
    1,
    {
      kind: "switch",
      variable: { ...distance, select: { region: { axis: 2, from: 0.1, to: 0.5, width: 0.3 } } },
      centre: 0.3,
      width: 0.1,
    },
  ],
  [
    0,
    {
      kind: "switch",
      centre: 0.2,
      width: 0.5,
      variable: {
        kind: "smoothMax",
        sharpness: 3,
        variables: [
          {
            kind: "sum",
            constant: 0.1,
            terms: [
              { weight: 1, variable: { ...fcc, select: { region: slabAcross } } },
              { weight: -2, variable: distance },
            ],
          },
          { kind: "switch", variable: { kind: "logDensity", reduce: "mean" }, centre: 2, width: 1 },
        ],
      },
    },
  ],
  // A sharp edge has a value, but no derivatives.
  [0, { ...fcc, select: { region: { axis: 2, from: 0.8, to: 1.15, width: 0 } } }],
  [0, { ...fcc, reduce: "sum", select: { region: { centre: [0.5, 0.5, 0.5], radius: 2.5, width: 0 } } }],
  [0, { ...fcc, select: { region: { axis: 1, from: 0, to: 1, width: 0 } } }],
];

/** Lists of variables, and their names. */
const lists = [
  [
    fcc,
    { kind: "logDensity" },
    { kind: "logitDifference", class: "fcc", minus: "A3" },
    { kind: "fraction", classes: ["fcc", "hcp"] },
  ],
  [fcc, fcc, { ...fcc, name: "solid" }, fcc],
  [fcc, { kind: "distance", class: "bcc", name: "fraction.fcc" }, fcc],
  [
    { kind: "sum", terms: [{ weight: 1, variable: fcc }] },
    { kind: "smoothMin", variables: [fcc], sharpness: 1 },
    { kind: "switch", variable: fcc, centre: 0, width: 1 },
  ],
];

/** Variables that are refused when they are read, and the faulty key. */
const nest = (levels) =>
  levels === 1 ? fcc : { kind: "switch", variable: nest(levels - 1), centre: 0, width: 1 };
const within = (region) => [{ ...fcc, select: { region } }];
const unreadable = [
  [[3], "variables[0]"],
  [{ kind: "fraction" }, "variables"],
  [[{}], "variables[0].kind"],
  [[fcc, { kind: "entropy" }], "variables[1].kind"],
  [[{ kind: "custom", name: "mine" }], "variables[0].kind"],
  [[{ kind: "fraction" }], "variables[0].class"],
  [[{ kind: "fraction", class: 1 }], "variables[0].class"],
  [[{ kind: "fraction", class: "fcc", classes: ["hcp"] }], "variables[0].classes"],
  [[{ kind: "fraction", classes: [] }], "variables[0].classes"],
  [[{ kind: "fraction", classes: ["fcc", 2] }], "variables[0].classes"],
  [[{ kind: "logitDifference", class: "fcc" }], "variables[0].minus"],
  [[{ ...fcc, minus: "hcp" }], "variables[0].minus"],
  [[{ kind: "logDensity", class: "fcc" }], "variables[0].class"],
  [[{ ...fcc, colour: "red" }], "variables[0].colour"],
  [[{ ...fcc, name: "two words" }], "variables[0].name"],
  [[{ ...fcc, name: "" }], "variables[0].name"],
  [
    [
      { ...fcc, name: "a" },
      { kind: "logDensity", name: "a" },
    ],
    "variables[1].name",
  ],
  [[{ ...fcc, reduce: "median" }], "variables[0].reduce"],
  [[{ ...fcc, switch: { centre: 0.5 } }], "variables[0].switch.width"],
  [[{ ...fcc, switch: { centre: 0.5, width: 0 } }], "variables[0].switch.width"],
  [[{ ...fcc, switch: { centre: 0.5, width: 1, steep: 2 } }], "variables[0].switch.steep"],
  [[{ ...fcc, select: {} }], "variables[0].select"],
  [[{ ...fcc, select: { ids: [] } }], "variables[0].select.ids"],
  [[{ ...fcc, select: { ids: [1.5] } }], "variables[0].select.ids"],
  [[{ ...fcc, select: { species: [1.5] } }], "variables[0].select.species"],
  [[{ ...fcc, select: { labels: [1] } }], "variables[0].select.labels"],
  [within({}), "variables[0].select.region.centre"],
  [within({ axis: 3, from: 0, to: 1, width: 0.1 }), "variables[0].select.region.axis"],
  [within({ axis: 2, from: 0.5, to: 0.25, width: 0.1 }), "variables[0].select.region.to"],
  [within({ axis: 2, from: 0.5, to: 0.75, width: -0.1 }), "variables[0].select.region.width"],
  [within({ axis: 2, from: 0.5, to: 0.75 }), "variables[0].select.region.width"],
  [within({ axis: 2, from: 0.5, to: 0.75, width: 0.1, radius: 1 }), "variables[0].select.region.radius"],
  [within({ centre: [0, 0], radius: 1, width: 1 }), "variables[0].select.region.centre"],
  [within({ centre: [0, 0, 0], radius: -1, width: 1 }), "variables[0].select.region.radius"],
  [[{ kind: "sum", terms: [] }], "variables[0].terms"],
  [[{ kind: "sum", terms: [{ variable: fcc }] }], "variables[0].terms[0].weight"],
  [[{ kind: "sum", terms: [{ weight: 1 }] }], "variables[0].terms[0].variable"],
  [
    [{ kind: "sum", terms: [{ weight: 1, variable: { kind: "fraction" } }] }],
    "variables[0].terms[0].variable.class",
  ],
  [[{ kind: "smoothMin", variables: [fcc] }], "variables[0].sharpness"],
  [[{ kind: "smoothMin", variables: [fcc], sharpness: 0 }], "variables[0].sharpness"],
  [
    [{ kind: "smoothMax", variables: [fcc, { ...fcc, name: "b" }, { ...fcc, name: "b" }], sharpness: 1 }],
    "variables[0].variables[2].name",
  ],
  [[{ kind: "switch", variable: fcc, centre: 0, width: 0 }], "variables[0].width"],
  [[nest(5)], "variables[0].variable.variable.variable.variable"],
  [[{ kind: "smoothMin", variables: new Array(64).fill(fcc), sharpness: 1 }], "variables"],
];

/** [system, variable, code, faulty key]: refused once model and frame are known. */
const unusable = [
  [0, { kind: "fraction", class: "omega" }, "BAD_OPTION", "variables[0].class"],
  [0, { kind: "logitDifference", class: "fcc", minus: "omega" }, "BAD_OPTION", "variables[0].minus"],
  [0, { kind: "fraction", classes: ["hcp", "A3"] }, "BAD_OPTION", "variables[0].classes[1]"],
  [0, { kind: "fraction", classes: ["hcp", "omega"] }, "BAD_OPTION", "variables[0].classes[1]"],
  [0, { ...fcc, select: { ids: [101, 7] } }, "EMPTY_SELECTION", "variables[0].select.ids"],
  [1, { ...fcc, select: { ids: [12] } }, "EMPTY_SELECTION", "variables[0].select.ids"],
  [0, { ...fcc, select: { species: ["Cu", "Fe"] } }, "EMPTY_SELECTION", "variables[0].select.species"],
  [1, { ...fcc, select: { species: ["Cu"] } }, "EMPTY_SELECTION", "variables[0].select.species"],
  [2, { ...fcc, select: { species: [0] } }, "EMPTY_SELECTION", "variables[0].select.species"],
  [2, { ...fcc, select: { region: slabAcross } }, "MISSING_CELL", "variables[0].select.region"],
  [
    0,
    { ...fcc, select: { region: { axis: 2, from: 0.1, to: 0.7, width: 0.25 } } },
    "BAD_OPTION",
    "variables[0].select.region.width",
  ],
  [
    0,
    { ...fcc, select: { region: { centre: [0, 0, 0], radius: 2, width: 1.5 } } },
    "BAD_OPTION",
    "variables[0].select.region.radius",
  ],
  [
    0,
    {
      kind: "smoothMin",
      sharpness: 1,
      variables: [fcc, { ...fcc, select: { ids: [101], species: ["Zn"] } }],
    },
    "EMPTY_SELECTION",
    "variables[0].variables[1].select",
  ],
  [
    1,
    { ...fcc, select: { region: { axis: 2, from: 5, to: 6, width: 0.1 } } },
    "EMPTY_SELECTION",
    "variables[0].select",
  ],
];

const known = classes.map((name) => ({ name, aliases: aliases[name] ?? [] }));
const rows = (flat, width) =>
  Array.from({ length: flat.length / width }, (_, row) =>
    Array.from(flat.slice(width * row, width * row + width)),
  );

/** Evaluates a variable on a system of this file. */
function evaluate({ logits, positions, cell, ...rest }, variable) {
  const resolved = resolveVariables(readVariables([variable]), known);
  return evaluateVariables(resolved, {
    ...rest,
    classCount: classes.length,
    logits: Float64Array.from(logits.flat()),
    positions: Float64Array.from(positions.flat()),
    cell: cell === null ? null : Float64Array.from(cell.flat()),
  });
}

function expected([system, variable]) {
  const evaluation = evaluate(systems[system], variable);
  const value = evaluation.values[0];
  if (variable.select?.region?.width === 0) return { system, variable, value };
  const { seed, gradient, virial, logLengthScale } = evaluation.derivatives([1]);
  return {
    system,
    variable,
    value,
    seed: rows(seed, classes.length),
    gradient: gradient && rows(gradient, 3),
    virial: rows(virial, 3),
    logLengthScale,
  };
}

const stored = JSON.parse(readFileSync(join(folder, "golden.json"), "utf8"));

/** Whether two results agree to 1e-12, of their largest number if that is above 1. */
function agree(one, other) {
  const [numbers, others] = [one, other].map((result) =>
    Object.values(result).map((part) => [part ?? []].flat(2)),
  );
  return numbers.every((part, index) => {
    const largest = Math.max(1, ...part.map(Math.abs));
    const same = part.map((number, place) => Math.abs(number - others[index][place]) <= 1e-12 * largest);
    return part.length === others[index].length && same.every(Boolean);
  });
}

/** The stored case of a fresh one, if there is one, or the fresh one. */
function kept(fresh) {
  const { system, variable, ...result } = fresh;
  const key = (systemsOf, one) => JSON.stringify([systemsOf[one.system], one.variable]);
  const found = stored.cases.find((one) => key(stored.systems, one) === key(systems, fresh));
  if (found === undefined) return fresh;
  const { system: _, variable: __, ...before } = found;
  if (agree(result, before)) return { ...found, system };
  throw new Error(
    `the result of ${JSON.stringify(variable)} in system ${system} differs from the stored one`,
  );
}

const golden = {
  format: "phasewire-variables-golden",
  version: 1,
  description:
    "Systems of N atoms and C classes, and what variables (docs/variables.md) are there. `systems`: logits N x C with logWeights in them, idealLogits without, logitLength in units of lengthScale (a0), cell vectors as rows, species as numbers that index speciesNames where there are any, ids (null: numbers from 0). `cases`: of the system of that number, value, seed = dV/dl (N x C), gradient = dV/dr at fixed logits (N x 3; null: none), virial = the direct one (3 x 3), logLengthScale = dV/dlog a0 at fixed logits; without these where an edge is sharp. `names`: lists and the names of their variables. `unreadable`: lists that are refused as BAD_OPTION, and the key at fault. `unusable`: variables that are refused on a system, with code and key.",
  classes,
  aliases,
  systems,
  cases: declared.map(expected).map(kept),
  names: lists.map((variables) => ({ variables, names: variableNames(readVariables(variables)) })),
  unreadable: unreadable.map(([variables, field]) => ({ variables, field })),
  unusable: unusable.map(([system, variable, code, field]) => ({ system, variable, code, field })),
};

// One entry per line, so that the file is readable and differences are small.
const entries = Object.entries(golden).map(([key, value]) =>
  Array.isArray(value) && typeof value[0] === "object"
    ? `${JSON.stringify(key)}: [\n${value.map((item) => JSON.stringify(item)).join(",\n")}\n]`
    : `${JSON.stringify(key)}: ${JSON.stringify(value)}`,
);
writeFileSync(join(process.argv[2] ?? folder, "golden.json"), `{\n${entries.join(",\n")}\n}\n`);
