/**
 * The work of each stage of the core for one atom, as formulas of the model's shape and the number of
 * neighbours.
 *
 *     flops      additions and multiplications of floating-point numbers, where a fused one counts twice;
 *                comparisons, sign changes and the polynomial inside an exponential do not count
 *     functions  divisions, square roots, exponentials and logarithms, which take many times as long as a
 *                product
 *     bytes      loaded and stored by the kernels, from any cache or memory; numbers that the register tile
 *                of a product (4 x 8) uses again count once
 *
 * Shape (models/FORMAT.md): K channels, D degrees up to L, Y harmonics of them, layers V, H (of which M are
 * sent to neighbours) and U, C classes, I = K (D + 1) invariants, n neighbours. The model counts what the
 * formulas of docs/maths.md need in the form in which the kernels evaluate them (tables, recursions), but not
 * the padding of registers and rows. A fraction of the peak is therefore the fraction that does necessary
 * work.
 */

/** Bytes of an f32. */
const f4 = 4;

/** Pairs of degrees m, l with 0 < m < l <= L: harmonics that are a polynomial times a power of x + iy. */
const mixedPairs = (L) => (L * (L - 1)) / 2;

/**
 * The pairs that are formed. Recursions pass through a degree that is left out, but do not form its
 * harmonics.
 */
const formedPairs = ({ L, D }) => mixedPairs(L) - (D === L ? 4 : 0);

/** rows x columns numbers, each a sum of `depth` products, in register tiles of 4 x 8. */
export const product = (rows, columns, depth) => ({
  flops: 2 * rows * columns * depth,
  functions: 0,
  bytes: f4 * rows * columns * ((4 + 8) * (depth / 32) + 1),
});

/**
 * silu(z) = z s of `count` numbers, s = 1 / (1 + exp(-z)), and its slope s + silu (1 - s), kept for the
 * adjoint.
 */
const silu = (count) => ({ flops: 5 * count, functions: 2 * count, bytes: 3 * f4 * count });

/** da silu'(z) from the kept slope. */
const siluAdjoint = (count) => ({ flops: count, functions: 0, bytes: 3 * f4 * count });

const sum = (...parts) =>
  parts.reduce((total, part) => ({
    flops: total.flops + part.flops,
    functions: total.functions + part.functions,
    bytes: total.bytes + part.bytes,
  }));

const times = (count, { flops, functions, bytes }) => ({
  flops: count * flops,
  functions: count * functions,
  bytes: count * bytes,
});

/**
 * Squared distances of candidates in f32, then vectors of the pairs in f64, and their rows of x, y, z and
 * link.
 */
const neighbours = ({ n, candidates }) =>
  sum(
    times(candidates, { flops: 8, functions: 0, bytes: 3 * f4 + f4 }),
    times(n, { flops: 14, functions: 0, bytes: f4 + 24 + 3 * 16 }),
  );

/**
 * Length and direction of a pair (10); the four weights of the cubic and of its slope (20), which are kept
 * for the adjoint; K + 1 numbers between two nodes of the table.
 */
const radial = ({ n, K }) =>
  times(n, {
    flops: 10 + 20 + 7 * (K + 1),
    functions: 2,
    bytes: f4 * (4 + 5 + 8 + 5 + 4 * (K + 1) + (K + 1)),
  });

/**
 * The polynomials q of z by recursion in l, with three operations each, or two where one of order 1 starts
 * it; the powers of x + iy; the products of both.
 */
const harmonics = ({ n, L, D, Y }) =>
  times(n, {
    flops: 3 * mixedPairs(L) - (L - 1) + 6 * (L - 1) + 2 * formedPairs({ L, D }),
    functions: 0,
    bytes: f4 * (3 + (Y - 1)),
  });

/** A = sum over neighbours of R C. The harmonic of degree 0 is 1, and its K n additions are neglected. */
const density = ({ n, K, Y }) => product(Y - 1, K, n);

/** Channels mixed within each degree, the norms that form B, and the standard scale. */
const invariants = ({ K, D, Y, I }) =>
  sum(product(Y, K, K), {
    flops: 3 * Y * K + 2 * I,
    functions: K * D,
    bytes: f4 * (Y * K + Y + 3 * I),
  });

const network1 = ({ I, V, H }) => sum(product(V, 1, I), silu(V), product(H, 1, V), silu(H));

/** sum_j w_j h_j over rows of other atoms. */
const messages = ({ n, M }) => ({ flops: 2 * M * n, functions: 0, bytes: f4 * (n * (M + 2) + 2 * M) });

