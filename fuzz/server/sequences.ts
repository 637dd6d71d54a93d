/** Attacks by the order, number and timing of messages. */
import type { Random } from "../lib/random.js";
import { analyse, type Facts, type Message } from "./messages.js";
import type { Part } from "./parts.js";
import type { Step } from "./script.js";

/** An attack, and its name. */
export interface Sequence {
  readonly what: string;
  readonly steps: readonly Step[];
}

const hello = (as: string, more: Extract<Part, { hello: object }>["hello"] = {}): Step => ({
  ...{ as, answer: "one", kind: "hello" },
  send: [{ hello: more }],
});

const ask = (as: string, type: string, answer: "one" | "any" = "one"): Step => ({
  ...{ as, answer, kind: type },
  send: [{ header: { type } }],
});

/** A frame of a generator as a step. Its sequence number is given when it is sent. */
function frame(as: string, { kind, header, arrays }: Message, answer: "one" | "any"): Step {
  const descriptors = arrays.map(({ name, dtype, shape }) => ({ name, dtype, shape: [...shape] }));
  const parts = arrays.map(({ bytes }): Part => ({ base64: bytes.toString("base64") }));
  return { as, answer, kind, send: [{ header: { ...header, arrays: descriptors } }, ...parts] };
}

/** A frame of atoms spread evenly over a periodic cell, with about this number of neighbours each. */
function cloud(as: string, atoms: number, neighbours: number, seed: number, answer: "one" | "any"): Step {
  // At a density of 1 atom per cubed length scale, an atom has about 20 neighbours.
  const lengthScale = (neighbours / 20) ** (1 / 3);
  const size = atoms ** (1 / 3);
  const header = {
    ...{ type: "analyse", mode: "request", step: 1, periodic: [true, true, true], lengthScale },
    arrays: [
      { name: "positions", dtype: "f64", shape: [atoms, 3] },
      { name: "cell", dtype: "f64", shape: [3, 3] },
    ],
  };
  const cell = [size, 0, 0, 0, size, 0, 0, 0, size];
  return {
    ...{ as, answer, kind: "analyse (dense)" },
    send: [{ header }, { cloud: { atoms, size, seed } }, { f64: cell }],
  };
}

/** A frame that keeps the server busy for a while: a crystal to denoise. */
function heavy(as: string, side: number, steps: number, seed: number, answer: "one" | "any"): Step {
  const header = {
    ...{
      type: "analyse",
      mode: "request",
      step: 1,
      periodic: [true, true, true],
      lengthScale: 1,
      denoise: steps,
    },
    arrays: [
      { name: "positions", dtype: "f64", shape: [side ** 3, 3] },
      { name: "cell", dtype: "f64", shape: [3, 3] },
    ],
  };
  return {
    ...{ as, answer, kind: "analyse (heavy)" },
    send: [{ header }, { grid: { side, noise: 0.1, seed } }, { f64: [side, 0, 0, 0, side, 0, 0, 0, side] }],
  };
}

