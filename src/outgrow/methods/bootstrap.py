"""Bootstrapping: a chain of students of growing strength (Burns et al. 2023, arXiv 2312.09390, section 4.3.1).

    y^0 = the weak labels,    f_j = argmin over link j of  mean_i loss(f(x_i), y_i^{j-1}),    y_i^j = f_j(x_i),    student = f_last

Each link learns the soft labels of the link before, by cross-entropy (values: squared error); the first learns the weak labels. Links may
read different views. ``rounds`` adds self-iterations: the last learner, fresh, taught by its own earlier self (``s2s_iters`` of
EleutherAI/w2s). A chain of one link is ``Naive``.

As recalled and not checked: the paper made three hops, and in chess each hop had fresh rows. Ours: all links learn from the same rows. A
row that no supervisor covers teaches from the second link on, by the label the link before gives it, as long as its weight is positive.
A class that no supervisor names keeps probability 0 in the labels that are handed on. By default the learner's own three hops.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone, is_regressor

from outgrow.errors import InputError, LabelsError
from outgrow.learners.objective import CrossEntropy, Fixed, Squared
from outgrow.methods.method import OfLearner, in_classes
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.needs import Needs
from outgrow.tasks.prepare import prepare
from outgrow.tasks.rows import Rows

__all__ = ["Bootstrap", "HandedOn"]

ROUNDS = 2


@dataclass(frozen=True)
class HandedOn(Fixed):
    """What forecasts read of a student with links before it: its loss was not measured against the weak labels.

    The loss itself is cross-entropy, or half the squared error, against the link before.
    """

    rows = CrossEntropy.rows


class Bootstrap(OfLearner):
    """Train a chain of learners, each on the labels of the one before, weakest first.

    Parameters
    ----------
    learner : learner, optional
        The last link: the student, and what direct and ceiling train. Default :class:`~outgrow.learners.linear.LinearHead`.
    chain : list of learners or of view names, optional
        The links before it, weakest first. A view's name is ``learner`` reading that view.
    rounds : int, optional
        Self-iterations after that. Default 0 where there is a chain and 2, three hops in all, where there is none. With no chain and 0
        rounds this is :class:`~outgrow.methods.naive.Naive`, bit for bit.

    Attributes
    ----------
    links_ : list of learners
        All fitted links in order; the last is ``student_``.

    Notes
    -----
    A linear head on one view is nearly a fixed point of its own labels: self-iterations then change little beyond shrinking it.

    References
    ----------
    Burns et al. 2023, "Weak-to-Strong Generalization", arXiv 2312.09390, section 4.3.1.
    """

    paper = "burns2023"
    truth = "none"
    off: ClassVar[dict[str, Any]] = {"rounds": 0}
    links_: list[Any]

    def __init__(self, learner: Any = None, chain: Sequence[Any] | None = None, rounds: int | None = None):
        self.learner = learner
        self.chain = chain
        self.rounds = rounds

    def links(self) -> list[Any]:
        """Return every link, unfitted."""
        last, before = self._learner(), self._before()
        rounds = self.rounds if self.rounds is not None else 0 if before else ROUNDS
        links = [clone(last).set_params(on=link) if isinstance(link, str) else clone(link) for link in before]
        return [*links, *(clone(last) for _ in range(rounds + 1))]

    def _before(self) -> Sequence[Any]:
        return () if self.chain is None else self.chain

    def needs(self) -> Needs:
        """Return the views of all links."""
        needs = super().needs()
        for link in self._before():
            needs |= Needs(views=frozenset({link})) if isinstance(link, str) else link.needs()
        return needs

    def check(self) -> None:
        """Raise when a link is no learner, links are of two kinds, or a number is out of range."""
        if not isinstance(self._before(), list | tuple):
            raise InputError(
                f"Bootstrap chain must be a list of learners or view names, not {type(self.chain).__name__}"
            )
        last = self._learner()
        for at, link in enumerate(self._before(), 1):
            if isinstance(link, str):
                if "on" not in last.get_params(deep=False):
                    raise InputError(
                        f"Bootstrap chain: link {at} names a view, and {type(last).__name__} takes no on=; give a learner"
                    )
                continue
            if isinstance(link, type) or not all(hasattr(link, part) for part in ("fit", "logits", "needs")):
                what = link.__name__ if isinstance(link, type) else type(link).__name__
                raise InputError(f"Bootstrap chain: link {at} must be a learner or the name of a view, not {what}")
            if is_regressor(link) != is_regressor(last):
                raise LabelsError(
                    f"Bootstrap chain: link {at} ({type(link).__name__}) and the student ({type(last).__name__}) learn "
                    "different kinds of labels; give learners that all name classes, or all predict values"
                )
        if self.rounds is not None and (
            isinstance(self.rounds, bool) or not isinstance(self.rounds, int | np.integer) or self.rounds < 0
        ):
            raise InputError(f"Bootstrap rounds must be a whole number from 0, not {self.rounds!r}")

    def fit(self, X: Any, y: Any, *, sample_weight: ArrayLike | None = None) -> Self:
        """Train all links.

        Parameters
        ----------
        X : Rows, or array of shape (n, d)
        y : WeakLabels, or class names (n,), probabilities (n, c), values (n,)
        sample_weight : array of shape (n,), optional

        Raises
        ------
        InputError
            A link that is no learner, a view that is not there.
        LabelsError
            Links of two kinds, or labels of other rows, of one class, or covering no row.
        """
        self.check()
        rows, weak, weight = prepare(self, X, y, sample_weight)
        given = np.ones(len(rows)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        every = np.broadcast_to(given, (len(rows),))
        named = _named(weak, weight)
        *before, _ = self.links()
        self.links_ = []
        for at, link in enumerate(before, 1):
            self.links_.append(link.fit(rows, weak, sample_weight=weight))
            weak, weight = weak.relabel(_answers(link, rows, weak, named), name=f"link {at}"), every
        self._train(rows, weak, weight, Squared() if is_regressor(self) else CrossEntropy())
        self.links_.append(self.student_)
        if before:
            self.objective_ = HandedOn()
        return self


def _named(weak: WeakLabels, weight: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return (c,) whether any supervisor gives a class probability on a row that counts."""
    used = (weight > 0)[:, None] & weak.covered
    return np.asarray((weak.probs[used] > 0).any(axis=0))


def _answers(link: Any, rows: Rows, weak: WeakLabels, named: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return (n, c) soft labels, or (n, 1) values, that a fitted link hands on."""
    if weak.classes is None:
        return np.asarray(link.predict(rows), dtype=np.float64).reshape(-1, 1)
    probs = np.where(named, in_classes(link, rows, weak.classes), 0.0)
    return probs / probs.sum(axis=1, keepdims=True)
