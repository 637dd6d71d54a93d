"""The shapes on the frontier of accuracy against cost."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.frontier import draw, frontier, read_points


def table(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(["shape,us,loss,schedule", *rows]) + "\n")
    return path


def test_a_shape_that_a_cheaper_one_matches_is_off_the_frontier(tmp_path: Path) -> None:
    points = read_points(table(tmp_path / "t.csv", "d,4,0.1,9", "b,2,0.4,9", "a,1,0.4,9", "c,3,0.2,9", "e,3.5,0.3,9"))
    assert [point.shape for point in points] == ["a", "b", "c", "e", "d"]
    assert [point.shape for point in frontier(points)] == ["a", "c", "d"]


def test_the_table_of_the_documentation_can_be_drawn(tmp_path: Path) -> None:
    points = read_points(Path(__file__).resolve().parents[2] / "docs" / "shape.csv")
    assert draw(points, tmp_path / "shape.png").read_bytes().startswith(b"\x89PNG")


def test_an_empty_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no rows"):
        read_points(table(tmp_path / "t.csv"))
