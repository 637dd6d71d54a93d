/**
 * Real harmonics (docs/maths.md, "Harmonics"), Racah-normalised, l <= L, index lm = l^2 + l + m.
 *
 *     C_l,+m = n_lm Q_l^m(z) Re (x + iy)^m,   C_l,-m = n_lm Q_l^m(z) Im (x + iy)^m,   (x, y, z) a unit vector
 *
 * Kernel: monic polynomials q_l^m = Q_l^m / alpha_lm by q_m^m = 1, q_l^m = z q_(l-1)^m - b_lm q_(l-2)^m,
 *     b_lm = ((l - 1)^2 - m^2) / ((2l - 1)(2l - 3)),   alpha_lm = (2l)! / (2^l l! (l - m)!),   dq_l^m/dz = (l - m) q_l^(m+1),
 * four neighbours in the lanes, so that the rows of the kernel are C_lm / nu_lm with nu_lm = n_lm alpha_lm, which
 * invariants.ts applies once an atom. Row lm - 1 of the chunk arrays holds lm = 1, 2, ..; lm = 0 is constant and never formed.
 *
 * The adjoint takes (x, y, z) as independent, then drops the part along the unit vector: what is left does not depend on how C was continued
 * off the sphere.
 */
import { MAX_LMAX } from "./layout";
import { at4, loadF4, storeF8, loadF8, addF8 } from "./memory";
import {
  CHUNK_BYTES,
  SCRATCH_HARMONICS,
  SCRATCH_HARMONICS_ADJOINT,
  SCRATCH_INVERSE,
  SCRATCH_LENGTH_ADJOINT,
  SCRATCH_UNIT_X,
  SCRATCH_UNIT_Y,
  SCRATCH_UNIT_Z,
} from "./scratch";
import { HARMONIC_NORMS } from "./tables";
import { madd4, nmadd4 } from "./vector";

function factorial(n: i32): f64 {
  let product: f64 = 1;
  for (let i = 2; i <= n; ++i) product *= <f64>i;
  return product;
}

/** n_lm */
function racah(l: i32, m: i32): f64 {
  return m == 0 ? 1 : Math.sqrt((2 * factorial(l - m)) / factorial(l + m));
}

/** Fills the constants: nu_lm^2 at lm = l^2 + l +- m, then b_lm at HARMONIC_NORMS + 8 m + l. */
export function prepareHarmonics(constants: usize): void {
  memory.fill(constants, 0, (HARMONIC_NORMS + 64) * 4);
  for (let m = 0; m <= MAX_LMAX; ++m) {
    for (let l = m; l <= MAX_LMAX; ++l) {
      const alpha = factorial(2 * l) / (<f64>(1 << l) * factorial(l) * factorial(l - m));
      const norm = <f32>(racah(l, m) * alpha * (racah(l, m) * alpha));
      store<f32>(at4(constants, l * l + l + m), norm);
      store<f32>(at4(constants, l * l + l - m), norm);
      const b = <f64>((l - 1) * (l - 1) - m * m) / <f64>((2 * l - 1) * (2 * l - 3));
      store<f32>(at4(constants, HARMONIC_NORMS + 8 * m + l), <f32>b);
    }
  }
}

/** Address of the chunk row of lm = l^2 + l + m. */
// @ts-ignore: decorator
@inline
function row(base: usize, l: i32, m: i32): usize {
  return base + (l * l + l + m - 1) * CHUNK_BYTES;
}

