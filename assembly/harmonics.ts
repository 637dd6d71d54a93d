/**
 * Real harmonics (docs/maths.md, "Harmonics"), Racah-normalised, l <= L, index lm = l^2 + l + m.
 *
 *     C_l,+m = n_lm Q_l^m(z) Re (x + iy)^m,   C_l,-m = n_lm Q_l^m(z) Im (x + iy)^m
 *     (x, y, z) a unit vector
 *
 * Kernel: monic polynomials q_l^m = Q_l^m / alpha_lm,
 *
 *     q_m^m = 1,   q_l^m = z q_(l-1)^m - b_lm q_(l-2)^m,   dq_l^m/dz = (l - m) q_l^(m+1)
 *     b_lm = ((l - 1)^2 - m^2) / ((2l - 1)(2l - 3)),   alpha_lm = (2l)! / (2^l l! (l - m)!)
 *
 * with four neighbours in the lanes. The rows of the kernel are C_lm / nu_lm with nu_lm = n_lm
 * alpha_lm; invariants.ts applies nu_lm once per atom. Row lm - 1 of the chunk arrays holds lm = 1,
 * 2, and so on; lm = 0 is constant and not stored. If degree 5 is left out, the rows of l = 6 take
 * its place.
 *
 * The adjoint treats (x, y, z) as independent and then removes the component along the unit vector.
 * The result does not depend on how C continues off the sphere.
 */
import { COUNT_LMAX, COUNT_SKIPPED_DEGREE } from "./abi";
import { addF8, at4, count, loadF8, storeF8 } from "./memory";
import {
  CHUNK_BYTES,
  SCRATCH_HARMONICS,
  SCRATCH_HARMONICS_ADJOINT,
  SCRATCH_INVERSE,
  SCRATCH_LENGTH_ADJOINT,
  SPARE_IM,
  SPARE_RE,
  SCRATCH_UNIT_X,
  SCRATCH_UNIT_Y,
  SCRATCH_UNIT_Z,
} from "./scratch";
import { firstHarmonic, MAX_LMAX } from "./shape";
import { B_DEGREES, HARMONIC_CONSTANTS, HARMONIC_NORMS } from "./tables";
import { madd4, nmadd4 } from "./vector";

/** Bytes of a row of the chunk arrays. Row (l, m) begins at Ll + m ROW. */
const ROW: i32 = CHUNK_BYTES;
const L1: i32 = (1 * 1 + 1 - 1) * ROW;
const L2: i32 = (2 * 2 + 2 - 1) * ROW;
const L3: i32 = (3 * 3 + 3 - 1) * ROW;
const L4: i32 = (4 * 4 + 4 - 1) * ROW;
const L5: i32 = (5 * 5 + 5 - 1) * ROW;
const L6: i32 = (6 * 6 + 6 - 1) * ROW;

/** Bytes of a constant. b_lm is at Bm + l ITEM from HARMONIC_NORMS on. */
const ITEM: i32 = 4;
const B0: i32 = 0;
const B1: i32 = B0 + B_DEGREES * ITEM;
const B2: i32 = B1 + B_DEGREES * ITEM;
const B3: i32 = B2 + B_DEGREES * ITEM;
const B4: i32 = B3 + B_DEGREES * ITEM;

function factorial(n: i32): f64 {
  let product: f64 = 1;
  for (let i = 2; i <= n; ++i) product *= <f64>i;
  return product;
}

/** n_lm */
function racah(l: i32, m: i32): f64 {
  return m == 0 ? 1 : Math.sqrt((2 * factorial(l - m)) / factorial(l + m));
}

/**
 * Fills the constants: nu_lm^2 in the order of the model's harmonics, then b_lm at HARMONIC_NORMS +
 * B_DEGREES m + l.
 */
