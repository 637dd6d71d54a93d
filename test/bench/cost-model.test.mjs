import { describe, expect, it } from "vitest";
import { costs, product, stageNames } from "../../bench/cost-model.mjs";

// Each stage for one atom as scalar loops over counted operations. The formulas are their closed form.

const shapes = [
  { channels: 8, lmax: 4, innerWidth: 48, hiddenWidth: 32, messageWidth: 16, outerWidth: 64, classCount: 31 },
  {
    channels: 16,
    lmax: 6,
    innerWidth: 64,
    hiddenWidth: 32,
    messageWidth: 32,
    outerWidth: 96,
    classCount: 12,
  },
  {
    channels: 8,
    lmax: 6,
    skippedDegree: 5,
    innerWidth: 48,
    hiddenWidth: 32,
    messageWidth: 16,
    outerWidth: 64,
    classCount: 31,
  },
  { channels: 8, lmax: 2, innerWidth: 8, hiddenWidth: 8, messageWidth: 8, outerWidth: 16, classCount: 2 },
];
const frame = { neighbours: 5, candidates: 23 };

/** Operations on numbers that are counted. */
class Tally {
  flops = 0;
  functions = 0;
  add(a, b) {
    this.flops++;
    return a + b;
  }
  subtract(a, b) {
    this.flops++;
    return a - b;
  }
  multiply(a, b) {
    this.flops++;
    return a * b;
  }
  /** c + a b */
  fused(a, b, c) {
    return this.add(this.multiply(a, b), c);
  }
  divide(a, b) {
    this.functions++;
    return a / b;
  }
  call(f, x) {
    this.functions++;
    return f(x);
  }
}

/** Degrees of a model, without the one that it leaves out. */
const degrees = ({ lmax, skippedDegree }) =>
  Array.from({ length: lmax + 1 }, (_, l) => l).filter((l) => l === 0 || l !== skippedDegree);

const harmonicCount = (shape) => degrees(shape).reduce((sum, l) => sum + 2 * l + 1, 0);
const invariantCount = (shape) => shape.channels * (degrees(shape).length + 1);

/** `count` numbers from a fixed sequence. */
function numbers(count) {
  let state = 9;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return state / 0x40000000 - 1;
  });
}

const rows = (count, width) => Array.from({ length: count }, (_, row) => numbers(width + row).slice(row));

/** out = x W + c for W given as inputs x outputs. */
function layer(t, x, weights, biases) {
  return biases.map((bias, output) =>
    x.reduce((sum, value, input) => t.fused(value, weights[input][output], sum), bias),
  );
}

/** dx = W dz. Each sum starts at zero, with its first product. */
const layerAdjoint = (t, dz, weights) =>
  weights.map((row) => row.reduce((sum, w, output) => t.fused(w, dz[output], sum), 0));

/** silu(z) and its slope. */
function silu(t, z) {
  const s = t.divide(1, t.add(1, t.call(Math.exp, -z)));
  const value = t.multiply(z, s);
  return { value, slope: t.fused(value, t.subtract(1, s), s) };
}

const siluAdjoint = (t, da, slope) => t.multiply(da, slope);

/**
 * Monic polynomials q_l^m of z up to degree L. The recursion costs from l = m + 2 on; its first factor is 1.
 */
function polynomials(t, m, L, z) {
  const q = { [m]: 1, [m + 1]: z };
  for (let l = m + 2; l <= L; l++) {
    const b = ((l - 1) ** 2 - m * m) / ((2 * l - 1) * (2 * l - 3));
    q[l] = t.subtract(t.multiply(z, q[l - 1]), l === m + 2 ? b : t.multiply(b, q[l - 2]));
  }
  return q;
}

/** (x + iy)^m for m = 1..L. */
function powers(t, L, x, y) {
  const list = [
    { c: 1, s: 0 },
    { c: x, s: y },
  ];
  for (let m = 2; m <= L; m++) {
    const { c, s } = list[m - 1];
    list[m] = {
      c: t.subtract(t.multiply(c, x), t.multiply(s, y)),
      s: t.add(t.multiply(s, x), t.multiply(c, y)),
    };
  }
  return list;
}

