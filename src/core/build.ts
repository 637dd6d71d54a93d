/**
 * The two builds of the core. Both come from the same sources and have the same interface:
 *
 * - `baseline` gives the same bits on any machine and for any number of threads;
 * - `relaxed` uses WebAssembly's relaxed SIMD, which is a fused multiply-add if the machine has one: it is
 *   faster, and the last bits can differ between machines (not with the number of threads).
 */
import { PhasewireError, refusal } from "../errors/index.js";

export type CoreBuild = "baseline" | "relaxed";

/** Choices for users; `auto` is relaxed if the host accepts it, else baseline. */
export type BuildChoice = "auto" | CoreBuild;

export const buildChoices: readonly BuildChoice[] = ["auto", "baseline", "relaxed"];

/** A module of one function, which is f32x4.relaxed_madd. */
const relaxedModule = Uint8Array.of(
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
  ...[0x01, 0x08, 0x01, 0x60, 0x03, 0x7b, 0x7b, 0x7b, 0x01, 0x7b],
  ...[0x03, 0x02, 0x01, 0x00],
  ...[0x0a, 0x0d, 0x01, 0x0b, 0x00, 0x20, 0x00, 0x20, 0x01, 0x20, 0x02, 0xfd, 0x85, 0x02, 0x0b],
);

/** Whether WebAssembly accepts relaxed SIMD at present. */
export function validatesRelaxed(): boolean {
  return WebAssembly.validate(relaxedModule);
}

/**
 * The build to use.
 *
 * @param acceptsRelaxed whether the host can run the relaxed build
 * @throws PhasewireError `BAD_OPTION` if there is no such build, or if `relaxed` is requested but not
 *   available
 */
export function chooseBuild(choice: BuildChoice, acceptsRelaxed: () => boolean): CoreBuild {
  if (!buildChoices.includes(choice)) {
    const details = { found: JSON.stringify(choice), choices: buildChoices.join(", ") };
    throw refusal("build", details, { value: choice });
  }
  if (choice === "baseline") return "baseline";
  if (acceptsRelaxed()) return "relaxed";
  if (choice === "auto") return "baseline";
  throw new PhasewireError("BAD_OPTION", {
    message: "the relaxed build of the core was requested, but this JavaScript engine has no relaxed SIMD",
    field: "build",
    value: choice,
    remedy: "Use build auto or baseline, or Node 21 or later, or a browser of 2023 or later.",
  });
}
