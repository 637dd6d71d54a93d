import { afterAll, describe, expect, it } from "vitest";
import type { CoreContext } from "../../src/core/context.js";
import { type CoreModel, PhaseCore } from "../../src/core/index.js";
import { forwardReference, type ReferenceResult } from "../../src/core/reference.js";
import { builds, expectClose, randomFrame, randomModel, shakenCrystal } from "./support.js";

const classCount = 6;
const frames = { crystal: { ...shakenCrystal(3, 0.3, 3), lengthScale: 2.3 }, cluster: randomFrame(34) };

function knownOf(of: PhaseCore): Float32Array {
  const { context } = of as unknown as { context: CoreContext };
  return context.singles("KNOWN", context.count("ATOMS")).slice();
}

/**
 * A model with random weights that calls most atoms crystalline, and asks whether they are known. One number
 * of the hidden layer is constant, and `shift` is what it adds to the log-odds.
 */
function asking(knownWidth: number, shift = 0): CoreModel {
  const model = randomModel(21, classCount, 64, { knownWidth });
  const tensors = Object.fromEntries(
    Object.entries(model.tensors).map(([name, tensor]) => [name, tensor.slice()]),
  );
  tensors["network2.bias1"]![0] = -2;
  tensors["known.weight0"]!.fill(0, 0, model.hiddenWidth + model.messageWidth);
  tensors["known.bias0"]![0] = 1;
  tensors["known.weight1"]![0] = shift * (1 + Math.exp(-1));
  return { ...model, tensors: tensors as unknown as CoreModel["tensors"] };
}

/** k_a of each atom by itself. */
function alone(model: CoreModel, { hidden, messages }: ReferenceResult): number[] {
  const { hiddenWidth: H, messageWidth: M, knownWidth: T, tensors } = model;
  return Array.from({ length: hidden.length / H }, (_, atom) => {
    const x = [...hidden.subarray(atom * H, (atom + 1) * H), ...messages.subarray(atom * M, (atom + 1) * M)];
    let sum = 0;
    for (let t = 0; t < T; ++t) {
      const z = x.reduce(
        (total, number, i) => total + number * tensors["known.weight0"]![t * (H + M) + i]!,
        tensors["known.bias0"]![t]!,
      );
      sum += (tensors["known.weight1"]![t]! * z) / (1 + Math.exp(-z));
    }
    return sum;
  });
}

/** The atoms within the cutoff of an atom, by brute force over the next images. */
function neighbours(
  frame: { readonly positions: Float64Array; readonly cell: Float64Array | null },
  atom: number,
  cutoff: number,
): { other: number; distance: number }[] {
  const { positions } = frame;
  const cell = frame.cell!;
  const found: { other: number; distance: number }[] = [];
  const steps = [-2, -1, 0, 1, 2];
  for (let other = 0; other < positions.length / 3; ++other) {
    for (const a of steps) {
      for (const b of steps) {
        for (const c of steps) {
          if (other === atom && a === 0 && b === 0 && c === 0) continue;
          const distance = Math.hypot(
            ...[0, 1, 2].map(
              (k) =>
                positions[3 * other + k]! -
                positions[3 * atom + k]! +
                a * cell[k]! +
                b * cell[3 + k]! +
                c * cell[6 + k]!,
            ),
          );
          if (distance < cutoff) found.push({ other, distance });
        }
      }
    }
  }
  return found;
}

/** The shift with which half of the crystal's atoms are known. */
async function middle(): Promise<number> {
  const trial = await PhaseCore.create(asking(16), { threads: 1 });
  trial.load(frames.crystal);
  await trial.denoise({ steps: 2 });
  const sorted = knownOf(trial).sort();
  await trial.dispose();
  const half = sorted.length >> 1;
  return -(sorted[half - 1]! + sorted[half]!) / 2;
}

