"""Expansion: how far a student corrects its supervisor and goes beyond what it covers.

Lang, Sontag, Vijayaraghavan 2024, "Theoretical Analysis of Weak-to-Strong Generalization", arXiv 2405.16043.

A supervisor names classes on the covered rows S and abstains on T. Of class i, S_i holds rows it names rightly (good) and wrongly (bad),
``alpha = P(bad | S_i) < 1/2``; ``err`` is how often the student contradicts the supervisor on S_i. A family of sets expands by c on (A, B)
when each of its sets U in B that is not tiny has neighbours in A of at least c times its own share. The sets are where the student is right
(in the good part) or wrong (in T), so c is measured on retrained students. Not being robust is answering otherwise on neighbours.

    B.1  err(truth | S_i) <= [err - alpha (2c' - 1) + 2 c' alpha P(not robust)] / (1 - 2 c' alpha),     c' = c / (1 - alpha + c alpha)
    B.2  err(truth | T_i) <= (1 + alpha / (cmin/cmax - 2 alpha)) P(not robust | T_i) + max(q, (err - c2 alpha) / (c1 - (c1 + c2) alpha))
    B.3  err(truth | T_i) <= P(not robust | T_i) + max(q, err / (c (1 - alpha)))
    4.1  err(truth | S_i) <= 2 alpha / (1 - 2 alpha) P(not robust) + err + alpha (1 - 3c/2)

Wei, Shen, Chen, Ma 2020 (arXiv 2010.03622), as this paper restates it: for alpha < 1/3 and c > 3 a student that minimises their objective
has ``err(truth) <= 2 / (c - 1) alpha + 2c / (c - 1) P(a neighbour has another true class)``.

A finite sample holds few neighbours, so an oracle gives one neighbour n(x) in B for each x in A, and
``c = P_A(n(x) in U) / P_B(x in U)``, the least over students retrained on 80 % of the covered rows. With ``robust=True`` a pair counts only
where the student answers alike on both ends: a student that copies its supervisor then has c = 0, which is why it cannot correct.

The bounds speak of the truth, which a forecast has not. Ours, not the paper's: all classes as one; alpha is the supervisor's own mean
doubt, 1 - max p; the bad part is where most retrained students contradict it; a neighbour counts where it is answered alike; and c is
multiplied by err / alpha where a student contradicts its supervisor less often than that errs, because what it copies it cannot have
corrected.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from outgrow.errors import InputError, NeedsError
from outgrow.forecasts.forecast import Forecast, enough
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.needs import Needs
from outgrow.tasks.rows import Rows

__all__ = [
    "Expansion",
    "Measured",
    "correction_bound",
    "coverage_bound",
    "expansion",
    "good_only_bound",
    "main_bound",
    "nearest_rows",
    "trivial_bound",
    "wei_bound",
]

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
STUDENTS = 5
SHARE = 0.8
TINY = 0.01
ASSUMES = (
    "the supervisor's probabilities are those of the truth",
    "the neighbours of a row share its true class",
    "sets that the student can err on expand as its retrained copies do",
    "test rows are covered as the transfer rows are",
)


def correction_bound(err: float, alpha: float, c: float, not_robust: float = 0.0) -> float:
    """Bound the student's error on covered rows of one class (theorem B.1).

    Parameters
    ----------
    err : float
        How often the student contradicts the supervisor there.
    alpha : float
        How often the supervisor is wrong there, below 1/2.
    c : float
        Expansion of sets of the good part into the bad part.
    not_robust : float
        Share of rows whose neighbours the student answers otherwise.

    Returns
    -------
    float
        1 where the theorem says nothing.

    Examples
    --------
    >>> round(correction_bound(0.12, 0.11, 0.848), 2)
    0.05
    """
    _check(err=err, alpha=alpha, c=c, not_robust=not_robust)
    grown = c / (1 - alpha + c * alpha)
    below = 1 - 2 * grown * alpha
    if below <= 0:
        return 1.0
    return _share((err - alpha * (2 * grown - 1) + 2 * grown * alpha * not_robust) / below)


def main_bound(err: float, alpha: float, c: float, not_robust: float = 0.0) -> float:
    """Bound the same in the form of the main text (theorem 4.1); 1 where alpha reaches 1/2."""
    _check(err=err, alpha=alpha, c=c, not_robust=not_robust)
    if alpha >= 0.5:
        return 1.0
    return _share(2 * alpha / (1 - 2 * alpha) * not_robust + err + alpha * (1 - 1.5 * c))


def trivial_bound(err: float, alpha: float) -> float:
    """Bound the student's error without any expansion: the two disagreements added."""
    _check(err=err, alpha=alpha)
    return _share(err + alpha)


