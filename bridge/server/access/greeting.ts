/** The greeting of a client in TypeScript: it proves who it is, and believes no server that cannot. */
import { lstatSync } from "node:fs";
import { refusal } from "../../../src/errors/index.js";
import { isOwn } from "./folder.js";
import { findSecret, isSameProof, newNonce, proofOf } from "./token.js";

/** A greeting for one `hello` and its `welcome`. */
export interface Greeting {
  /** Keys to add to the `hello`. */
  readonly keys: { readonly nonce?: string; readonly proof?: string };
  /**
   * Checks the key `proof` of the `welcome`. A client sends nothing more before.
   *
   * @throws PhasewireError `ACCESS_DENIED`
   */
  check(proof: unknown): void;
}

const unproven: Greeting = { keys: {}, check() {} };

/**
 * The greeting for a server without keys.
 *
 * @throws PhasewireError `ACCESS_DENIED` if the server is not this user's, as far as files tell
 */
export function greetingFor(endpoint: string): Greeting {
  const details = { endpoint };
  if (endpoint.startsWith("ipc://")) {
    const found = lstatSync(endpoint.slice("ipc://".length), { throwIfNoEntry: false });
    if (found !== undefined && !isOwn(found.uid))
      throw refusal("socketOfOthers", details, { value: endpoint });
    return unproven;
  }
  const secret = findSecret(endpoint);
  if (secret === null) throw refusal("noToken", details, { value: endpoint });
  if (secret === "open") return unproven;
  const { token } = secret;
  const nonce = newNonce();
  return {
    keys: { nonce, proof: proofOf("client", token, nonce) },
    check(proof) {
      if (typeof proof === "string" && isSameProof(proof, proofOf("server", token, nonce))) return;
      throw refusal("unprovenServer", details, { value: endpoint });
    },
  };
}
