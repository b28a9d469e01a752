"""Gain for money: what a study's labels cost, and which way of getting a student gains most for a unit of it.

Gains are over each line's own supervisor, as everywhere in a choice; of ``direct``, over the supervisor of the first line. Ways that cost
nothing, and lines whose gain the forecast cannot tell, have no place in this list.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from outgrow.errors import StudyError
from outgrow.tasks.labels import WeakLabels

if TYPE_CHECKING:
    from outgrow.studies.advise import Rival
    from outgrow.studies.plan import Plan
    from outgrow.studies.ready import Ready

__all__ = ["TRUTH", "Bargain", "bargains", "check_costs", "per_money", "prices", "spent_on"]

TRUTH = "truth"
"""The name under which the price of a true label is given."""


@dataclass(frozen=True)
class Bargain:
    """What one way gains for its money.

    Parameters
    ----------
    way : str
        A line of the choice, or ``direct``.
    cost : float
        Money for the labels of one seed.
    gain : float
        Expected gain in accuracy.
    per_money, low, high : float
        The gain for a unit of money, with the gain's 90 % interval.
    """

    way: str
    cost: float
    gain: float
    per_money: float
    low: float
    high: float

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON value."""
        return asdict(self)


def prices(given: Sequence[str]) -> dict[str, float]:
    """Read costs as the command line gives them, ``NAME=MONEY``.

    Raises
    ------
    StudyError
        No name, or no number.
    """
    found = {}
    for text in given:
        name, _, money = text.rpartition("=")
        try:
            found[name] = float(money)
        except ValueError:
            name = ""
        if not name:
            raise StudyError(
                f"--cost is SUPERVISOR=MONEY for one label, such as crowd=0.02, or {TRUTH}=MONEY, not {text!r}"
            )
    return found


def check_costs(costs: Mapping[str, float] | None, groups: Sequence[str]) -> None:
    """Refuse a cost of nobody, and one that is no money."""
    for name, price in (costs or {}).items():
        if name not in groups and name != TRUTH:
            raise StudyError(
                f"a cost is given for {name!r}, which is no line of the study's supervisors: {', '.join(groups)}"
            )
        if isinstance(price, bool) or not (isinstance(price, int | float) and math.isfinite(price) and price >= 0):
            raise StudyError(f"the cost of {name!r} is {price!r}; give the money for one label, from 0")


def spent_on(ready: Ready, plan: Plan, costs: Mapping[str, float] | None) -> dict[str, float]:
    """Return, by line of the study's supervisors, what labelling the transfer rows of one seed costs (mean over seeds).

    A price in ``costs`` comes before what the label tables say, and is paid for each row that the line covers. Lines of unknown price are
    left out.
    """
    found: dict[str, list[float]] = {}
    for (group, seed), keys in plan.labels.items():
        if any(ready.store.get(key) is None for key in keys):
            continue
        weak = WeakLabels.stack([WeakLabels.load(ready.store.path(key)) for key in keys]).at(ready.roles[seed].transfer)
        given = (costs or {}).get(group)
        paid = weak.paid if given is None else float(given) * int(weak.any_covered.sum())
        if paid is not None:
            found.setdefault(group, []).append(paid)
    return {group: float(np.mean(values)) for group, values in found.items()}


def per_money(line: Mapping[str, Any], cost: float | None) -> dict[str, float]:
    """Return a line's cost and its gain for a unit of money with its interval; NaN where it costs nothing or nobody knows."""
    known = math.nan if cost is None else cost
    gains = {"gain_per_money": line["gain"], "money_low": line["gain_low"], "money_high": line["gain_high"]}
    return {"cost": known, **{k: v / known if known > 0 else math.nan for k, v in gains.items()}}


def bargains(
    ranked: Sequence[Mapping[str, Any]], rivals: Sequence[Rival], costs: Mapping[str, float] | None
) -> tuple[Bargain, ...]:
    """Rank what costs money by gain for it, best first.

    Parameters
    ----------
    ranked : sequence of mapping
        Lines of a choice, with what :func:`per_money` returns.
    rivals : sequence of Rival
    costs : mapping, optional
        Holds the price of a true label under "truth", if ``direct`` is to be ranked too: its teach rows are bought at it.
    """
    found = [
        Bargain(
            f"{line['method']} on {line['student']}, taught by {line['supervisor']}",
            *(float(line[k]) for k in ("cost", "gain", "gain_per_money", "money_low", "money_high")),
        )
        for line in ranked
        if line["told"] and line["cost"] > 0
    ]
    price, best = (costs or {}).get(TRUTH), ranked[0]
    for rival in rivals:
        if rival.name != "direct" or not price or not best["told"]:
            continue
        cost, apart = price * rival.rows, rival.accuracy - rival.student_accuracy
        # The forecast's doubt is about tasks and the difference's about teach rows, so they add as independent ones do.
        half = math.hypot((best["gain_high"] - best["gain_low"]) / 2, (rival.high - rival.low) / 2)
        middle = (best["gain_low"] + best["gain_high"]) / 2 + apart
        gain = best["gain"] + apart
        ends = ((middle - half) / cost, (middle + half) / cost)
        found.append(Bargain(f"direct on {rival.student}, {rival.rows} rows", cost, gain, gain / cost, *ends))
    return tuple(sorted(found, key=lambda way: -way.per_money))
