"""The table of the terminal."""

from __future__ import annotations

import io

from rich.console import Console

from outgrow.reports.content import floor_note
from outgrow.reports.table import print_table

from .conftest import HOSTILE


def printed(results, width=100, terminal=False):
    out = io.StringIO()
    print_table(results, Console(file=out, width=width, force_terminal=terminal, highlight=False, markup=False))
    return out.getvalue()


def test_plain_and_inside_100_columns(binary, values, partial, untold, hostile):
    for results in (binary, values, partial, untold, hostile):
        text = printed(results)
        assert "\x1b" not in text
        assert max(len(line.rstrip()) for line in text.splitlines()) <= 100


def test_every_row_and_number_stands(binary):
    text = printed(binary)
    cell = binary.ranked()[0]
    gain = cell.gain()
    assert f"[{gain.text(sign=True).partition('[')[2]}" in text
    assert cell.shown("student").text()[:4] in text
    assert text.count("brier") == len(binary.cells)
    assert text.count("spent 500 rows") == 6
    assert text.index("Given truth") < text.index("selective")


def test_narrow_terminals_get_a_list(hostile):
    text = printed(hostile, width=60)
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 100
    narrow = printed(hostile, width=50, terminal=True)
    assert "\n  floor" in narrow
    assert "\u202e" not in narrow
    assert HOSTILE["arabic"] in narrow


def test_footnote_says_how_the_floor_is_formed(binary, untold):
    words = " ".join(floor_note(binary))
    assert "label prior of the covered transfer rows" in words
    assert "vader covers 90 % of test rows" in words
    assert floor_note(untold) == ()
    assert "vader covers 90 %" in printed(binary)


def test_markup_in_names_is_text(hostile):
    assert "<script>" in printed(hostile)
