// Bring a working copy up to date: packages, builds, the virtual environment. Safe to call at every start.
import fs from "node:fs";
import path from "node:path";
import { withLock } from "./lock.mjs";
import { stateFolder, venv } from "./paths.mjs";
import { findPython } from "./python.mjs";
import { CommandFailed } from "./run.mjs";
import { bringUpToDate, extraStages, stages } from "./stages.mjs";

const logFile = path.join(stateFolder, "setup.log");
const tailLines = 40;

const seconds = (start) => `${((performance.now() - start) / 1000).toFixed(1)} s`;

// Messages go to standard error, so that a program whose output is read by others can set up too.
const say = (text) => console.error(text);

/**
 * @param {{extras?: string[], only?: string[]}} [options] names of extra stages, for example `training`;
 *   which of the usual stages to go through, all by default
 * @throws {Error} with a remedy; the last lines of a failed command have been printed by then
 */
export async function setup({ extras = [], only } = {}) {
  const names = stages.map(({ name }) => name);
  for (const [asked, known] of [
    [extras, Object.keys(extraStages)],
    [only ?? names, names],
  ]) {
    const unknown = asked.find((name) => !known.includes(name));
    if (unknown !== undefined) throw new Error(`there is no stage "${unknown}"; known: ${known.join(", ")}.`);
  }
  const start = performance.now();
  const usual = stages.filter(({ name }) => (only ?? names).includes(name));
  const wanted = [...usual, ...extras.map((name) => extraStages[name])];
  const changed = await withLock(
    path.join(stateFolder, "lock"),
    () => runStages(wanted),
    (owner) => say(`phasewire: another set-up (process ${owner}) is running; waiting for it.`),
  );
  say(`phasewire: ${changed ? "set up" : "everything is in place"} (${seconds(start)})`);
}

/** Bring the stages up to date in their order. Returns whether there was anything to do. */
async function runStages(wanted) {
  fs.writeFileSync(logFile, `set-up of ${new Date().toISOString()}, Node ${process.version}\n`);
  // A missing Python is reported now, and not after minutes of other work.
  if (!fs.existsSync(venv)) findPython();
  let changed = false;
  for (const [index, stage] of wanted.entries()) {
    const start = performance.now();
    const label = `  [${index + 1}/${wanted.length}] ${stage.name}`;
    const announce = () => {
      if (!changed) say("phasewire: setting up. A first start takes a few minutes, later ones seconds.");
      changed = true;
      say(`${label} ...`);
    };
    try {
      if (await bringUpToDate(stage, logFile, announce)) say(`${label}: ready after ${seconds(start)}`);
    } catch (error) {
      throw explain(stage, error);
    }
  }
  return changed;
}

function explain(stage, error) {
  if (error instanceof CommandFailed) {
    console.error(error.output.split("\n").slice(-tailLines).join("\n"));
  }
  const log = path.relative(process.cwd(), logFile);
  return new Error(
    `the set-up stopped at "${stage.name}": ${error.message}\nAll output of the set-up: ${log}`,
    {
      cause: error,
    },
  );
}
