from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

from outgrow.errors import InputError, LabelsError
from outgrow.fingerprints import fingerprint
from outgrow.supervisors import RuleSupervisor, Supervisor
from outgrow.tasks.rows import Rows

TEXTS = ["good day", "bad day", "good and bad", "plain", ""]


def good(text: str) -> str | None:
    return "yes" if "good" in text else None


def bad(text: str) -> str | None:
    return "no" if "bad" in text else None


def length(text: str) -> float | None:
    return float(len(text)) if text else None


def words(text: str) -> int:
    return len(text.split())


def broken(text: str) -> str:
    return ["yes"][int(text)]


def rows() -> Rows:
    return Rows.from_arrays(inputs=TEXTS)


def test_vote_shares_of_the_rules_that_speak():
    supervisor = RuleSupervisor([good, bad], classes=["no", "perhaps", "yes"])
    assert isinstance(supervisor, Supervisor)
    labels = supervisor.label(rows())
    assert labels.supervisors == 1
    assert labels.covered[:, 0].tolist() == [True, True, True, False, False]
    assert labels.probs[:3, 0].tolist() == [[0, 0, 1], [1, 0, 0], [0.5, 0, 0.5]]
    assert labels.sources[0].view is None
    assert labels.sources[0].taught == ()


def test_each_rule_is_kept_apart():
    supervisor = RuleSupervisor([good, bad, good], classes=["no", "yes"])
    supervisor.label(rows())
    assert [s.name for s in supervisor.votes_.sources] == ["good#1", "bad", "good#2"]
    assert supervisor.votes_.hard().tolist() == [[1, -1, 1], [-1, 0, -1], [1, 0, 1], [-1, -1, -1], [-1, -1, -1]]
    assert len(supervisor.votes_.frame()) == 15


def test_rows_in_their_order():
    labels = RuleSupervisor(good, classes=["no", "yes"]).label(rows()[[2, 1, 0]])
    assert labels.ids.tolist() == [2, 1, 0]
    assert labels.covered[:, 0].tolist() == [True, False, True]


def test_values_are_averaged():
    labels = RuleSupervisor([length, words], kind="value").label(rows())
    assert labels.classes is None
    assert labels.probs[0, 0, 0] == pytest.approx((8 + 2) / 2)
    assert labels.probs[4, 0, 0] == 0.0
    assert RuleSupervisor(length).label(rows()).covered[:, 0].tolist() == [True] * 4 + [False]
    with pytest.raises(LabelsError, match="'good' returned a str on row 0"):
        RuleSupervisor(good, kind="value").label(rows())


def test_classes_default_to_those_named():
    assert RuleSupervisor([good, bad]).label(rows()).classes.tolist() == ["no", "yes"]
    with pytest.raises(LabelsError, match=r"abstain on every row.*classes="):
        RuleSupervisor(lambda text: None).label(rows())


def test_numeric_inputs():
    labels = RuleSupervisor(lambda x: "yes" if x[0] > 0 else "no", classes=["no", "yes"]).label(
        Rows.from_arrays(inputs=np.array([[1.0, 2], [-1, 2]]))
    )
    assert labels.hard()[:, 0].tolist() == [1, 0]


def test_a_rule_that_raises_quotes_no_input():
    canary = "CANARY-7f3"
    with pytest.raises(LabelsError, match="rule 'broken' raised ValueError on row 0") as caught:
        RuleSupervisor(broken, classes=["no", "yes"]).label(Rows.from_arrays(inputs=[canary]))
    assert canary not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("vote", "match"),
    [
        ("Yes", "'Yes' at row 0 by rule.*differs from class 'yes' by case or spaces only"),
        ("yess", "did you mean 'yes'"),
        (["yes"], "is a list"),
        ("secret words", "part of the input and no class"),
    ],
)
def test_unknown_classes(vote: Any, match: str):
    with pytest.raises(LabelsError, match=match) as caught:
        RuleSupervisor(lambda text: vote, classes=["no", "yes"]).label(Rows.from_arrays(inputs=["some secret words"]))
    assert "secret" not in str(caught.value)


def test_no_rules_and_no_functions():
    with pytest.raises(LabelsError, match="has no rules"):
        RuleSupervisor([]).label(rows())
    with pytest.raises(LabelsError, match=r"rule 1 .* is of type str"):
        RuleSupervisor([good, "bad"]).label(rows())
    with pytest.raises(LabelsError, match="'classes' or 'value', not 'vote'"):
        RuleSupervisor(good, kind="vote").label(rows())


def test_keys_are_content_and_recipes_need_names():
    one = RuleSupervisor(good, classes=["no", "yes"])
    assert one.label(rows()).sources[0].key == one.label(rows()).sources[0].key
    assert one.label(rows()).sources[0].key != RuleSupervisor(bad, classes=["no", "yes"]).label(rows()).sources[0].key
    assert fingerprint(one) == fingerprint(clone(one))
    assert fingerprint(one) != fingerprint(RuleSupervisor([good, bad], classes=["no", "yes"]))
    anonymous = RuleSupervisor(lambda text: "yes", classes=["no", "yes"])
    assert anonymous.label(rows()).covered.all()
    with pytest.raises(InputError, match="lambda"):
        fingerprint(anonymous)