/** C / nu of `n4` unit vectors into SCRATCH_HARMONICS. */
export function harmonicsForward(constants: usize, scratch: usize, lmax: i32, n4: i32): void {
  const recursion = at4(constants, HARMONIC_NORMS);
  for (let j = 0; j < n4; j += 4) {
    const o = <usize>j << 2;
    const x = v128.load(scratch + SCRATCH_UNIT_X + o);
    const y = v128.load(scratch + SCRATCH_UNIT_Y + o);
    const z = v128.load(scratch + SCRATCH_UNIT_Z + o);
    const out = scratch + SCRATCH_HARMONICS + o;
    let q2 = f32x4.splat(1);
    let q1 = z;
    v128.store(row(out, 1, 0), z);
    for (let l = 2; l <= lmax; ++l) {
      const b = v128.load32_splat(at4(recursion, l));
      const q = nmadd4(b, q2, f32x4.mul(z, q1));
      v128.store(row(out, l, 0), q);
      q2 = q1;
      q1 = q;
    }
    let c = x;
    let s = y;
    for (let m = 1; m <= lmax; ++m) {
      q2 = f32x4.splat(0);
      q1 = f32x4.splat(1);
      v128.store(row(out, m, m), c);
      v128.store(row(out, m, -m), s);
      for (let l = m + 1; l <= lmax; ++l) {
        const b = v128.load32_splat(at4(recursion, 8 * m + l));
        const q = nmadd4(b, q2, f32x4.mul(z, q1));
        v128.store(row(out, l, m), f32x4.mul(q, c));
        v128.store(row(out, l, -m), f32x4.mul(q, s));
        q2 = q1;
        q1 = q;
      }
      const next = nmadd4(s, y, f32x4.mul(c, x));
      s = madd4(c, y, f32x4.mul(s, x));
      c = next;
    }
  }
}

/**
 * Gradient of each pair vector: from the adjoints of C / nu (SCRATCH_HARMONICS_ADJOINT) and of the length
 * (SCRATCH_LENGTH_ADJOINT) of `n4` pairs to dL/dx in `gradient` (f32 n4 x 4: the vector and a zero, units of L; overwritten).
 */
export function harmonicsBackward(constants: usize, scratch: usize, lmax: i32, gradient: usize, n4: i32): void {
  const recursion = at4(constants, HARMONIC_NORMS);
  for (let j = 0; j < n4; j += 4) {
    const o = <usize>j << 2;
    const x = v128.load(scratch + SCRATCH_UNIT_X + o);
    const y = v128.load(scratch + SCRATCH_UNIT_Y + o);
    const z = v128.load(scratch + SCRATCH_UNIT_Z + o);
    const adjoint = scratch + SCRATCH_HARMONICS_ADJOINT + o;
    let dx = f32x4.splat(0);
    let dy = dx;
    let dz = v128.load(row(adjoint, 1, 0));
    // m = 0: only q enters, and its slope.
    let p2 = f32x4.splat(0);
    let p1 = f32x4.splat(1);
    for (let l = 2; l <= lmax; ++l) {
      const b = v128.load32_splat(at4(recursion, 8 + l));
      const p = nmadd4(b, p2, f32x4.mul(z, p1));
      dz = madd4(f32x4.mul(f32x4.splat(<f32>l), p), v128.load(row(adjoint, l, 0)), dz);
      p2 = p1;
      p1 = p;
    }
    let cBefore = f32x4.splat(1);
    let sBefore = f32x4.splat(0);
    let c = x;
    let s = y;
    for (let m = 1; m <= lmax; ++m) {
      let dc = v128.load(row(adjoint, m, m));
      let ds = v128.load(row(adjoint, m, -m));
      let q2 = f32x4.splat(0);
      let q1 = f32x4.splat(1);
      // p is q of m + 1, one l behind: the slope of q.
      p2 = f32x4.splat(0);
      p1 = f32x4.splat(0);
      for (let l = m + 1; l <= lmax; ++l) {
        const q = nmadd4(v128.load32_splat(at4(recursion, 8 * m + l)), q2, f32x4.mul(z, q1));
        const p =
          l == m + 1
            ? f32x4.splat(1)
            : nmadd4(v128.load32_splat(at4(recursion, 8 * m + 8 + l)), p2, f32x4.mul(z, p1));
        const up = v128.load(row(adjoint, l, m));
        const down = v128.load(row(adjoint, l, -m));
        dc = madd4(q, up, dc);
        ds = madd4(q, down, ds);
        const slope = f32x4.mul(f32x4.splat(<f32>(l - m)), p);
        dz = madd4(slope, madd4(s, down, f32x4.mul(c, up)), dz);
        q2 = q1;
        q1 = q;
        p2 = p1;
        p1 = p;
      }
      const order = f32x4.splat(<f32>m);
      dx = madd4(order, madd4(sBefore, ds, f32x4.mul(cBefore, dc)), dx);
      dy = madd4(order, nmadd4(sBefore, dc, f32x4.mul(cBefore, ds)), dy);
      cBefore = c;
      sBefore = s;
      c = nmadd4(sBefore, y, f32x4.mul(cBefore, x));
      s = madd4(cBefore, y, f32x4.mul(sBefore, x));
    }
    const along = madd4(dz, z, madd4(dy, y, f32x4.mul(dx, x)));
    const inverse = v128.load(scratch + SCRATCH_INVERSE + o);
    // dL/dx = (d - u (u.d)) / r + u dL/dr
    const radial = nmadd4(along, inverse, v128.load(scratch + SCRATCH_LENGTH_ADJOINT + o));
    const gx = madd4(radial, x, f32x4.mul(dx, inverse));
    const gy = madd4(radial, y, f32x4.mul(dy, inverse));
    const gz = madd4(radial, z, f32x4.mul(dz, inverse));
    // Turned, so that the vector of a pair lies together.
    const zero = f32x4.splat(0);
    const low01 = v128.shuffle<f32>(gx, gy, 0, 4, 1, 5);
    const high01 = v128.shuffle<f32>(gx, gy, 2, 6, 3, 7);
    const low2 = v128.shuffle<f32>(gz, zero, 0, 4, 1, 5);
    const high2 = v128.shuffle<f32>(gz, zero, 2, 6, 3, 7);
    const out = gradient + (<usize>j << 4);
    v128.store(out, v128.shuffle<f32>(low01, low2, 0, 1, 4, 5));
    v128.store(out, v128.shuffle<f32>(low01, low2, 2, 3, 6, 7), 16);
    v128.store(out, v128.shuffle<f32>(high01, high2, 0, 1, 4, 5), 32);
    v128.store(out, v128.shuffle<f32>(high01, high2, 2, 3, 6, 7), 48);
  }
}

