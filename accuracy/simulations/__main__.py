"""Make additional MD snapshots with known phases: `npm run accuracy:frames` or `python -m accuracy.simulations`.

Finished runs are skipped, so an interrupted call continues where it stopped. Runs go one at a time, on one core.
"""

from __future__ import annotations

import argparse
import fnmatch
import sys
import time
from pathlib import Path

from tqdm import tqdm

from .catalogue import RUNS
from .records import finish, is_done, save, tables


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("accuracy/frames"), help="folder for frames and manifest")
    parser.add_argument("--only", nargs="+", metavar="NAME", default=["*"], help="runs to make; wildcards allowed")
    parser.add_argument("--list", action="store_true", help="print the names of the runs and exit")
    parser.add_argument("--again", action="store_true", help="repeat finished runs")
    parser.add_argument("--table", action="store_true", help="print the finished runs with their cost and exit")
    arguments = parser.parse_args()
    folder = arguments.out.resolve()
    if arguments.table:
        print(tables(folder))
        return
    chosen = [run for run in RUNS if any(fnmatch.fnmatch(run.name, pattern) for pattern in arguments.only)]
    if not chosen:
        parser.error(f"no run is called {' or '.join(arguments.only)}; --list prints the names")
    if arguments.list:
        print("\n".join(run.name for run in chosen))
        return
    failed = []
    for run in tqdm([run for run in chosen if arguments.again or not is_done(folder, run)], desc="runs"):
        start = time.process_time()
        try:
            rows = [save(folder, record) for record in run.make(run.seed)]
        except Exception as error:  # LAMMPS raises plain exceptions, for example if it loses an atom
            failed.append(run.name)
            tqdm.write(f"{run.name}: {type(error).__name__}: {error}", file=sys.stderr)
            continue
        finish(folder, run, rows, time.process_time() - start)
        for row in rows:
            tqdm.write(f"{row['file']}: {'ok' if row['ok'] else 'REJECTED'}: {row['checks']}")
    if failed:
        sys.exit(f"{len(failed)} runs failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
