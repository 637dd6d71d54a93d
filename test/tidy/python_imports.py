"""Print what Python files import, as JSON: `[[file, file of this repository or name of a package], ..]`.

Paths are relative to the working directory and given by lines of standard input. Imports for types and within functions
count. Left out are modules of the standard library, and packages that only types come from.
"""

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path

# Where a module may lie: the root, the package, and the folders that scripts and tests are started from.
FOLDERS = [Path(), Path("python/src"), Path("python/tests"), Path("examples"), Path("examples/fine-tune")]


def file_of(parts: tuple[str, ...], folders: list[Path]) -> Path | None:
    """Return the file of a module, or None if it does not belong to this repository."""
    for folder in folders:
        for path in (folder.joinpath(*parts).with_suffix(".py"), folder.joinpath(*parts, "__init__.py")):
            if path.is_file():
                return path
    return None


def imported(path: Path) -> Iterator[str]:
    """Yield the files of this repository and the packages that a file imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    guards = [node for node in ast.walk(tree) if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    for_types = {node for guard in guards for statement in guard.body for node in ast.walk(statement)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [(tuple(alias.name.split(".")), None) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = path.parents[node.level - 1].parts if node.level > 0 else ()
            module = (*base, *(node.module.split(".") if node.module else ()))
            names = [(module, alias.name) for alias in node.names]
        else:
            continue
        for module, name in names:
            # A name that is imported from a package may be a module in it.
            inner = file_of((*module, name), FOLDERS) if name is not None else None
            found = inner or file_of(module, FOLDERS)
            if found is not None:
                yield found.as_posix()
            elif module[0] not in sys.stdlib_module_names and node not in for_types:
                yield module[0]


if __name__ == "__main__":
    files = [Path(line) for line in sys.stdin.read().splitlines()]
    print(json.dumps([[file.as_posix(), target] for file in files for target in sorted(set(imported(file)))]))
