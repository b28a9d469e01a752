from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

from outgrow.errors import LabelsError
from outgrow.fingerprints import fingerprint
from outgrow.supervisors import LexiconRule, packaged_rules, quality
from outgrow.tasks.rows import Rows

VALUES = {"good": 1.9, "bad": -2.5, ":-)": 1.3, "fair": 2.5, "plus": 0.1, "minus": -0.1, "great": 3.1}


@pytest.mark.parametrize(
    ("text", "total", "known"),
    [
        ("Good, good!", 3.8, 2),
        ("fair but bad", 0.0, 2),
        ("plus plus plus minus minus minus", 0.0, 6),
        ("hello :-)", 1.3, 1),
        ("(GREAT)", 3.1, 1),
        ("nothing known", 0.0, 0),
        ("", 0.0, 0),
    ],
)
def test_the_sum_by_hand(text: str, total: float, known: int):
    assert LexiconRule("mine", values=VALUES).score(text) == (pytest.approx(total, abs=0), known)


def test_it_votes_by_sign_and_abstains_on_nothing_and_on_ties():
    rule = LexiconRule("mine", "down", "up", values=VALUES)
    assert [rule(t) for t in ("good", "bad", "unknown", "fair bad", "")] == ["up", "down", None, None, None]


def test_poles_are_mapped_onto_the_classes():
    assert packaged_rules("vader", ["a", "b", "c"], poles=["c", "a"]).rules == LexiconRule("vader", "c", "a")
    with pytest.raises(LabelsError, match=r"class 'negative', which this task does not have.*classes: \[NEGATIVE"):
        packaged_rules("vader", ["neg", "pos"])
    with pytest.raises(LabelsError, match="two classes, negative first"):
        packaged_rules("vader", ["neg", "pos"], poles=["neg"])
    with pytest.raises(LabelsError, match="did you mean 'vader'"):
        packaged_rules("vadr", ["negative", "positive"])


def test_recipes_differ_where_labels_could():
    keys = [fingerprint(packaged_rules("vader", ["a", "b"], poles=pair)) for pair in (["a", "b"], ["b", "a"])]
    keys.append(fingerprint(LexiconRule("vader", "a", "b", values=VALUES)))
    keys.append(fingerprint(LexiconRule("vader", "a", "b", values={**VALUES, "good": 2.0})))
    assert len(set(keys)) == 4
    whole = packaged_rules("vader", ["a", "b"], poles=["a", "b"])
    assert fingerprint(clone(whole)) == keys[0]


@pytest.mark.packaged("vader")
def test_vader_on_movies():
    import outgrow

    task = outgrow.packaged("movies")
    supervisor = packaged_rules("vader", task.classes)
    labels = supervisor.label(Rows.from_arrays(inputs=list(task.inputs)))
    truth = task.truth_at(task.ids)
    combined, covered = labels.one()
    assert supervisor.name == "vader"
    assert covered.mean() == pytest.approx(0.865, abs=0.005)
    assert (combined.argmax(axis=1) == truth).mean() == pytest.approx(0.611, abs=0.01)
    assert (labels.hard()[covered, 0] == truth[covered]).mean() == pytest.approx(0.644, abs=0.005)
    assert np.mean(labels.hard()[covered, 0] == list(task.classes).index("positive")) == pytest.approx(0.68, abs=0.005)
    assert [f.code for f in quality(labels, prior=[0.5, 0.5]).flags] == ["leans"]
