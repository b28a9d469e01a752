"""What the student does while it trains (Burns et al. 2023, arXiv 2312.09390, section 5.1): accuracy, and agreement with the supervisor.

As recalled and not checked: the paper's students are best before the end of their training, because they come to imitate errors, and a
moment chosen by truth is worth about five points of PGR in reward modelling.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from outgrow.audits.finding import Finding, names
from outgrow.scores.intervals import Interval, mean_interval, paired_interval
from outgrow.scores.measured import sign
from outgrow.scores.metrics import choices, row_score

if TYPE_CHECKING:
    from outgrow.scores.evaluation import Cell, Evaluation

__all__ = ["Moments"]

HALVES = 53
"""Keeps the draw of the oracle's halves apart from other draws."""
_Floats = NDArray[np.float64]


class Moments:
    """Score the student at the shares of training that were kept, and what two ways of stopping early are worth.

    Agreement is counted on covered test rows, all of them and those where the supervisor is wrong or right; it is left out of value tasks.
    Stopping by weak labels is the student itself where rows were held out, against the last moment. The oracle sees truth: in each of two
    halves of the test rows it takes the moment that is best on the other half, so that what it gains is not what it was chosen by.
    """

    question = "How does the student change while it trains?"

    def examine(self, cell: Cell) -> list[Finding]:
        """Return one finding; none where no moments were kept, or without truth."""
        import pandas as pd

        ready = [e for e in cell.evaluations if e.truth is not None and e.outputs and e.moments]
        if not ready or len(ready) < len(cell.evaluations):
            return []
        shares = [s for s in ready[0].moments if all(s in e.moments for e in ready)]
        if not shares:
            return []
        scores = {s: np.stack([_score(e, e.moments[s]) for e in ready]) for s in shares}
        metric = ready[0].metric
        lines = [{"share": float(s), **_said(metric, scores[s]), **_agreement(ready, s)} for s in shares]
        numbers: dict[str, float] = {}
        first, last = lines[0], lines[-1]

        def way(column: str, digits: int) -> str:
            return f"from {first[column]:.{digits}f} to {last[column]:.{digits}f}"

        sentence = f"Between {first['share']:.0%} and {last['share']:.0%} of the training the student's {metric} goes {way(metric, 3)}"
        if "agreement_wrong" in last:
            sentence += (
                f", its agreement with a supervisor that is wrong {way('agreement_wrong', 2)}, "
                f"and with one that is right {way('agreement_right', 2)}"
            )
        sentence += "."
        end = scores[shares[-1]]
        if float(shares[-1]) == 1.0 and len(shares) > 1:
            ways = {}
            if all(e.stopped is not None for e in ready):
                ways["weak labels"] = np.stack([_score(e, (e.outputs or {})["student"]) for e in ready])
            ways["truth, an oracle,"] = _oracle(ready, np.stack([scores[s] for s in shares]))
            for how, rows in ways.items():
                gain = paired_interval(rows, end)
                value = gain.mean if isinstance(gain, Interval) else float((rows - end).mean())
                numbers["stopped_gain" if how == "weak labels" else "oracle_gain"] = value
                ends = f" [{gain.low:+.3f}, {gain.high:+.3f}]" if isinstance(gain, Interval) else ""
                sentence += f" Stopping by {how} is worth {value:+.3f}{ends} of {metric} against the end."
        return [Finding("moments", names(cell), sentence, pd.DataFrame(lines), numbers)]


def _score(e: Evaluation, output: _Floats) -> _Floats:
    """Return (n,) row scores, higher is better."""
    assert e.truth is not None
    return row_score(e.metric, output, e.truth, None if e.classes is None else len(e.classes))


def _said(metric: str, rows: _Floats) -> dict[str, float]:
    """Return the mean of (seeds, n) row scores and its interval, in the metric's own direction."""
    found, way = mean_interval(rows), sign(metric)
    if not isinstance(found, Interval):
        return {metric: way * float(rows.mean())}
    low, high = sorted((way * found.low, way * found.high))
    return {metric: way * found.mean, "low": low, "high": high}


def _agreement(ready: list[Evaluation], share: str) -> dict[str, float]:
    """Return how often student and supervisor name the same class, over all seeds' covered rows."""
    if ready[0].classes is None:
        return {}
    same, right = [], []
    for e in ready:
        assert e.outputs is not None
        floor = choices(e.outputs["floor"][e.covered])
        same.append((floor * choices(e.moments[share][e.covered])).sum(axis=1))
        right.append(floor[np.arange(len(floor)), np.asarray(e.truth)[e.covered]])
    agree, weight = np.concatenate(same), np.concatenate(right)
    told = {"agreement": float(agree.mean())}
    for name, count in (("agreement_right", weight), ("agreement_wrong", 1 - weight)):
        if count.sum() > 0:
            told[name] = float((agree * count).sum() / count.sum())
    return told if len(told) == 3 else {"agreement": told["agreement"]}


def _oracle(ready: list[Evaluation], scores: _Floats) -> _Floats:
    """Return (seeds, n) scores of the moment that is best on the other half of the rows; scores are (moments, seeds, n)."""
    n = scores.shape[2]
    half = np.random.default_rng(HALVES).permutation(n) % 2 == 0
    out = np.empty(scores.shape[1:])
    for k in range(len(ready)):
        for mine in (half, ~half):
            seen = scores[:, k, ~mine]
            best = int(seen.mean(axis=1).argmax()) if seen.shape[1] else len(scores) - 1
            out[k, mine] = scores[best, k, mine]
    return out