const network2 = ({ H, M, U, C }) => sum(product(U, 1, H + M), silu(U), product(C, 1, U));

/** The softmax relative to the largest logit, logP, and the distance to the ideal phase. */
const readout = ({ C }) => ({ flops: 2 * C + 7, functions: 2 * C + 2, bytes: f4 * 8 * C });

const network2Adjoint = ({ H, M, U, C }) => sum(product(U, 1, C), siluAdjoint(U), product(H + M, 1, U));

/** dh_j = sum_a w dn_a over the same rows, and dw = dn . h of every pair. */
const messagesAdjoint = ({ n, M }) =>
  sum(messages({ n, M }), { flops: 2 * M * n, functions: 0, bytes: f4 * n * (M + 2) });

const network1Adjoint = ({ I, V, H }) =>
  sum(siluAdjoint(H), product(V, 1, H), siluAdjoint(V), product(I, 1, V));

const invariantsAdjoint = ({ K, D, Y }) =>
  sum(product(Y, K, K), {
    flops: 3 * Y * K + 2 * Y * K + K * D + 2 * K,
    functions: 2 * K * D,
    bytes: f4 * (3 * Y * K + Y + 2 * K * D + 3 * K),
  });

/** dR = dA C and dC = dA R of every pair, for which R is transposed. */
const densityAdjoint = ({ n, K, Y }) =>
  sum(product(n, K, Y - 1), product(Y - 1, n, K), { flops: 0, functions: 0, bytes: 2 * f4 * K * n });

/** Slopes between the nodes of the table, and their contribution to dL/dr. */
const radialAdjoint = ({ n, K }) =>
  times(n, {
    flops: 7 * (K + 1) + 2 * (K + 1),
    functions: 0,
    bytes: f4 * (5 + 4 * (K + 1) + 2 * (K + 1) + K + 3),
  });

/**
 * From the highest order m down, since the polynomials of one order are the slopes of the order below: sums
 * of adjoints with Re and Im of (x + iy)^m (7 per pair of degrees) and with the slopes of q (3, but 1 where
 * the slope is 1); the recursion; the derivatives of the powers; the part across the direction of the pair.
 */
const harmonicsAdjoint = ({ n, L, D, Y }) => {
  const sums = (7 + 3) * formedPairs({ L, D }) - 2 * (L - 1);
  const recursion = (3 * (L - 1) * (L - 2)) / 2 - (L - 2);
  const powers = 10 * (L - 1) + 2;
  const zonal = 3 * (D - 2);
  const projection = 16;
  return times(n, {
    flops: sums + recursion + powers + zonal + projection,
    functions: 0,
    bytes: f4 * (Y - 1 + 4 * (L - 2) + 5 + 4),
  });
};

/** Gradients of pairs added to their atoms, from both ends, and the virial. */
const gather = ({ n }) => ({ flops: 24 * n, functions: 0, bytes: n * (f4 + 16 + 16 + 3 * f4) });

const stageCosts = {
  neighbours,
  radial,
  harmonics,
  density,
  invariants,
  network1,
  messages,
  network2,
  readout,
  network2Adjoint,
  messagesAdjoint,
  network1Adjoint,
  invariantsAdjoint,
  densityAdjoint,
  radialAdjoint,
  harmonicsAdjoint,
  gather,
};

/** Stages in the order in which a frame passes through them. */
export const stageNames = Object.keys(stageCosts);

/**
 * Cost of every stage for one atom.
 *
 * @param {{channels: number, lmax: number, skippedDegree?: number, innerWidth: number, hiddenWidth: number,
 *   messageWidth: number, outerWidth: number, classCount: number}} shape of a model
 * @param {{neighbours: number, candidates: number}} frame mean numbers per atom: pairs, and atoms whose
 *   distance the search evaluates
 * @returns {Record<string, {flops: number, functions: number, bytes: number}>}
 */
export function costs(shape, frame) {
  const {
    channels: K,
    lmax: L,
    skippedDegree = 0,
    innerWidth: V,
    hiddenWidth: H,
    messageWidth: M,
    outerWidth: U,
    classCount: C,
  } = shape;
  const numbers = {
    K,
    L,
    V,
    H,
    M,
    U,
    C,
    Y: (L + 1) ** 2 - (skippedDegree === 0 ? 0 : 2 * skippedDegree + 1),
    D: L + (skippedDegree === 0 ? 1 : 0),
    I: K * (L + (skippedDegree === 0 ? 2 : 1)),
    n: frame.neighbours,
    candidates: frame.candidates,
  };
  return Object.fromEntries(Object.entries(stageCosts).map(([name, cost]) => [name, cost(numbers)]));
}
