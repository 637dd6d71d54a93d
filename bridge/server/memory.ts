/** How much memory the frames of clients may take. */
import os from "node:os";
import { limits } from "../../src/contract/limits.js";
import type { AdmissionLimits } from "./sessions/admission.js";

const { heldShare, heldShareOfPeer } = limits.server;

/**
 * The bounds of a server: what it was given, else a share of the memory that this process may use. A peer may
 * take a share of them, so that there is room for others.
 */
export function heldBytes(given?: number): AdmissionLimits {
  const inAll = given ?? Math.floor(heldShare * usableMemory());
  return { inAll, ofPeer: Math.floor(heldShareOfPeer * inAll) };
}

/** The machine's memory, or that of the control group of this process. */
function usableMemory(): number {
  const constrained = process.constrainedMemory?.() ?? 0;
  const machine = os.totalmem();
  return constrained > 0 ? Math.min(constrained, machine) : machine;
}