def coverage_bound(err: float, alpha: float, c1: float, c2: float, not_robust: float = 0.0, q: float = 0.0) -> float:
    """Bound the student's error on rows of one class that the supervisor does not cover (theorem B.2).

    Parameters
    ----------
    err, alpha : float
        On the covered rows of that class, as in :func:`correction_bound`.
    c1 : float
        Expansion of sets of T into the good part.
    c2 : float
        Expansion of sets of T into the bad part.
    not_robust : float
        On T.
    q : float
        Share below which sets need not expand.

    Examples
    --------
    >>> round(coverage_bound(0.29, 0.33, 0.75, 0.55), 2)
    0.34
    """
    _check(err=err, alpha=alpha, c=c1, not_robust=not_robust)
    _check(err=q, alpha=alpha, c=c2)
    below = c1 - (c1 + c2) * alpha
    ratio = (min(c1, c2) / max(c1, c2) if max(c1, c2) else 0.0) - 2 * alpha
    if below <= 0 or (not_robust and ratio <= 0):
        return 1.0
    extra = (1 + alpha / ratio) * not_robust if not_robust else 0.0
    return _share(extra + max(q, (err - c2 * alpha) / below))


def good_only_bound(err: float, alpha: float, c: float, not_robust: float = 0.0, q: float = 0.0) -> float:
    """Bound the same where only the good part is known to expand (theorem B.3)."""
    _check(err=err, alpha=alpha, c=c, not_robust=not_robust)
    if c <= 0 or alpha >= 1:
        return 1.0
    return _share(not_robust + max(q, err / (c * (1 - alpha))))


def wei_bound(alpha: float, c: float, neighbours_differ: float = 0.0) -> float:
    """Bound the error of a student of Wei et al. 2020; 1 unless alpha is below 1/3 and c above 3.

    Parameters
    ----------
    alpha : float
        The supervisor's error over all rows, an abstention counted as one.
    c : float
        Expansion of sets of its mistakes.
    neighbours_differ : float
        Share of rows that have a neighbour of another true class.
    """
    _check(err=neighbours_differ, alpha=alpha, c=c)
    if alpha >= 1 / 3 or c <= 3:
        return 1.0
    return _share(2 / (c - 1) * alpha + 2 * c / (c - 1) * neighbours_differ)


def _check(err: float, alpha: float, c: float = 0.0, not_robust: float = 0.0) -> None:
    for name, value in (("an error", err), ("alpha", alpha), ("the share that is not robust", not_robust)):
        if not 0 <= value <= 1:
            raise InputError(f"{name} of an expansion bound lies from 0 to 1, not at {value}")
    if not c >= 0:
        raise InputError(f"an expansion is not below 0, as {c} is")


def _share(value: float) -> float:
    return float(min(max(value, 0.0), 1.0))


@dataclass(frozen=True)
class Measured:
    """Expansion of a family of sets, one set a retrained student.

    Parameters
    ----------
    c : float
        The least over the students; NaN without rows in A, or without a set that is large enough.
    each : tuple of float
        A student's.
    rows : int
        Of A.
    """

    c: float
    each: tuple[float, ...]
    rows: int


def expansion(
    sets: ArrayLike,
    a: ArrayLike,
    b: ArrayLike,
    neighbour: ArrayLike,
    *,
    answers: ArrayLike | None = None,
    weight: ArrayLike | None = None,
    least: float = TINY,
) -> Measured:
    """Measure expansion on (A, B) of one set U a student.

    Parameters
    ----------
    sets : array of shape (r, n), bool
        Whether a row is in U, for each of r students.
    a, b : array of shape (n,), bool, or of weights
        Rows of A and of B.
    neighbour : array of shape (n,)
        Position of n(x) in B for each x in A; read there only.
    answers : array of shape (r, n), optional
        The students' answers. When given, a pair counts only where both ends are answered alike.
    weight : array of shape (n,), optional
        Of the rows of B; ``b`` is a mask then.
    least : float
        Sets with a smaller share of B are passed over (q of the theorems).

    Returns
    -------
    Measured

    Raises
    ------
    InputError
        Shapes that disagree.
    """
    u = np.atleast_2d(np.asarray(sets, dtype=bool))
    wa = np.asarray(a, dtype=np.float64)
    wb = np.asarray(b, dtype=np.float64) * (1.0 if weight is None else np.asarray(weight, dtype=np.float64))
    place = np.asarray(neighbour, dtype=np.int64)
    if not wa.shape == wb.shape == place.shape == u.shape[1:]:
        raise InputError(
            f"an expansion needs sets, A, B and neighbours of the same rows, not of {u.shape[1]}, {len(wa)}, {len(wb)} and {len(place)}"
        )
    rows = int((wa > 0).sum())
    if not wa.sum() or not wb.sum():
        return Measured(float("nan"), (), rows)
    hit = u[:, place]
    if answers is not None:
        said = np.atleast_2d(np.asarray(answers))
        hit = hit & (said == said[:, place])
    shares = u @ wb / wb.sum()
    reached = hit @ wa / wa.sum()
    each = tuple(float(r / s) for r, s in zip(reached, shares, strict=True) if s >= least)
    return Measured(min(each) if each else float("nan"), each, rows)


