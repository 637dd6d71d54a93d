// Label the atoms of every frame of a file: node examples/classify.mjs IN.extxyz OUT.extxyz
import { createAnalyser, FrameWriter, labelFrame, loadModel, readFrames } from "phasewire";

const [input, output] = process.argv.slice(2);
if (input === undefined || output === undefined) {
  console.error("usage: node examples/classify.mjs IN.extxyz OUT.extxyz");
  process.exit(2);
}
const analyser = await createAnalyser(await loadModel());
const writer = await FrameWriter.open(output);
try {
  for await (const frame of readFrames(input)) {
    const analysis = await analyser.analyse(frame, { denoise: 8 });
    await writer.write(labelFrame(frame, analysis));
    const shares = Object.entries(analysis.fractions).filter(([, share]) => share > 0);
    console.log(shares.map(([phase, share]) => `${phase} ${(100 * share).toFixed(1)} %`).join(", "));
  }
} finally {
  await writer.close();
  await analyser.dispose();
}
