// Bring a working copy up to date: packages, builds, the virtual environment. Safe to call at every start.
import fs from "node:fs";
import path from "node:path";
import { withLock } from "./lock.mjs";
import { stateFolder } from "./paths.mjs";
import { CommandFailed } from "./run.mjs";
import { bringUpToDate, extraStages, stages } from "./stages.mjs";

const logFile = path.join(stateFolder, "setup.log");
const tailLines = 40;

const seconds = (start) => `${((performance.now() - start) / 1000).toFixed(1)} s`;

/**
 * @param {{extras?: string[]}} [options] names of extra stages, for example `training`
 * @throws {Error} with what to do about it; a failed command's last lines have been printed by then
 */
export async function setup({ extras = [] } = {}) {
  const start = performance.now();
  const unknown = extras.find((name) => !Object.hasOwn(extraStages, name));
  if (unknown !== undefined) {
    throw new Error(`there is no extra "${unknown}"; known: ${Object.keys(extraStages).join(", ")}.`);
  }
  const wanted = [...stages, ...extras.map((name) => extraStages[name])];
  let changed = false;
  const runStages = async () => {
    fs.writeFileSync(logFile, `set-up of ${new Date().toISOString()}, Node ${process.version}\n`);
    for (const [index, stage] of wanted.entries()) {
      const stageStart = performance.now();
      let did = false;
      await bringUpToDate(stage, logFile, () => {
        if (!changed)
          console.log("phasewire: setting up. A first start takes a few minutes, later ones seconds.");
        console.log(`  [${index + 1}/${wanted.length}] ${stage.name} ...`);
        changed = true;
        did = true;
      }).catch((error) => {
        throw explain(stage, error);
      });
      if (did)
        console.log(`  [${index + 1}/${wanted.length}] ${stage.name}: ready after ${seconds(stageStart)}`);
    }
  };
  await withLock(path.join(stateFolder, "lock"), runStages, (owner) =>
    console.log(`phasewire: another set-up (process ${owner}) is running; waiting for it.`),
  );
  console.log(`phasewire: ${changed ? "set up" : "everything is in place"} (${seconds(start)})`);
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
