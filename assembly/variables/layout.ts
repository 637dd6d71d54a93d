/** Where the regions of variables lie. */
import { checked, place } from "../layout";
import {
  ADDRESS_VARIABLES_GRADIENT,
  ADDRESS_VARIABLES_IDEAL_LOGITS,
  ADDRESS_VARIABLES_IDS,
  ADDRESS_VARIABLES_LISTS,
  ADDRESS_VARIABLES_LOG_WEIGHTS,
  ADDRESS_VARIABLES_LOGITS,
  ADDRESS_VARIABLES_POSITIONS,
  ADDRESS_VARIABLES_RECORDS,
  ADDRESS_VARIABLES_SCRATCH,
  ADDRESS_VARIABLES_SEED,
  ADDRESS_VARIABLES_SPECIES,
  COUNT_VARIABLES_ATOMS,
  COUNT_VARIABLES_CLASSES,
  COUNT_VARIABLES_ERROR_RECORD,
  COUNT_VARIABLES_FIRST_ATOM,
  COUNT_VARIABLES_HAS_GRADIENT,
  COUNT_VARIABLES_LIST_NUMBERS,
  COUNT_VARIABLES_LOGIT_BYTES,
  COUNT_VARIABLES_RECORDS,
  PLACE_GRADIENT,
  PLACE_IDS,
  PLACE_LOGITS_DOUBLE,
  PLACE_LOGITS_SINGLE,
  PLACE_MODEL,
  PLACE_POSITIONS,
  PLACE_SEED,
  PLACE_SPECIES,
} from "./abi";
import { RECORD_BYTES } from "./program";
import { scratchBytes } from "./scratch";

/** Places a region if `features` has the bit `wanted`, else makes its address 0. */
function placeIf(vctx: usize, field: i32, end: f64, bytes: f64, features: i32, wanted: i32): f64 {
  if ((features & wanted) != 0) return place(vctx, field, end, bytes);
  store<u32>(vctx + field, 0);
  return end;
}

/**
 * Places the regions of variables from `base` upwards: a program of `records` records and lists of
 * `listNumbers` numbers, and the arrays of `atoms` atoms and `classes` classes that `features`
 * names (PLACE_*). Returns the end, or 0 if they do not fit.
 */
export function layoutVariables(
  vctx: usize,
  base: i32,
  atoms: i32,
  classes: i32,
  records: i32,
  listNumbers: i32,
  features: i32,
): f64 {
  if (atoms < 1 || classes < 1 || records < 0 || listNumbers < 0) return 0;
  const n = <f64>atoms;
  const c = <f64>classes;
  const logits = PLACE_LOGITS_SINGLE | PLACE_LOGITS_DOUBLE;
  const logitBytes = (features & PLACE_LOGITS_DOUBLE) != 0 ? 8 : 4;
  let end: f64 = Math.ceil(<f64>(<u32>base) / 64) * 64;
  end = place(vctx, ADDRESS_VARIABLES_RECORDS, end, <f64>RECORD_BYTES * <f64>records);
  end = place(vctx, ADDRESS_VARIABLES_LISTS, end, 8 * <f64>listNumbers);
  end = place(vctx, ADDRESS_VARIABLES_SCRATCH, end, scratchBytes(classes, records));
  end = placeIf(vctx, ADDRESS_VARIABLES_LOGITS, end, <f64>logitBytes * n * c, features, logits);
  end = placeIf(vctx, ADDRESS_VARIABLES_LOG_WEIGHTS, end, 8 * c, features, PLACE_MODEL);
  end = placeIf(vctx, ADDRESS_VARIABLES_IDEAL_LOGITS, end, 8 * c, features, PLACE_MODEL);
  end = placeIf(vctx, ADDRESS_VARIABLES_POSITIONS, end, 24 * n, features, PLACE_POSITIONS);
  end = placeIf(vctx, ADDRESS_VARIABLES_SPECIES, end, 4 * n, features, PLACE_SPECIES);
  end = placeIf(vctx, ADDRESS_VARIABLES_IDS, end, 8 * n, features, PLACE_IDS);
  end = placeIf(vctx, ADDRESS_VARIABLES_GRADIENT, end, 24 * n, features, PLACE_GRADIENT);
  end = placeIf(vctx, ADDRESS_VARIABLES_SEED, end, 8 * n * c, features, PLACE_SEED);

  store<i32>(vctx + COUNT_VARIABLES_ATOMS, atoms);
  store<i32>(vctx + COUNT_VARIABLES_CLASSES, classes);
  store<i32>(vctx + COUNT_VARIABLES_RECORDS, records);
  store<i32>(vctx + COUNT_VARIABLES_LIST_NUMBERS, listNumbers);
  store<i32>(vctx + COUNT_VARIABLES_LOGIT_BYTES, logitBytes);
  store<i32>(vctx + COUNT_VARIABLES_FIRST_ATOM, 0);
  store<i32>(vctx + COUNT_VARIABLES_HAS_GRADIENT, 0);
  store<i32>(vctx + COUNT_VARIABLES_ERROR_RECORD, -1);
  return checked(end);
}