export function prepareHarmonics(ctx: usize, constants: usize): void {
  memory.fill(constants, 0, HARMONIC_CONSTANTS * ITEM);
  for (let m = 0; m <= MAX_LMAX; ++m) {
    for (let l = m; l <= MAX_LMAX; ++l) {
      const alpha = factorial(2 * l) / (<f64>(1 << l) * factorial(l) * factorial(l - m));
      const norm = <f32>(racah(l, m) * alpha * (racah(l, m) * alpha));
      if (l <= count(ctx, COUNT_LMAX) && (l == 0 || l != count(ctx, COUNT_SKIPPED_DEGREE))) {
        const middle = firstHarmonic(ctx, l) + l;
        store<f32>(at4(constants, middle + m), norm);
        store<f32>(at4(constants, middle - m), norm);
      }
      const b = <f64>((l - 1) * (l - 1) - m * m) / <f64>((2 * l - 1) * (2 * l - 3));
      store<f32>(at4(constants, HARMONIC_NORMS + B_DEGREES * m + l), <f32>b);
    }
  }
}

/**
 * C / nu of `n4` unit vectors into SCRATCH_HARMONICS. Written out, l by l under each m: loops take
 * twice as long.
 */
export function harmonicsForward(constants: usize, scratch: usize, lmax: i32, skipped: i32, n4: i32): void {
  const b = at4(constants, HARMONIC_NORMS);
  const five = skipped != 5;
  const moved = five ? 0 : (2 * 5 + 1) * ROW;
  for (let j = 0; j < n4; j += 4) {
    const o = <usize>j << 2;
    const x = v128.load(scratch + o, SCRATCH_UNIT_X);
    const y = v128.load(scratch + o, SCRATCH_UNIT_Y);
    const z = v128.load(scratch + o, SCRATCH_UNIT_Z);
    const out = scratch + SCRATCH_HARMONICS + o;
    const out6 = out - moved;
    // m = 0
    let q1 = z;
    let q2 = f32x4.sub(f32x4.mul(z, z), v128.load32_splat(b, B0 + 2 * ITEM));
    let q3 = q2;
    let q4 = q2;
    v128.store(out, z, L1);
    v128.store(out, q2, L2);
    if (lmax >= 3) {
      q3 = nmadd4(v128.load32_splat(b, B0 + 3 * ITEM), q1, f32x4.mul(z, q2));
      v128.store(out, q3, L3);
      if (lmax >= 4) {
        q4 = nmadd4(v128.load32_splat(b, B0 + 4 * ITEM), q2, f32x4.mul(z, q3));
        v128.store(out, q4, L4);
        if (lmax >= 5) {
          q1 = nmadd4(v128.load32_splat(b, B0 + 5 * ITEM), q3, f32x4.mul(z, q4));
          if (five) v128.store(out, q1, L5);
          if (lmax >= 6) {
            q2 = nmadd4(v128.load32_splat(b, B0 + 6 * ITEM), q4, f32x4.mul(z, q1));
            v128.store(out6, q2, L6);
          }
        }
      }
    }
    let c = x;
    let s = y;
    // m = 1
    v128.store(out, c, L1 + ROW);
    v128.store(out, s, L1 - ROW);
    v128.store(out, f32x4.mul(z, c), L2 + ROW);
    v128.store(out, f32x4.mul(z, s), L2 - ROW);
    if (lmax >= 3) {
      q1 = f32x4.sub(f32x4.mul(z, z), v128.load32_splat(b, B1 + 3 * ITEM));
      v128.store(out, f32x4.mul(q1, c), L3 + ROW);
      v128.store(out, f32x4.mul(q1, s), L3 - ROW);
      if (lmax >= 4) {
        q2 = nmadd4(v128.load32_splat(b, B1 + 4 * ITEM), z, f32x4.mul(z, q1));
        v128.store(out, f32x4.mul(q2, c), L4 + ROW);
        v128.store(out, f32x4.mul(q2, s), L4 - ROW);
        if (lmax >= 5) {
          q3 = nmadd4(v128.load32_splat(b, B1 + 5 * ITEM), q1, f32x4.mul(z, q2));
          if (five) v128.store(out, f32x4.mul(q3, c), L5 + ROW);
          if (five) v128.store(out, f32x4.mul(q3, s), L5 - ROW);
          if (lmax >= 6) {
            q1 = nmadd4(v128.load32_splat(b, B1 + 6 * ITEM), q2, f32x4.mul(z, q3));
            v128.store(out6, f32x4.mul(q1, c), L6 + ROW);
            v128.store(out6, f32x4.mul(q1, s), L6 - ROW);
          }
        }
      }
    }
    // m = 2
    const c2 = nmadd4(s, y, f32x4.mul(c, x));
    s = madd4(c, y, f32x4.mul(s, x));
    c = c2;
    v128.store(out, c, L2 + 2 * ROW);
    v128.store(out, s, L2 - 2 * ROW);
    if (lmax >= 3) {
      v128.store(out, f32x4.mul(z, c), L3 + 2 * ROW);
      v128.store(out, f32x4.mul(z, s), L3 - 2 * ROW);
      if (lmax >= 4) {
        q1 = f32x4.sub(f32x4.mul(z, z), v128.load32_splat(b, B2 + 4 * ITEM));
        v128.store(out, f32x4.mul(q1, c), L4 + 2 * ROW);
        v128.store(out, f32x4.mul(q1, s), L4 - 2 * ROW);
        if (lmax >= 5) {
          q2 = nmadd4(v128.load32_splat(b, B2 + 5 * ITEM), z, f32x4.mul(z, q1));
          if (five) v128.store(out, f32x4.mul(q2, c), L5 + 2 * ROW);
          if (five) v128.store(out, f32x4.mul(q2, s), L5 - 2 * ROW);
          if (lmax >= 6) {
            q3 = nmadd4(v128.load32_splat(b, B2 + 6 * ITEM), q1, f32x4.mul(z, q2));
            v128.store(out6, f32x4.mul(q3, c), L6 + 2 * ROW);
            v128.store(out6, f32x4.mul(q3, s), L6 - 2 * ROW);
          }
        }
      }
    }
    // m = 3
    if (lmax < 3) continue;
    const c3 = nmadd4(s, y, f32x4.mul(c, x));
    s = madd4(c, y, f32x4.mul(s, x));
    c = c3;
    v128.store(out, c, L3 + 3 * ROW);
    v128.store(out, s, L3 - 3 * ROW);
    if (lmax >= 4) {
      v128.store(out, f32x4.mul(z, c), L4 + 3 * ROW);
      v128.store(out, f32x4.mul(z, s), L4 - 3 * ROW);
      if (lmax >= 5) {
        q1 = f32x4.sub(f32x4.mul(z, z), v128.load32_splat(b, B3 + 5 * ITEM));
        if (five) v128.store(out, f32x4.mul(q1, c), L5 + 3 * ROW);
        if (five) v128.store(out, f32x4.mul(q1, s), L5 - 3 * ROW);
        if (lmax >= 6) {
          q2 = nmadd4(v128.load32_splat(b, B3 + 6 * ITEM), z, f32x4.mul(z, q1));
          v128.store(out6, f32x4.mul(q2, c), L6 + 3 * ROW);
          v128.store(out6, f32x4.mul(q2, s), L6 - 3 * ROW);
        }
      }
    }
    // m = 4
    if (lmax < 4) continue;
    const c4 = nmadd4(s, y, f32x4.mul(c, x));
    s = madd4(c, y, f32x4.mul(s, x));
    c = c4;
    v128.store(out, c, L4 + 4 * ROW);
    v128.store(out, s, L4 - 4 * ROW);
    if (lmax >= 5) {
      if (five) v128.store(out, f32x4.mul(z, c), L5 + 4 * ROW);
      if (five) v128.store(out, f32x4.mul(z, s), L5 - 4 * ROW);
      if (lmax >= 6) {
        q1 = f32x4.sub(f32x4.mul(z, z), v128.load32_splat(b, B4 + 6 * ITEM));
        v128.store(out6, f32x4.mul(q1, c), L6 + 4 * ROW);
        v128.store(out6, f32x4.mul(q1, s), L6 - 4 * ROW);
      }
    }
    // m = 5
    if (lmax < 5) continue;
    const c5 = nmadd4(s, y, f32x4.mul(c, x));
    s = madd4(c, y, f32x4.mul(s, x));
    c = c5;
    v128.store(out, c, SPARE_RE * ROW);
    if (five) v128.store(out, c, L5 + 5 * ROW);
    v128.store(out, s, SPARE_IM * ROW);
    if (five) v128.store(out, s, L5 - 5 * ROW);
    if (lmax >= 6) {
      v128.store(out6, f32x4.mul(z, c), L6 + 5 * ROW);
      v128.store(out6, f32x4.mul(z, s), L6 - 5 * ROW);
    }
    // m = 6
    if (lmax < 6) continue;
    const c6 = nmadd4(s, y, f32x4.mul(c, x));
    s = madd4(c, y, f32x4.mul(s, x));
    c = c6;
    v128.store(out6, c, L6 + 6 * ROW);
    v128.store(out6, s, L6 - 6 * ROW);
  }
}

