"""Label quality without truth: what the labels of each supervisor, or of each rule, look like beside the others'.

In the spirit of the summary of labelling functions of Ratner et al., "Snorkel: Rapid Training Data Creation with Weak Supervision",
VLDB 2018 (coverage, overlaps, conflicts), with ties counted as ties. Nothing here says who is right.

A *named* class of a row is one of largest probability; k tied classes are named 1/k each. Flags and their thresholds:

``silent``     covers no row.
``one_class``  names one class on every row it covers.
``leans``      names a class on a share of rows that is at least ``LEAN`` above the reference and above an equal share. The reference is
               the class prior where one is given; else the other supervisors' mean share on the same rows; else an equal share, and
               then the sentence says that the task itself may be so. An excess within three standard errors of the share is chance.
``constant``   gives one value on every row (value tasks).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from outgrow.errors import LabelsError
from outgrow.tasks.labels import WeakLabels

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LEAN", "Flag", "Quality", "quality"]

LEAN = 0.10
TIE = 1e-9


@dataclass(frozen=True)
class Flag:
    """Something to look at: whose, a code of the closed list, and a sentence. ``source`` is "" when it is about all."""

    source: str
    code: str
    sentence: str


@dataclass(frozen=True, eq=False)
class Quality:
    """What can be said of a label table without truth.

    Parameters
    ----------
    rows : tuple of mapping
        One per source, see :meth:`frame`.
    names : tuple of str
        Of the sources.
    agreement : ndarray of shape (m, m)
        Classes: share of rows, of those that both cover, on which both name the same class. Values: correlation. NaN where the two
        share no row, or one of them does not vary.
    both : ndarray of shape (m, m)
        Rows that both cover.
    unnamed : tuple of str
        Classes that nobody names.
    flags : tuple of Flag
    """

    rows: tuple[Mapping[str, Any], ...]
    names: tuple[str, ...]
    agreement: NDArray[np.float64] = field(repr=False)
    both: NDArray[np.int64] = field(repr=False)
    unnamed: tuple[str, ...] = ()
    flags: tuple[Flag, ...] = ()

    @property
    def sentences(self) -> tuple[str, ...]:
        """The flags' sentences."""
        return tuple(f.sentence for f in self.flags)

    def frame(self) -> pd.DataFrame:
        """Return one line per source; a cell that cannot be computed is None, never NaN.

        Columns
        -------
        source, rows, covered : who; how many rows there are; how many it covers.
        coverage, overlaps, conflicts : shares of all rows: it covers; another covers too; another covers and names no class of its.
        named_classes : how many classes it names anywhere.
        most_named, most_named_share : the class it names most, and on which share of its rows.
        entropy : mean entropy of its labels in nats.
        confidence : mean largest probability.
        agreement : mean over the other sources of the share of common rows with the same class.
        share(CLASS) : share of its rows on which it names the class.
        flags : codes, separated by commas.
        cost, cost_per_label : money paid for these rows, and for each label given; only where some supervisor's price is known.

        A value task has, from ``named_classes`` on, instead: mean, sd, low, high, agreement (mean correlation), flags.
        """
        return _frame(self.rows)

    def agreement_frame(self) -> pd.DataFrame:
        """Return one line per pair: source, other, rows that both cover, agreement (None where undefined)."""
        m = len(self.names)
        lines = [
            {
                "source": self.names[i],
                "other": self.names[j],
                "rows": int(self.both[i, j]),
                "agreement": _number(self.agreement[i, j]),
            }
            for i in range(m)
            for j in range(i + 1, m)
        ]
        return _frame(lines, ["source", "other", "rows", "agreement"])

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "sources": [dict(r) for r in self.rows],
            "agreement": [[_number(x) for x in row] for row in self.agreement],
            "unnamed": list(self.unnamed),
            "flags": [{"source": f.source, "code": f.code, "sentence": f.sentence} for f in self.flags],
        }