/** One of the sequences, with random numbers. */
export function sequence(random: Random, facts: Facts): Sequence {
  const one = (as: string, answer: "one" | "any" = "one"): Step => frame(as, analyse(random, facts), answer);
  const requestOf = (as: string, answer: "one" | "any"): Step => {
    const message = analyse(random, facts);
    return frame(as, { ...message, header: { ...message.header, mode: "request" } }, answer);
  };
  const times = (count: number, ...steps: Step[]): Step => ({ times: count, steps });
  return random.choose<Sequence>([
    [2, () => ({ what: "hello twice", steps: [hello("a"), one("a", "any"), hello("a"), one("a")] })],
    [
      2,
      () => ({ what: "a frame before hello", steps: [one("a"), ask("a", "status"), hello("a"), one("a")] }),
    ],
    [
      2,
      () => ({
        what: "disconnect with frames under way",
        steps: [hello("a"), times(random.between(1, 6), one("a", "any")), { as: "a", close: true }],
      }),
    ],
    [
      2,
      () => ({
        what: "a flood of pings that is not read, then gone",
        steps: [
          { as: "a", open: { deaf: true } },
          { as: "a", send: [{ hello: {} }], answer: "any", kind: "hello" },
          heavy("a", random.between(6, 16), random.between(1, 8), random.below(1e6), "any"),
          times(random.between(20, 300), ask("a", "ping", "any")),
          { pause: random.below(5) },
          { as: "a", close: true },
        ],
      }),
    ],
    [
      1,
      () => ({
        what: "a flood of frames",
        steps: [
          hello("a"),
          times(random.between(10, 40), requestOf("a", "any")),
          { pause: random.below(20) },
        ],
      }),
    ],
    [
      1,
      () => ({
        what: "many sessions without goodbye",
        steps: Array.from({ length: random.pick([10, 40]) }, (_, index) =>
          hello(`s${index}`, { run: "many" }),
        ),
      }),
    ],
    [
      1,
      () => {
        const routingId = `again-${random.below(3)}`;
        return {
          what: "a routing id again",
          steps: [
            { as: "a", open: { routingId, deaf: true } },
            { as: "a", send: [{ hello: {} }], answer: "any", kind: "hello" },
            times(3, one("a", "any")),
            { as: "a", close: true },
            { as: "b", open: { routingId: `${routingId}-${random.below(1e9)}` } },
            hello("b"),
            one("b"),
          ],
        };
      },
    ],
    [
      2,
      () => ({
        what: "frames after goodbye",
        steps: [hello("a"), requestOf("a", "any"), ask("a", "goodbye", "any"), one("a"), ask("a", "series")],
      }),
    ],
    [
      1,
      () => ({
        what: "a storm of subscriptions",
        steps: [
          hello("a"),
          times(random.between(5, 50), ask("a", "subscribe", "any"), ask("a", "unsubscribe", "any")),
          ask("a", "subscribe", "any"),
          { pause: 20 },
        ],
      }),
    ],
    [
      1,
      () => ({
        what: "a watcher that does not read",
        steps: [
          { as: "w", open: { deaf: true } },
          { as: "w", send: [{ hello: {} }], answer: "any", kind: "hello" },
          {
            ...{ as: "w", answer: "any", kind: "subscribe" },
            send: [{ header: { type: "subscribe", fields: ["labels", "positions"] } }],
          },
          hello("a"),
          times(random.between(5, 40), one("a")),
        ],
      }),
    ],
    [
      1,
      () => ({
        what: "a dense frame",
        steps: [
          hello("a"),
          cloud("a", random.pick([64, 256, 1000]), random.pick([100, 1e3, 1e6]), random.below(1e6), "one"),
        ],
      }),
    ],
    [2, () => shared(random, facts)],
    [
      0.5,
      () => ({
        what: "large parts that no array describes",
        steps: [
          hello("a"),
          {
            ...{ as: "a", answer: "one", kind: "large parts" },
            send: [
              { header: { type: "ping" } },
              ...Array.from({ length: random.between(1, 8) }, (): Part => ({ fill: 1, bytes: 1 << 20 })),
            ],
          },
        ],
      }),
    ],
  ]);
}

const offsets = [0, 1, 63, 64, 65, 4096, 2 ** 31, 2 ** 53 - 1, 2 ** 53, -1, 0.5, 1e300];

/** Arrays in a shared file, at places that may be wrong, in a file that may become shorter. */
function shared(random: Random, facts: Facts): Sequence {
  const { header, arrays, kind } = analyse(random, facts);
  const bytes = random.pick([64, 4096, 65_536]);
  const place = (): number => random.pick(offsets);
  const descriptors = arrays.map(({ name, dtype, shape }) => ({
    ...{ name, dtype, shape: [...shape] },
    ...(random.chance(0.8)
      ? { source: random.pick(["shared", "shared", "shared", "part", "file"]), offset: place() }
      : {}),
  }));
  const parts = arrays.filter((_, index) => !("source" in descriptors[index]!));
  const send: Part[] = [
    { header: { ...header, arrays: descriptors, resultSpace: { offset: place(), bytes: place() } } },
    ...parts.map((array): Part => ({ base64: array.bytes.toString("base64") })),
  ];
  const step: Step = { as: "a", answer: "one", kind: `${kind}, shared`, send };
  const cut: Step[] = random.chance(0.4) ? [{ as: "a", resize: random.pick([0, 65, 128]) }] : [];
  return {
    what: "arrays in shared memory",
    steps: [
      { as: "a", share: bytes },
      hello("a", { shared: true }),
      step,
      ...cut,
      { ...step, answer: "one" },
    ],
  };
}
