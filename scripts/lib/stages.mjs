// The stages of the set-up, in order. Each knows how to make its product, and whether the product is fresh.
import fs from "node:fs";
import { filesBelow, fingerprint, isFresh, markFresh } from "./fingerprint.mjs";
import { inRoot, venv, venvBin } from "./paths.mjs";
import { describePython, findPython } from "./python.mjs";
import { ask, CommandFailed, runLogged } from "./run.mjs";

const readJson = (file) => JSON.parse(fs.readFileSync(inRoot(file), "utf8"));

/**
 * As its last step, npm records the contents of node_modules in a lock file there. The packages are fresh if
 * that record agrees with package-lock.json, whichever npm command installed them. Packages that are optional
 * (binaries for other platforms) may be absent.
 */
function npmPackagesAreFresh() {
  if (!fs.existsSync(inRoot("node_modules", ".package-lock.json"))) return false;
  const installed = readJson("node_modules/.package-lock.json").packages;
  return Object.entries(readJson("package-lock.json").packages).every(([name, wanted]) => {
    if (name === "") return true;
    const found = installed[name];
    return found ? found.version === wanted.version : wanted.optional === true;
  });
}

/**
 * Runs the npm that started this script, so that one version does everything, or else the npm on the path.
 */
function runNpm(args, logFile) {
  const script = process.env.npm_execpath;
  return script?.endsWith(".js")
    ? runLogged(process.execPath, [script, ...args], { logFile })
    : runLogged("npm", args, { logFile, shell: process.platform === "win32" });
}

const npmPackages = {
  name: "npm packages",
  isFresh: npmPackagesAreFresh,
  async make(logFile) {
    await runNpm(["ci"], logFile);
  },
};

const toolVersions = (...names) => {
  const { packages } = readJson("package-lock.json");
  return names.map((name) => `${name} ${packages[`node_modules/${name}`]?.version}`);
};

const core = {
  name: "WebAssembly core",
  stamp: inRoot("build", ".fingerprint"),
  product: inRoot("build", "phasewire-relaxed.wasm"),
  print: () =>
    fingerprint(
      [...filesBelow("assembly", [".ts", ".json"]), "asconfig.json"],
      toolVersions("assemblyscript"),
    ),
  async make(logFile) {
    await runNpm(["run", "build:core"], logFile);
  },
};

const library = {
  name: "TypeScript library",
  stamp: inRoot("dist", ".fingerprint"),
  product: inRoot("dist", "src", "index.js"),
  print: () =>
    fingerprint(
      [
        ...filesBelow("src", [".ts", ".js"]),
        ...filesBelow("bridge", [".ts"]),
        ...filesBelow("fuzz", [".ts"]),
        "tsconfig.json",
        "package.json",
      ],
      toolVersions("typescript"),
    ),
  async make(logFile) {
    await runNpm(["run", "build:library"], logFile);
  },
};

const noVenvAdvice =
  "This Python cannot make virtual environments. On Debian and Ubuntu the missing parts are in a separate package: " +
  "`sudo apt install python3-venv`; or install virtualenv (`pipx install virtualenv`); then start again.";

const pythonPackages = {
  name: "Python packages",
  stamp: `${venv}/.fingerprint-requirements`,
  product: venvBin("python"),
  print: () => fingerprint(["requirements.txt"], [describePython(venvBin("python"))?.version]),
  async make(logFile) {
    if (
      !describePython(venvBin("python"))?.recent ||
      ask(venvBin("python"), ["-m", "pip", "--version"]) === null
    ) {
      await makeVenv(logFile);
    }
    await pip(["install", "-r", "requirements.txt"], logFile);
  },
};

const pip = (args, logFile) =>
  runLogged(venvBin("python"), ["-m", "pip", "--disable-pip-version-check", ...args], { logFile });

async function makeVenv(logFile) {
  const { executable } = findPython();
  fs.rmSync(venv, { recursive: true, force: true });
  try {
    await runLogged(executable, ["-m", "venv", venv], { logFile });
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    fs.rmSync(venv, { recursive: true, force: true });
    // virtualenv includes its own pip, so it works where Debian has split off ensurepip.
    const ways = [
      [executable, ["-m", "virtualenv"]],
      ["virtualenv", ["--python", executable]],
    ];
    const way = ways.find(([program, args]) => ask(program, [...args.slice(0, 2), "--version"]) !== null);
    if (!way) throw new CommandFailed(`${executable} -m venv`, `failed. ${noVenvAdvice}`, error.output);
    await runLogged(way[0], [...way[1], venv], { logFile });
  }
}

const packageData = {
  name: "core, models and tables for Python",
  stamp: inRoot("build", ".fingerprint-package-data"),
  product: inRoot("python", "src", "phasewire", "data", "phasewire-relaxed.wasm"),
  print: () =>
    fingerprint([
      "build/phasewire.wasm",
      "build/phasewire-relaxed.wasm",
      "models/manifest.json",
      ...filesBelow("models", [".safetensors"]),
      ...filesBelow("contract", [".json"]),
    ]),
  async make(logFile) {
    await runNpm(["run", "build:package-data"], logFile);
  },
};

const pythonPackage = {
  name: "phasewire for Python",
  stamp: `${venv}/.fingerprint-phasewire`,
  product: venvBin("python"),
  print: () => fingerprint(["python/pyproject.toml"], [describePython(venvBin("python"))?.version]),
  async make(logFile) {
    // The install is editable, so that tests and demonstrations always run the sources of this working copy.
    // It has no build isolation, since the pinned build backend is in the environment already and nothing
    // needs to be fetched.
    await pip(["install", "--no-build-isolation", "--no-deps", "-e", "python"], logFile);
  },
};

/** Additional Python packages from a separate requirements file. */
const furtherPackages = (name, file) => ({
  name,
  stamp: `${venv}/.fingerprint-${name.replaceAll(" ", "-")}`,
  product: venvBin("python"),
  print: () => fingerprint([file], [describePython(venvBin("python"))?.version]),
  async make(logFile) {
    await pip(["install", "-r", file, "-c", "requirements.txt"], logFile);
  },
});

export const stages = [npmPackages, core, library, pythonPackages, packageData, pythonPackage];

/** Stages that run only on request: `npm run setup -- --with NAME`. */
export const extraStages = {
  training: furtherPackages("training packages", "training/requirements.txt"),
  accuracy: furtherPackages("accuracy packages", "accuracy/requirements.txt"),
  bench: furtherPackages("benchmark packages", "bench/requirements.txt"),
};

/** Run a stage unless its product is fresh. Returns whether it ran. `onStart` is called before it runs. */
export async function bringUpToDate(stage, logFile, onStart) {
  const fresh = stage.isFresh ?? (() => fs.existsSync(stage.product) && isFresh(stage.stamp, stage.print()));
  if (fresh()) return false;
  onStart();
  await stage.make(logFile);
  if (stage.stamp) markFresh(stage.stamp, stage.print());
  return true;
}
