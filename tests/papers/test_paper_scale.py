"""The paper's scale on folders in the place of the Hub: the same functions, other models and data."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from outgrow import catalogue
from outgrow.errors import FetchError
from outgrow.papers import burns2023, shi2025
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
def test_without_a_network_it_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"'stanfordnlp/sst2' .* could not be obtained"):
        reproduce_paper("burns2023", tmp_path, scale="paper")


def test_every_form_at_the_papers_scale_is_of_a_claim_of_that_paper() -> None:
    for paper in catalogue.papers().values():
        mine = {c.name: c for c in claims_of(paper)}
        assert set(paper.at_scale) <= set(mine), paper.id
        assert {p.claim for p in paper.pictures} <= set(mine), paper.id
        for name, measure in list(paper.at_scale.items())[:1]:
            # A function that a later process could not name has no key.
            assert replace(mine[name], measure=measure).key() == replace(mine[name], measure=measure).key()
