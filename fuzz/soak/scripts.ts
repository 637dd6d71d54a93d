/**
 * Many short scripts without goodbye: `node scripts.js ENDPOINT COUNT`. Each connection begins a session,
 * sends a frame, and ends with the process.
 */
import { Attacker } from "../server/attacker.js";
import { bytesOf, type Part } from "../server/parts.js";

const [endpoint, count] = [process.argv[2]!, Number(process.argv[3])];
const side = 4;
const header = {
  ...{ type: "analyse", mode: "request", step: 1, periodic: [true, true, true], lengthScale: 1 },
  arrays: [
    { name: "positions", dtype: "f64", shape: [side ** 3, 3] },
    { name: "cell", dtype: "f64", shape: [3, 3] },
  ],
};
const frame: Part[] = [
  { header },
  { grid: { side, noise: 0.1, seed: 1 } },
  { f64: [side, 0, 0, 0, side, 0, 0, 0, side] },
];
for (let script = 0; script < count; script++) {
  const client = new Attacker(endpoint);
  await client.send([bytesOf({ hello: { run: "script" } }, 0, null)]);
  if ((await client.next(3000)) === null) break;
  await client.send(frame.map((part) => bytesOf(part, 1, null)));
  await client.next(3000);
}
process.exit(0);
