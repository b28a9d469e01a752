"""Metrics of outputs against truth, and the row scores whose plain mean is the metric.

Outputs are (n, c) probabilities for classes or (n, 1) values; truth is (n,) class indices or (n,) floats. A row whose highest probability
is shared by k classes (two rules that disagree) names each of them by 1/k, as if the tie were broken at random: taking the first would
turn every tie into class 0.

Row scores are higher-is-better: losses are negated. :func:`shown` turns a mean of row scores back into the metric as people write it.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from outgrow.errors import InputError, nearest

__all__ = [
    "EPS",
    "METRICS",
    "ROW_METRICS",
    "accuracy",
    "auroc",
    "average_precision",
    "balanced_accuracy",
    "better",
    "brier",
    "chance",
    "choices",
    "default_metric",
    "ece",
    "log_loss",
    "macro_f1",
    "measure",
    "metric_name",
    "metrics_for",
    "mse",
    "per_class",
    "r2",
    "row_score",
    "shown",
    "unranked",
]

EPS = 1e-12
"""Probabilities are clipped to at least this before the logarithm of the log loss; nothing is renormalised."""

ECE_BINS = 15

METRICS = {
    "accuracy": ("classes", 1, "accuracy"),
    "balanced_accuracy": ("classes", 1, "balanced accuracy"),
    "macro_f1": ("classes", 1, "macro-F1"),
    "auroc": ("classes", 1, "AUROC"),
    "average_precision": ("classes", 1, "average precision"),
    "log_loss": ("classes", -1, "log loss"),
    "brier": ("classes", -1, "Brier score"),
    "ece": ("classes", -1, "calibration error (ECE)"),
    "mse": ("value", -1, "mean squared error"),
    "r2": ("value", 1, "R²"),
}
"""Name: the kind of task, +1 where more is better or -1, and the name for people."""

ROW_METRICS = ("accuracy", "balanced_accuracy", "log_loss", "brier", "mse", "r2")
"""Metrics that are the plain mean of a score a row; gain, gap, PGR and verdict need one of them."""

_Floats = NDArray[np.float64]


def _known(metric: str) -> tuple[str, int, str]:
    if metric not in METRICS:
        raise InputError(f"metric {metric!r} is unknown{nearest(metric, METRICS)}")
    return METRICS[metric]


def better(metric: str) -> int:
    """Return +1 where a higher value of the metric is better, -1 for losses."""
    return _known(metric)[1]


def shown(metric: str, value: float) -> float:
    """Turn a mean of row scores (higher is better) into the metric as it is written: losses get their sign back."""
    return float(value) * better(metric) + 0.0


def metric_name(metric: str) -> str:
    """Return the metric's name for people; an unknown one (a reward) is its own name."""
    return METRICS[metric][2] if metric in METRICS else metric.replace("_", " ")


def metrics_for(kind: str) -> tuple[str, ...]:
    """Return the names of all metrics of a kind of task, ``"classes"`` or ``"value"``."""
    return tuple(name for name, (of, _, _) in METRICS.items() if of == kind)


