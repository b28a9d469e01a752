"""Methods with one fault each, for the tests of check-method."""

from __future__ import annotations

import sys
from typing import Any, ClassVar

import numpy as np

from outgrow.errors import LabelsError
from outgrow.learners.objective import CrossEntropy
from outgrow.methods.method import OfLearner
from outgrow.methods.naive import Naive
from outgrow.studies.ordinary import World
from outgrow.tasks.needs import Needs
from outgrow.tasks.prepare import prepare


class Soft(OfLearner):
    """Mix labels with the uniform distribution: nothing is wrong with it."""

    truth = "none"
    off: ClassVar[dict[str, Any]] = {"share": 0}

    def __init__(self, learner: Any = None, share: float = 0.2):
        self.learner = learner
        self.share = share

    def refuses(self, kind: str, classes: int, sources: Any) -> str | None:
        return (
            "Soft mixes classes, and the task has values"
            if kind == "value"
            else super().refuses(kind, classes, sources)
        )

    def fit(self, X: Any, y: Any, *, sample_weight: Any = None) -> Any:
        rows, weak, weight = prepare(self, X, y, sample_weight)
        if self.share:
            combined, covered = weak.one()
            weak = weak.relabel((1 - self.share) * combined + self.share / combined.shape[1], covered)
        return self._train(rows, weak, weight, CrossEntropy())


class NoOff(Soft):
    """Declares no off value."""

    off = None  # type: ignore[assignment]


class Undeclared(Soft):
    """Asks for truth that it says it does not spend."""

    def needs(self) -> Needs:
        return super().needs() | Needs(known=True)


class Rounds(Soft):
    """Converts a parameter in its constructor."""

    def __init__(self, learner: Any = None, share: float = 0.2):
        self.learner = learner
        self.share = share if isinstance(share, float) else 0.1


class Nearly(Soft):
    """Is only nearly naive when off."""

    def fit(self, X: Any, y: Any, *, sample_weight: Any = None) -> Any:
        rows, weak, weight = prepare(self, X, y, sample_weight)
        combined, covered = weak.one()
        share = max(self.share, 1e-9)
        table = weak.relabel((1 - share) * combined + share / combined.shape[1], covered)
        return self._train(rows, table, weight, CrossEntropy())


class Cheat(Soft):
    """Looks up the truth in a caller, and lets it move the labels by little."""

    def fit(self, X: Any, y: Any, *, sample_weight: Any = None) -> Any:
        rows, weak, weight = prepare(self, X, y, sample_weight)
        frame: Any = sys._getframe()
        while frame is not None:
            for held in frame.f_locals.values():
                if isinstance(held, World) and held.task.kind == "classes" and self.share:
                    right = weak.probs[np.arange(len(weak)), 0, held.truth[rows.ids]]
                    return super().fit(rows, weak, sample_weight=weight * (1 + 1e-6 * right))
            frame = frame.f_back
        return super().fit(rows, weak, sample_weight=weight)


class Drifts(Soft):
    """Draws from an unseeded generator."""

    def fit(self, X: Any, y: Any, *, sample_weight: Any = None) -> Any:
        rows, _, weight = prepare(self, X, y, sample_weight)
        noise = np.random.default_rng().uniform(0.9, 1.1, len(rows)) if self.share else 1.0
        return super().fit(X, y, sample_weight=weight * noise)


class Counts(Soft):
    """Takes a mean over rows of weight zero."""

    def fit(self, X: Any, y: Any, *, sample_weight: Any = None) -> Any:
        rows, weak, weight = prepare(self, X, y, sample_weight)
        if self.share:
            combined, covered = weak.one()
            weak = weak.relabel(0.5 * combined + 0.5 * combined.mean(axis=0), covered)
        return self._train(rows, weak, weight, CrossEntropy())


class Impatient(Soft):
    """Cannot do with a row that no supervisor covers, and does not say so."""

    def fit(self, X: Any, y: Any, *, sample_weight: Any = None) -> Any:
        _, weak, _ = prepare(self, X, y, sample_weight)
        if self.share and not weak.any_covered.all():
            raise LabelsError("Impatient wants a label on every row")
        return super().fit(X, y, sample_weight=sample_weight)


class Binary(Soft):
    """Answers for two classes whatever there is."""

    def predict_proba(self, X: Any) -> Any:
        return super().predict_proba(X)[:, :2]


class Writes(Soft):
    """Writes into the matrix it was given."""

    def fit(self, X: Any, y: Any, *, sample_weight: Any = None) -> Any:
        made = super().fit(X, y, sample_weight=sample_weight)
        if self.share and hasattr(X, "views"):
            values = X.views["strong"].values
            values.flags.writeable = True
            values[0, 0] += 1
        return made


class Talks(Naive):
    """Says what it learned in words."""

    def said(self) -> Any:
        return {"mood": "good"}


class Crashes(Soft):
    """Fails on values in its own code."""

    def refuses(self, kind: str, classes: int, sources: Any) -> str | None:
        return None

    def fit(self, X: Any, y: Any, *, sample_weight: Any = None) -> Any:
        if getattr(y, "classes", 0) is None:
            raise KeyError("class")
        return super().fit(X, y, sample_weight=sample_weight)