/** Every harmonic except that of degree 0, by `l m`. */
function harmonicsOf(t, { lmax: L, skippedDegree }, [x, y, z]) {
  const found = new Map();
  const power = powers(t, L, x, y);
  for (let m = 0; m <= L; m++) {
    const q = polynomials(t, m, L, z);
    for (let l = Math.max(1, m); l <= L; l++) {
      if (l === skippedDegree) continue;
      if (m === 0) found.set(`${l} 0`, q[l]);
      else if (l === m) found.set(`${l} ${m}`, power[m].c).set(`${l} ${-m}`, power[m].s);
      else
        found.set(`${l} ${m}`, t.multiply(q[l], power[m].c)).set(`${l} ${-m}`, t.multiply(q[l], power[m].s));
    }
  }
  return found;
}

/** Square of a vector's length. */
const square = (t, [x, y, z]) => t.add(t.add(t.multiply(x, x), t.multiply(y, y)), t.multiply(z, z));

/** Hermite's cubic between two nodes for one channel: four products. */
const between = (t, weights, nodes) =>
  weights.slice(1).reduce((sum, w, i) => t.fused(w, nodes[i + 1], sum), t.multiply(weights[0], nodes[0]));

const loops = {
  neighbours(t, _shape, { neighbours, candidates }) {
    for (let j = 0; j < candidates; j++)
      square(
        t,
        numbers(3).map((value) => t.subtract(value, 0.5)),
      );
    for (let j = 0; j < neighbours; j++) {
      square(
        t,
        numbers(3).map((value) => t.multiply(t.add(t.subtract(value, 0.5), 0), 2)),
      );
    }
  },
  radial(t, { channels }, { neighbours }) {
    for (let j = 0; j < neighbours; j++) {
      const vector = numbers(3);
      const r = t.call(Math.sqrt, square(t, vector));
      const inverse = t.divide(1, r);
      for (const value of vector) t.multiply(value, inverse);
      const position = t.multiply(r, 512);
      const x = t.subtract(position, Math.trunc(position));
      const u = t.subtract(1, x);
      const [uu, xx, xu, twice] = [t.multiply(u, u), t.multiply(x, x), t.multiply(x, u), t.add(x, x)];
      const weights = [
        t.multiply(t.add(1, twice), uu),
        t.multiply(x, uu),
        t.multiply(xx, t.subtract(3, twice)),
        t.multiply(-x, xu),
      ];
      // The weights of the slope, up to a sign of one of the four.
      t.multiply(t.multiply(6, xu), 512);
      const triple = t.multiply(3, x);
      t.multiply(t.multiply(u, t.subtract(1, triple)), 512);
      t.multiply(t.multiply(x, t.subtract(triple, 2)), 512);
      // The density's channels and the message weight.
      for (let k = 0; k <= channels; k++) between(t, weights, numbers(4));
    }
  },
  harmonics(t, shape, { neighbours }) {
    for (let j = 0; j < neighbours; j++) harmonicsOf(t, shape, [0.6, 0, 0.8]);
  },
  density(t, shape, { neighbours }) {
    for (let k = 0; k < shape.channels; k++) {
      for (let lm = 1; lm < harmonicCount(shape); lm++) {
        let sum = 0;
        for (let j = 0; j < neighbours; j++) sum = t.fused(0.3, 0.2, sum);
      }
    }
  },
  invariants(t, shape) {
    const { channels } = shape;
    const standard = (value) => t.multiply(t.subtract(value, 0.1), 2);
    for (const l of degrees(shape)) {
      for (let q = 0; q < channels; q++) {
        let sum = 1e-4;
        for (let m = -l; m <= l; m++) {
          let mixed = 0;
          for (let k = 0; k < channels; k++) mixed = t.fused(0.1, 0.2, mixed);
          sum = t.add(sum, t.multiply(t.multiply(mixed, mixed), 3));
        }
        standard(t.call(Math.sqrt, sum));
      }
    }
    for (let k = 0; k < channels; k++) standard(0.2);
  },
  network1(t, shape) {
    const { innerWidth, hiddenWidth } = shape;
    const invariants = numbers(invariantCount(shape));
    const z0 = layer(t, invariants, rows(invariants.length, innerWidth), numbers(innerWidth));
    const z1 = layer(
      t,
      z0.map((z) => silu(t, z).value),
      rows(innerWidth, hiddenWidth),
      numbers(hiddenWidth),
    );
    for (const z of z1) silu(t, z);
  },
  messages(t, { messageWidth }, { neighbours }) {
    for (let i = 0; i < messageWidth; i++) {
      let sum = 0;
      for (let j = 0; j < neighbours; j++) sum = t.fused(0.1, 0.2, sum);
    }
  },
  network2(t, { hiddenWidth, messageWidth, outerWidth, classCount }) {
    const input = numbers(hiddenWidth + messageWidth);
    const z = layer(t, input, rows(input.length, outerWidth), numbers(outerWidth));
    layer(
      t,
      z.map((value) => silu(t, value).value),
      rows(outerWidth, classCount),
      numbers(classCount),
    );
  },
  readout(t, { classCount }) {
    const logits = numbers(classCount);
    const best = Math.max(...logits);
    const powers = logits.map((logit) => t.call(Math.exp, t.subtract(logit, best)));
    const sum = powers.reduce((total, power) => t.add(total, power), 0);
    for (const power of powers) t.divide(power, sum);
    t.add(best, t.call(Math.log, sum));
    const margin = t.subtract(best, logits[0]);
    const missing = t.subtract(8, t.subtract(margin, 0));
    t.multiply(t.multiply(2.3, 0.1), t.call(Math.sqrt, t.multiply(2, missing)));
  },
  network2Adjoint(t, { hiddenWidth, messageWidth, outerWidth, classCount }) {
    const da = layerAdjoint(t, numbers(classCount), rows(outerWidth, classCount));
    const dz = da.map((value) => siluAdjoint(t, value, 0.3));
    layerAdjoint(t, dz, rows(hiddenWidth + messageWidth, outerWidth));
  },
  messagesAdjoint(t, shape, { neighbours }) {
    loops.messages(t, shape, { neighbours });
    for (let j = 0; j < neighbours; j++) {
      let dw = 0;
      for (let i = 0; i < shape.messageWidth; i++) dw = t.fused(0.1, 0.2, dw);
    }
  },
  network1Adjoint(t, shape) {
    const { innerWidth, hiddenWidth } = shape;
    const dz1 = numbers(hiddenWidth).map((value) => siluAdjoint(t, value, 0.3));
    const da0 = layerAdjoint(t, dz1, rows(innerWidth, hiddenWidth));
    const dz0 = da0.map((value) => siluAdjoint(t, value, 0.3));
    layerAdjoint(t, dz0, rows(invariantCount(shape), innerWidth));
  },
  invariantsAdjoint(t, shape) {
    const { channels } = shape;
    for (const l of degrees(shape)) {
      for (let q = 0; q < channels; q++) {
        let sum = 1e-4;
        for (let m = -l; m <= l; m++) sum = t.add(sum, t.multiply(t.multiply(0.2, 0.2), 3));
        const ratio = t.divide(t.multiply(0.1, 2), t.call(Math.sqrt, sum));
        for (let m = -l; m <= l; m++) {
          const adjoint = t.multiply(t.multiply(ratio, 3), 0.2);
          for (let k = 0; k < channels; k++) t.fused(adjoint, 0.1, 0);
        }
      }
    }
    for (let k = 0; k < channels; k++) t.fused(0.1, 2, 0.3);
  },
  densityAdjoint(t, shape, { neighbours }) {
    const { channels } = shape;
    const harmonics = harmonicCount(shape);
    for (let j = 0; j < neighbours; j++) {
      for (let k = 0; k < channels; k++) {
        // The sum starts from the adjoint of degree 0.
        let dR = 0.4;
        for (let lm = 1; lm < harmonics; lm++) dR = t.fused(0.1, 0.2, dR);
      }
      for (let lm = 1; lm < harmonics; lm++) {
        let dC = 0;
        for (let k = 0; k < channels; k++) dC = t.fused(0.1, 0.2, dC);
      }
    }
  },
  radialAdjoint(t, { channels }, { neighbours }) {
    for (let j = 0; j < neighbours; j++) {
      let dr = 0;
      for (let k = 0; k <= channels; k++) dr = t.fused(between(t, numbers(4), numbers(4)), 0.2, dr);
    }
  },
  harmonicsAdjoint(t, { lmax: L, skippedDegree }, { neighbours }) {
    for (let j = 0; j < neighbours; j++) {
      const [x, y, z] = [0.6, 0, 0.8];
      // The powers are known already, since they are harmonics themselves.
      const power = powers(new Tally(), L, x, y);
      let [dx, dy, dz] = [0, 0, 0.1];
      // q of order m + 1, which times l - m are the slopes of those of order m.
      let above = {};
      for (let m = L; m >= 1; m--) {
        // The sums start from the adjoints of degree l = m, if the model has that degree.
        let [dc, ds] = m === skippedDegree ? [null, null] : [0.1, 0.2];
        const q = polynomials(t, m, L, z);
        for (let l = m + 1; l <= L; l++) {
          if (l === skippedDegree) continue;
          const [up, down] = [0.3, 0.4];
          const both = t.fused(power[m].s, down, t.multiply(power[m].c, up));
          dz = l === m + 1 ? t.add(dz, both) : t.fused(t.multiply(l - m, above[l]), both, dz);
          dc = dc === null ? t.multiply(q[l], up) : t.fused(q[l], up, dc);
          ds = ds === null ? t.multiply(q[l], down) : t.fused(q[l], down, ds);
        }
        const before = power[m - 1];
        if (m === 1) {
          dx = t.add(dx, dc);
          dy = t.add(dy, ds);
        } else {
          dx = t.fused(m, t.add(t.multiply(before.c, dc), t.multiply(before.s, ds)), dx);
          dy = t.fused(m, t.subtract(t.multiply(before.c, ds), t.multiply(before.s, dc)), dy);
        }
        above = q;
      }
      for (let l = 2; l <= L; l++) {
        if (l !== skippedDegree) dz = t.fused(t.multiply(l, above[l]), 0.1, dz);
      }
      const along = t.add(t.add(t.multiply(dx, x), t.multiply(dy, y)), t.multiply(dz, z));
      const radial = t.subtract(0.1, t.multiply(along, 0.5));
      const directions = [
        [dx, x],
        [dy, y],
        [dz, z],
      ];
      for (const [d, u] of directions) t.add(t.multiply(d, 0.5), t.multiply(radial, u));
    }
  },
  gather(t, _shape, { neighbours }) {
    for (let j = 0; j < neighbours; j++) {
      for (let axis = 0; axis < 3; axis++) {
        t.add(0.1, t.subtract(0.2, 0.3));
        for (let other = 0; other < 3; other++) t.subtract(0.1, t.multiply(0.2, 0.3));
      }
    }
  },
};

