"""Pages as text."""

from __future__ import annotations

from accuracy.report import Page, table, wrapped


def test_paragraphs_of_a_page_are_wrapped_and_tables_are_not() -> None:
    page = Page("name", "Title")
    page.add("## Heading", " ".join(["word"] * 60), table(["column"], [["cell " * 60]]), "    code " + "x " * 100)
    lines = page.markdown("heading").splitlines()
    long = [line for line in lines if len(line) > 120]
    assert [line[:5] for line in long] == ["| cel", "    c"]
    assert sum(line.count("word") for line in lines) == 60


def test_words_keep_their_hyphens_when_lines_break() -> None:
    assert wrapped("one two-three four", 9) == "one\ntwo-three\nfour"
