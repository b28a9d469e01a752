"""The verdict of a row of the results: one headline out of a closed list, and flags beside it. A pure function of the numbers.

The headline is the first of these that holds:

1. ``no_truth``       no test row has truth: nothing can be scored
2. ``near_truth``     the supervisor agrees with the truth on 98 % of rows or more (values: 98 % of the variance): little to outgrow
3. ``use_truth``      direct - student has its interval above 0, and direct is at least the floor
4. ``below_chance``   the floor's interval lies below chance, and the student's does not lie above it
5. ``one_class``      the supervisor names one class on 99.5 % of rows or more, and the gain's interval is not above 0
6. ``worse``          the gain's interval lies below 0
7. ``better``         the gain's interval lies above 0
8. ``pgr_undefined``  the gap's interval touches 0 (and so does the gain's)
9. ``cannot_tell``    the rest

Flags: near_truth, below_chance, one_class, worse and pgr_undefined where they hold and are not the headline; ``biased`` (the supervisor
names a class far more often than it should) and ``unlearnable`` (a class that no supervisor names), which are never the headline.
The order puts first what makes the other numbers beside the point, then what to do, then what is known, then what is not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from outgrow.scores.intervals import Interval, Undefined, number
from outgrow.scores.metrics import METRICS, metric_name

__all__ = ["CODES", "FLAGS", "Flag", "Numbers", "Verdict", "verdict"]

CODES = {
    "no_truth": "no scores without truth",
    "near_truth": "the supervisor nearly equals the truth",
    "use_truth": "use the truth directly",
    "below_chance": "the supervisor is below chance",
    "one_class": "the supervisor names one class",
    "worse": "worse than the supervisor",
    "better": "better than the supervisor",
    "pgr_undefined": "PGR is undefined: the gap is too small",
    "cannot_tell": "cannot tell",
}
"""All headlines in their order of precedence, with their short names."""

FLAGS = {
    **{c: CODES[c] for c in ("near_truth", "below_chance", "one_class", "worse", "pgr_undefined")},
    "biased": "the supervisor leans to one class",
    "unlearnable": "a class cannot be learned from these labels",
}

NEAR_TRUTH = 0.98
ONE_CLASS = 0.995
BIAS = 0.10
BIAS_ERRORS = 3.0


@dataclass(frozen=True)
class Numbers:
    """What a verdict is made from. Scores and differences are row scores: higher is better, losses negated.

    Parameters
    ----------
    metric : str
        The metric of all scores.
    kind : str
        ``"classes"``, ``"value"`` or any other word (no class checks).
    n_rows, n_seeds : int
        Test rows with truth, and seeds.
    floor, student, direct, ceiling : Interval, Undefined or None
        Each score; None where it was not computed.
    gain, gap, pgr, direct_minus_student : Interval, Undefined or None
        student - floor, ceiling - floor, gain / gap, direct - student.
    chance : float, optional
        Score of labels that know nothing (:func:`outgrow.scores.metrics.chance`).
    agreement : float, optional
        Share of rows where the floor agrees with the truth (values: R²).
    named : mapping of str to float
        Share of covered test rows that the supervisor names each class.
    expected : mapping of str to float, optional
        The shares it should name: those of the truth on these rows, else the mean of the other supervisors, else the prior.
    expected_from : str
        ``"truth"``, ``"others"`` or ``"prior"``: where ``expected`` is from.
    unlearnable : tuple of str
        Classes that no supervisor names.
    detectable : float, optional
        Smallest gain this test would show with 80 % power.
    rows_needed : float, optional
        Test rows that would show the measured gain with 80 % power; ``inf`` if more rows alone never do.
    rows_to_label : int, optional
        Without truth: how many test rows to label to see a gain of .05.
    direct_rows : int, optional
        Truth rows the direct rival was trained on.
    """

    metric: str
    kind: str = "classes"
    n_rows: int = 0
    n_seeds: int = 0
    floor: Interval | Undefined | None = None
    student: Interval | Undefined | None = None
    direct: Interval | Undefined | None = None
    ceiling: Interval | Undefined | None = None
    gain: Interval | Undefined | None = None
    gap: Interval | Undefined | None = None
    pgr: Interval | Undefined | None = None
    direct_minus_student: Interval | Undefined | None = None
    chance: float | None = None
    agreement: float | None = None
    named: Mapping[str, float] = field(default_factory=dict)
    expected: Mapping[str, float] | None = None
    expected_from: str = "truth"
    unlearnable: tuple[str, ...] = ()
    detectable: float | None = None
    rows_needed: float | None = None
    rows_to_label: int | None = None
    direct_rows: int | None = None


@dataclass(frozen=True)
class Flag:
    """A warning beside the headline: a code of ``FLAGS`` and its sentence."""

    code: str
    sentence: str


@dataclass(frozen=True)
class Verdict:
    """The headline's code (of ``CODES``) and sentence, and the flags beside it."""

    code: str
    sentence: str
    flags: tuple[Flag, ...] = ()

    @property
    def short(self) -> str:
        """The headline in a few words."""
        return CODES[self.code]

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        flags = [{"code": f.code, "sentence": f.sentence} for f in self.flags]
        return {"code": self.code, "sentence": self.sentence, "flags": flags}


