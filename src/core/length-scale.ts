/**
 * The length scale of frames too large to be evaluated at once. The estimate (docs/maths.md, "Length scale")
 * needs the positions of all atoms and their order in space, but not the model, so it is made in its own
 * memory with the smallest possible model.
 */

import { CoreContext } from "./context.js";
import type { CoreHost } from "./host.js";
import { createMemory, instantiateCore } from "./instance.js";
import { statusError } from "./status.js";
import type { CoreFrame } from "./types.js";
import { checkShapes, frameRoom, writeFrame } from "./write-frame.js";

const smallestShape = {
  CLASSES: 2,
  BASIS: 2,
  CHANNELS: 8,
  LMAX: 2,
  INNER: 8,
  HIDDEN: 8,
  MESSAGE: 8,
  OUTER: 16,
} as const;

/** The estimate needs no pairs. */
const fewestPairs = 4;

/**
 * a0 of a frame, simulation length unit: to the last bit the `PhaseCore.lengthScale` of a frame that fits.
 *
 * @param cutoff the model's, units of a0
 * @throws PhasewireError as `PhaseCore.load`
 */
export async function lengthScaleOf(frame: CoreFrame, cutoff: number, host: CoreHost): Promise<number> {
  const atomCount = checkShapes(frame);
  const memory = createMemory();
  const core = instantiateCore(await host.compile("baseline"), memory);
  const context = new CoreContext(core, memory);
  for (const [name, size] of Object.entries(smallestShape)) context.setCount(name, size);
  context.setValue("CUTOFF", cutoff);
  const modelEnd = core.layoutModel(context.address, context.end);
  context.reserve(modelEnd, "model");
  context.reserve(core.layoutFrame(context.address, modelEnd, atomCount, fewestPairs, 1, 0), "frame");
  writeFrame(context, frame, frameRoom(context, atomCount));
  const status = core.binAtoms(context.address);
  if (status !== core.STATUS_OK.value) throw statusError(status, context);
  return context.value("LENGTH_SCALE");
}