def quality(weak: WeakLabels, prior: ArrayLike | None = None) -> Quality:
    """Describe the labels of each source, and flag what looks wrong.

    Parameters
    ----------
    weak : WeakLabels
        Of the rows to describe. For the quality of single rules give ``RuleSupervisor.votes_``.
    prior : array of shape (c,), optional
        Class shares known from elsewhere (the truth of the teach rows, say). Only flags use it.

    Raises
    ------
    LabelsError
        No rows; a prior of another length.
    """
    if not len(weak):
        raise LabelsError("label quality needs rows, and there is none; the role they come from is empty")
    if weak.classes is None:
        return _of_values(weak)
    known = None if prior is None else np.asarray(prior, dtype=np.float64)
    if known is not None and known.shape != (len(weak.classes),):
        raise LabelsError(
            f"the prior has shape {known.shape} and the task {len(weak.classes)} classes; give one share per class"
        )
    return _of_classes(weak, known)


def _of_classes(weak: WeakLabels, prior: NDArray[np.float64] | None) -> Quality:
    n, m, _ = weak.probs.shape
    assert weak.classes is not None
    classes = [str(c) for c in weak.classes]
    covered, counts = weak.covered, weak.covered.sum(axis=0)
    top = (weak.probs >= weak.probs.max(axis=2, keepdims=True) - TIE) & covered[:, :, None]
    named = top / np.maximum(top.sum(axis=2, keepdims=True), 1)
    shares = named.sum(axis=0) / np.maximum(counts, 1)[:, None]
    both = _both(covered)
    flat = named.transpose(1, 0, 2).reshape(m, -1)
    with np.errstate(invalid="ignore"):
        agreement = np.where(both > 0, flat @ flat.T / np.maximum(both, 1), np.nan)
    np.fill_diagonal(agreement, np.where(counts > 0, 1.0, np.nan))
    others = covered.sum(axis=1)
    safe = np.where(weak.probs > 0, weak.probs, 1.0)
    entropy = -(np.where(weak.probs > 0, weak.probs, 0.0) * np.log(safe)).sum(axis=2)
    rows, flags = [], []
    for j, source in enumerate(weak.sources):
        mine = covered[:, j]
        conflict = np.zeros(n, dtype=bool)
        for k in range(m):
            if k != j:
                conflict |= mine & covered[:, k] & ~(top[:, j] & top[:, k]).any(axis=1)
        most = int(shares[j].argmax())
        found = _class_flags(source.name, j, classes, shares, named, covered, prior)
        flags += found
        rows.append(
            {
                "source": source.name,
                "rows": n,
                "covered": int(counts[j]),
                "coverage": float(counts[j] / n),
                "overlaps": float((mine & (others > 1)).mean()),
                "conflicts": float(conflict.mean()),
                "named_classes": int((shares[j] > 0).sum()),
                "most_named": classes[most] if counts[j] else None,
                "most_named_share": float(shares[j, most]) if counts[j] else None,
                "entropy": _mean(entropy[mine, j]),
                "confidence": _mean(weak.probs[mine, j].max(axis=1)),
                "agreement": _others(agreement, j),
                **{f"share({c})": float(s) if counts[j] else None for c, s in zip(classes, shares[j])},
                **_money(weak, j),
                "flags": ", ".join(f.code for f in found),
            }
        )
    unnamed = tuple(c for c, s in zip(classes, shares.sum(axis=0)) if s == 0)
    flags += [
        Flag("", "unnamed", f"No supervisor names the class {c!r}: it cannot be learned from these labels.")
        for c in unnamed
    ]
    return Quality(tuple(rows), tuple(s.name for s in weak.sources), agreement, both, unnamed, tuple(flags))