def verdict(numbers: Numbers) -> Verdict:
    """Choose the headline and the flags (module docstring: the closed list and its order)."""
    n = numbers
    if not n.n_rows or n.floor is None or n.student is None or n.gain is None:
        return Verdict("no_truth", _no_truth(n), _also(n, {}, "no_truth"))
    held = _held(n)
    code = next(c for c in CODES if held.get(c))
    return Verdict(code, _SENTENCES[code](n), _also(n, held, code))


def _held(n: Numbers) -> dict[str, bool]:
    rival = n.direct_minus_student
    guess = math.inf if n.chance is None else n.chance
    below = n.chance is not None and n.floor is not None and n.floor.below(guess)
    one = _most_named(n)[1] >= ONE_CLASS
    up, down = n.gain is not None and n.gain.above(), n.gain is not None and n.gain.below()
    return {
        "near_truth": n.agreement is not None and n.agreement >= NEAR_TRUTH,
        "use_truth": rival is not None and rival.above() and _value(n.direct) >= _value(n.floor),
        "below_chance": below and not (n.student is not None and n.student.above(guess)),
        "one_class": one and not up,
        "worse": down,
        "better": up,
        "pgr_undefined": isinstance(n.pgr, Undefined),
        "cannot_tell": True,
        "flag_below_chance": below,
        "flag_one_class": one,
    }


def _also(n: Numbers, held: dict[str, bool], headline: str) -> tuple[Flag, ...]:
    holds = {
        "near_truth": held.get("near_truth"),
        "below_chance": held.get("flag_below_chance"),
        "one_class": held.get("flag_one_class") if held else _most_named(n)[1] >= ONE_CLASS,
        "worse": held.get("worse"),
        "pgr_undefined": held.get("pgr_undefined"),
    }
    flags = [Flag(code, _SENTENCES[code](n)) for code, yes in holds.items() if yes and code != headline]
    lean = _lean(n)
    if lean and _most_named(n)[1] < ONE_CLASS:
        flags.append(Flag("biased", lean))
    if n.unlearnable:
        names = _listed(n.unlearnable)
        what = f"Class {names}" if len(n.unlearnable) == 1 else f"Classes {names}"
        flags.append(Flag("unlearnable", f"{what} cannot be learned from these labels: no supervisor names {_it(n)}."))
    return tuple(flags)


def _it(n: Numbers) -> str:
    return "it" if len(n.unlearnable) == 1 else "them"


def _listed(names: tuple[str, ...]) -> str:
    shown = [repr(name) for name in names[:5]]
    if len(names) > 5:
        return ", ".join(shown) + f" and {len(names) - 5} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def _value(quantity: Interval | Undefined | None) -> float:
    return -math.inf if quantity is None or quantity.value is None else quantity.value


def _score(n: Numbers, quantity: Interval | Undefined | float | None) -> str:
    """Write a row score as the metric is written: losses positive."""
    value = quantity if isinstance(quantity, float) else _value(quantity)
    sign = METRICS[n.metric][1] if n.metric in METRICS else 1
    return number(sign * value)


def _over(n: Numbers) -> str:
    rows = f"{n.n_rows:,} test row{'s' if n.n_rows != 1 else ''}"
    if n.n_seeds == 1:
        return f"over {rows} and one seed (other seeds may differ by more)"
    return f"over {n.n_seeds} seeds and {rows}"


def _difference(n: Numbers, quantity: Interval | Undefined | None) -> str:
    return "not known" if quantity is None else quantity.text(sign=True)


def _named_metric(n: Numbers) -> str:
    lower = n.metric in METRICS and METRICS[n.metric][1] < 0
    return metric_name(n.metric) + (" (lower is better)" if lower else "")


def _compared(n: Numbers) -> str:
    return f"{_named_metric(n)} {_score(n, n.student)} against {_score(n, n.floor)}, gain {_difference(n, n.gain)} {_over(n)}"


def _most_named(n: Numbers) -> tuple[str, float]:
    return max(n.named.items(), key=lambda item: item[1]) if n.named else ("", 0.0)


def _share(value: float) -> str:
    return f"{100 * value:.1f}".removesuffix(".0") + " %"


