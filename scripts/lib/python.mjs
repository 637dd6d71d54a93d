// Finds a Python for the virtual environment.
import { ask } from "./run.mjs";

export const oldestPython = [3, 10];

const probe = "import sys; print('%d.%d.%d %s' % (*sys.version_info[:3], sys.executable))";

/** `{version, executable, recent}` of an interpreter, or null if the command is not one. */
export function describePython(command, args = []) {
  const answer = ask(command, [...args, "-c", probe])?.match(/^(\d+)\.(\d+)\.(\d+) (.+)$/);
  if (!answer) return null;
  const [major, minor] = [Number(answer[1]), Number(answer[2])];
  const recent = major > oldestPython[0] || (major === oldestPython[0] && minor >= oldestPython[1]);
  return { version: answer.slice(1, 4).join("."), executable: answer[4], recent };
}

/**
 * The first Python that is recent enough, among the environment variable PYTHON, `python3`, `python`, the
 * Windows launcher, and versioned names (a system with an old `python3` often has a newer one too).
 */
export function findPython() {
  const candidates = [
    ...(process.env.PYTHON ? [[process.env.PYTHON]] : []),
    ["python3"],
    ["python"],
    ["py", "-3"],
    ...["3.13", "3.12", "3.11", "3.10", "3.14"].map((version) => [`python${version}`]),
  ];
  const tooOld = [];
  for (const [command, ...args] of candidates) {
    const found = describePython(command, args);
    if (found?.recent) return found;
    if (found) tooOld.push(`${command} is ${found.version}`);
  }
  throw new Error(
    `phasewire needs Python ${oldestPython.join(".")} or newer; ${tooOld.length ? tooOld.join(", ") : "none was found"}. ` +
      "Install one (Debian and Ubuntu: `sudo apt install python3 python3-venv`, macOS: `brew install python`), or name " +
      "it: `PYTHON=/path/to/python3 npm run setup`.",
  );
}
