/**
 * A small language for attacks on a server: what connections send, and what they expect. Cases are in it, so
 * a file repeats them byte by byte.
 */
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { errorCatalogue } from "../../src/errors/index.js";
import type { Case } from "../lib/cases.js";
import { Stopwatch } from "../lib/patience.js";
import type { Tally } from "../lib/tally.js";
import { type Answer, Attacker, type AttackerOptions } from "./attacker.js";
import { bytesOf, type Part } from "./parts.js";

/** One step of an attack. `as` names a connection, which the first step that names it opens. */
export type Step =
  | { readonly as: string; readonly open: AttackerOptions }
  | {
      readonly as: string;
      readonly send: readonly Part[];
      /** "one" waits for the answer, "any" goes on at once. */
      readonly answer: "one" | "any";
      /** The kind of message, for the table. */
      readonly kind: string;
    }
  /** Makes a shared file, or changes its size later. */
  | { readonly as: string; readonly share: number }
  | { readonly as: string; readonly resize: number }
  | { readonly as: string; readonly close: true }
  /** Bytes on a plain connection to the server's socket, which reads nothing. */
  | { readonly raw: string; readonly base64: string }
  | { readonly raw: string; readonly close: true }
  | { readonly pause: number }
  | { readonly times: number; readonly steps: readonly Step[] };

export interface ServerCase extends Case {
  readonly target: "server";
  readonly steps: readonly Step[];
}

/** The server under attack. */
export interface Victim {
  readonly endpoint: string;
  readonly pid: number;
  /** Whether it still runs. */
  readonly isAlive: boolean;
}

/** Seconds within which a ping is answered. */
export const pingLimit = 2;
/** Seconds within which a frame is answered, which waits for the analyses of others. */
const frameLimit = 30;
/** Sequence number of the last ping of a connection, above all others. */
const lastPing = 2 ** 40;

/** Plays an attack, and reports broken promises to the tally. */
export async function play(attack: ServerCase, victim: Victim, tally: Tally): Promise<void> {
  const player = new Player(attack, victim, tally);
  try {
    await player.play(attack.steps);
    await player.sayGoodbye();
  } finally {
    player.close();
  }
}

class Player {
  private readonly attackers = new Map<string, Attacker>();
  private readonly connections = new Map<string, Socket>();
  private sequence = 0;

  constructor(
    private readonly attack: ServerCase,
    private readonly victim: Victim,
    private readonly tally: Tally,
  ) {}

  async play(steps: readonly Step[]): Promise<void> {
    for (const step of steps) {
      if (!this.victim.isAlive) return;
      if ("pause" in step) await sleep(step.pause);
      else if ("times" in step) {
        for (let turn = 0; turn < step.times; turn++) await this.play(step.steps);
      } else if ("raw" in step) await this.actOnBytes(step);
      else await this.act(step);
    }
  }

  /** Pings on each connection that reads: it must still be served. */
  async sayGoodbye(): Promise<void> {
    for (const [name, attacker] of this.attackers) {
      if (attacker.options.deaf || !this.victim.isAlive) continue;
      const sequence = lastPing;
      await attacker.send([bytesOf({ header: { type: "ping", sequence } }, 0, null)]);
      const isPong = ({ header }: Answer) => header.type === "pong" && header.sequence === sequence;
      await this.await(attacker, `the last ping of ${name}`, pingLimit, isPong);
    }
  }

  close(): void {
    for (const attacker of this.attackers.values()) attacker.close();
    for (const connection of this.connections.values()) connection.destroy();
  }

  private async actOnBytes(step: Extract<Step, { raw: string }>): Promise<void> {
    const known = this.connections.get(step.raw);
    if ("close" in step) {
      known?.destroy();
      return;
    }
    this.tally.sent("stream");
    const connection = known ?? connect(this.victim.endpoint.replace("ipc://", ""));
    this.connections.set(step.raw, connection);
    if (known === undefined) {
      // The server may close it at any time.
      connection.on("error", () => undefined);
      connection.pause();
    }
    connection.write(Buffer.from(step.base64, "base64"));
    await sleep(1);
  }

  private async act(step: Extract<Step, { as: string }>): Promise<void> {
    if ("open" in step) {
      this.attackers.get(step.as)?.close();
      this.attackers.set(step.as, new Attacker(this.victim.endpoint, step.open));
      return;
    }
    const attacker = this.attackers.get(step.as) ?? new Attacker(this.victim.endpoint);
    this.attackers.set(step.as, attacker);
    if ("share" in step) attacker.share(step.share);
    else if ("resize" in step) attacker.resize(step.resize);
    else if ("close" in step) {
      attacker.close();
      this.attackers.delete(step.as);
    } else await this.send(attacker, step);
  }

  private async send(
    attacker: Attacker,
    { send, answer, kind }: Extract<Step, { send: readonly Part[] }>,
  ): Promise<void> {
    const sequence = this.sequence++;
    this.tally.sent(kind);
    const isSent = await attacker.send(send.map((part) => bytesOf(part, sequence, attacker.offer)));
    if (!isSent || answer === "any") return;
    const found = await this.await(attacker, kind, frameLimit, isAnswer);
    if (found?.header.type === "welcome") attacker.removeName();
  }

  /** Waits for a message; every message on the way is checked, too. */
  private async await(
    attacker: Attacker,
    what: string,
    limit: number,
    isIt: (answer: Answer) => boolean,
  ): Promise<Answer | null> {
    const { victim, tally, attack } = this;
    const watch = new Stopwatch([victim.pid]);
    while (victim.isAlive) {
      const answer = await attacker.next(100);
      if (answer !== null) {
        this.check(answer);
        if (!isIt(answer)) continue;
        tally.took(watch.elapsed, what);
        return answer;
      }
      if (watch.exceeds(limit)) {
        tally.breach(`no answer to ${what} within ${limit} s (${attack.what})`, [attack]);
        return null;
      }
    }
    return null;
  }

  private check({ header }: Answer): void {
    const problem = problemOf(header);
    this.tally.answered(String(header.code ?? header.type));
    this.tally.checks++;
    if (problem === null) return;
    this.tally.breach(`${problem} (${this.attack.what}): ${JSON.stringify(header).slice(0, 500)}`, [
      this.attack,
    ]);
  }
}

/** Whether a message answers one of the client's. */
function isAnswer({ header }: Answer): boolean {
  return header.type !== "observed" && header.sequence !== undefined;
}

const codes: ReadonlySet<string> = new Set(Object.keys(errorCatalogue));
const isText = (value: unknown): boolean => typeof value === "string" && value !== "";

/** The fault of a message of the server; null if it has none. */
export function problemOf(header: Readonly<Record<string, unknown>>): string | null {
  if (header.type !== "error") return null;
  const { code, field, message, remedy } = header;
  if (code === "INTERNAL") return "a fault of the server";
  if (typeof code !== "string" || !codes.has(code)) return `the unknown code ${String(code)}`;
  if (!isText(message)) return "an error without a message";
  if (!isText(remedy)) return "an error without a remedy";
  if (field !== null && !isText(field)) return "an error without a field";
  return null;
}