def _lean(n: Numbers) -> str | None:
    """Say which class the supervisor names too often: over .10 more than expected, and by more than three standard errors."""
    if not n.named or not n.expected:
        return None
    excess = {name: share - n.expected.get(name, 0.0) for name, share in n.named.items()}
    name = max(excess, key=lambda k: excess[k])
    should = n.expected.get(name, 0.0)
    error = math.sqrt(max(should * (1 - should), 1e-4) / n.n_rows) if n.n_rows else 0.0
    if excess[name] <= BIAS or excess[name] <= BIAS_ERRORS * error:
        return None
    source = {
        "truth": f"the truth has {_share(should)}",
        "others": f"the other supervisors name it on {_share(should)}",
        "prior": f"{_share(should)} is expected",
    }[n.expected_from]
    return f"The supervisor leans to class {name!r}: it names it on {_share(n.named[name])} of rows, where {source}."


def _no_truth(n: Numbers) -> str:
    more = ""
    if n.rows_to_label:
        more = f"; about {n.rows_to_label:,} labelled test rows would show a gain of .050 in accuracy"
    return f"There are no scores without truth: no test row has any{more}."


def _near_truth(n: Numbers) -> str:
    what = "of the variance of the truth is explained" if n.kind == "value" else "of test rows"
    if n.kind == "value":
        return (
            f"The supervisor nearly equals the truth ({_share(n.agreement or 0.0)} {what}), so there is little to outgrow; "
            "if that is a surprise, check that it was not made from the truth."
        )
    return (
        f"The supervisor nearly equals the truth: it agrees on {_share(n.agreement or 0.0)} {what}, so there is little to outgrow; "
        "if that is a surprise, check that it was not made from the truth."
    )


def _use_truth(n: Numbers) -> str:
    rows = f"{n.direct_rows:,} rows of truth train" if n.direct_rows else "the rows of truth at hand train"
    gain = (
        "better than"
        if n.gain and n.gain.above()
        else "worse than"
        if n.gain and n.gain.below()
        else "not shown to differ from"
    )
    assert n.direct_minus_student is not None
    return (
        f"Use the truth directly: {rows} the same model to {_named_metric(n)} {_score(n, n.direct)} against the student's "
        f"{_score(n, n.student)}, direct - student {_difference(n, n.direct_minus_student)} {_over(n)}; "
        f"the student is {gain} its supervisor ({_score(n, n.floor)})."
    )


def _below_chance(n: Numbers) -> str:
    hint = (
        "it does worse than always answering the mean"
        if n.kind == "value"
        else "labels drawn at random would do better, so check that no classes are swapped"
    )
    negated = n.metric in METRICS and METRICS[n.metric][1] < 0
    floor = "" if n.floor is None else (n.floor.flipped() if negated else n.floor).text()
    chance = _score(n, n.chance if n.chance is not None else None)
    return f"The supervisor is below chance: {_named_metric(n)} {floor} against {chance} by chance; {hint}."


def _one_class(n: Numbers) -> str:
    name, share = _most_named(n)
    return (
        f"The supervisor names one class: {name!r} on {_share(share)} of test rows, so its hard labels teach nothing; "
        "find another supervisor, or use its probabilities."
    )


def _worse(n: Numbers) -> str:
    return f"The student is worse than its supervisor: {_compared(n)}."


def _better(n: Numbers) -> str:
    return f"The student is better than its supervisor: {_compared(n)}."


def _pgr_undefined(n: Numbers) -> str:
    gap = "" if n.gap is None or not n.gap.defined else f" (ceiling - floor {n.gap.text(sign=True)})"
    return f"PGR is undefined because the gap is too small{gap}: even the truth would not visibly beat the supervisor {_over(n)}."


def _cannot_tell(n: Numbers) -> str:
    start = f"It cannot be told whether the student is better than its supervisor: {_compared(n)}"
    if isinstance(n.gain, Undefined):
        return f"{start}. {n.gain.reason}"
    seen = "" if n.detectable is None else f"; the smallest gain this test could see is {number(n.detectable)}"
    if n.rows_needed is None:
        return f"{start}{seen}."
    if math.isinf(n.rows_needed):
        return (
            f"{start}{seen}, and more test rows alone would not show one of {number(abs(_value(n.gain)))}: add seeds."
        )
    return (
        f"{start}{seen}, and one of {number(abs(_value(n.gain)))} would need about {_about(n.rows_needed)} test rows."
    )


def _about(rows: float) -> str:
    """Round up to two digits: more would be false precision."""
    step = 10 ** max(0, math.floor(math.log10(rows)) - 1)
    return f"{math.ceil(rows / step) * step:,}"


_SENTENCES = {
    "no_truth": _no_truth,
    "near_truth": _near_truth,
    "use_truth": _use_truth,
    "below_chance": _below_chance,
    "one_class": _one_class,
    "worse": _worse,
    "better": _better,
    "pgr_undefined": _pgr_undefined,
    "cannot_tell": _cannot_tell,
}
