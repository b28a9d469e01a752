from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from outgrow import catalogue as module
from outgrow.catalogue import claims
from outgrow.errors import InputError, StudyError
from outgrow.papers import Claim, Measurement
from outgrow.papers.page import page, ranges
from outgrow.papers.verdicts import chosen, judge, read_records

CALLS: list[str] = []


def _measure(effect: float, seeds: Sequence[int], note: str = "") -> Measurement:
    drawn = [float(np.random.default_rng(s).normal(effect, 0.1)) for s in seeds]
    return Measurement.over_seeds(drawn, "a | planted effect", table=[{"seed": s} for s in seeds], note=note)


def up(seeds: Sequence[int], quick: bool = False) -> Measurement:
    CALLS.append("up")
    return _measure(0.5, seeds)


def down(seeds: Sequence[int], quick: bool = False) -> Measurement:
    CALLS.append("down")
    return _measure(-0.5, seeds, "It sinks.")


def tiny(seeds: Sequence[int], quick: bool = False) -> Measurement:
    CALLS.append("tiny")
    return _measure(0.005, seeds)


def broken(seeds: Sequence[int], quick: bool = False) -> Measurement:
    raise RuntimeError("somebody's input text")


class Point:
    def __init__(self, value: Any):
        self.name, self.value, self._loaded = "more", "other:CLAIMS", value

    def load(self) -> Any:
        return tuple(self._loaded)


def claim(measure: Any, name: str = "") -> Claim:
    return Claim(
        name or measure.__name__, "me2026", "naive", "It | grows.", "above 0", measure, range(10, 30), range(5)
    )


@pytest.fixture
def points(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Claims of another package, the only ones there are."""
    found: list[Any] = []
    CALLS.clear()
    claims.cache_clear()
    module.papers.cache_clear()
    given = {"outgrow.claims": [Point(found)]}
    monkeypatch.setattr(module.importlib.metadata, "entry_points", lambda group: given.get(group, []))
    monkeypatch.setattr(module.pkgutil, "iter_modules", lambda path: [])
    yield found
    monkeypatch.undo()
    claims.cache_clear()
    module.papers.cache_clear()


def test_planted_claims_get_their_verdicts(points: list[Any]) -> None:
    points += [claim(up), claim(down), claim(tiny)]
    records, errors = judge()
    assert errors == []
    assert {r["name"]: r["verdict"] for r in records} == {"up": "holds", "down": "fails", "tiny": "undecided"}
    assert "times the data" in records[2]["decider"]


def test_a_verdict_is_kept_until_its_code_or_seeds_change(points: list[Any], tmp_path: Path) -> None:
    points += [claim(up), claim(down)]
    first, _ = judge(folder=tmp_path)
    again, _ = judge(folder=tmp_path)
    assert CALLS == ["up", "down"]
    assert again == first
    judge(["down"], tmp_path, again=True)
    assert CALLS == ["up", "down", "down"]
    points[0] = Claim("up", "me2026", "naive", "It grows.", "above 0", up, range(10, 31), range(5))
    claims.cache_clear()
    judge(folder=tmp_path)
    assert CALLS == ["up", "down", "down", "up"]
    # Words change without a new measurement; a claim that is no more leaves the files.
    points[:] = [Claim("up", "me2026", "naive", "Other words.", "above 0", up, range(10, 31), range(5))]
    claims.cache_clear()
    judge(["up"], tmp_path)
    assert set(read_records(tmp_path)) == {"up", "down"}
    judge(folder=tmp_path)
    assert CALLS == ["up", "down", "down", "up"]
    held = read_records(tmp_path)
    assert set(held) == {"up"}
    assert held["up"]["statement"] == "Other words."
    assert "Other words." in (tmp_path / "claims.md").read_text("utf-8")


def test_what_breaks_is_said_and_the_rest_is_kept(points: list[Any], tmp_path: Path) -> None:
    points += [claim(broken), claim(up)]
    said: list[str] = []
    records, errors = judge(folder=tmp_path, say=said.append)
    assert [r["name"] for r in records] == ["up"]
    assert errors == ["broken: RuntimeError while it was measured"]
    assert "input text" not in "".join(said)
    assert set(read_records(tmp_path)) == {"up"}
    assert "Not measured yet: `broken`." in (tmp_path / "claims.md").read_text("utf-8")


def test_quick_forms_never_replace_verdicts(points: list[Any], tmp_path: Path) -> None:
    points.append(claim(up))
    judge(folder=tmp_path)
    before = (tmp_path / "claims.json").read_bytes()
    quick, _ = judge(folder=tmp_path, quick=True)
    assert (tmp_path / "claims.json").read_bytes() == before
    assert quick[0]["seeds"] == [10, 11, 12]
    assert "no evidence" in (tmp_path / "claims-quick.md").read_text("utf-8")


def test_the_page_says_what_fails_and_what_would_decide(points: list[Any]) -> None:
    points += [claim(up), claim(down), claim(tiny)]
    text = page(judge()[0])
    assert "1 hold, 1 fail, 1 are undecided." in text
    assert "## Refuted" in text
    assert "It sinks." in text
    assert "To decide it:" in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len({line.replace("\\|", "").count("|") for line in rows}) == 1
    assert "10-29; looked: 0-4" in text
    assert ranges([3, 1, 2, 7]) == "1-3, 7"
    assert ranges([]) == "none"


def test_claims_are_chosen_by_name_subject_or_paper(points: list[Any]) -> None:
    points += [claim(up), claim(down)]
    assert [c.name for c in chosen(["down"])] == ["down"]
    assert [c.name for c in chosen(["naive"])] == ["up", "down"]
    assert [c.name for c in chosen(["me2026", "up"])] == ["up", "down"]
    with pytest.raises(InputError, match="did you mean 'down'"):
        chosen(["dwon"])


def test_what_is_no_claim_is_refused(points: list[Any], tmp_path: Path) -> None:
    points += [claim(up), claim(down, "up")]
    with pytest.raises(StudyError, match="two claims are called 'up'"):
        claims()
    points[:] = ["a text"]
    with pytest.raises(StudyError, match="must be a tuple"):
        claims()
    for text in ("not json", '{"format": 99, "claims": {}}', "[]"):
        (tmp_path / "claims.json").write_text(text, "utf-8")
        with pytest.raises(InputError, match="no file of claims"):
            read_records(tmp_path)


def test_the_verb(points: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from typer.testing import CliRunner

    from outgrow.cli import app

    points += [claim(up), claim(broken)]
    ran = CliRunner().invoke(app, ["claims", "--out", str(tmp_path), "--json", "--seeds", "quick"])
    assert ran.exit_code == 1
    answer = json.loads(ran.stdout)
    assert [r["verdict"] for r in answer["claims"]] == ["holds"]
    assert answer["page"] == str(tmp_path / "claims-quick.md")
    ran = CliRunner().invoke(app, ["claims", "up", "--out", str(tmp_path)])
    assert ran.exit_code == 0
    assert "holds" in ran.stdout
    assert CliRunner().invoke(app, ["claims", "--seeds", "many"]).exit_code != 0
