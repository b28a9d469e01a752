"""Rules: functions that look at an input and name a class, give a value, or abstain. They see no truth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from outgrow.errors import LabelsError
from outgrow.fingerprints import fingerprint
from outgrow.supervisors.protocol import inputs_seen, name_codes
from outgrow.tasks.labels import Source, WeakLabels
from outgrow.tasks.rows import INPUTS, Rows

__all__ = ["RuleSupervisor", "rule_name"]


class RuleSupervisor(BaseEstimator):
    """Let k rules vote; together they are one source.

    A row's label is the share of votes each class gets from the rules that speak there (the mean of their values in a value task);
    where all abstain it is not covered. What each rule said alone is kept in ``votes_``.

    Parameters
    ----------
    rules : callable, or sequence of callables
        Each takes one input and returns a class name, a value, or None to abstain. Fingerprints ask for functions with a name in a
        module; a lambda works as long as none is needed.
    classes : sequence of str, optional
        The task's, all of them. Default: the classes that the rules name, sorted.
    name : str
        Shown in tables.
    on : str
        The view the rules read: the raw inputs.
    kind : {"classes", "value"}, optional
        Default: "value" when ``classes`` is None and every vote is a float.

    Attributes
    ----------
    votes_ : WeakLabels
        One source per rule, of the rows labelled last.
    """

    needs_truth = False

    def __init__(
        self,
        rules: Callable[[Any], Any] | Sequence[Callable[[Any], Any]],
        classes: ArrayLike | None = None,
        name: str = "rules",
        on: str = INPUTS,
        kind: Literal["classes", "value"] | None = None,
    ):
        self.rules = rules
        self.classes = classes
        self.name = name
        self.on = on
        self.kind = kind

    def label(self, rows: Rows) -> WeakLabels:
        """Ask every rule about every row given.

        Returns
        -------
        WeakLabels
            One source, which has no view and saw no truth. Its key is the content of what the rules said, because a function's
            source does not tell which lexicon or model it reads.

        Raises
        ------
        LabelsError
            A rule that raises (rule, row and kind of error are named, never the input), or returns what is no class.
        """
        votes = self._votes(rows)
        self.votes_ = votes
        count = votes.covered.sum(axis=1)
        mean = np.where(votes.covered[:, :, None], votes.probs, 0.0).sum(axis=1) / np.maximum(count, 1)[:, None]
        key = fingerprint("rules", self.name, votes.probs, votes.covered, votes.ids, votes.classes)
        return WeakLabels.from_probs(
            mean, votes.classes, ids=rows.ids, covered=count > 0, source=Source(self.name, None, (), key)
        )

    def _votes(self, rows: Rows) -> WeakLabels:
        rules = self._rules()
        names = rule_names(rules)
        inputs = rows.view(self.on)
        said = [_ask(rule, name, inputs, rows) for rule, name in zip(rules, names)]
        if self._values(said):
            tables = [_values(votes, name, rows) for votes, name in zip(said, names)]
        else:
            classes = np.asarray(self.classes) if self.classes is not None else _named(said)
            secret = inputs_seen(rows)
            tables = [_classes(votes, name, rows, inputs, classes, secret) for votes, name in zip(said, names)]
        return WeakLabels.stack(tables)

    def _rules(self) -> list[Callable[[Any], Any]]:
        rules = [self.rules] if callable(self.rules) else list(self.rules)
        if not rules:
            raise LabelsError(f"supervisor {self.name!r} has no rules; give at least one function")
        for at, rule in enumerate(rules):
            if not callable(rule):
                raise LabelsError(
                    f"rule {at} of supervisor {self.name!r} is of type {type(rule).__name__}; a rule is a function of one input"
                )
        return rules

    def _values(self, said: list[list[Any]]) -> bool:
        if self.kind is not None:
            if self.kind not in ("classes", "value"):
                raise LabelsError(f"the kind of supervisor {self.name!r} is 'classes' or 'value', not {self.kind!r}")
            return self.kind == "value"
        given = [v for votes in said for v in votes if v is not None]
        return self.classes is None and bool(given) and all(isinstance(v, float | np.floating) for v in given)


def rule_name(rule: Any) -> str:
    """Return what a rule is called: its ``name``, its function's name, or its type."""
    inner = getattr(rule, "func", rule)
    return str(getattr(inner, "name", None) or getattr(inner, "__name__", None) or type(inner).__name__)


def rule_names(rules: Sequence[Any]) -> list[str]:
    """Return a different name for each rule."""
    names = [rule_name(r) for r in rules]
    return [n if names.count(n) == 1 else f"{n}#{names[:at].count(n) + 1}" for at, n in enumerate(names)]


def _ask(rule: Callable[[Any], Any], name: str, inputs: Any, rows: Rows) -> list[Any]:
    votes = []
    for at, value in enumerate(inputs):
        fault = None
        try:
            vote = rule(value)
        except Exception as error:  # a rule is anybody's code
            fault = type(error).__name__
        if fault is not None:
            # Outside the handler: the rule's own error may hold the input, and would be printed as the cause.
            raise LabelsError(
                f"rule {name!r} raised {fault} on row {rows.ids[at]}; return None there to abstain, or mend the rule"
            )
        votes.append(vote)
    return votes


def _named(said: list[list[Any]]) -> NDArray[Any]:
    given = {v for votes in said for v in votes if v is not None and v == v and v != ""}
    if not given:
        raise LabelsError("the rules abstain on every row, so their classes are not known; give classes=")
    return np.array(sorted(given, key=lambda v: (str(type(v)), v)))


def _classes(
    votes: list[Any], name: str, rows: Rows, inputs: Any, classes: NDArray[Any], secret: frozenset[str]
) -> WeakLabels:
    known = {str(c) for c in classes}
    where = [f"row {i} by rule {name!r}" for i in rows.ids]
    folded = {c.strip().casefold() for c in known}
    for at, vote in enumerate(votes):
        part_of_input = isinstance(vote, str) and isinstance(inputs[at], str) and vote in inputs[at]
        if part_of_input and vote and vote not in known and vote.strip().casefold() not in folded:
            raise LabelsError(
                f"the label at {where[at]} is a part of the input and no class of this task; there is "
                + ", ".join(repr(c) for c in sorted(known)[:12])
            )
    codes = name_codes(votes, classes, where, secret=secret)
    probs = np.zeros((len(codes), len(classes)))
    covered = codes >= 0
    probs[covered, codes[covered]] = 1.0
    return WeakLabels.from_probs(probs, classes, ids=rows.ids, covered=covered, source=Source(name))


def _values(votes: list[Any], name: str, rows: Rows) -> WeakLabels:
    values = np.full(len(votes), np.nan)
    for at, vote in enumerate(votes):
        if vote is None:
            continue
        if isinstance(vote, bool | np.bool_) or not isinstance(vote, int | float | np.integer | np.floating):
            raise LabelsError(
                f"rule {name!r} returned a {type(vote).__name__} on row {rows.ids[at]}; in a value task a rule returns a number or None"
            )
        values[at] = float(vote)
    # NaN abstains; infinity is left in, for the table to refuse.
    return WeakLabels.from_probs(values, None, ids=rows.ids, covered=~np.isnan(values), source=Source(name))
