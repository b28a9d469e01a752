"""What can be said of one evaluation or of the same cell over seeds: scores, differences, PGR, verdict, tables.

Every figure is computed from the evaluations that the class holds, stacked to (seeds, rows) on identical test rows.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from outgrow.errors import InputError, nearest
from outgrow.scores.intervals import (
    Interval,
    Undefined,
    detectable,
    mean_interval,
    paired_interval,
    ratio_interval,
    rows_needed,
    rows_to_label,
)
from outgrow.scores.linearized import linearized
from outgrow.scores.metrics import METRICS, better, chance, choices, measure, metrics_for, per_class, r2, row_score
from outgrow.scores.verdict import Numbers, Verdict, verdict

if TYPE_CHECKING:
    import pandas as pd

    from outgrow.scores.evaluation import Evaluation

__all__ = ["ROLES", "Measured"]

ROLES = ("floor", "student", "direct", "ceiling", "self")
"""Whose predictions are scored, in the order of tables."""

PLANNED_GAIN = 0.05

_Floats = NDArray[np.float64]


def sign(metric: str) -> int:
    """Return +1 or -1 as ``better``, and +1 for a metric that is not ours (a reward)."""
    return better(metric) if metric in METRICS else 1


class Measured:
    """Methods shared by :class:`Evaluation` (one seed) and :class:`Cell` (the same cell over seeds)."""

    evaluations: tuple[Evaluation, ...]

    @property
    def _first(self) -> Evaluation:
        return self.evaluations[0]

    @property
    def n_rows(self) -> int:
        """Number of test rows."""
        return len(self._first.ids)

    @property
    def n_seeds(self) -> int:
        """Number of seeds."""
        return len(self.evaluations)

    @property
    def kind(self) -> str:
        """``"classes"``, ``"value"``, or ``"other"`` for a metric that is not ours."""
        if self._first.classes is not None:
            return "classes"
        return "value" if self._first.metric in METRICS else "other"

    @property
    def roles(self) -> tuple[str, ...]:
        """Roles scored in every seed."""
        return tuple(r for r in ROLES if all(r in e.score for e in self.evaluations))

    def why(self, role: str) -> str:
        """Return the reason why a role has no score; empty if it has one."""
        if role not in ROLES:
            raise InputError(f"role {role!r} is unknown{nearest(role, ROLES)}")
        for e in self.evaluations:
            if role not in e.score:
                default = "no truth on test rows" if not e.score else f"{role} was not computed"
                return e.missing.get(role) or e.missing.get("scores") or default
        return ""

    def rows(self, role: str, metric: str | None = None) -> _Floats:
        """Return the (seeds, rows) scores of a role, higher is better; in another metric they are computed from the outputs."""
        reason = self.why(role)
        if reason:
            raise InputError(f"{role} has no scores: {reason}.")
        if metric is None or metric == self._first.metric:
            return np.stack([e.score[role] for e in self.evaluations])
        return np.stack([linearized(metric, *self._out(e, role)) for e in self.evaluations])

    @staticmethod
    def _out(e: Evaluation, role: str) -> tuple[_Floats, NDArray[Any]]:
        if e.outputs is None or role not in e.outputs or e.truth is None:
            raise InputError(f"{role} keeps no outputs or truth, so only its scores in {e.metric!r} are known.")
        return e.outputs[role], e.truth

    def _has(self, *roles: str, metric: str | None = None) -> str:
        """Return why one of the roles cannot be scored in the metric; empty if all can."""
        for role in roles:
            reason = self.why(role)
            if reason:
                return reason
            if metric is None or metric == self._first.metric:
                continue
            if any(e.outputs is None or role not in e.outputs or e.truth is None for e in self.evaluations):
                return f"{role} keeps no outputs"
            if metric not in metrics_for(self.kind):
                return f"{metric} is no metric of this kind of task"
        return ""

    def interval(self, role: str, metric: str | None = None) -> Interval | Undefined:
        """Return the interval of a role's row scores over new rows and new seeds (higher is better: losses are negated)."""
        reason = self._has(role, metric=metric)
        return Undefined(_sentence(reason)) if reason else mean_interval(self.rows(role, metric))

    def shown(self, role: str, metric: str | None = None) -> Interval | Undefined:
        """Return :meth:`interval` as the metric is written: a loss is positive."""
        found = self.interval(role, metric)
        return found if sign(metric or self._first.metric) > 0 else found.flipped()

    def value(self, role: str, metric: str | None = None) -> float | None:
        """Return a metric of a role as it is written, averaged over seeds; None where it cannot be computed."""
        metric = metric or self._first.metric
        if self._has(role, metric=metric):
            return None
        if metric == self._first.metric:
            return sign(metric) * float(self.rows(role).mean()) + 0.0
        found = [measure(metric, *self._out(e, role)) for e in self.evaluations]
        known = [f for f in found if f is not None]
        return float(np.mean(known)) if len(known) == len(found) else None

    def difference(self, first: str, second: str, metric: str | None = None) -> Interval | Undefined:
        """Return the paired interval of first - second in row scores: positive where the first is better."""
        reason = self._has(first, second, metric=metric)
        if reason:
            return Undefined(_sentence(reason))
        return paired_interval(self.rows(first, metric), self.rows(second, metric))

    def gain(self) -> Interval | Undefined:
        """Return student - floor."""
        return self.difference("student", "floor")

    def gap(self) -> Interval | Undefined:
        """Return ceiling - floor."""
        return self.difference("ceiling", "floor")

    def direct_minus_student(self) -> Interval | Undefined:
        """Return direct - student."""
        return self.difference("direct", "student")

    def in_unit(self, metric: str) -> Interval | Undefined:
        """Return the gain in another metric (``"brier"``, ``"log_loss"``, ``"mse"``), to stand beside a forecast in that unit."""
        return self.difference("student", "floor", metric)

    def pgr(self) -> Interval | Undefined:
        """Return gain / gap; undefined, never clipped, unless the gap's interval lies above 0 (Burns et al. 2023; Fieller 1954)."""
        reason = self._has("student", "floor", "ceiling")
        if reason:
            return Undefined(_sentence(reason))
        gap = self.gap()
        if isinstance(gap, Undefined):
            return Undefined(f"The gap, ceiling - floor, has no interval. {gap.reason}")
        level = f"{100 * gap.level:g} %"
        if gap.below():
            return Undefined(
                f"The ceiling is below the floor: ceiling - floor is {gap.text(sign=True)} ({level} interval)."
            )
        if not gap.above():
            return Undefined(f"The {level} interval of the gap, ceiling - floor, touches 0: {gap.text(sign=True)}.")
        floor = self.rows("floor")
        return ratio_interval(self.rows("student") - floor, self.rows("ceiling") - floor)

    @property
    def covered(self) -> NDArray[np.bool_]:
        """(n,) which test rows a supervisor covers in every seed."""
        return np.logical_and.reduce([e.covered for e in self.evaluations])

    def covered_only(self, role: str) -> Interval | Undefined:
        """Return :meth:`shown` on covered rows only; metrics with weights (balanced accuracy, R²) are taken afresh on them."""
        reason = self._has(role)
        use = self.covered
        if reason or not use.any():
            return Undefined(_sentence(reason or "no test row is covered by a supervisor"))
        metric = self._first.metric
        if metric in METRICS and not self._has(role, metric="brier" if self.kind == "classes" else "r2"):
            parts = [self._out(e, role) for e in self.evaluations]
            found = mean_interval(np.stack([row_score(metric, o[use], t[use]) for o, t in parts]))
        else:
            found = mean_interval(self.rows(role)[:, use])
        return found if sign(metric) > 0 else found.flipped()

    def per_class(self, role: str = "student") -> list[dict[str, Any]]:
        """Return precision, recall, F1 and support a class, over all seeds' test rows; empty where there are no outputs."""
        if self.kind != "classes" or self._has(role, metric="macro_f1"):
            return []
        parts = [self._out(e, role) for e in self.evaluations]
        return per_class(
            np.concatenate([o for o, _ in parts]), np.concatenate([t for _, t in parts]), self._first.classes
        )

    def _named(self) -> dict[str, float]:
        """Return the share of covered test rows that the floor names each class; empty without outputs."""
        if self.kind != "classes":
            return {}
        kept = [(e.outputs["floor"], e.covered) for e in self.evaluations if e.outputs and "floor" in e.outputs]
        parts = [choices(o[c]) for o, c in kept if c.any()]
        return dict(zip(self._names, np.concatenate(parts).mean(axis=0).tolist(), strict=True)) if parts else {}

    @property
    def _names(self) -> list[str]:
        return [] if self._first.classes is None else [str(c) for c in self._first.classes]

    def _unlearnable(self, named: dict[str, float]) -> tuple[str, ...]:
        given = [e.unnamed for e in self.evaluations if e.unnamed is not None]
        if given:
            return tuple(name for name in given[0] if all(name in other for other in given))
        return tuple(name for name, share in named.items() if share == 0) if len(self._first.floors) <= 1 else ()

    def _expected(self) -> tuple[dict[str, float] | None, str]:
        e = self._first
        if e.truth is not None and self.kind == "classes":
            use = e.covered if e.covered.any() else np.ones(len(e.ids), dtype=bool)
            count = np.bincount(e.truth[use], minlength=len(self._names))
            return dict(zip(self._names, (count / count.sum()).tolist(), strict=True)), "truth"
        return (dict(e.expected), e.expected_from) if e.expected else (None, "prior")

    def _chance(self) -> float | None:
        metric = self._first.metric
        if (
            metric not in METRICS
            or self._has("floor")
            or any(not e.outputs or e.truth is None for e in self.evaluations)
        ):
            return None
        found = [chance(metric, *self._out(e, "floor")) for e in self.evaluations if e.outputs and "floor" in e.outputs]
        known = [f for f in found if f is not None]
        return float(np.mean(known)) if known else None

    def _agreement(self) -> float | None:
        """Return the floor's agreement with the truth: share of rows, or R² for values."""
        if self.kind == "other" or self._has("floor", metric="brier" if self.kind == "classes" else "mse"):
            return None
        parts = [e for e in self.evaluations if e.outputs and e.truth is not None and "floor" in e.outputs]
        if len(parts) < self.n_seeds:
            return None
        pairs = [self._out(e, "floor") for e in parts]
        if self.kind == "classes":
            return float(np.mean([row_score("accuracy", o, t).mean() for o, t in pairs]))
        return None if np.ptp(pairs[0][1]) == 0 else float(np.mean([r2(o, t) for o, t in pairs]))

    def _disagreement(self) -> float | None:
        if self.kind != "classes":
            return None
        kept = [e.outputs for e in self.evaluations if e.outputs and {"floor", "student"} <= set(e.outputs)]
        if not kept:
            return None
        return float(np.mean([1 - (choices(o["floor"]) * choices(o["student"])).sum(axis=1).mean() for o in kept]))

    def numbers(self) -> Numbers:
        """Return what the verdict is made from."""
        first = self._first
        named = self._named()
        expected, source = self._expected()
        about: dict[str, Any] = {
            "metric": first.metric,
            "kind": self.kind,
            "n_seeds": self.n_seeds,
            "named": named,
            "expected": expected,
            "expected_from": source,
            "unlearnable": self._unlearnable(named),
            "direct_rows": first.direct_rows,
        }
        if "floor" not in self.roles or "student" not in self.roles:
            apart = self._disagreement()
            return Numbers(**about, rows_to_label=None if apart is None else rows_to_label(PLANNED_GAIN, apart))
        roles: dict[str, Any] = {
            r: self.interval(r) for r in ("floor", "student", "direct", "ceiling") if r in self.roles
        }
        moved = self.rows("student") - self.rows("floor")
        whole = "ceiling" in self.roles
        return Numbers(
            **about,
            **roles,
            n_rows=self.n_rows,
            gain=self.gain(),
            gap=self.gap() if whole else None,
            pgr=self.pgr() if whole else None,
            direct_minus_student=self.direct_minus_student() if "direct" in self.roles else None,
            chance=self._chance(),
            agreement=self._agreement(),
            detectable=detectable(moved),
            rows_needed=rows_needed(moved, float(moved.mean())),
        )

    def verdict(self) -> Verdict:
        """Return the headline and the flags."""
        return verdict(self.numbers())

    def row(self) -> dict[str, Any]:
        """Return one flat row of the results table; what was not computed is None, never NaN.

        ``floor_score``, ``floor_low``, ``floor_high`` and so on stand as the metric is written (losses positive); ``gain``, ``gap``,
        ``pgr``, ``direct_minus_student`` with their ``_low`` and ``_high`` are positive where better. ``student`` is the student's name.
        """
        first, facts = self._first, self.numbers()
        judged = verdict(facts)
        row: dict[str, Any] = {**first.cell, "metric": first.metric, "seeds": self.n_seeds, "n": self.n_rows}
        for role in ROLES:
            row |= _three(role, self.shown(role), f"{role}_score")
        for name, found in (
            ("gain", self.gain()),
            ("gap", self.gap()),
            ("pgr", self.pgr()),
            ("direct_minus_student", self.direct_minus_student()),
        ):
            row |= _three(name, found)
        needed = facts.rows_needed
        return row | {
            "pgr_reason": self.pgr().reason or None,
            "detectable": facts.detectable,
            "rows_needed": None if needed is None or math.isinf(needed) else int(needed),
            "covered": float(self.covered.mean()),
            "spent": first.spent,
            "verdict": judged.code,
            "sentence": judged.sentence,
            "flags": " ".join(f.code for f in judged.flags),
            "flag_sentences": " ".join(f.sentence for f in judged.flags),
        }

    def frame(self) -> pd.DataFrame:
        """Return a tidy table, one row per role and metric with its interval; what was not computed has no row.

        A supervisor's own score stands as role ``floor[name]``, without an interval. Limits that do not exist are None.
        """
        import pandas as pd

        first = self._first
        base: dict[str, Any] = {**first.cell, "seed": ",".join(str(e.seed) for e in self.evaluations)}
        mine = [first.metric, *(m for m in metrics_for(self.kind) if m != first.metric)]
        rows = []
        for role in self.roles:
            for metric in mine:
                value = self.value(role, metric)
                if value is not None:
                    limits = self.shown(role, metric)
                    rows.append(
                        {**base, "role": role, "metric": metric, "value": value, **_limits(limits), "n": self.n_rows}
                    )
        for name in first.floors:
            alone = [e.floors[name] for e in self.evaluations if name in e.floors]
            value = sign(first.metric) * float(np.mean(alone)) + 0.0
            none = {"low": None, "high": None}
            rows.append(
                {**base, "role": f"floor[{name}]", "metric": first.metric, "value": value, **none, "n": self.n_rows}
            )
        columns = [*base, "role", "metric", "value", "low", "high", "n"]
        table = pd.DataFrame(rows, columns=columns, dtype=object)
        full = {c: table[c].infer_objects() for c in columns if len(table) and c not in ("low", "high")}
        return table.assign(**full)


def _limits(found: Interval | Undefined) -> dict[str, float | None]:
    if isinstance(found, Undefined):
        return {"low": None, "high": None}
    return {"low": found.low, "high": found.high}


def _three(name: str, found: Interval | Undefined, first: str | None = None) -> dict[str, float | None]:
    limits = _limits(found)
    return {first or name: found.value, f"{name}_low": limits["low"], f"{name}_high": limits["high"]}


def _sentence(reason: str) -> str:
    text = reason[:1].upper() + reason[1:]
    return text if text.endswith((".", "!", "?")) else text + "."