def _values(outputs: ArrayLike, truth: ArrayLike) -> tuple[_Floats, _Floats]:
    given, true = np.asarray(outputs, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if given.ndim == 1:
        given = given[:, None]
    if given.ndim != 2 or given.shape[1] != 1 or true.shape != (len(given),) or not len(given):
        raise InputError(
            f"outputs have shape {np.shape(outputs)} and truth {np.shape(truth)}; (n, 1) and (n,) are needed."
        )
    if not (np.isfinite(given).all() and np.isfinite(true).all()):
        raise InputError("outputs or truth hold values that are not finite; leave out rows without truth.")
    return given[:, 0], true


def _classes(outputs: ArrayLike, truth: ArrayLike | None) -> tuple[_Floats, NDArray[np.int64]]:
    given = np.asarray(outputs, dtype=np.float64)
    if given.ndim != 2 or given.shape[1] < 2 or not len(given):
        raise InputError(f"outputs have shape {given.shape}; (n, c) probabilities of at least two classes are needed.")
    if not np.isfinite(given).all():
        raise InputError("outputs hold probabilities that are not finite.")
    if truth is None:
        return given, np.zeros(0, dtype=np.int64)
    true = np.asarray(truth)
    if true.shape != (len(given),) or not np.issubdtype(true.dtype, np.integer):
        raise InputError(f"truth has shape {true.shape} and type {true.dtype}; {len(given)} class indices are needed.")
    if true.min() < 0 or true.max() >= given.shape[1]:
        bad = int(true.min()) if true.min() < 0 else int(true.max())
        raise InputError(
            f"truth holds class index {bad}, but outputs have {given.shape[1]} classes; -1 (unknown) must be left out."
        )
    return given, true.astype(np.int64, copy=False)


def choices(outputs: ArrayLike) -> _Floats:
    """Return (n, c) what each row names: 1 for the class of highest probability, 1/k for each of k classes that share it."""
    given, _ = _classes(outputs, None)
    top = given == given.max(axis=1, keepdims=True)
    return top / top.sum(axis=1, keepdims=True)


def _confusion(outputs: ArrayLike, truth: ArrayLike) -> tuple[_Floats, _Floats, NDArray[np.int64]]:
    """Return the (c, c) table of truth by named class, the choices and the truth."""
    given, true = _classes(outputs, truth)
    named = choices(given)
    table = np.zeros((given.shape[1], given.shape[1]))
    np.add.at(table, true, named)
    return table, named, true


def row_score(metric: str, outputs: ArrayLike, truth: ArrayLike, n_classes: int | None = None) -> _Floats:
    """Return the (n,) scores whose plain mean is the metric; higher is better, losses negated.

    Parameters
    ----------
    metric : str
        One of ``ROW_METRICS``. balanced_accuracy weighs a row by n / (classes present * rows of its class), r2 is
        1 - e**2 / var(truth): both belong to this set of rows.
    outputs : array-like of shape (n, c) or (n, 1)
    truth : array-like of shape (n,)
    n_classes : int, optional
        Checked against outputs when given.

    Raises
    ------
    InputError
        A metric that is no mean over rows (AUROC, macro-F1, ...), shapes that do not fit, truth without variance for r2.
    """
    kind = _known(metric)[0]
    if metric not in ROW_METRICS:
        raise InputError(
            f"metric {metric!r} is no mean over rows, so gain and PGR cannot be taken in it; use one of {', '.join(ROW_METRICS)}."
        )
    if kind == "value":
        guess, true = _values(outputs, truth)
        error = (guess - true) ** 2
        return -error if metric == "mse" else 1.0 - error / _variance(true)
    given, index = _classes(outputs, truth)
    if n_classes is not None and given.shape[1] != n_classes:
        raise InputError(f"outputs have {given.shape[1]} columns, but the task has {n_classes} classes.")
    at = np.arange(len(given))
    if metric == "log_loss":
        return np.log(np.maximum(given[at, index], EPS))
    if metric == "brier":
        off = given.copy()
        off[at, index] -= 1.0
        return -(off**2).sum(axis=1)
    right = choices(given)[at, index]
    if metric == "accuracy":
        return right
    count = np.bincount(index, minlength=given.shape[1])
    return right * len(given) / (np.count_nonzero(count) * count[index])


def _variance(true: _Floats) -> float:
    spread = float(true.var())
    if spread <= 1e-24 * max(1.0, float(np.abs(true).max()) ** 2):
        raise InputError(f"all {len(true)} true values are the same, so R² means nothing; use the metric mse.")
    return spread


def accuracy(outputs: ArrayLike, truth: ArrayLike) -> float:
    """Return the share of rows whose named class is right."""
    return float(row_score("accuracy", outputs, truth).mean())


def balanced_accuracy(outputs: ArrayLike, truth: ArrayLike) -> float:
    """Return the mean over classes present in truth of the share of their rows that is right."""
    return float(row_score("balanced_accuracy", outputs, truth).mean())


def macro_f1(outputs: ArrayLike, truth: ArrayLike) -> float:
    """Return the mean F1 over classes that truth or outputs name; 0 for one that is never right."""
    table, _, _ = _confusion(outputs, truth)
    both = table.sum(axis=0) + table.sum(axis=1)
    return float((2 * np.diag(table)[both > 0] / both[both > 0]).mean())


def per_class(outputs: ArrayLike, truth: ArrayLike, classes: ArrayLike | None = None) -> list[dict[str, Any]]:
    """Return a row a class: its name, precision, recall, F1, support (true rows) and named (rows that name it).

    A share over no rows is None: precision of a class nobody names, recall of a class that does not occur.
    """
    table, _, _ = _confusion(outputs, truth)
    names = (
        list(range(len(table)))
        if classes is None
        else [c.item() if hasattr(c, "item") else c for c in np.asarray(classes)]
    )
    if len(names) != len(table):
        raise InputError(f"{len(names)} class names are given for outputs of {len(table)} classes.")
    rows = []
    for k, name in enumerate(names):
        hit, support, named = float(table[k, k]), float(table[k].sum()), float(table[:, k].sum())
        rows.append(
            {
                "class": name,
                "precision": hit / named if named else None,
                "recall": hit / support if support else None,
                "f1": 2 * hit / (support + named) if support + named else None,
                "support": round(support),
                "named": named,
            }
        )
    return rows


def unranked(truth: ArrayLike, n_classes: int) -> list[int]:
    """Return the classes whose AUROC and average precision are undefined: none of the rows is of them, or all are."""
    count = np.bincount(np.asarray(truth, dtype=np.int64), minlength=n_classes)
    return [k for k in range(n_classes) if count[k] in (0, len(np.asarray(truth)))]


def _ranked(outputs: ArrayLike, truth: ArrayLike, which: Literal["auroc", "average_precision"]) -> float | None:
    from scipy.stats import rankdata

    given, true = _classes(outputs, truth)
    out = set(unranked(true, given.shape[1]))
    wanted = [1] if given.shape[1] == 2 else [k for k in range(given.shape[1]) if k not in out]
    if not wanted or out.intersection(wanted):
        return None
    hits = true[:, None] == np.array(wanted)
    if which == "average_precision":
        return float(np.mean([_precision_at_hits(given[:, k], hits[:, j]) for j, k in enumerate(wanted)]))
    # The statistic of Mann and Whitney (1947), all classes at once: reports ask for thousands of these.
    count = hits.sum(axis=0)
    above = (rankdata(given[:, wanted], axis=0) * hits).sum(axis=0) - count * (count + 1) / 2
    return float(np.mean(above / (count * (len(true) - count))))


def _precision_at_hits(score: NDArray[np.float64], hit: NDArray[np.bool_]) -> float:
    """Return the average precision of one class; rows of one score are found together.

    Equal to scikit-learn's, whose checks of its input take thirty times as long as the sum: reports ask for tens of thousands of these.
    """
    order = np.argsort(-score, kind="stable")
    sorted_score = score[order]
    last = np.flatnonzero(np.append(sorted_score[1:] != sorted_score[:-1], True))
    found = np.cumsum(hit[order])[last]
    return float((np.diff(found, prepend=0) * found / (last + 1)).sum() / found[-1])


def auroc(outputs: ArrayLike, truth: ArrayLike) -> float | None:
    """Return the area under the ROC curve: of class 1 for two classes, else the mean of one against the rest.

    Classes listed by :func:`unranked` are left out; None when none is left.
    """
    return _ranked(outputs, truth, "auroc")


def average_precision(outputs: ArrayLike, truth: ArrayLike) -> float | None:
    """Return the average precision: of class 1 for two classes, else the mean of one against the rest.

    Classes listed by :func:`unranked` are left out; None when none is left.
    """
    return _ranked(outputs, truth, "average_precision")


def log_loss(outputs: ArrayLike, truth: ArrayLike) -> float:
    """Return the mean of -log p(true class) in nats, p clipped to at least ``EPS`` (1e-12)."""
    return shown("log_loss", row_score("log_loss", outputs, truth).mean())


def brier(outputs: ArrayLike, truth: ArrayLike) -> float:
    """Return the mean squared distance to the true class, summed over all classes (Brier 1950): 0 to 2, also for two classes."""
    return shown("brier", row_score("brier", outputs, truth).mean())


def ece(outputs: ArrayLike, truth: ArrayLike, bins: int = ECE_BINS) -> float:
    """Return the expected calibration error of the named class: ``|share right - mean confidence|`` over bins, weighted by rows.

    Bins of equal width over [0, 1], 15 unless said, closed above (Guo et al. 2017, equation 3).
    """
    given, true = _classes(outputs, truth)
    sure = given.max(axis=1)
    right = choices(given)[np.arange(len(given)), true]
    place = np.clip(np.ceil(sure * bins).astype(int) - 1, 0, bins - 1)
    return float(np.abs(np.bincount(place, right - sure, bins)).sum() / len(given))


def mse(outputs: ArrayLike, truth: ArrayLike) -> float:
    """Return the mean squared error, in squared units of the truth."""
    return shown("mse", row_score("mse", outputs, truth).mean())


def r2(outputs: ArrayLike, truth: ArrayLike) -> float:
    """Return 1 - mse / var(truth), var over these rows."""
    return float(row_score("r2", outputs, truth).mean())


_FUNCTIONS = {
    "accuracy": accuracy,
    "balanced_accuracy": balanced_accuracy,
    "macro_f1": macro_f1,
    "auroc": auroc,
    "average_precision": average_precision,
    "log_loss": log_loss,
    "brier": brier,
    "ece": ece,
    "mse": mse,
    "r2": r2,
}


def measure(metric: str, outputs: ArrayLike, truth: ArrayLike) -> float | None:
    """Return any metric by name, as people write it; None where it is undefined on these rows (AUROC of one class, R² of one value)."""
    _known(metric)
    if metric == "r2":
        true = np.asarray(truth, dtype=np.float64)
        if len(true) and np.ptp(true) == 0:
            return None
    return _FUNCTIONS[metric](outputs, truth)


def chance(metric: str, outputs: ArrayLike, truth: ArrayLike) -> float | None:
    """Return the mean row score of labels that know nothing about the row, to judge a supervisor by.

    accuracy: labels drawn at random in the shares this supervisor names (its agreement by luck, as in Cohen 1960); balanced_accuracy:
    1 / classes present; log_loss and brier: the true shares as probabilities; mse and r2: the true mean. Same sign as row scores.
    """
    if _known(metric)[0] == "value":
        _, true = _values(outputs, truth)
        return 0.0 if metric == "r2" else -float(true.var())
    given, index = _classes(outputs, truth)
    share = np.bincount(index, minlength=given.shape[1]) / len(index)
    if metric == "accuracy":
        return float(choices(given).mean(axis=0) @ share)
    if metric == "balanced_accuracy":
        return 1.0 / float(np.count_nonzero(share))
    if metric == "log_loss":
        return float((share[share > 0] * np.log(share[share > 0])).sum())
    return float((share**2).sum()) - 1.0 if metric == "brier" else None


def default_metric(kind: str, truth: ArrayLike | None, n_classes: int | None = None) -> str:
    """Return the metric that gain, PGR and verdict use unless a study names one.

    ``"mse"`` for values; for classes ``"accuracy"``, or ``"balanced_accuracy"`` when the rarest class has under a fifth of an equal share
    (below 1 / (5 c)) of the rows with truth. Unknown truth (-1) is not counted; without any truth it is accuracy.

    Parameters
    ----------
    kind : {"classes", "value"}
    truth : array-like of shape (n,)
        Class indices of all rows of the task, -1 where unknown; None without truth.
    n_classes : int
        Number of classes of the task; a class without a row counts as rare.
    """
    if kind == "value":
        return "mse"
    if kind != "classes":
        raise InputError(f"kind is {kind!r}{nearest(kind, ('classes', 'value'))}")
    index = np.asarray(() if truth is None else truth)
    index = index[index >= 0].astype(np.int64)
    c = n_classes or (int(index.max()) + 1 if len(index) else 0)
    if not len(index) or not c:
        return "accuracy"
    count = np.bincount(index, minlength=c)
    return "balanced_accuracy" if count.min() * 5 * c < len(index) else "accuracy"
