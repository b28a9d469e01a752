"""One paper measured: which claims, on which seeds, at which scale; kept, and gone on with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from outgrow import catalogue as module
from outgrow.errors import FetchError, InputError, StudyError
from outgrow.papers import Claim, Measurement, Paper, Picture
from outgrow.papers.library import LIBRARY
from outgrow.papers.reproduce import claims_of, find_paper, folder_name, inventory_papers, reproduce_paper
from outgrow.papers.verdicts import chosen, read_records
from outgrow.reports.pictures import picture_figure
from outgrow.road import reproduce

CALLS: list[tuple[str, tuple[int, ...]]] = []


def draws(seeds: Sequence[int], quick: bool = False, n: int = 100) -> Measurement:
    CALLS.append((f"draws {n}", tuple(seeds)))
    means = [float(np.random.default_rng(s).normal(0.5, 1.0, n).mean()) for s in seeds]
    return Measurement.over_seeds(means, "mean", table=[{"seed": s, "mean": m} for s, m in zip(seeds, means)])


def sinks(seeds: Sequence[int], quick: bool = False) -> Measurement:
    CALLS.append(("sinks", tuple(seeds)))
    if CALLS[0] == ("kill", ()):
        raise KeyboardInterrupt
    drawn = [-0.5 + 0.1 * float(np.random.default_rng(s).normal()) for s in seeds]
    return Measurement.over_seeds(drawn, "depth", table=[{"seed": s} for s in seeds])


def unreachable(seeds: Sequence[int], quick: bool = False) -> Measurement:
    CALLS.append(("unreachable", tuple(seeds)))
    raise FetchError("the Hub dataset 'me/data' could not be obtained")


def claim(measure: Any, name: str = "", paper: str = "me_2026", looked: Sequence[int] = range(5)) -> Claim:
    return Claim(name or measure.__name__, paper, "naive", "It grows.", "above 0", measure, range(10, 16), looked)


class Point:
    def __init__(self, value: Any):
        self.name, self.value, self._loaded = "more", "other:VALUE", value

    def load(self) -> Any:
        return self._loaded


PAPER = Paper(
    "me2026",
    "Draws",
    "Me, 2026",
    also=("me_2026",),
    at_scale={"draws": partial(draws, n=1000), "unreachable": unreachable},
    scaled="100 draws in place of 1,000.",
    pictures=(Picture("draws", "scatter", "seed", "mean"), Picture("draws", "lines", "seed", "means")),
)


@pytest.fixture
def points(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, list[Any]]]:
    """Claims and papers of another package, by entry point group."""
    found: dict[str, list[Any]] = {"outgrow.claims": [Point((claim(draws), claim(sinks)))]}
    found["outgrow.papers"] = [Point(PAPER)]
    monkeypatch.setattr(module.importlib.metadata, "entry_points", lambda group: found.get(group, []))
    module.claims.cache_clear()
    module.papers.cache_clear()
    CALLS.clear()
    yield found
    module.claims.cache_clear()
    module.papers.cache_clear()


def test_claims_are_found_by_any_name_of_their_paper(points: Any) -> None:
    for name in ("me2026", "me_2026"):
        assert find_paper(name) is PAPER
        assert [c.name for c in chosen([name])] == ["draws", "sinks"]
    assert [c.name for c in claims_of(PAPER)] == ["draws", "sinks"]
    with pytest.raises(InputError, match="there is no paper 'me2025' with claims; did you mean 'me2026'"):
        find_paper("me2025")


def test_the_answer_has_the_shape_that_is_promised(points: Any, tmp_path: Path) -> None:
    found = reproduce("me2026", out=tmp_path, say=lambda s: None)
    answer = json.loads((tmp_path / "reproduction.json").read_text())
    assert answer == json.loads(json.dumps(found.as_dict()))
    assert (answer["paper"], answer["scale"]) == ("me2026", "laptop")
    assert answer["seconds"] >= 0
    first, second = answer["claims"]
    assert (first["id"], first["text"], first["verdict"]) == ("draws", "It grows.", "holds")
    assert first["measured"]["low"] < first["measured"]["estimate"] < first["measured"]["high"]
    assert first["measured"]["seeds"] == list(range(10, 16))
    assert first["expected"] == {"bound": "above 0", "direction": "above", "threshold": 0.0, "decided_by": "interval"}
    assert second["verdict"] == "fails"


def test_a_stopped_run_goes_on_where_it_was(points: Any, tmp_path: Path) -> None:
    CALLS.append(("kill", ()))
    with pytest.raises(KeyboardInterrupt):
        reproduce_paper("me2026", tmp_path)
    CALLS[:] = [("resumed", ())]
    found = reproduce_paper("me2026", tmp_path)
    assert [name for name, _ in CALLS] == ["resumed", "sinks"]
    assert found.counts() == {"holds": 1, "fails": 1, "undecided": 0}


def test_other_seeds_are_measured_and_kept_apart(points: Any, tmp_path: Path) -> None:
    for seed in (None, 100):
        found = reproduce_paper("me2026", tmp_path, seed=seed)
    assert CALLS[-2] == ("draws 100", tuple(range(100, 106)))
    assert found.records[0]["seeds"] == list(range(100, 106))
    with pytest.raises(InputError, match=r"--seed 3 gives claim 'draws' seeds 3 to 8, .* on seed 3; take 5 or more"):
        reproduce_paper("me2026", None, seed=3)
    with pytest.raises(InputError, match="--seed is 0 or more, not -1"):
        reproduce_paper("me2026", None, seed=-1)


def test_the_papers_scale_runs_the_same_code_with_its_own_sizes(points: Any, tmp_path: Path) -> None:
    said: list[str] = []
    found = reproduce_paper("me2026", tmp_path, scale="paper", say=said.append)
    (call,) = CALLS
    assert call == ("draws 1000", tuple(range(10, 16)))
    assert found.left_out == ("sinks",)
    assert "left out: sinks has no form at the paper's scale" in said
    laptop = reproduce_paper("me2026", tmp_path)
    assert laptop.records[0]["key"] != found.records[0]["key"]
    assert laptop.records[0]["measurement"]["high"] - laptop.records[0]["measurement"]["low"] > 0


def test_without_a_network_the_papers_scale_ends_at_once(points: Any, tmp_path: Path) -> None:
    points["outgrow.claims"][:] = [Point((claim(unreachable), claim(draws)))]
    module.claims.cache_clear()
    module.papers.cache_clear()
    with pytest.raises(FetchError, match="'me/data' could not be obtained"):
        reproduce_paper("me2026", tmp_path, scale="paper")
    assert [name for name, _ in CALLS] == ["unreachable"]


def test_quick_is_of_the_laptop(points: Any, tmp_path: Path) -> None:
    found = reproduce_paper("me2026", tmp_path, quick=True)
    assert CALLS[0] == ("draws 100", (10, 11, 12))
    assert found.as_dict()["quick"]
    with pytest.raises(InputError, match="--quick is for the laptop's scale"):
        reproduce_paper("me2026", tmp_path, scale="paper", quick=True)
    with pytest.raises(InputError, match="--scale is laptop or paper, not 'moon'"):
        reproduce_paper("me2026", tmp_path, scale="moon")


def test_a_paper_without_forms_at_its_scale_says_so(points: Any) -> None:
    points["outgrow.papers"][:] = [Point(Paper("me2026", also=("me_2026",), models=("me/model",)))]
    module.papers.cache_clear()
    with pytest.raises(InputError, match=r"no claim of me2026 has a form .* \(models and data: me/model\)"):
        reproduce_paper("me2026", None, scale="paper")


def test_the_report_holds_claims_and_pictures_and_says_what_it_cannot_draw(points: Any, tmp_path: Path) -> None:
    found = reproduce("me2026", out=tmp_path, say=lambda s: None)
    assert found.report == tmp_path / "report.html"
    text = (tmp_path / "report.html").read_text()
    assert "Of 2 claims, 1 holds and 1 fails" in text
    assert "outgrow paper <bdi>me2026</bdi>" in text
    assert 'id="picture-0"' in text
    assert "Mean by seed (the claim holds)" in text
    assert "names the column &#39;means&#39;, which its table lacks; did you mean &#39;mean&#39;." in text
    assert "100 draws in place of 1,000." in text
    twin = (tmp_path / "report.md").read_text()
    assert twin.startswith("# Of 2 claims, 1 holds and 1 fails")


def test_the_program_lists_and_measures(
    points: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from outgrow.cli import main

    def program(*args: str) -> tuple[Any, str, str]:
        monkeypatch.setattr("sys.argv", ["outgrow", *args])
        with pytest.raises(SystemExit) as stop:
            main()
        return (stop.value.code or 0, *capsys.readouterr())

    code, shown, _ = program("papers", "--json")
    assert code == 0
    mine = next(line for line in json.loads(shown) if line["id"] == "me2026")
    assert (mine["claims"], mine["unmeasured"], mine["at_scale"], mine["seconds"]) == (2, 2, 1, 20)
    assert "2 not measured yet" in program("papers")[1]
    code, shown, said = program("reproduce", "me2026", "--out", str(tmp_path), "--json")
    assert (code, said.count("holds,")) == (0, 1)
    assert {"id", "text", "verdict", "measured", "expected"} == set(json.loads(shown)["claims"][0])
    code, shown, said = program("reproduce", "me2026", "--out", str(tmp_path))
    assert (code, said.count("(kept)")) == (0, 2)
    assert str(tmp_path / "report.html") in shown
    code, _, said = program("reproduce", "me2025")
    assert (code, "did you mean 'me2026'?" in said) == (2, True)
    points["outgrow.claims"].append(Point((claim(unreachable, paper="me_2026"),)))
    module.claims.cache_clear()
    code, shown, _ = program("reproduce", "me2026", "--out", str(tmp_path), "--json")
    assert (code, json.loads(shown)["errors"]) == (1, ["unreachable: the Hub dataset 'me/data' could not be obtained"])


def test_what_a_file_leaves_empty_comes_from_the_library(points: Any) -> None:
    points["outgrow.papers"][:] = [Point(Paper("guo2024", scaled="Heads in place of DINO."))]
    module.papers.cache_clear()
    found = find_paper("guo2024")
    assert (found.arxiv, found.scaled) == ("2402.03749", "Heads in place of DINO.")
    points["outgrow.papers"].append(Point(Paper("guo2024")))
    module.papers.cache_clear()
    with pytest.raises(StudyError, match="two files describe the paper 'guo2024'"):
        module.papers()
    points["outgrow.papers"][:] = [Point("guo2024")]
    module.papers.cache_clear()
    with pytest.raises(StudyError, match=r"must hold an outgrow\.papers\.Paper"):
        module.papers()


def test_every_claim_has_a_paper_and_every_paper_of_the_issue_a_name() -> None:
    module.claims.cache_clear()
    module.papers.cache_clear()
    lines = inventory_papers()
    assert sum(line["claims"] for line in lines) == len(module.claims())
    ids = [line["id"] for line in lines]
    assert {"burns2023", "lang2025-selective", "lang2025-debate", "shi2025", "jeon2025-raven"} <= set(ids)
    assert {"charikar2024", "mulgund2025", "xue2025", "lang2024", "oh2025"} <= {p.id for p in LIBRARY}
    for line in lines:
        assert line["holds"] + line["fails"] + line["undecided"] + line["unmeasured"] == line["claims"]
        assert line["seconds"] > 0
    names = [name for p in LIBRARY for name in p.names]
    assert len(names) == len(set(names))


def test_forms_have_folders_of_their_own() -> None:
    made = [
        folder_name(PAPER, *form) for form in (("laptop", None, False), ("laptop", None, True), ("paper", 7, False))
    ]
    assert made == ["me2026", "me2026-quick", "me2026-paper-scale-seed-7"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"kind": "pie"}, "is of the kind 'pie'"),
        ({"kind": "map"}, "a map, and nothing else, needs the column that shades it"),
        ({"kind": "lines", "diagonal": True}, "is no scatter"),
        ({"log": "z"}, "log='z'"),
        ({"y": ("a", "b"), "by": "c"}, "several columns y"),
        ({"low": "a"}, "one end of an interval"),
    ],
)
def test_a_picture_that_makes_no_sense_is_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        Picture(**{"claim": "draws", "kind": "scatter", "x": "seed", "y": "mean", **wrong})


def test_pictures_of_measured_claims_can_be_drawn() -> None:
    """With the figures that stand in docs/claims.json."""
    module.claims.cache_clear()
    module.papers.cache_clear()
    held = read_records(Path(__file__).parents[2] / "docs")
    drawn = [
        picture_figure(picture, held[picture.claim]["measurement"]["table"], "p")
        for paper in module.papers().values()
        for picture in paper.pictures
        if picture.claim in held
    ]
    assert len(drawn) >= 4
    assert all(figure.table.rows for figure in drawn)
