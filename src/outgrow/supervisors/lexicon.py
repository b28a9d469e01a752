"""Rules that come as data: the VADER lexicon as a plain sum of its word values.

Hutto and Gilbert, "VADER: A Parsimonious Rule-based Model for Sentiment Analysis of Social Media Text", ICWSM 2014, had ten people
rate 7,500 words and signs from -4 to 4. Their program adds negations, boosters and capitals; this rule does not. It adds the values of
the words it knows, and names a class by the sign of the sum.
"""

from __future__ import annotations

import functools
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from outgrow.errors import LabelsError, nearest
from outgrow.fingerprints import fingerprint
from outgrow.tasks.pins import archive

if TYPE_CHECKING:
    from outgrow.supervisors.rules import RuleSupervisor

__all__ = ["PACKAGED", "LexiconRule", "packaged_rules", "read_vader"]

POLES = ("negative", "positive")


@dataclass(frozen=True)
class LexiconRule:
    """Name a class by the sign of the sum of word values.

    A word is what stands between spaces: as written when the lexicon has it so (signs such as ``:-)``), else in lower case without the
    punctuation around it. Entries of several words never match. The rule abstains where no word is known, and where the sum is zero.

    Parameters
    ----------
    name : str
        A packaged lexicon (:data:`PACKAGED`), or any name when ``values`` is given.
    negative, positive : str
        Classes of the task for sums below and above zero.
    values : mapping of str to float, optional
        The lexicon. Default: the packaged one, read when the rule is first asked.
    """

    name: str = "vader"
    negative: str = "negative"
    positive: str = "positive"
    values: Mapping[str, float] | None = field(default=None, repr=False)

    @functools.cached_property
    def words(self) -> Mapping[str, float]:
        """The lexicon in use."""
        return self.values if self.values is not None else _packaged(self.name)()

    def score(self, text: str) -> tuple[float, int]:
        """Return the sum of the values of the known words, and how many are known."""
        words = self.words
        found = []
        for word in text.split():
            value = words.get(word)
            if value is None:
                value = words.get(word.strip(string.punctuation).lower())
            if value is not None:
                found.append(value)
        # Values have one decimal; without rounding +0.1 -0.1 may be a vote.
        return round(sum(found), 6), len(found)

    def __call__(self, text: str) -> str | None:
        """Name a class, or None."""
        total, _ = self.score(text)
        if total == 0:
            return None
        return self.positive if total > 0 else self.negative

    def fingerprint(self) -> str:
        """Name the rule by its lexicon's content and its classes."""
        content = archive(self.name).recipe if self.values is None else dict(self.values)
        return fingerprint("lexicon", type(self), self.name, self.negative, self.positive, content)


def read_vader() -> dict[str, float]:
    """Read the packaged VADER lexicon, fetching its archive when the cache lacks it.

    Returns
    -------
    dict of str to float
        Mean rating of each word, -4 to 4.
    """
    from outgrow.tasks.archives import fetch_archive

    text = (fetch_archive("vader") / "vader_lexicon.txt").read_text("utf-8")
    cells = (line.split("\t") for line in text.split("\n") if line.strip())
    return {word: float(value) for word, value, *_ in cells}


PACKAGED: Mapping[str, Callable[[], dict[str, float]]] = {"vader": read_vader}


def _packaged(name: str) -> Callable[[], dict[str, float]]:
    if name not in PACKAGED:
        raise LabelsError(f"no packaged rules are called {str(name)!r}{nearest(str(name), PACKAGED)}")
    return PACKAGED[name]


def packaged_rules(
    name: str,
    classes: Sequence[str] | None = None,
    poles: Sequence[str] | None = None,
    title: str | None = None,
) -> RuleSupervisor:
    """Make a supervisor of a packaged lexicon.

    Parameters
    ----------
    name : str
        Only "vader" as yet.
    classes : sequence of str, optional
        The task's, all of them. Default: the poles.
    poles : (str, str), optional
        Which of the classes stand for negative and positive. Default ``("negative", "positive")``.
    title : str, optional
        Shown in tables instead of ``name``.

    Raises
    ------
    LabelsError
        No such rules; or the task has no such classes, and how to say which they are.
    """
    from outgrow.supervisors.rules import RuleSupervisor

    _packaged(name)
    pair = [str(p) for p in (POLES if poles is None else poles)]
    known = pair if classes is None else [str(c) for c in classes]
    if isinstance(poles, str) or len(pair) != 2 or pair[0] == pair[1]:
        raise LabelsError(f"rules {name!r} name two classes, negative first; give [negative, positive], not {poles!r}")
    missing = [p for p in pair if p not in known]
    if missing:
        raise LabelsError(
            f"rules {name!r} name the class {missing[0]!r}, which this task does not have{nearest(missing[0], known)}; say which "
            "classes stand for negative and positive: {rules: " + name + ", classes: [NEGATIVE, POSITIVE]}"
        )
    return RuleSupervisor(LexiconRule(name, pair[0], pair[1]), classes=known, name=title or name)