const shift = await middle();
const silent: CoreModel = { ...asking(16), knownWidth: 0 };
const core = await PhaseCore.create(asking(16, shift), { threads: 1 });
const plain = await PhaseCore.create(silent, { threads: 1 });
afterAll(() => Promise.all([core.dispose(), plain.dispose()]));

describe("known surroundings", () => {
  it.each(builds)("their log-odds agree with the reference: %s", async (build) => {
    for (const width of [8, 16, 64, 128]) {
      const one = await PhaseCore.create(asking(width), { threads: 1, build });
      for (const [name, frame] of Object.entries(frames)) {
        one.load(frame);
        await one.denoise({ steps: 2 });
        const found = knownOf(one);
        const { known } = forwardReference(one.loadedFrame());
        expectClose(`k_a of ${name}, width ${width}`, found, known, 1e-4);
        expect(Math.max(...known) - Math.min(...known) > 0.1, "varies from atom to atom").toBe(true);
      }
      await one.dispose();
    }
  });

  it.each(Object.entries(frames))(
    "results after denoising agree with the definitions: %s",
    async (name, frame) => {
      core.load(frame);
      const result = await core.denoise({ steps: 2 });
      const known = knownOf(core);
      const counts = { kept: 0, rejected: 0 };
      known.forEach((odds, atom) => {
        const row = <T extends Float32Array>(table: T) =>
          table.subarray(atom * classCount, (atom + 1) * classCount);
        if (result.rawLabels[atom] === 0) {
          expect(result.labels[atom]).toBe(0);
          expect(result.confidence[atom]).toBe(row(result.probabilities)[0]);
          return;
        }
        const crystals = Array.from(row(result.logits)).slice(1);
        const unknown = crystals.reduce((sum, logit) => sum + Math.exp(logit), 0) * Math.exp(-odds);
        const flat = Math.log(Math.exp(row(result.logits)[0]!) + unknown);
        const logits = [flat, ...crystals];
        const label = logits.indexOf(Math.max(...logits));
        const sum = logits.reduce((total, logit) => total + Math.exp(logit), 0);
        const margin = logits[label]! - Math.max(...logits.filter((_, index) => index !== label));
        expect(result.labels[atom]).toBe(label);
        expectClose(
          "probabilities",
          row(result.probabilities),
          logits.map((logit) => Math.exp(logit) / sum),
          1e-5,
        );
        expectClose("confidence", [result.confidence[atom]!], [Math.exp(logits[label]!) / sum], 1e-5);
        expectClose("margin", [result.margin[atom]!], [margin], 1e-4);
        expect(row(result.probabilities)[0]! >= 1 / (1 + Math.exp(odds)) - 1e-6, "p_0").toBe(true);
        counts[label > 0 ? "kept" : "rejected"]++;
      });
      if (name === "crystal") expect(Math.min(counts.kept, counts.rejected)).toBeGreaterThan(0);
    },
  );

  it("are averaged over the neighbours that take part, and what the raw pass doubts needs ten times the odds", async () => {
    const frame = frames.crystal;
    const given = asking(16, shift);
    const trial = await PhaseCore.create(given, { threads: 1 });
    trial.load(frame);
    const { logits } = await trial.forward();
    await trial.dispose();
    const atomCount = logits.length / classCount;
    const best = Array.from({ length: atomCount }, (_, atom) =>
      Math.max(...logits.subarray(atom * classCount + 1, (atom + 1) * classCount)),
    );
    // A third of the atoms takes no part, and half of the others are disordered in the raw pass.
    const sorted = best.toSorted((a, b) => a - b);
    const bias = given.tensors["network2.bias1"].slice();
    bias[0] = sorted[Math.floor(atomCount / 3)]! + Math.LN10;
    const model = { ...given, tensors: { ...given.tensors, "network2.bias1": bias } };
    const one = await PhaseCore.create(model, { threads: 1 });
    one.load(frame);
    const result = await one.denoise({ steps: 0 });
    const found = knownOf(one);
    const reference = forwardReference(one.loadedFrame());
    await one.dispose();
    expectClose("k_a", found, reference.known, 1e-4);

    const takesPart = best.map((logit) => logit > bias[0]! - Math.LN10);
    const own = alone(model, reference);
    const cutoff = model.cutoff * frame.lengthScale;
    let odds = own;
    for (const _ of [1, 2]) {
      odds = odds.map((value, atom) => {
        if (!takesPart[atom]) return value;
        let [sum, weights] = [value, 1];
        for (const { other, distance } of neighbours(frame, atom, cutoff)) {
          if (!takesPart[other]) continue;
          const weight = (1 - (distance / cutoff) ** 2) ** 2;
          sum += weight * odds[other]!;
          weights += weight;
        }
        return sum / weights;
      });
    }
    expectClose("k_a by hand", found, odds, 1e-4);
    const counts = [0, 0];
    for (let atom = 0; atom < atomCount; ++atom) {
      if (!takesPart[atom]) continue;
      const raw = result.rawLabels[atom] === 0;
      counts[raw ? 0 : 1]! += 1;
      const row = logits.subarray(atom * classCount, (atom + 1) * classCount);
      const crystals = row.slice(1).reduce((sum, logit) => sum + Math.exp(logit), 0);
      const ratio = Math.exp(bias[0]!) / crystals + Math.exp((raw ? Math.LN10 : 0) - odds[atom]!);
      const share = ratio / (1 + ratio);
      expect(Math.abs(result.probabilities[atom * classCount]! - share) <= 1e-4, `p_0 of ${atom}`).toBe(true);
    }
    expect(Math.min(...counts, takesPart.filter((part) => !part).length)).toBeGreaterThan(5);
  });

  it("are also asked for where class 0 leads by less than log 10, and of no other atoms", async () => {
    for (const [lead, takesPart] of [
      [2.2, true],
      [2.4, false],
    ] as const) {
      const model = asking(16, 1000);
      const trial = await PhaseCore.create(model, { threads: 1 });
      trial.load(frames.crystal);
      const { logits } = await trial.forward();
      await trial.dispose();
      const best = Array.from({ length: logits.length / classCount }, (_, atom) =>
        Math.max(...logits.subarray(atom * classCount + 1, (atom + 1) * classCount)),
      );
      const bias = model.tensors["network2.bias1"].slice();
      // Above every atom by that much: none is crystalline in the raw pass.
      bias[0] = (takesPart ? Math.min(...best) : Math.max(...best)) + lead;
      const flat = { ...model, tensors: { ...model.tensors, "network2.bias1": bias } };
      const one = await PhaseCore.create(flat, { threads: 1 });
      one.load(frames.crystal);
      const result = await one.denoise({ steps: 0 });
      const { context } = one as unknown as { context: CoreContext };
      const { memory } = context as unknown as { memory: WebAssembly.Memory };
      const bytes = new Uint8Array(memory.buffer, context.region("TAKES_PART"), best.length);
      const part = Array.from(bytes, (byte) => byte > 0);
      await one.dispose();
      if (takesPart) {
        expect(part).toEqual(best.map((logit) => logit > bias[0]! - Math.LN10));
        expect(part.some((chosen, atom) => chosen && result.rawLabels[atom] === 0)).toBe(true);
      } else {
        expect(result.rawLabels.every((label) => label === 0)).toBe(true);
        expect(part.some(Boolean)).toBe(false);
      }
      // Until the atoms have moved, the constant logit of class 0 leads as before.
      expect(result.labels).toEqual(result.rawLabels);
    }
  });

  it("leave everything else as a model without the question has it", async () => {
    for (const frame of Object.values(frames)) {
      for (const one of [core, plain]) one.load(frame);
      expect(await core.score()).toEqual(await plain.score());
      expect(await core.forward()).toEqual(await plain.forward());
      const [asked, unasked] = [await core.denoise({ steps: 2 }), await plain.denoise({ steps: 2 })];
      for (const key of ["rawLabels", "initialLogDensity", "lengthScale"] as const) {
        expect(asked[key], key).toEqual(unasked[key]);
      }
      // The results are those of the denoised frame, with the usual logit of class 0.
      plain.load({ ...frame, positions: asked.positions, lengthScale: asked.lengthScale });
      const again = await plain.forward();
      for (const key of ["logits", "atomLogDensity", "distance"] as const) {
        expectClose(key, asked[key], again[key], 1e-5);
      }
      expectClose("logDensity", [asked.logDensity], [again.logDensity], 1e-6);
      if (frame === frames.crystal) expect(asked.labels).not.toEqual(unasked.labels);
    }
  });

  it("are brought out by denoising in which class 0 counts a tenth", async () => {
    // The first step follows the gradient of logP with that weight of class 0.
    core.load(frames.crystal);
    const { displacement, lengthScale, rawLabels } = await core.denoise({ steps: 1 });
    plain.setPrior([0.1, ...new Array<number>(classCount - 1).fill(1)]);
    plain.load(frames.crystal);
    const { labels } = await plain.forward();
    const { score } = await plain.score();
    const full = await plain.denoise({ steps: 1 });
    plain.setPrior(new Array<number>(classCount).fill(1));
    expect(labels.every((label) => label > 0)).toBe(true);
    expect(rawLabels.length).toBe(labels.length);
    const factor = (silent.logitLength * lengthScale) ** 2;
    expectClose(
      "displacement",
      displacement,
      score.map((g) => factor * g),
      1e-5,
    );
    expectClose("displacement", displacement, full.displacement, 1e-5);
  });

  it("are not asked for where `disordered` is left out, and weigh as much as its weight", async () => {
    core.load(frames.crystal);
    const even = await core.denoise({ steps: 2 });
    core.setPrior([0, ...new Array<number>(classCount - 1).fill(1)]);
    core.load(frames.crystal);
    const never = await core.denoise({ steps: 2 });
    expect(even.labels.some((label) => label === 0)).toBe(true);
    expect(never.labels.every((label) => label > 0)).toBe(true);
    expect(never.probabilities.every(Number.isFinite)).toBe(true);
    core.setPrior([3, ...new Array<number>(classCount - 1).fill(1)]);
    core.load(frames.crystal);
    const { logits, probabilities } = await core.denoise({ steps: 2 });
    knownOf(core).forEach((odds, atom) => {
      if (even.rawLabels[atom] === 0 || probabilities[atom * classCount] === 1) return;
      const row = Array.from(logits.subarray(atom * classCount, (atom + 1) * classCount));
      const crystals = row.slice(1).reduce((sum, logit) => sum + Math.exp(logit), 0);
      const ratio = Math.exp(row[0]!) / crystals + 3 * Math.exp(-odds);
      expect(Math.abs(probabilities[atom * classCount]! - ratio / (1 + ratio)) <= 1e-5, "p_0").toBe(true);
    });
    core.setPrior(new Array<number>(classCount).fill(1));
  });

  it("are the same however the atoms are ordered and however many threads share the frame", async () => {
    const frame = frames.crystal;
    core.load(frame);
    const given = await core.denoise({ steps: 2 });
    const threads = await PhaseCore.create(asking(16, shift), { threads: 2 });
    threads.load(frame);
    const shared = await threads.denoise({ steps: 2 });
    await threads.dispose();
    expect(shared.labels).toEqual(given.labels);
    expect(shared.confidence).toEqual(given.confidence);
    const atomCount = given.labels.length;
    const order = Array.from({ length: atomCount }, (_, atom) => (7 * atom + 3) % atomCount);
    core.load({
      ...frame,
      positions: Float64Array.from(
        order.flatMap((atom) => [...frame.positions.subarray(3 * atom, 3 * atom + 3)]),
      ),
      species: Int32Array.from(order, (atom) => frame.species![atom]!),
    });
    const turned = await core.denoise({ steps: 2 });
    expect(Array.from(turned.labels)).toEqual(order.map((atom) => given.labels[atom]));
  });
});
