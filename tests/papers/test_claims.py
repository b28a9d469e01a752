"""Every claim's quick form runs and is judged; its words are fit for a stranger."""

from __future__ import annotations

import json
import pkgutil
from typing import Any

import pytest

import outgrow.worlds
from outgrow.catalogue import catalogue, claims
from outgrow.papers.verdicts import record
from outgrow.tasks.packaged import archives_for


def _marked(name: str) -> Any:
    """A claim that reads packaged archives is skipped, or fails, where they are not in the cache."""
    archives = [a for wanted in claims()[name].archives for a in archives_for(wanted)]
    return pytest.param(name, marks=[pytest.mark.packaged(*archives)] if archives else [])


@pytest.mark.parametrize("name", [_marked(name) for name in sorted(claims())])
def test_the_quick_form_gives_a_verdict(name: str) -> None:
    claim = claims()[name]
    measured = claim.measured(quick=True)
    kept = record(claim, measured, True, 0.0)
    assert kept["verdict"] in ("holds", "fails", "undecided")
    assert json.loads(json.dumps(kept, allow_nan=False)) == kept
    assert measured.quantity
    assert len(measured.table) >= 1
    if measured.decided_by == "interval":
        assert measured.spread


def test_the_words() -> None:
    worlds = [m.name for m in pkgutil.iter_modules(outgrow.worlds.__path__)]
    for claim in claims().values():
        assert claim.statement.endswith("."), claim.name
        assert claim.statement[0].isupper(), claim.name
        assert claim.bound
        assert claim.subject in {**catalogue("methods"), **catalogue("forecasts"), **dict.fromkeys(worlds)}, claim.name
        assert len(claim.seeds) >= 5, claim.name
