"""The Markdown twin: the same numbers, and no markup from names."""

from __future__ import annotations

import re

import pytest

from outgrow.reports.content import content, main_rows
from outgrow.reports.markdown import escape, to_markdown, write

from .conftest import HOSTILE


@pytest.mark.parametrize("name", ["binary", "three", "partial", "untold", "values", "hostile"])
def test_tables_are_whole(request, name):
    width = None
    for line in to_markdown(request.getfixturevalue(name)).splitlines():
        if not line.startswith("|"):
            width = None
            continue
        cells = len(re.findall(r"(?<!\\)(?:\\\\)*\|", line))
        assert width in (None, cells)
        width = cells


def test_same_content_as_html(binary):
    text, page = to_markdown(binary), content(binary)
    for title in [s.title for s in page.sections] + [f.title for s in page.sections for f in s.figures]:
        assert escape(title) in text
    for row in main_rows(binary):
        for value, under in row.cells.values():
            assert escape(f"{value} {under}") in text


def test_names_are_inert(hostile):
    text = to_markdown(hostile)
    assert not re.search(r"(?<!\\)<\w", text)
    assert not re.search(r"(?<!\\)\]\(", text)
    assert "\u202e" not in text
    assert HOSTILE["arabic"] in text


@pytest.mark.parametrize(
    ("given", "wanted"),
    [("a|b", r"a\|b"), ("<i>", r"\<i\>"), ("# x", r"\# x"), ("1. x", r"1\. x"), ("- x", r"\- x"), ("a\nb", "a b")],
)
def test_escape(given, wanted):
    assert escape(given) == wanted


def test_no_empty_number(binary, untold, partial):
    for results in (binary, untold, partial):
        assert not re.search(r"\b(nan|NaN|None)\b", to_markdown(results))


def test_texts_only_when_asked(binary, tmp_path):
    assert "canary" not in to_markdown(binary)
    assert "canary" in to_markdown(binary, ["canary"])
    path = write(binary, tmp_path / "report.md", ["canary"])
    assert path.stat().st_mode & 0o077 == 0
