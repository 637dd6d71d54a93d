// npm run bench: measure the cost of the software on this machine. scripts/bench.mjs starts this program.
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import { parseArgs } from "node:util";
import { loadModel } from "../dist/src/model/index.js";
import { inRoot, root, venvBin } from "../scripts/lib/paths.mjs";
import { machine } from "./lib/machine.mjs";
import { section } from "./lib/progress.mjs";
import { columns } from "./report/format.mjs";
import { headlines } from "./report/headlines.mjs";
import { recordKey, withTables } from "./report/page.mjs";
import { tables } from "./report/tables.mjs";
import { bias } from "./sections/bias.mjs";
import { bridge } from "./sections/bridge.mjs";
import { overhead } from "./sections/overhead.mjs";
import { peers } from "./sections/peers.mjs";
import { scale } from "./sections/scale.mjs";
import { stages } from "./sections/stages.mjs";
import { threads } from "./sections/threads.mjs";

const usual = [peers, stages, threads, scale, bridge];
const sections = [...usual, overhead, bias];
const recordFile = inRoot("docs", "performance.json");
const pageFile = inRoot("docs", "performance.md");

const help = `npm run bench [-- OPTIONS]

  --only NAME     one section, or several separated by commas; default: all but overhead and bias
${sections.map(({ name, about }) => `                    ${name.padEnd(9)} ${about}`).join("\n")}
  --json          print one JSON object on the last line, instead of tables
  --write         update docs/performance.json, and from it the tables and plots of docs/performance.md; with --model,
                  those of another shipped model
  --render        measure nothing, but write tables and plots again from docs/performance.json
  --quick         few atoms and one round, to see that everything runs; not for quoting
  --model NAME    a shipped model, or a .safetensors file
  --largest N     section scale: also label one frame of N atoms, of any size
  --rounds N, --steps N, --every N
                  sections overhead and bias: runs of each way, and steps per run; overhead: steps between frames
`;

/** Options that only some sections take, with those sections. */
const particular = { largest: [scale], rounds: [overhead, bias], steps: [overhead, bias], every: [overhead] };

function readOptions() {
  const { values } = parseArgs({
    options: {
      only: { type: "string" },
      json: { type: "boolean", default: false },
      write: { type: "boolean", default: false },
      render: { type: "boolean", default: false },
      quick: { type: "boolean", default: false },
      model: { type: "string" },
      ...Object.fromEntries(Object.keys(particular).map((name) => [name, { type: "string" }])),
      help: { type: "boolean", default: false },
    },
  });
  const names = values.only?.split(",") ?? usual.map(({ name }) => name);
  const chosen = names.map((name) => {
    const found = sections.find((known) => known.name === name);
    if (!found)
      throw new Error(`--only ${name}: known are ${sections.map((known) => known.name).join(", ")}`);
    return found;
  });
  for (const [name, takers] of Object.entries(particular)) {
    if (values[name] === undefined) continue;
    if (!takers.some((section) => chosen.includes(section)))
      throw new Error(`--${name} belongs to --only ${takers.map((section) => section.name).join(" or ")}`);
    if (!(Number(values[name]) >= 1))
      throw new Error(`--${name} ${values[name]}: a number of at least 1 is needed`);
  }
  if (values.write && /[/\\.]/.test(values.model ?? "")) {
    throw new Error(
      `--write and --model ${values.model}: the page covers shipped models only, given by name`,
    );
  }
  if (values.write && values.quick)
    throw new Error("--write and --quick: the page must not contain results of a quick run");
  return { ...values, chosen };
}

/** The name of a model and the numbers that determine its cost. */
function describeModel({
  name,
  sha256,
  classes,
  cutoff,
  channels,
  lmax,
  skippedDegree,
  innerWidth,
  hiddenWidth,
  messageWidth,
  outerWidth,
}) {
  const shape = { channels, lmax, skippedDegree, innerWidth, hiddenWidth, messageWidth, outerWidth, cutoff };
  return { name, sha256, classes: classes.length, shape };
}

/** Runs the sections. Each record states where, when and with which model it was measured. */
async function measure({ chosen, quick, model: modelName, largest, ...values }) {
  const model = await loadModel(modelName);
  const origin = { date: new Date().toISOString().slice(0, 10), model: describeModel(model) };
  const runOptions = ["rounds", "steps", "every"].flatMap((name) =>
    values[name] === undefined ? [] : [`--${name}`, values[name]],
  );
  const settings = {
    quick,
    model,
    modelName: modelName ?? null,
    largest: largest === undefined ? null : Number(largest),
    runOptions,
  };
  const records = {};
  for (const { name, about, run } of chosen) {
    const place = machine();
    const progress = section(name, about);
    const result = await run({ ...settings, progress });
    progress.done();
    records[name] = { ...result, ...origin, machine: place };
  }
  return records;
}

/** Updates the record, the page and the plots. All of them use numbers rounded to five digits. */
function write(records) {
  const before = fs.existsSync(recordFile) ? JSON.parse(fs.readFileSync(recordFile, "utf8")) : {};
  const round = (_key, value) =>
    typeof value === "number" && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value;
  const text = JSON.stringify({ ...before, ...records }, round, 1);
  const all = JSON.parse(text);
  fs.writeFileSync(recordFile, `${text}\n`);
  fs.writeFileSync(pageFile, withTables(fs.readFileSync(pageFile, "utf8"), all));
  execFileSync(venvBin("python"), ["-m", "bench.plots", recordFile, inRoot("docs", "images")], { cwd: root });
}

/** Records by the keys under which the page has them. */
const byKey = (records, model) =>
  Object.fromEntries(Object.entries(records).map(([name, record]) => [recordKey(name, model), record]));

function show(records) {
  for (const [name, record] of Object.entries(records)) {
    for (const table of tables[name](record)) console.log(`\n${table.caption}\n\n${columns(table)}`);
  }
  console.log("\nMedians over rounds, with the least and the largest in brackets.");
}

try {
  const options = readOptions();
  if (options.help) console.log(help);
  else if (options.render) write({});
  else {
    const records = await measure(options);
    if (options.write) write(byKey(records, options.model ?? null));
    if (options.json) {
      console.log(JSON.stringify({ benchmark: "phasewire", ...headlines(records), ...records }));
    } else show(records);
  }
} catch (error) {
  console.error(`phasewire: ${error.message}`);
  process.exitCode = 1;
}
