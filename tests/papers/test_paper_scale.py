"""The paper's scale on folders in the place of the Hub: the same functions, other models and data."""

from __future__ import annotations

import csv
import random
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from outgrow import catalogue
from outgrow.errors import FetchError, InputError
from outgrow.papers import burns2023, lang2024, oh2025, shi2025, shin2025, xue2025, yang2024
from outgrow.papers.cells import HubData, Pair
from outgrow.papers.reproduce import claims_of, reproduce_paper
from tiny_llama import WORDS, save_llama

ROWS = 330


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    catalogue.papers.cache_clear()
    yield
    catalogue.papers.cache_clear()


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Pair:
    """Texts whose class is a word among others, and two tiny models."""
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    rng = random.Random(0)
    (tmp_path / "data").mkdir()
    with (tmp_path / "data" / "train.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["title", "text", "label"])
        for i in range(ROWS):
            good = rng.random() < 0.5
            words = [*rng.choices(WORDS, k=9), *(["good", "great"] if good else ["bad", "dull"])]
            out.writerow([f"row {i}", " ".join(rng.sample(words, len(words))), "up" if good else "down"])
    models = [save_llama(tmp_path / name) for name in ("weak", "strong")]
    data = HubData(str(tmp_path / "data"), "text", "label")
    return Pair(data, f"{models[0]}/1", f"{models[1]}/2", penalty=0.3, sizes=(100, 100, 80))


def test_claims_run_on_other_models_and_data(pair: Pair) -> None:
    one = burns2023.chain_of_one([100], pairs=[pair])
    assert one.verdict() == "holds"
    assert one.table[0]["cell"] == pair.name
    stages = shi2025.second_stage([100, 101], pairs=[pair])
    assert [row["seed"] for row in stages.table] == [100, 101]
    assert "80 test rows" in stages.spread


def test_the_papers_scale_goes_through_reproduce(pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And is kept under a key of its own."""
    one = {"bootstrap_chain_of_one": partial(burns2023.chain_of_one, pairs=(pair,))}
    monkeypatch.setitem(vars(burns2023.PAPER), "at_scale", one)
    found = reproduce_paper("burns2023", tmp_path / "out", scale="paper")
    assert found.counts()["holds"] == 1
    assert set(found.left_out) == {c.name for c in burns2023.CLAIMS} - set(one)
    said: list[str] = []
    reproduce_paper("burns2023", tmp_path / "out", scale="paper", say=said.append)
    assert said[-1].endswith("bootstrap_chain_of_one: holds (kept)")


@pytest.mark.unreachable
@pytest.mark.parametrize(
    ("paper", "first"),
    [
        ("burns2023", "stanfordnlp/sst2"),
        ("lang2024", "stanfordnlp/imdb"),
        ("lang2025-selective", "stanfordnlp/sst2"),
        ("shi2025", "nyu-mll/glue"),
        ("xue2025", "fancyzhx/amazon_polarity"),
    ],
)
def test_without_a_network_it_is_one_sentence_before_any_work(paper: str, first: str, tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(FetchError, match=f"'{first}' .* could not be obtained"):
        reproduce_paper(paper, tmp_path, scale="paper", say=said.append)
    assert said[0].startswith(f"{paper} at the paper's scale reads ")
    assert all(line.startswith("left out: ") for line in said[1:])
    assert not (tmp_path / "claims.json").exists()


NAMED = (
    "burns2023",
    "charikar2024",
    "dong2025",
    "ildiz2025",
    "jeon2025-raven",
    "lang2024",
    "lang2025-debate",
    "lang2025-selective",
    "medvedev2025",
    "mulgund2025",
    "oh2025",
    "shi2025",
    "shin2025",
    "xue2025",
    "yang2024",
)


@pytest.mark.parametrize("name", NAMED)
def test_every_paper_has_two_scales_or_says_why_not(name: str) -> None:
    paper = catalogue.papers()[name]
    mine = claims_of(paper)
    assert mine
    left_out = [c.name for c in mine if c.name not in paper.at_scale]
    assert not left_out or paper.no_scale.endswith("."), left_out
    if not paper.at_scale:
        with pytest.raises(InputError, match=re.escape(paper.no_scale[:40])):
            reproduce_paper(name, None, scale="paper")
    for measure in paper.at_scale.values():
        for id in hub_ids(measure):
            assert id in (*paper.models, *paper.data), f"{id} is read and not named"


def hub_ids(value: Any) -> set[str]:
    """Find the Hub ids of data and views in what a form at the paper's scale holds."""
    if isinstance(value, HubData):
        return {value.id}
    if isinstance(value, str):
        return {value.rpartition("/")[0]} if value.count("/") == 2 else set()
    if isinstance(value, partial):
        value = (*value.args, *value.keywords.values())
    if is_dataclass(value) and not isinstance(value, type):
        value = tuple(getattr(value, f.name) for f in fields(value))
    return set().union(*(hub_ids(item) for item in value)) if isinstance(value, tuple | list) else set()


def test_a_rule_and_views_of_other_sets_run(pair: Pair) -> None:
    """The functions of lang2024 and xue2025 on folders in the place of the Hub."""
    on = lang2024.Rule(pair.task, ("dull", "great"), pair.strong, pair.weak, uncovered=40)
    found = lang2024.pretrained_extends([100, 101], on=on)
    assert {row["student"] for row in found.table} == {"bag", "pretrained"}
    assert "'dull' against 'great'" in found.note
    of = xue2025.Views(pair.task, (pair.weak,), pair.strong, columns=(2, 4), draws=2, sizes=(100, 100, 80))
    ranked = xue2025.rank_real([100, 101], of=of)
    assert len(ranked.table) == 8


def test_sizes_of_the_papers_are_taken() -> None:
    small = shin2025.Size(rows=300, taught=200, tests=200)
    assert {row["overlap"] for row in shin2025.density_found([100, 101], size=small).table} == set(shin2025.SHARES)
    for paper in (oh2025.PAPER, shin2025.PAPER, yang2024.PAPER):
        sizes = [m.keywords for m in paper.at_scale.values() if isinstance(m, partial)]
        assert sizes
        assert all(set(k) & {"rows", "size", "pairs"} for k in sizes)


def test_every_form_at_the_papers_scale_is_of_a_claim_of_that_paper() -> None:
    for paper in catalogue.papers().values():
        mine = {c.name: c for c in claims_of(paper)}
        assert set(paper.at_scale) <= set(mine), paper.id
        assert {p.claim for p in paper.pictures} <= set(mine), paper.id
        for name, measure in list(paper.at_scale.items())[:1]:
            # A function that a later process could not name has no key.
            assert replace(mine[name], measure=measure).key() == replace(mine[name], measure=measure).key()
