"""The audit of a student's moments, by hand and on random figures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from outgrow.audits import Moments
from outgrow.scores.evaluation import Cell, Evaluation

NAMES = {"task": "t", "supervisor": "s", "student": "x", "method": "naive"}
CLASSES = np.array(["a", "b"])


def soft(named: list[int]) -> np.ndarray:
    return np.where(np.eye(2)[named] > 0, 0.8, 0.2)


def made(
    truth: list[int],
    floor: list[int],
    moments: dict[str, list[int]],
    student: list[int],
    seed: int = 0,
    **others: object,
) -> Evaluation:
    outputs = {"floor": soft(floor), "student": soft(student)}
    earlier = {share: soft(named) for share, named in moments.items()}
    given: dict = {"classes": CLASSES, "cell": NAMES, "seed": seed, "moments": earlier, **others}
    return Evaluation.of(np.arange(len(truth)), outputs, np.array(truth), **given)


def test_by_hand() -> None:
    truth, floor = [0, 0, 0, 1, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1, 0, 0]  # wrong on rows 2, 6, 7
    half, end = [0, 0, 0, 1, 1, 0, 0, 1], [0, 0, 1, 1, 1, 1, 0, 1]
    (finding,) = Moments().examine(Cell([made(truth, floor, {"0.5": half, "1": end}, half, stopped=0.5)]))
    table = finding.table.set_index("share")
    assert table["accuracy"].tolist() == [6 / 8, 6 / 8]
    assert table["agreement"].tolist() == [5 / 8, 7 / 8]
    assert table["agreement_wrong"].tolist() == pytest.approx([1 / 3, 2 / 3])
    assert table["agreement_right"].tolist() == [4 / 5, 1.0]
    assert (
        "with a supervisor that is wrong from 0.33 to 0.67, and with one that is right from 0.80 to 1.00"
        in finding.sentence
    )
    assert finding.numbers["stopped_gain"] == 0
    assert "Stopping by weak labels is worth +0.000 [" in finding.sentence
    assert finding.frame()["audit"].unique().tolist() == ["moments"]


def test_the_oracle_is_not_judged_by_what_it_chose_from() -> None:
    """Moments that are all chance: the best of nine on the same rows would gain much, chosen on other rows nothing."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, 400).tolist()
    gains, naive = [], []
    for k in range(12):
        shares = {f"{(i + 1) / 9:g}": rng.integers(0, 2, 400).tolist() for i in range(9)}
        e = made(truth, truth, shares, shares["1"], seed=k)
        (finding,) = Moments().examine(Cell([e]))
        gains.append(finding.numbers["oracle_gain"])
        right = [(np.array(m) == truth).mean() for m in shares.values()]
        naive.append(max(right) - right[-1])
    assert np.mean(naive) > 0.03
    assert abs(np.mean(gains)) < 0.02
    # And where one moment is better, it is found.
    best = {"0.5": truth, "1": rng.integers(0, 2, 400).tolist()}
    (finding,) = Moments().examine(Cell([made(truth, truth, best, best["1"])]))
    assert finding.numbers["oracle_gain"] == pytest.approx(1 - (np.array(best["1"]) == truth).mean())
    assert "stopped_gain" not in finding.numbers, "nothing watched this fit"


def test_values_and_files(tmp_path: Path) -> None:
    truth = np.arange(6.0)
    outputs = {"floor": truth[:, None] + 1, "student": truth[:, None]}
    moments = {"0.5": truth[:, None] + 0.5, "1": truth[:, None] - np.linspace(0, 1, 6)[:, None]}
    e = Evaluation.of(np.arange(6), outputs, truth, metric="mse", cell=NAMES, moments=moments, stopped=0.5)
    e.save(tmp_path / "e")
    loaded = Evaluation.load(tmp_path / "e")
    assert list(loaded.moments) == ["0.5", "1"]
    assert loaded.stopped == 0.5
    (finding,) = Moments().examine(Cell([loaded]))
    assert finding.table["mse"].tolist() == pytest.approx([0.25, (np.linspace(0, 1, 6) ** 2).mean()])
    assert "agreement" not in finding.table
    assert finding.table["low"].iloc[1] < finding.table["mse"].iloc[1] < finding.table["high"].iloc[1]


def test_without_moments_nothing_is_found() -> None:
    assert Moments().examine(Cell([made([0, 1], [0, 1], {}, [0, 1])])) == []
