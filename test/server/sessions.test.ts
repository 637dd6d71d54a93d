import { describe, expect, it } from "vitest";
import { SeriesStore } from "../../bridge/server/sessions/series.js";
import { Session } from "../../bridge/server/sessions/session.js";
import { Sessions } from "../../bridge/server/sessions/sessions.js";
import { serverLimits } from "../../bridge/server/wire/limits.js";
import type { Analyse, Mode, ResultScalars } from "../../bridge/server/wire/wire.js";

const limits = serverLimits(1000);

function session(name: string, lastHeard = 0, process: string | null = null): Session {
  const connection = { name, noticesItsEnd: true, peer: "", send: async () => "sent" as const };
  const hello = {
    type: "hello" as const,
    sequence: 0,
    versions: [3],
    client: { name, version: "0" },
    process,
    requires: [],
    run: name,
    engine: null,
    title: null,
    classes: null,
    shared: null,
    nonce: null,
    proof: null,
  };
  return new Session(connection, hello, limits, lastHeard);
}

/** The runs and steps of frames that gave their memory back. */
const released: string[] = [];

function many(inAll: number, ofPeer = inAll): Sessions {
  return new Sessions({ inAll, ofPeer });
}

function enqueue(target: Session, mode: Mode, ...steps: number[]): void {
  for (const step of steps) {
    const grant = { release: () => void released.push(`${target.run}${step}`) };
    target.enqueue({ message: { mode, step, sequence: step } as Analyse, receivedAt: 0, grant });
  }
}

/** The runs and steps of all waiting frames, in the order of their turns. */
function order(sessions: Sessions): string[] {
  const turns: string[] = [];
  for (let next = sessions.next(); next !== null; next = sessions.next()) {
    turns.push(`${next.session.run}${next.job.message.step}`);
  }
  return turns;
}

describe("a session's queues", () => {
  it("keep the newest monitor frames", () => {
    const one = session("a");
    enqueue(one, "monitor", 1, 2, 3, 4, 5);
    expect(one.dropped).toBe(3);
    expect(one.queued).toBe(2);
    expect([one.take("monitor"), one.take("monitor")].map((job) => job!.message.step)).toEqual([4, 5]);
    expect(one.take("monitor")).toBeNull();
  });

  it("never drop a frame that a simulation waits for", () => {
    const one = session("a");
    for (let step = 0; step < 8; step++) enqueue(one, step % 2 === 0 ? "request" : "bias", step);
    expect(() => enqueue(one, "bias", 8)).toThrow(expect.objectContaining({ code: "QUEUE_FULL", value: 8 }));
    enqueue(one, "monitor", 9);
    expect(one.queued).toBe(9);
    expect(one.dropped).toBe(0);
    expect(one.take("waiting")!.message.step).toBe(0);
  });
});

describe("turns", () => {
  it("rotate among the sessions", () => {
    const sessions = many(8);
    const [a, b] = [session("a"), session("b")];
    for (const one of [a, b]) sessions.add(one);
    enqueue(a, "request", 1, 2, 3);
    enqueue(b, "request", 1, 2);
    expect(order(sessions)).toEqual(["a1", "b1", "a2", "b2", "a3"]);
  });

  it("put frames that a simulation waits for first, but one of four is a monitor frame", () => {
    const sessions = many(8);
    const [a, b] = [session("a"), session("b")];
    for (const one of [b, a]) sessions.add(one);
    enqueue(a, "bias", 1, 2, 3, 4, 5, 6, 7);
    enqueue(b, "monitor", 1, 2);
    expect(order(sessions)).toEqual(["a1", "a2", "a3", "b1", "a4", "a5", "a6", "b2", "a7"]);
  });

  it("pass over frames that may not start yet, which keep their place", () => {
    const sessions = many(8);
    const [a, b] = [session("a", 0, "p"), session("b", 0, "q")];
    for (const one of [a, b]) sessions.add(one);
    enqueue(a, "monitor", 1, 2);
    enqueue(b, "monitor", 3);
    const next = sessions.next((peer, { step }) => peer === "p" && step > 1);
    expect(next).toBeNull();
    expect(sessions.next((peer) => peer === "q")!.job.message.step).toBe(3);
    expect(order(sessions)).toEqual(["a1", "a2"]);
  });

  it("skip sessions that ended", () => {
    const sessions = many(8);
    const a = session("a");
    sessions.add(a);
    enqueue(a, "request", 1);
    sessions.remove(a);
    expect(sessions.next()).toBeNull();
    expect(sessions.includes(a)).toBe(false);
  });
});

describe("a full server", () => {
  it("replaces the session that has been silent longest", () => {
    const sessions = many(2);
    const [a, b, c] = [session("a", 5), session("b", 1), session("c", 6)];
    expect(sessions.add(a)).toBeNull();
    expect(sessions.add(b)).toBeNull();
    expect(sessions.add(c)).toEqual({ session: b, unanswered: [] });
    expect(sessions.all()).toEqual([a, c]);
  });

  it("replaces a session without frames first, and names the frames of one that had some", () => {
    const sessions = many(3);
    const [a, b, c, d, e] = [
      session("a", 1),
      session("b", 2),
      session("c", 3),
      session("d", 4),
      session("e"),
    ];
    for (const one of [a, b, c]) sessions.add(one);
    enqueue(a, "monitor", 7);
    enqueue(b, "bias", 8, 9);
    expect(sessions.next()!.session).toBe(b);
    enqueue(b, "bias", 10);
    expect(sessions.add(d)!.session).toBe(c);
    enqueue(d, "request", 1);
    expect(sessions.add(e)).toEqual({ session: a, unanswered: [expect.objectContaining({ step: 7 })] });
    sessions.remove(d);
    sessions.remove(e);
    // The frame that is being analysed is one of them.
    expect(sessions.remove(b).map(({ step }) => step)).toEqual([8, 9, 10]);
    expect(b.isIdle).toBe(true);
  });

  it("replaces the session of the same connection even when it is not full", () => {
    const sessions = many(8);
    const [first, second] = [session("a"), session("a")];
    sessions.add(first);
    expect(sessions.add(second)!.session).toBe(first);
    sessions.remove(first);
    expect(sessions.includes(second)).toBe(true);
  });
});

describe("series", () => {
  const row = (run: string, step: number): ResultScalars =>
    ({ run, step, observables: {}, fractions: {}, atomCount: 1, dropped: 0 }) as unknown as ResultScalars;

  it("keep the last rows of the last runs", () => {
    const store = new SeriesStore(["disordered"], { runs: 2, rows: 3, columns: 2 });
    for (let step = 0; step < 5; step++) store.record(row("a", step));
    store.record(row("b", 1));
    store.record(row("a", 5));
    store.record(row("c", 1));
    expect(store.names()).toEqual(["a", "c"]);
    expect(store.table("a", null).arrays.get("step")!.data).toEqual(Float64Array.of(3, 4, 5));
    expect(store.table("b", null).arrays.get("step")!.shape).toEqual([0]);
  });

  it("hold a bounded number of observables, however many names a run uses", () => {
    const store = new SeriesStore(["disordered"], { runs: 2, rows: 9, columns: 2 });
    for (let step = 0; step < 4; step++)
      store.record({ ...row("a", step), observables: { [`x${step}`]: step } });
    const { columns, arrays } = store.table("a", 0);
    expect(columns).toEqual(["x1", "x2"]);
    const none = Number.NaN;
    expect(arrays.get("observables")!.data).toEqual(Float64Array.of(1, none, none, 2, none, none));
  });
});
