"""Contrast-consistent search (Burns, Ye, Klein, Steinhardt 2022, arXiv 2212.03827), the weak labels choosing its sign.

    minimise over w, b   mean_i  (p+_i - (1 - p-_i))^2 + min(p+_i, p-_i)^2  +  penalty / 2 |w|^2,      p(x) = sigmoid(w . x + b)

x+ and x- are the states of one statement and of its negation, each standardised by itself; the answer is (p+ + 1 - p-) / 2. The loss does
not know which answer is "yes": the weak labels choose, by the sign of their covariance with the answer, and give nothing else. The student
learns the answers as soft labels. (Formula, standardising and restarts are recalled, not read. That signs aligned with weak labels do well
is reported by a digest of the automated W2SG study.)

Ours. Where there is one view and no pair, x- is the mirror image of x+ through the mean: then p- = 1 - p+ without an offset, consistency
holds of itself, and what is left, mean min(p, 1 - p)^2 under the penalty, finds a direction with few rows near its middle. The penalty
bounds w, without which any direction reaches loss 0; it is .01. Of ``restarts`` random starts (in the span of the rows) the least loss
wins. ``weight`` mixes the answers with the weak labels.

Two classes only: "consistent" is a statement about yes and no. Rows that no supervisor covers shape the direction and are learned from;
they have no part in the sign. Weak labels that are the same on all rows choose none; the student is then naive's, ``correlation_`` 0.

Assumptions: truth is the direction along which the strong features separate best. Where another topic separates better, it is found
instead, and no supervisor however good puts that right: ``correlation_`` near 0 is the warning.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import is_regressor

from outgrow.errors import InputError, LabelsError, NeedsError
from outgrow.learners.objective import CrossEntropy
from outgrow.methods.granted import number
from outgrow.methods.method import OfLearner
from outgrow.tasks.needs import Needs
from outgrow.tasks.prepare import prepare
from outgrow.tasks.rows import Rows

__all__ = ["Contrast"]

PENALTY = 0.01
STEPS = 300
SAME = 1e-9


class Contrast(OfLearner):
    """Train on the answers of a direction found without labels, whose sign the weak labels choose.

    Parameters
    ----------
    learner : learner, optional
        Default :class:`~outgrow.learners.linear.LinearHead`.
    pair : (str, str), optional
        Views of each row completed by "yes" and by "no" (the second class and the first). None: the learner's view and its mirror image.
    weight : float, default 1.0
        Share of the direction's answers in what the student learns, in [0, 1]; the rest is the weak label. 0 is
        :class:`~outgrow.methods.naive.Naive`, bit for bit.
    restarts : int, default 10
        Random starts.
    random_state : int, default 0
        Of the starts.

    Attributes
    ----------
    answers_ : ndarray of shape (n,)
        The direction's probability of the second class, on the rows given to ``fit``; NaN on rows of weight zero, and
        everywhere when the weak labels are all alike.
    correlation_ : float
        Correlation of the answers with the weak labels once the sign is chosen, at least 0. Near 0 the sign is a coin.
    loss_ : float
        Of the best start.

    References
    ----------
    Burns, Ye, Klein, Steinhardt 2022, "Discovering latent knowledge in language models without supervision", arXiv 2212.03827.
    """

    paper = "burns2022"
    truth = "none"
    off: ClassVar[dict[str, Any]] = {"weight": 0}

    def __init__(
        self,
        learner: Any = None,
        pair: tuple[str, str] | None = None,
        weight: float = 1.0,
        restarts: int = 10,
        random_state: int = 0,
    ):
        self.learner = learner
        self.pair = pair
        self.weight = weight
        self.restarts = restarts
        self.random_state = random_state

    def needs(self) -> Needs:
        """Return the learner's views and those of the pair."""
        return super().needs() | Needs(views=frozenset(self.pair or ()) if self.weight != 0 else frozenset())

    def check(self) -> None:
        """Raise when a parameter is out of range, or the learner predicts values."""
        if not number(self.weight) or not 0 <= self.weight <= 1:
            raise InputError(f"Contrast weight must be a number between 0 and 1, not {self.weight!r}")
        whole = isinstance(self.restarts, int | np.integer) and not isinstance(self.restarts, bool)
        if not whole or self.restarts < 1:
            raise InputError(f"Contrast restarts must be a whole number of at least 1, not {self.restarts!r}")
        pair: Any = self.pair
        named = isinstance(pair, tuple | list) and len(pair) == 2 and all(isinstance(v, str) for v in pair)
        if pair is not None and (not named or pair[0] == pair[1]):
            raise InputError(f"Contrast pair must name two views, of yes and of no, not {pair!r}")
        if is_regressor(self):
            raise LabelsError("Contrast finds yes and no, and this learner predicts values; use Naive for a value task")
        if pair is None and getattr(self._learner(), "reads_inputs", False):
            raise NeedsError(
                "Contrast looks at a learner's features, and this one reads raw inputs; name two views with pair"
            )

    def fit(self, X: Any, y: Any, *, sample_weight: ArrayLike | None = None) -> Self:
        """Train the student.

        Parameters
        ----------
        X : Rows, or array of shape (n, d)
        y : WeakLabels, or class names (n,), probabilities (n, 2)
        sample_weight : array of shape (n,), optional

        Raises
        ------
        InputError
            A parameter out of range.
        LabelsError
            A value task, more than two classes; labels of other rows, or covering no row.
        """
        self.check()
        rows, weak, weight = prepare(self, X, y, sample_weight)
        assert weak.classes is not None
        if len(weak.classes) != 2:
            raise LabelsError(
                f"Only binary classification is supported. The type of the target is multiclass: Contrast finds yes and no, and there are "
                f"{len(weak.classes)} classes; choose another method"
            )
        if self.weight == 0:
            return self._train(rows, weak, weight, CrossEntropy())
        importance = np.ones(len(rows)) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        alive = importance > 0
        combined, covered = weak.one()
        answers = self._signed(self._direction(rows[alive], importance[alive]), combined[alive, 1], weight[alive])
        self.answers_ = np.full(len(rows), np.nan)
        if answers is None:
            return self._train(rows, weak, weight, CrossEntropy())
        self.answers_[alive] = answers
        # A row without a weak label has the direction's answer alone.
        share = np.where(covered[alive], self.weight, 1.0)
        mixed = share * answers + (1 - share) * combined[alive, 1]
        table = weak[alive].relabel(np.stack([1 - mixed, mixed], axis=1), name=f"contrast by {weak.label}")
        return self._train(rows[alive], table, importance[alive], CrossEntropy())

    def said(self) -> dict[str, float]:
        """Return how far the direction's answers go with the weak labels."""
        return {} if self.weight == 0 else {"correlation with weak labels": self.correlation_}

    def _direction(self, rows: Rows, weight: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (n,) answers of the direction of least loss, its sign by chance."""
        from scipy.optimize import minimize

        share = weight / weight.sum()
        if self.pair is None:
            plus = _standard(rows.view(self._learner().on), share)
            minus, free = -plus, 0.0
        else:
            plus, minus = (_standard(rows.view(name), share) for name in self.pair)
            free = 1.0
            if plus.shape[1] != minus.shape[1]:
                raise InputError(
                    f"Contrast pair has views of {plus.shape[1]} and {minus.shape[1]} features; both must come from one encoder"
                )
        random = np.random.default_rng(self.random_state)
        d = plus.shape[1]
        best: Any = None
        for _ in range(self.restarts):
            start = np.append(random.normal(size=d) / np.sqrt(d), 0.0)
            found = minimize(
                _loss, start, args=(plus, minus, share, free), jac=True, method="L-BFGS-B", options={"maxiter": STEPS}
            )
            # Mirror images have one loss; of equal ones the first counts, whatever the last bits.
            if best is None or found.fun < best.fun - SAME:
                best = found
        self.loss_ = float(best.fun)
        w, b = best.x[:-1], best.x[-1] * free
        return (_sigmoid(plus @ w + b) + 1 - _sigmoid(minus @ w + b)) / 2

    def _signed(
        self, answers: NDArray[np.float64], weak: NDArray[np.float64], weight: NDArray[np.float64]
    ) -> NDArray[np.float64] | None:
        """Turn the answers so that they agree with the weak labels (``weight`` is zero where there is none); None if all are alike."""
        share = weight / weight.sum()
        a, y = answers - share @ answers, weak - share @ weak
        spread = np.sqrt((share @ a**2) * (share @ y**2))
        if not share @ y**2 > SAME**2:
            self.correlation_ = 0.0
            return None
        found = float(share @ (a * y))
        self.correlation_ = abs(found) / float(spread) if spread > 0 else 0.0
        return answers if found >= 0 else 1 - answers

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        if tags.classifier_tags is not None:
            tags.classifier_tags.multi_class = False
        return tags


def _standard(x: Any, share: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standardise a view under row weights; a column that does not vary becomes zero."""
    x = np.asarray(x, dtype=np.float64)
    centred = x - share @ x
    scale = np.sqrt(share @ centred**2)
    live = scale > SAME * np.maximum(np.abs(x).max(axis=0), 1e-300)
    return np.where(live, centred / np.where(live, scale, 1.0), 0.0)


def _sigmoid(z: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.special import expit

    return np.asarray(expit(z))


def _loss(
    theta: NDArray[np.float64],
    plus: NDArray[np.float64],
    minus: NDArray[np.float64],
    share: NDArray[np.float64],
    free: float,
) -> tuple[float, NDArray[np.float64]]:
    """Return the contrast loss and its gradient."""
    w, b = theta[:-1], theta[-1] * free
    p, q = _sigmoid(plus @ w + b), _sigmoid(minus @ w + b)
    gap, least = p + q - 1, np.minimum(p, q)
    low = p <= q
    dp = share * (2 * gap + 2 * least * low) * p * (1 - p)
    dq = share * (2 * gap + 2 * least * ~low) * q * (1 - q)
    gradient = np.append(plus.T @ dp + minus.T @ dq + PENALTY * w, free * (dp.sum() + dq.sum()))
    return float(share @ (gap**2 + least**2) + 0.5 * PENALTY * w @ w), gradient