/** Q_l^m(z) = d^m P_l / dz^m by the recursion in l of the definition. */
function legendre(l: i32, m: i32, z: f64): f64 {
  if (m > l) return 0;
  let below: f64 = 0;
  let here: f64 = 1;
  for (let i = 1; i <= m; ++i) here *= <f64>(2 * i - 1);
  for (let i = m + 1; i <= l; ++i) {
    const next = (<f64>(2 * i - 1) * z * here - <f64>(i + m - 1) * below) / <f64>(i - m);
    below = here;
    here = next;
  }
  return here;
}

/** C_lm of one unit vector: out f64 (lmax + 1)^2. */
export function harmonicsReference(out: usize, lmax: i32, x: f64, y: f64, z: f64): void {
  let c: f64 = 1;
  let s: f64 = 0;
  for (let m = 0; m <= lmax; ++m) {
    for (let l = m; l <= lmax; ++l) {
      const scaled = racah(l, m) * legendre(l, m, z);
      storeF8(out, l * l + l + m, scaled * c);
      if (m > 0) storeF8(out, l * l + l - m, scaled * s);
    }
    const next = c * x - s * y;
    s = s * x + c * y;
    c = next;
  }
}

/** out (f64 3) += the gradient by the pair vector r u of sum_lm dC_lm C_lm(u), u a unit vector. */
export function harmonicsReferenceBackward(out: usize, dC: usize, lmax: i32, x: f64, y: f64, z: f64, r: f64): void {
  let dx: f64 = 0;
  let dy: f64 = 0;
  let dz: f64 = 0;
  let cBefore: f64 = 0;
  let sBefore: f64 = 0;
  let c: f64 = 1;
  let s: f64 = 0;
  for (let m = 0; m <= lmax; ++m) {
    for (let l = m; l <= lmax; ++l) {
      const up = racah(l, m) * loadF8(dC, l * l + l + m);
      const down = m > 0 ? racah(l, m) * loadF8(dC, l * l + l - m) : 0;
      const q = legendre(l, m, z);
      dz += legendre(l, m + 1, z) * (c * up + s * down);
      dx += q * <f64>m * (cBefore * up + sBefore * down);
      dy += q * <f64>m * (cBefore * down - sBefore * up);
    }
    cBefore = c;
    sBefore = s;
    c = cBefore * x - sBefore * y;
    s = sBefore * x + cBefore * y;
  }
  const along = dx * x + dy * y + dz * z;
  addF8(out, 0, (dx - along * x) / r);
  addF8(out, 1, (dy - along * y) / r);
  addF8(out, 2, (dz - along * z) / r);
}
