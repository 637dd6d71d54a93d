/** Names of variables in files of results. */
import type { Variable } from "./declare.js";

/**
 * Returns the name of each variable in a list. The default name consists of the kind and the classes, such as
 * `fraction.fcc`; if it is taken, `.2`, `.3` and so on is appended.
 */
export function variableNames(variables: readonly Variable[]): string[] {
  const taken = new Set(variables.flatMap(({ name }) => (name === undefined ? [] : [name])));
  return variables.map((variable) => {
    if (variable.name !== undefined) return variable.name;
    const usual = usualName(variable);
    let name = usual;
    for (let number = 2; taken.has(name); number++) name = `${usual}.${number}`;
    taken.add(name);
    return name;
  });
}

function usualName(variable: Variable): string {
  const parts: string[] = [variable.kind];
  if ("class" in variable) parts.push(variable.class);
  if ("classes" in variable) parts.push(...variable.classes);
  if ("minus" in variable) parts.push(variable.minus);
  return parts.join(".");
}