describe("the cost model", () => {
  it("has every stage that has a loop here", () => {
    expect(Object.keys(loops)).toEqual(stageNames);
  });

  const cases = shapes.flatMap((shape) => stageNames.map((name) => [name, shape]));
  it.each(cases)("counts what loops count: %s, %o", (name, shape) => {
    const tally = new Tally();
    loops[name](tally, shape, frame);
    const { flops, functions } = costs(shape, frame)[name];
    expect({ flops, functions }).toEqual({ flops: tally.flops, functions: tally.functions });
  });

  it.each([
    [4, 8, 1],
    [8, 24, 5],
    [12, 16, 48],
  ])("counts the bytes of a product in register tiles: %i x %i, %i deep", (rowCount, columns, depth) => {
    let bytes = 0;
    for (let row = 0; row < rowCount; row += 4) {
      for (let column = 0; column < columns; column += 8) {
        for (let d = 0; d < depth; d++) bytes += 4 * 4 + 8 * 4;
        bytes += 4 * 8 * 4;
      }
    }
    expect(product(rowCount, columns, depth).bytes).toBe(bytes);
  });

  it("grows with the neighbours only in the stages that visit them", () => {
    const more = costs(shapes[0], { neighbours: 2 * frame.neighbours, candidates: frame.candidates });
    const grown = stageNames.filter((name) => more[name].flops > costs(shapes[0], frame)[name].flops);
    expect(grown).toEqual([
      "neighbours",
      "radial",
      "harmonics",
      "density",
      "messages",
      "messagesAdjoint",
      "densityAdjoint",
      "radialAdjoint",
      "harmonicsAdjoint",
      "gather",
    ]);
  });
});