def nearest_rows(view: ArrayLike, among: ArrayLike, *, metric: str = "euclidean") -> NDArray[np.int64]:
    """Return for each row the position of its nearest other row among some, in one view: the neighbour oracle of a finite sample.

    Parameters
    ----------
    view : array of shape (n, d)
    among : array of shape (n,), bool
        At least two rows.
    metric : {"euclidean", "cosine"}
    """
    x = np.asarray(view, dtype=np.float64)
    if metric == "cosine":
        x = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    places = np.flatnonzero(among)
    if len(places) < 2:
        raise InputError(f"nearest rows need at least two rows to choose among, not {len(places)}")
    out = np.empty(len(x), dtype=np.int64)
    target = x[places]
    squares = (target**2).sum(axis=1)
    for at in range(0, len(x), 1024):
        rows = np.arange(at, min(at + 1024, len(x)))
        far = squares - 2 * x[rows] @ target.T
        far[rows[:, None] == places] = np.inf
        out[rows] = places[far.argmin(axis=1)]
    return out


class Expansion:
    """Forecast the least gain in accuracy on covered rows: the supervisor's error less the bound B.1.

    Students are retrained on 80 % of the covered rows and asked about the rest. The neighbour of a row on which most of them contradict the
    supervisor is the nearest row on which they do not, in the student's own view or another.

    Parameters
    ----------
    neighbours : str, optional
        View in which neighbours are near.
    students : int
    random_state : int

    References
    ----------
    Lang, Sontag, Vijayaraghavan 2024, "Theoretical Analysis of Weak-to-Strong Generalization", arXiv 2405.16043.
    """

    paper = "lang2024"
    units: ClassVar[tuple[str, ...]] = ("accuracy",)
    on_request = True

    def __init__(self, neighbours: str | None = None, students: int = STUDENTS, random_state: int = 0):
        self.neighbours = neighbours
        self.students = students
        self.random_state = random_state

    def needs(self) -> Needs:
        """Return that transfer rows and labels suffice, and the neighbours' view where one is named."""
        return Needs(views=frozenset([self.neighbours] if self.neighbours else []))

    def predict(self, student: Any, rows: Rows, weak: WeakLabels) -> list[Forecast]:
        """Return one forecast; none for a value task, for hard labels, and for a method that is granted truth.

        Raises
        ------
        NeedsError
            Fewer than 50 covered rows; a supervisor that names one class only.
        """
        if weak.classes is None or student.needs().known:
            return []
        there = weak.any_covered
        rows, weak = rows[there], weak[there]
        enough("expansion", len(rows), "covered rows")
        said = weak.one()[0]
        named = said.argmax(axis=1)
        if len(np.unique(named)) < 2:
            only = str(np.asarray(weak.classes)[named[0]])
            raise NeedsError(
                f"expansion needs a supervisor that names two classes, and {weak.label!r} names only {only!r}"
            )
        alpha = float(1 - said.max(axis=1).mean())
        if alpha <= 1e-6:
            return []
        answers, held = self._retrained(student, rows, weak)
        view = rows.view(self.neighbours or rows.name(getattr(student.student_, "on", None)))
        bound = _foretold(answers, held, named, view, alpha)
        broken = ("a supervisor that is wrong on half of its rows or more",) if alpha >= 0.5 else ()
        return [Forecast("expansion", "", "accuracy", alpha - bound, len(rows), ASSUMES, broken)]

    def _retrained(self, student: Any, rows: Rows, weak: WeakLabels) -> tuple[NDArray[np.int64], Mask]:
        """Return (r, n) answers of students retrained on 80 % of the rows, and which rows each did not see."""
        from sklearn.base import clone

        from outgrow.methods.method import in_classes

        assert weak.classes is not None
        random = np.random.default_rng(self.random_state)
        answers, held = [], []
        for _ in range(self.students):
            taken = np.sort(random.permutation(len(rows))[: int(SHARE * len(rows))])
            again = clone(student).fit(rows[taken], weak[taken])
            answers.append(in_classes(again, rows, weak.classes).argmax(axis=1))
            held.append(~np.isin(np.arange(len(rows)), taken))
        return np.stack(answers), np.stack(held)


def _foretold(answers: NDArray[np.int64], held: Mask, named: NDArray[np.int64], view: Floats, alpha: float) -> float:
    """Return the bound B.1: least expansion and largest disagreement over students, each on rows it did not see."""
    votes = np.stack([(answers == k).sum(axis=0) for k in range(int(max(answers.max(), named.max())) + 1)])
    good = votes.argmax(axis=0) == named
    if good.sum() < 2:
        return 1.0
    neighbour = nearest_rows(view, good)
    cs, errs = [], []
    for said, out in zip(answers, held, strict=True):
        found = expansion(good & (said == named), out & ~good, out & good, neighbour, answers=said)
        cs += list(found.each)
        errs.append(float((said != named)[out].mean()))
    err = max(errs)
    c = min([1.0, *cs]) * min(1.0, err / alpha) if cs else 0.0
    return min(correction_bound(err, min(alpha, 1.0), c), trivial_bound(err, min(alpha, 1.0)))