/**
 * Gradient of each pair vector: from the adjoints of C / nu (SCRATCH_HARMONICS_ADJOINT) and of the
 * length (SCRATCH_LENGTH_ADJOINT) of `n4` pairs to dL/dx in `gradient` (f32 n4 x 4: the vector and
 * a zero, units of L; overwritten).
 *
 * Call after harmonicsForward, whose rows l = |m| are Re and Im of (x + iy)^m. m decreases, because
 * the q of m + 1 are the slopes of those of m.
 */
export function harmonicsBackward(constants: usize, scratch: usize, lmax: i32, skipped: i32, gradient: usize, n4: i32): void {
  const b = at4(constants, HARMONIC_NORMS);
  const five = skipped != 5;
  const moved = five ? 0 : (2 * 5 + 1) * ROW;
  for (let j = 0; j < n4; j += 4) {
    const o = <usize>j << 2;
    const x = v128.load(scratch + o, SCRATCH_UNIT_X);
    const y = v128.load(scratch + o, SCRATCH_UNIT_Y);
    const z = v128.load(scratch + o, SCRATCH_UNIT_Z);
    const rows = scratch + SCRATCH_HARMONICS + o;
    const adjoint = scratch + SCRATCH_HARMONICS_ADJOINT + o;
    const adjoint6 = adjoint - moved;
    let dx = f32x4.splat(0);
    let dy = dx;
    let dz = v128.load(adjoint, L1);
    let q3 = z;
    let q4 = z;
    let q5 = z;
    let q6 = z;
    // m = 6
    if (lmax >= 6) {
      const dc = v128.load(adjoint6, L6 + 6 * ROW);
      const ds = v128.load(adjoint6, L6 - 6 * ROW);
      const cBefore = v128.load(rows, SPARE_RE * ROW);
      const sBefore = v128.load(rows, SPARE_IM * ROW);
      const order = f32x4.splat(6);
      dx = madd4(order, madd4(sBefore, ds, f32x4.mul(cBefore, dc)), dx);
      dy = madd4(order, nmadd4(sBefore, dc, f32x4.mul(cBefore, ds)), dy);
    }
    // m = 5
    if (lmax >= 5) {
      let dc = five ? v128.load(adjoint, L5 + 5 * ROW) : f32x4.splat(0);
      let ds = five ? v128.load(adjoint, L5 - 5 * ROW) : f32x4.splat(0);
      const c = v128.load(rows, SPARE_RE * ROW);
      const s = v128.load(rows, SPARE_IM * ROW);
      if (lmax >= 6) {
        const up6 = v128.load(adjoint6, L6 + 5 * ROW);
        const down6 = v128.load(adjoint6, L6 - 5 * ROW);
        dz = f32x4.add(dz, madd4(s, down6, f32x4.mul(c, up6)));
        dc = madd4(z, up6, dc);
        ds = madd4(z, down6, ds);
      }
      const cBefore = v128.load(rows, L4 + 4 * ROW);
      const sBefore = v128.load(rows, L4 - 4 * ROW);
      const order = f32x4.splat(5);
      dx = madd4(order, madd4(sBefore, ds, f32x4.mul(cBefore, dc)), dx);
      dy = madd4(order, nmadd4(sBefore, dc, f32x4.mul(cBefore, ds)), dy);
    }
    // m = 4
    if (lmax >= 4) {
      let dc = v128.load(adjoint, L4 + 4 * ROW);
      let ds = v128.load(adjoint, L4 - 4 * ROW);
      const c = v128.load(rows, L4 + 4 * ROW);
      const s = v128.load(rows, L4 - 4 * ROW);
      if (lmax >= 5) {
        if (five) {
          const up5 = v128.load(adjoint, L5 + 4 * ROW);
          const down5 = v128.load(adjoint, L5 - 4 * ROW);
          dz = f32x4.add(dz, madd4(s, down5, f32x4.mul(c, up5)));
          dc = madd4(z, up5, dc);
          ds = madd4(z, down5, ds);
        }
        if (lmax >= 6) {
          const up6 = v128.load(adjoint6, L6 + 4 * ROW);
          const down6 = v128.load(adjoint6, L6 - 4 * ROW);
          dz = madd4(f32x4.mul(f32x4.splat(2), z), madd4(s, down6, f32x4.mul(c, up6)), dz);
          q6 = f32x4.sub(f32x4.mul(z, z), v128.load32_splat(b, B4 + 6 * ITEM));
          dc = madd4(q6, up6, dc);
          ds = madd4(q6, down6, ds);
        }
      }
      const cBefore = v128.load(rows, L3 + 3 * ROW);
      const sBefore = v128.load(rows, L3 - 3 * ROW);
      const order = f32x4.splat(4);
      dx = madd4(order, madd4(sBefore, ds, f32x4.mul(cBefore, dc)), dx);
      dy = madd4(order, nmadd4(sBefore, dc, f32x4.mul(cBefore, ds)), dy);
    }
    // m = 3
    if (lmax >= 3) {
      let dc = v128.load(adjoint, L3 + 3 * ROW);
      let ds = v128.load(adjoint, L3 - 3 * ROW);
      const c = v128.load(rows, L3 + 3 * ROW);
      const s = v128.load(rows, L3 - 3 * ROW);
      if (lmax >= 4) {
        const up4 = v128.load(adjoint, L4 + 3 * ROW);
        const down4 = v128.load(adjoint, L4 - 3 * ROW);
        dz = f32x4.add(dz, madd4(s, down4, f32x4.mul(c, up4)));
        dc = madd4(z, up4, dc);
        ds = madd4(z, down4, ds);
        if (lmax >= 5) {
          q5 = f32x4.sub(f32x4.mul(z, z), v128.load32_splat(b, B3 + 5 * ITEM));
          if (five) {
            const up5 = v128.load(adjoint, L5 + 3 * ROW);
            const down5 = v128.load(adjoint, L5 - 3 * ROW);
            dz = madd4(f32x4.mul(f32x4.splat(2), z), madd4(s, down5, f32x4.mul(c, up5)), dz);
            dc = madd4(q5, up5, dc);
            ds = madd4(q5, down5, ds);
          }
          if (lmax >= 6) {
            const up6 = v128.load(adjoint6, L6 + 3 * ROW);
            const down6 = v128.load(adjoint6, L6 - 3 * ROW);
            dz = madd4(f32x4.mul(f32x4.splat(3), q6), madd4(s, down6, f32x4.mul(c, up6)), dz);
            q6 = nmadd4(v128.load32_splat(b, B3 + 6 * ITEM), z, f32x4.mul(z, q5));
            dc = madd4(q6, up6, dc);
            ds = madd4(q6, down6, ds);
          }
        }
      }
      const cBefore = v128.load(rows, L2 + 2 * ROW);
      const sBefore = v128.load(rows, L2 - 2 * ROW);
      const order = f32x4.splat(3);
      dx = madd4(order, madd4(sBefore, ds, f32x4.mul(cBefore, dc)), dx);
      dy = madd4(order, nmadd4(sBefore, dc, f32x4.mul(cBefore, ds)), dy);
    }
    // m = 2
    {
      let dc = v128.load(adjoint, L2 + 2 * ROW);
      let ds = v128.load(adjoint, L2 - 2 * ROW);
      const c = v128.load(rows, L2 + 2 * ROW);
      const s = v128.load(rows, L2 - 2 * ROW);
      if (lmax >= 3) {
        const up3 = v128.load(adjoint, L3 + 2 * ROW);
        const down3 = v128.load(adjoint, L3 - 2 * ROW);
        dz = f32x4.add(dz, madd4(s, down3, f32x4.mul(c, up3)));
        dc = madd4(z, up3, dc);
        ds = madd4(z, down3, ds);
        if (lmax >= 4) {
          const up4 = v128.load(adjoint, L4 + 2 * ROW);
          const down4 = v128.load(adjoint, L4 - 2 * ROW);
          dz = madd4(f32x4.mul(f32x4.splat(2), z), madd4(s, down4, f32x4.mul(c, up4)), dz);
          q4 = f32x4.sub(f32x4.mul(z, z), v128.load32_splat(b, B2 + 4 * ITEM));
          dc = madd4(q4, up4, dc);
          ds = madd4(q4, down4, ds);
          if (lmax >= 5) {
            const slope5 = q5;
            q5 = nmadd4(v128.load32_splat(b, B2 + 5 * ITEM), z, f32x4.mul(z, q4));
            if (five) {
              const up5 = v128.load(adjoint, L5 + 2 * ROW);
              const down5 = v128.load(adjoint, L5 - 2 * ROW);
              dz = madd4(f32x4.mul(f32x4.splat(3), slope5), madd4(s, down5, f32x4.mul(c, up5)), dz);
              dc = madd4(q5, up5, dc);
              ds = madd4(q5, down5, ds);
            }
            if (lmax >= 6) {
              const up6 = v128.load(adjoint6, L6 + 2 * ROW);
              const down6 = v128.load(adjoint6, L6 - 2 * ROW);
              dz = madd4(f32x4.mul(f32x4.splat(4), q6), madd4(s, down6, f32x4.mul(c, up6)), dz);
              q6 = nmadd4(v128.load32_splat(b, B2 + 6 * ITEM), q4, f32x4.mul(z, q5));
              dc = madd4(q6, up6, dc);
              ds = madd4(q6, down6, ds);
            }
          }
        }
      }
      const cBefore = x;
      const sBefore = y;
      const order = f32x4.splat(2);
      dx = madd4(order, madd4(sBefore, ds, f32x4.mul(cBefore, dc)), dx);
      dy = madd4(order, nmadd4(sBefore, dc, f32x4.mul(cBefore, ds)), dy);
    }
    // m = 1
    {
      let dc = v128.load(adjoint, L1 + ROW);
      let ds = v128.load(adjoint, L1 - ROW);
      const c = x;
      const s = y;
      const up2 = v128.load(adjoint, L2 + ROW);
      const down2 = v128.load(adjoint, L2 - ROW);
      dz = f32x4.add(dz, madd4(s, down2, f32x4.mul(c, up2)));
      dc = madd4(z, up2, dc);
      ds = madd4(z, down2, ds);
      if (lmax >= 3) {
        const up3 = v128.load(adjoint, L3 + ROW);
        const down3 = v128.load(adjoint, L3 - ROW);
        dz = madd4(f32x4.mul(f32x4.splat(2), z), madd4(s, down3, f32x4.mul(c, up3)), dz);
        q3 = f32x4.sub(f32x4.mul(z, z), v128.load32_splat(b, B1 + 3 * ITEM));
        dc = madd4(q3, up3, dc);
        ds = madd4(q3, down3, ds);
        if (lmax >= 4) {
          const up4 = v128.load(adjoint, L4 + ROW);
          const down4 = v128.load(adjoint, L4 - ROW);
          dz = madd4(f32x4.mul(f32x4.splat(3), q4), madd4(s, down4, f32x4.mul(c, up4)), dz);
          q4 = nmadd4(v128.load32_splat(b, B1 + 4 * ITEM), z, f32x4.mul(z, q3));
          dc = madd4(q4, up4, dc);
          ds = madd4(q4, down4, ds);
          if (lmax >= 5) {
            const slope5 = q5;
            q5 = nmadd4(v128.load32_splat(b, B1 + 5 * ITEM), q3, f32x4.mul(z, q4));
            if (five) {
              const up5 = v128.load(adjoint, L5 + ROW);
              const down5 = v128.load(adjoint, L5 - ROW);
              dz = madd4(f32x4.mul(f32x4.splat(4), slope5), madd4(s, down5, f32x4.mul(c, up5)), dz);
              dc = madd4(q5, up5, dc);
              ds = madd4(q5, down5, ds);
            }
            if (lmax >= 6) {
              const up6 = v128.load(adjoint6, L6 + ROW);
              const down6 = v128.load(adjoint6, L6 - ROW);
              dz = madd4(f32x4.mul(f32x4.splat(5), q6), madd4(s, down6, f32x4.mul(c, up6)), dz);
              q6 = nmadd4(v128.load32_splat(b, B1 + 6 * ITEM), q4, f32x4.mul(z, q5));
              dc = madd4(q6, up6, dc);
              ds = madd4(q6, down6, ds);
            }
          }
        }
      }
      dx = f32x4.add(dx, dc);
      dy = f32x4.add(dy, ds);
    }
    // m = 0: only q contributes, and its slope.
    dz = madd4(f32x4.mul(f32x4.splat(2), z), v128.load(adjoint, L2), dz);
    if (lmax >= 3) dz = madd4(f32x4.mul(f32x4.splat(3), q3), v128.load(adjoint, L3), dz);
    if (lmax >= 4) dz = madd4(f32x4.mul(f32x4.splat(4), q4), v128.load(adjoint, L4), dz);
    if (lmax >= 5 && five) dz = madd4(f32x4.mul(f32x4.splat(5), q5), v128.load(adjoint, L5), dz);
    if (lmax >= 6) dz = madd4(f32x4.mul(f32x4.splat(6), q6), v128.load(adjoint6, L6), dz);
    const along = madd4(dz, z, madd4(dy, y, f32x4.mul(dx, x)));
    const inverse = v128.load(scratch + o, SCRATCH_INVERSE);
    // dL/dx = (d - u (u.d)) / r + u dL/dr
    const radial = nmadd4(along, inverse, v128.load(scratch + o, SCRATCH_LENGTH_ADJOINT));
    const gx = madd4(radial, x, f32x4.mul(dx, inverse));
    const gy = madd4(radial, y, f32x4.mul(dy, inverse));
    const gz = madd4(radial, z, f32x4.mul(dz, inverse));
    // Transposed, so that the vector of a pair is contiguous.
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

/** C_lm of one unit vector: out f64 Y. */
export function harmonicsReference(ctx: usize, out: usize, x: f64, y: f64, z: f64): void {
  const lmax = count(ctx, COUNT_LMAX);
  let c: f64 = 1;
  let s: f64 = 0;
  for (let m = 0; m <= lmax; ++m) {
    for (let l = m; l <= lmax; ++l) {
      if (l > 0 && l == count(ctx, COUNT_SKIPPED_DEGREE)) continue;
      const scaled = racah(l, m) * legendre(l, m, z);
      const middle = firstHarmonic(ctx, l) + l;
      storeF8(out, middle + m, scaled * c);
      if (m > 0) storeF8(out, middle - m, scaled * s);
    }
    const next = c * x - s * y;
    s = s * x + c * y;
    c = next;
  }
}

/**
 * out (f64 3) += the gradient of sum_lm dC_lm C_lm(u) with respect to the pair vector r u, u a unit
 * vector.
 */
export function harmonicsReferenceBackward(ctx: usize, out: usize, dC: usize, x: f64, y: f64, z: f64, r: f64): void {
  const lmax = count(ctx, COUNT_LMAX);
  let dx: f64 = 0;
  let dy: f64 = 0;
  let dz: f64 = 0;
  let cBefore: f64 = 0;
  let sBefore: f64 = 0;
  let c: f64 = 1;
  let s: f64 = 0;
  for (let m = 0; m <= lmax; ++m) {
    for (let l = m; l <= lmax; ++l) {
      if (l > 0 && l == count(ctx, COUNT_SKIPPED_DEGREE)) continue;
      const middle = firstHarmonic(ctx, l) + l;
      const up = racah(l, m) * loadF8(dC, middle + m);
      const down = m > 0 ? racah(l, m) * loadF8(dC, middle - m) : 0;
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