def _class_flags(
    name: str,
    j: int,
    classes: Sequence[str],
    shares: NDArray[np.float64],
    named: NDArray[np.float64],
    covered: NDArray[np.bool_],
    prior: NDArray[np.float64] | None,
) -> list[Flag]:
    mine = covered[:, j]
    if not mine.any():
        return [Flag(name, "silent", f"{name} covers none of the {len(mine)} rows.")]
    most = int(shares[j].argmax())
    if (shares[j] > 0).sum() == 1:
        return [Flag(name, "one_class", f"{name} names {classes[most]!r} on every row it covers.")]
    equal = np.full(len(classes), 1.0 / len(classes))
    if prior is not None:
        reference, against = prior, "{:.0%} is its share in the truth known"
    else:
        there = covered & mine[:, None]
        there[:, j] = False
        speak = there.any(axis=0)
        if speak.any():
            each = (named * there[:, :, None]).sum(axis=0)[speak] / there.sum(axis=0)[speak][:, None]
            reference, against = each.mean(axis=0), "the other supervisors name it on {:.0%} of the same rows"
        else:
            reference, against = (
                equal,
                "an equal share is {:.0%}; no other supervisor speaks, so the task itself may be so",
            )
    excess = np.minimum(shares[j] - reference, shares[j] - equal)
    worst = int(excess.argmax())
    # Three standard errors: few covered rows lean by chance.
    chance = 3 * np.sqrt(shares[j, worst] * (1 - shares[j, worst]) / mine.sum())
    if excess[worst] < max(LEAN, chance) - TIE:
        return []
    sentence = f"{name} names {classes[worst]!r} on {shares[j, worst]:.0%} of the rows it covers; {against.format(reference[worst])}."
    return [Flag(name, "leans", sentence)]


def _money(weak: WeakLabels, j: int) -> dict[str, float | None]:
    """Return what source j cost, where anybody's price is known."""
    if weak.paid is None:
        return {}
    one = weak.source(j)
    count = int(one.covered.sum())
    return {"cost": one.paid, "cost_per_label": None if one.paid is None or not count else one.paid / count}


def _of_values(weak: WeakLabels) -> Quality:
    n, m, _ = weak.probs.shape
    values, covered = weak.probs[:, :, 0], weak.covered
    agreement = np.full((m, m), np.nan)
    for i in range(m):
        for j in range(m):
            there = covered[:, i] & covered[:, j]
            if there.sum() > 1:
                agreement[i, j] = _correlation(values[there, i], values[there, j])
    rows, flags = [], []
    others = covered.sum(axis=1)
    for j, source in enumerate(weak.sources):
        mine = covered[:, j]
        v = values[mine, j]
        found = []
        if not len(v):
            found.append(Flag(source.name, "silent", f"{source.name} covers none of the {n} rows."))
        elif v.min() == v.max():
            found.append(
                Flag(source.name, "constant", f"{source.name} gives the value {v[0]:g} on every row it covers.")
            )
        flags += found
        rows.append(
            {
                "source": source.name,
                "rows": n,
                "covered": int(mine.sum()),
                "coverage": float(mine.mean()),
                "overlaps": float((mine & (others > 1)).mean()),
                "mean": _mean(v),
                "sd": float(v.std(ddof=1)) if len(v) > 1 else None,
                "low": float(v.min()) if len(v) else None,
                "high": float(v.max()) if len(v) else None,
                "agreement": _others(agreement, j),
                **_money(weak, j),
                "flags": ", ".join(f.code for f in found),
            }
        )
    return Quality(tuple(rows), tuple(s.name for s in weak.sources), agreement, _both(covered), (), tuple(flags))


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    if a.min() == a.max() or b.min() == b.max():
        return float("nan")
    a, b = a - a.mean(), b - b.mean()
    return float(np.clip(a @ b / np.sqrt((a @ a) * (b @ b)), -1.0, 1.0))


def _both(covered: NDArray[np.bool_]) -> NDArray[np.int64]:
    there = covered.astype(np.float64)
    return np.rint(there.T @ there).astype(np.int64)


def _others(agreement: NDArray[np.float64], j: int) -> float | None:
    rest = np.delete(agreement[j], j)
    rest = rest[~np.isnan(rest)]
    return _mean(rest)


def _mean(values: NDArray[np.float64]) -> float | None:
    return float(values.mean()) if len(values) else None


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _frame(lines: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> pd.DataFrame:
    import pandas as pd

    # Column by column as objects, or pandas turns None into NaN.
    names = list(lines[0]) if lines else list(columns)
    frame = pd.DataFrame({name: pd.Series([line[name] for line in lines], dtype=object) for name in names})
    for name in names:
        if len(frame) and frame[name].notna().all():
            frame[name] = frame[name].infer_objects()
    return frame
