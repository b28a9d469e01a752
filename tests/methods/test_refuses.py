"""What a method cannot do is said of the task and its supervisors, before there is any data."""

from __future__ import annotations

from typing import Any

import pytest

from outgrow.catalogue import catalogue
from outgrow.errors import InputError
from outgrow.learners.linear import LinearHead
from outgrow.learners.ridge import RidgeHead
from outgrow.methods import Contrast, Correction, Filtering, Naive, Raven, Trust
from outgrow.tasks.labels import Source

ONE = [Source("probe", "weak")]
TWO = [*ONE, Source("rule", None)]


@pytest.mark.parametrize(
    ("method", "kind", "classes", "sources", "said"),
    [
        (Naive(), "classes", 20, ONE, None),
        (Naive(RidgeHead()), "value", 0, ONE, None),
        (
            Naive(),
            "value",
            0,
            ONE,
            "Naive has a learner that predicts classes, and the task has values; choose another learner",
        ),
        (
            Naive(RidgeHead()),
            "classes",
            2,
            ONE,
            "Naive has a learner that predicts values, and the task has classes; choose another learner",
        ),
        (Contrast(), "classes", 2, ONE, None),
        (Contrast(), "classes", 3, ONE, "Contrast takes two classes, and the task has 3; choose another method"),
        (
            Contrast(RidgeHead()),
            "value",
            0,
            ONE,
            "Contrast finds yes and no, and this learner predicts values; use Naive for a value task",
        ),
        (Correction(method=Contrast()), "classes", 2, ONE, None),
        (
            Correction(method=Contrast()),
            "classes",
            4,
            ONE,
            "Contrast takes two classes, and the task has 4; choose another method",
        ),
        (Correction(method="raven"), "classes", 3, ONE, "Correction needs 2 supervisors, the study gives 1"),
        (
            Correction(prior=[0.5, 0.5]),
            "classes",
            3,
            ONE,
            "Correction prior has 2 class shares and the task has 3 classes; give one a class",
        ),
        (Raven(), "classes", 3, ONE, "Raven needs 2 supervisors, the study gives 1"),
        (Raven(), "classes", 3, TWO, None),
        (Filtering(by="entropy"), "classes", 2, ONE, "Filtering needs 2 supervisors, the study gives 1"),
        (
            Filtering(RidgeHead(), by="logistic"),
            "value",
            0,
            ONE,
            "Filtering by 'logistic' looks at classes; in a value task filter by 'knn' or 'random'",
        ),
        (Trust(LinearHead(on="weak")), "classes", 2, ONE, None),
        (Trust(), "classes", 2, TWO, "Trust needs the supervisor's features; ['rule'] has none"),
    ],
)
def test_one_sentence(method: Any, kind: str, classes: int, sources: list[Source], said: str | None) -> None:
    assert method.refuses(kind, classes, sources) == said


def test_a_parameter_out_of_range_is_no_refusal() -> None:
    with pytest.raises(InputError, match="Contrast weight must be a number between 0 and 1, not 2"):
        Contrast(weight=2).refuses("classes", 2, ONE)


def test_every_method_answers() -> None:
    for cls in catalogue("methods").values():
        assert cls().refuses("classes", 2, [*ONE, Source("other", "weak")]) is None
        assert isinstance(cls().refuses("value", 0, ONE), str)
