"""Measure the accuracy of a model: `npm run accuracy`.

The suite writes pages and plots into docs/accuracy/ and prints each requirement with its result. A cache keeps the
results of single frames. An interrupted run therefore continues where it stopped, and a run with another model measures
only what that model changes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from phasewire import Local
from tqdm import tqdm

from .cache import Cache
from .measurements import Bench
from .peers import available
from .report import Page, as_json, plain_summary, summary_page
from .sections import LARGE_TIER, LARGE_TIER_ONLY, SECTIONS
from .suite import Suite
from .systems import Snapshot, load

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
SHARED_DATA = ROOT.parent / "shared" / "data"
GENERATED_DATA = HERE / "frames"
METHOD = """## How to repeat this

    npm run accuracy -- --data FOLDER

The folder holds `manifest.csv` and extended XYZ files; accuracy/systems.py describes the columns. The frames in the
folder `accuracy/frames`, which `npm run accuracy:frames` makes with LAMMPS
([simulations](../../accuracy/simulations/README.md)), are used too. `--model` names another model, `--tier-check` adds
the page of prototypes, `--quick` takes only a few frames, and `--json` writes all figures for programs. All classes of
the model are allowed, and no length scale is given anywhere. No frame was used for training."""


def arguments_from(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse and check the command line."""
    parser = argparse.ArgumentParser(
        prog="npm run accuracy --", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", help="name or path of a model; default: the shipped default")
    parser.add_argument(
        "--data", type=Path, action="append", metavar="FOLDER",
        help="folder with manifest.csv, repeatable; default: ../shared/data and accuracy/frames if they exist",
    )  # fmt: skip
    parser.add_argument("--steps", type=int, default=8, help="denoising steps (default 8)")
    parser.add_argument("--quick", action="store_true", help="measure only a few frames and synthetic crystals")
    parser.add_argument("--tier-check", action="store_true", help="test every class as a strained, noisy prototype; "
                        f"always on for models with more than {LARGE_TIER} classes")  # fmt: skip
    parser.add_argument("--sections", nargs="+", choices=SECTIONS, metavar="NAME", help="write only these pages, "
                        f"without the summary: {', '.join(SECTIONS)}")  # fmt: skip
    parser.add_argument("--without-peers", action="store_true", help="leave out the methods of OVITO")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "accuracy", help="folder for pages and plots")
    parser.add_argument("--cache", type=Path, default=HERE / "cache", help="folder for results of single frames")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures for programs")
    arguments = parser.parse_args(words)
    if not 1 <= arguments.steps <= 64:
        parser.error("--steps must be from 1 to 64")
    if arguments.data is None:
        arguments.data = [folder for folder in (SHARED_DATA, GENERATED_DATA) if (folder / "manifest.csv").exists()]
    missing = [str(folder) for folder in arguments.data if not (folder / "manifest.csv").exists()]
    if missing or not arguments.data:
        parser.error(f"no manifest.csv in {', '.join(missing) or 'the default folders'}; give folders with --data")
    return arguments


def chosen_sections(arguments: argparse.Namespace, class_count: int) -> list[str]:
    """Names of the pages to write."""
    if arguments.sections:
        return list(arguments.sections)
    large = arguments.tier_check or class_count > LARGE_TIER
    return [name for name in SECTIONS if name != LARGE_TIER_ONLY or large]


def heading(bench: Bench, snapshots: Sequence[Snapshot], quick: bool) -> str:
    """The line at the head of every page: model, steps, frames and atoms."""
    model = bench.analyser.model
    return (
        f"Model `{model.name}`, {len(model.phases)} classes, SHA-256 `{model.sha256[:12]}`; {bench.steps} "
        f"denoising steps; {len(snapshots)} frames, {sum(len(s.atoms) for s in snapshots)} atoms"
        + (" (`--quick`: few frames; not for comparison)." if quick else ".")
    )


def main(words: Sequence[str] | None = None) -> int:
    """Run the suite and return the exit status, which is 0 whatever the verdicts are."""
    arguments = arguments_from(words)
    peers = available(not arguments.without_peers)
    with Local(arguments.model) as analyser:
        bench = Bench(analyser, Cache(arguments.cache), arguments.steps)
        snapshots = load(
            arguments.data,
            analyser.phases,
            analyser.aliases,
            quick=arguments.quick,
            progress=lambda rows: tqdm(rows, desc="reading", leave=False, disable=None),
        )
        suite = Suite(bench, snapshots, peers, arguments.out, arguments.quick)
        head = heading(bench, snapshots, arguments.quick)
        names = chosen_sections(arguments, len(analyser.phases))
        pages: list[Page] = []
        for name in tqdm(names, desc="sections", disable=None):
            page = SECTIONS[name](suite)
            arguments.out.mkdir(parents=True, exist_ok=True)
            (arguments.out / f"{page.name}.md").write_text(page.markdown(head))
            pages.append(page)
        if not arguments.sections:
            (arguments.out / "README.md").write_text(summary_page(pages, head, METHOD))
        print(f"{head}\n\n{plain_summary(pages)}")
        if arguments.json is not None:
            about = {"model": analyser.model_name, "sha256": analyser.model.sha256, "steps": bench.steps}
            arguments.json.write_text(json.dumps(as_json(pages, about), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
