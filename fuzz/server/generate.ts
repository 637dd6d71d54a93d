/** Attacks on a server, by number: seed and number repeat them. */
import { Random } from "../lib/random.js";
import { type Facts, validMessage } from "./messages.js";
import { mistaken } from "./mistakes.js";
import type { ServerCase, Step } from "./script.js";
import { sequence } from "./sequences.js";
import { stream } from "./streams.js";

/** The share of attacks that are sequences; the others send messages with mistakes, one after the other. */
const sequenceShare = 0.08;

/** The share of attacks that send bytes on plain connections. */
const streamShare = 0.08;

/** An attack of a few messages. */
export function generateAttack(
  seed: number,
  number: number,
  facts: Facts,
  golden: readonly Buffer[][],
): ServerCase {
  const random = new Random(seed, number);
  const origin = `seed ${seed}, attack ${number}`;
  if (random.chance(sequenceShare)) {
    const { what, steps } = sequence(random, facts);
    return { target: "server", what: `${what}; ${origin}`, steps };
  }
  if (random.chance(streamShare)) {
    const { what, pieces } = stream(random, facts);
    const steps = pieces.map((bytes): Step => ({ raw: "r", base64: bytes.toString("base64") }));
    const check: Step = { as: "a", send: [{ header: { type: "ping" } }], answer: "one", kind: "ping" };
    return { target: "server", what: `${what}; ${origin}`, steps: [...steps, { pause: 10 }, check] };
  }
  const messages = Array.from({ length: random.between(4, 16) }, (_, index): Step => {
    const { kind, parts } = mistaken(validMessage(random, facts), index + 1, random, golden);
    return { as: "a", send: parts, answer: "one", kind };
  });
  const greeting: Step = { as: "a", send: [{ hello: { run: "fuzz-0" } }], answer: "one", kind: "hello" };
  const isStranger = random.chance(0.1);
  return {
    target: "server",
    what: `messages with mistakes; ${origin}`,
    steps: [...(isStranger ? [] : [greeting]), ...messages],
  };
}
