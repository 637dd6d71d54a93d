/** Species compared by their neighbours (assembly/contacts.ts). */
import { afterAll, describe, expect, it } from "vitest";
import { type CoreFrame, PhaseCore } from "../../src/core/index.js";
import { expectError, randomModel, randomNumbers, shakenCrystal } from "./support.js";

const core = await PhaseCore.create(randomModel(2, 4), { threads: 2 });
afterAll(() => core.dispose());

async function groupsOf(frame: CoreFrame): Promise<ReadonlyMap<number, number> | null> {
  core.load(frame);
  await core.forward();
  return core.groupSpecies();
}

/** fcc in which `choose` gives the species of an atom by its site in the cell. */
function alloy(choose: (site: number, random: () => number) => number): CoreFrame {
  const random = randomNumbers(8);
  const crystal = shakenCrystal(5, 0.15, 8);
  return {
    ...crystal,
    lengthScale: 2.27,
    species: crystal.species!.map((_, atom) => choose(atom % 4, random)),
  };
}

const parts = (groups: ReadonlyMap<number, number> | null): number[][] => {
  const found = new Map<number, number[]>();
  for (const [species, group] of groups!) found.set(group, [...(found.get(group) ?? []), species]);
  return [...found.values()].map((members) => members.sort((a, b) => a - b)).sort((a, b) => a[0]! - b[0]!);
};

describe("groups of species", () => {
  it("are the sublattices", async () => {
    const groups = await groupsOf(alloy((site, random) => (site === 0 ? 9 : random() < 0.4 ? -5 : 3)));
    expect(parts(groups)).toEqual([[-5, 3], [9]]);
    expect([...groups!.values()].sort()).toEqual([0, 0, 1]);
    const both = await groupsOf(alloy((site, random) => 2 * (site === 0 ? 1 : 0) + (random() < 0.5 ? 1 : 0)));
    expect(parts(both)).toEqual([
      [0, 1],
      [2, 3],
    ]);
  });

  it("is one group if all sites are shared, and one species each if none is", async () => {
    expect(parts(await groupsOf(alloy((_, random) => Math.floor(4 * random()))))).toEqual([[0, 1, 2, 3]]);
    expect(parts(await groupsOf(alloy((site) => Math.min(site, 1))))).toEqual([[0], [1]]);
  });

  it("allow for chance where many species share few sites", async () => {
    for (const count of [8, 12]) {
      const random = alloy((_, draw) => Math.floor(count * draw()));
      expect(new Set((await groupsOf(random))!.values()).size, `${count} species`).toBe(1);
    }
    // Every other atom of the cell has one of two sets of six species.
    const two = await groupsOf(alloy((site, draw) => Math.floor(6 * draw()) + (site < 2 ? 0 : 6)));
    expect(parts(two)).toEqual([
      [0, 1, 2, 3, 4, 5],
      [6, 7, 8, 9, 10, 11],
    ]);
  });

  it("follow the definition", async () => {
    const frame = alloy((site, random) => (site < 2 ? 0 : random() < 0.5 ? 1 : site));
    const groups = await groupsOf(frame);
    const { positions, species, cell, lengthScale } = frame;
    const contacts = [0, 1, 2, 3].map(() => [0, 0, 0, 0]);
    for (let a = 0; a < species!.length; a++) {
      for (let b = 0; b < species!.length; b++) {
        if (a === b) continue;
        let squared = 0;
        for (let k = 0; k < 3; k++) {
          const d = positions[3 * b + k]! - positions[3 * a + k]!;
          squared += ((d - cell![0]! * Math.round(d / cell![0]!)) / lengthScale!) ** 2;
        }
        contacts[species![a]!]![species![b]!]! += Math.max(0, 1 - squared / 1.6 ** 2) ** 2;
      }
    }
    const shares = contacts.map((row) => row.map((x) => x / row.reduce((sum, other) => sum + other, 0)));
    const differ = (x: number, y: number) =>
      shares[x]!.reduce((sum, share, k) => sum + Math.abs(share - shares[y]![k]!), 0);
    for (const x of [0, 1, 2, 3]) {
      for (const y of [0, 1, 2, 3]) {
        if (groups!.get(x) === groups!.get(y)) expect(differ(x, y)).toBeLessThanOrEqual(0.15);
        else if (x !== y) expect(Math.max(differ(x, y), 0.15)).toBeGreaterThan(0.15);
      }
    }
  });

  it("are not formed without species, and of more than 16", async () => {
    expect(await groupsOf({ ...alloy(() => 0), species: null })).toBeNull();
    expect((await groupsOf(alloy((_, random) => Math.floor(16 * random()))))!.size).toBe(16);
    expect(await groupsOf(alloy((_, random) => Math.floor(17 * random())))).toBeNull();
  });

  it("need an evaluated frame", async () => {
    core.load(alloy(() => 0));
    await expectError("BAD_OPTION", () => core.groupSpecies());
  });
});
