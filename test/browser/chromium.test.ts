/**
 * The core in a browser: golden frames in headless Chromium, for both builds, on one thread and on worker
 * threads with shared memory.
 */
import type { Server } from "node:http";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type BuildChoice,
  type CoreBuild,
  type CoreFrame,
  type CoreModel,
  PhaseCore,
} from "../../src/core/index.js";
import { builds, expectClose, goldenFiles, goldenFrame, model, shakenCrystal } from "../core/support.js";
import { browserVariable, findChromium, startChromium } from "./chromium.js";
import { servePages } from "./page-server.js";

interface PageResult {
  readonly logits: number[];
  readonly labels: number[];
  readonly logDensity: number;
  readonly score: number[];
  readonly virial: number[];
}

interface PageAnswer {
  readonly build: CoreBuild;
  readonly cores: number;
  readonly results: PageResult[];
}

const path = findChromium();
const forceFloor = 1;

// Without a browser, these tests are skipped and the reason is shown. In CI, that is a failure.
if (path === null) {
  it.skipIf(!process.env.CI)(
    `the core in Chromium: none was found on the path; ${browserVariable} may name one`,
    () => {
      expect(path).not.toBeNull();
    },
  );
}

describe.runIf(path !== null)("the core in Chromium", () => {
  let server: Server;
  let browser: Browser;
  let page: Page;

  beforeAll(async () => {
    const pages = await servePages();
    server = pages.server;
    browser = await startChromium(path!);
    page = await browser.newPage();
    const failures: string[] = [];
    page.on("pageerror", (error) => failures.push(String(error)));
    page.on("console", (message) => failures.push(message.text()));
    await page.goto(`${pages.address}test/browser/page.html`);
    await page.waitForFunction("globalThis.ready").catch((error: unknown) => {
      throw new Error(`the page does not load: ${failures.join("; ")}`, { cause: error });
    });
  });

  afterAll(async () => {
    await browser?.close();
    server?.close();
  });

  const golden = goldenFiles();
  const goldenFrames = golden.map(goldenFrame);
  // Large enough that two threads share the work.
  const shared = { ...shakenCrystal(6, 0.2, 3), lengthScale: 2.3 };

  it("shares memory between threads", async () => {
    expect(await page.evaluate("globalThis.isolated()")).toBe(true);
  });

  it("chooses the relaxed build by itself", async () => {
    const { build, cores } = await evaluate(page, { build: "auto", frames: [goldenFrames[0]!], threads: 1 });
    expect(build).toBe("relaxed");
    expect(cores).toBeGreaterThanOrEqual(1);
  });

  it.each(builds)("agrees with the golden files, build %s", async (build) => {
    const { results } = await evaluate(page, { build, frames: goldenFrames, threads: 1 });
    expect(results).toHaveLength(golden.length);
    for (const [index, { logits, logDensity, score, virial }] of results.entries()) {
      const expected = golden[index]!;
      expectClose(`${expected.name}: logits`, logits, expected.logits.flat(), 1e-4);
      const atoms = expected.positions.length;
      expectClose(`${expected.name}: logDensity`, [logDensity], [expected.logDensity], 1e-4, atoms);
      expectClose(`${expected.name}: score`, score, expected.score.flat(), 1e-4, forceFloor);
      expectClose(`${expected.name}: virial`, virial, expected.virial.flat(), 1e-4, forceFloor);
    }
  });

  it("gives the same bits as Node with the baseline build, on one thread and on two", async () => {
    const core = await PhaseCore.create(model, { threads: 1, build: "baseline" });
    core.load(shared);
    const { logits, logDensity } = await core.forward();
    const { score, virial } = await core.score();
    await core.dispose();
    for (const threads of [1, 2]) {
      const answer = await evaluate(page, { build: "baseline", frames: [shared], threads });
      const [found] = answer.results;
      expect({ ...found, labels: [] }, `${threads} threads`).toEqual({
        logits: [...logits],
        labels: [],
        logDensity,
        score: [...score],
        virial: [...virial],
      });
    }
  });

  it("gives the same bits on one thread and on two with the relaxed build", async () => {
    const [alone, two] = await Promise.all(
      [1, 2].map((threads) => evaluate(page, { build: "relaxed", frames: [shared], threads })),
    );
    expect(two!.results).toEqual(alone!.results);
  });
});

interface Task {
  readonly build: BuildChoice;
  readonly threads: number;
  readonly frames: readonly CoreFrame[];
}

async function evaluate(page: Page, { frames, ...task }: Task): Promise<PageAnswer> {
  const text = JSON.stringify({ ...task, model: plainModel(model), frames: frames.map(plainFrame) });
  const call = (argument: string): Promise<string> =>
    (globalThis as unknown as { evaluateFrames(text: string): Promise<string> }).evaluateFrames(argument);
  return JSON.parse(await page.evaluate(call, text)) as PageAnswer;
}

/** The model with plain lists, as JSON carries them. */
function plainModel({ tensors, ...numbers }: CoreModel): object {
  return {
    ...numbers,
    tensors: Object.fromEntries(Object.entries(tensors).map(([name, data]) => [name, [...data]])),
  };
}

function plainFrame({ positions, cell, species, ...rest }: CoreFrame): object {
  return { ...rest, positions: [...positions], cell: cell && [...cell], species: species && [...species] };
}
