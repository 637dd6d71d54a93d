/**
 * Variables of variables, and their derivatives by the inner ones:
 *
 *     sum        V = constant + sum_i weight_i V_i         dV/dV_i = weight_i
 *     extremum   V = (1/b) log mean_i exp(b V_i)           dV/dV_i = exp(b V_i) / sum_j exp(b V_j)
 *     switch     V = 1 / (1 + exp(-(V_1 - centre)/width))  dV/dV_1 = V (1 - V) / width
 */
import { ADDRESS_VARIABLES_RECORDS } from "./abi";
import { loadF8, region, value } from "../memory";
import {
  KIND_EXTREMUM,
  KIND_SUM,
  RECORD_ADJOINT,
  RECORD_BYTES,
  RECORD_CONSTANT,
  RECORD_KIND,
  RECORD_LENGTH,
  RECORD_LIST,
  RECORD_SWITCH_CENTRE,
  RECORD_SWITCH_WIDTH,
  RECORD_VALUE,
  RECORD_WEIGHTS,
} from "./program";
import { listOf } from "./selection";

/** Address of record `r`. */
// @ts-ignore: decorator
@inline
export function recordAt(vctx: usize, r: i32): usize {
  return region(vctx, ADDRESS_VARIABLES_RECORDS) + <usize>(RECORD_BYTES * r);
}

/** The record that a variable of variables names at place `i` of its list. */
// @ts-ignore: decorator
@inline
function innerOf(vctx: usize, list: usize, i: i32): usize {
  return recordAt(vctx, <i32>loadF8(list, i));
}

// @ts-ignore: decorator
@inline
function innerValue(vctx: usize, list: usize, i: i32): f64 {
  return value(innerOf(vctx, list, i), RECORD_VALUE);
}

/** Writes the value of a variable whose inner ones have theirs. */
export function compose(vctx: usize, record: usize): void {
  const kind = <i32>value(record, RECORD_KIND);
  const list = listOf(vctx, record, RECORD_LIST);
  const length = <i32>value(record, RECORD_LENGTH);
  let v: f64;
  if (kind == KIND_SUM) {
    const weights = listOf(vctx, record, RECORD_WEIGHTS);
    v = value(record, RECORD_CONSTANT);
    for (let i = 0; i < length; ++i) v += loadF8(weights, i) * innerValue(vctx, list, i);
  } else if (kind == KIND_EXTREMUM) {
    const b = value(record, RECORD_CONSTANT);
    const largest = largestExponent(vctx, list, length, b);
    v = (largest + Math.log(exponentialSum(vctx, list, length, b, largest) / <f64>length)) / b;
  } else {
    const x = switchArgument(vctx, record, list);
    const small = Math.exp(-Math.abs(x));
    v = (x >= 0 ? 1 : small) / (1 + small);
  }
  store<f64>(record + RECORD_VALUE, v);
}

/** Adds to the adjoints of the inner variables what that of the variable gives. */
export function pullComposite(vctx: usize, record: usize): void {
  const kind = <i32>value(record, RECORD_KIND);
  const list = listOf(vctx, record, RECORD_LIST);
  const length = <i32>value(record, RECORD_LENGTH);
  const adjoint = value(record, RECORD_ADJOINT);
  if (kind == KIND_SUM) {
    const weights = listOf(vctx, record, RECORD_WEIGHTS);
    for (let i = 0; i < length; ++i) addAdjoint(innerOf(vctx, list, i), adjoint * loadF8(weights, i));
  } else if (kind == KIND_EXTREMUM) {
    const b = value(record, RECORD_CONSTANT);
    const largest = largestExponent(vctx, list, length, b);
    const sum = exponentialSum(vctx, list, length, b, largest);
    for (let i = 0; i < length; ++i) {
      const inner = innerOf(vctx, list, i);
      const term = Math.exp(b * value(inner, RECORD_VALUE) - largest);
      addAdjoint(inner, (adjoint * term) / sum);
    }
  } else {
    const small = Math.exp(-Math.abs(switchArgument(vctx, record, list)));
    const sum = 1 + small;
    const slope = small / (sum * sum) / value(record, RECORD_SWITCH_WIDTH);
    addAdjoint(innerOf(vctx, list, 0), adjoint * slope);
  }
}

function addAdjoint(record: usize, part: f64): void {
  store<f64>(record + RECORD_ADJOINT, value(record, RECORD_ADJOINT) + part);
}

/** Relative to the largest, no exponential overflows. */
function largestExponent(vctx: usize, list: usize, length: i32, b: f64): f64 {
  let largest: f64 = -Infinity;
  for (let i = 0; i < length; ++i) largest = max(largest, b * innerValue(vctx, list, i));
  return largest;
}

function exponentialSum(vctx: usize, list: usize, length: i32, b: f64, largest: f64): f64 {
  let sum: f64 = 0;
  for (let i = 0; i < length; ++i) sum += Math.exp(b * innerValue(vctx, list, i) - largest);
  return sum;
}

function switchArgument(vctx: usize, record: usize, list: usize): f64 {
  return (innerValue(vctx, list, 0) - value(record, RECORD_SWITCH_CENTRE)) / value(record, RECORD_SWITCH_WIDTH);
}
