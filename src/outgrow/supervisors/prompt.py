"""A language model asked through a template: the class whose word it would most likely write next. It sees no truth.

    logit_k(x) = log P(word_k | prompt(x)) + offset_k,      label = softmax(logit)

The words' log-probabilities are sums over their tokens. Offsets take out what the model prefers whatever the input is: ``content_free``
subtracts what it says of inputs without content (Zhao et al. 2021, "Calibrate before use", arXiv 2102.09690, with their three: N/A,
[MASK] and the empty text); ``median`` (ours, for more than two classes) chooses them so that each class wins its share of the rows that
are asked, which for two even classes is a threshold at the median. Neither reads truth; ``median`` supposes that the shares are known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from outgrow.errors import LabelsError, nearest
from outgrow.fingerprints import fingerprint
from outgrow.generation.model import LanguageModel
from outgrow.tasks.labels import Source, WeakLabels
from outgrow.tasks.rows import INPUTS, Rows

__all__ = ["TEMPLATE", "PromptSupervisor", "even_offsets"]

TEMPLATE = "Classes: {classes}\n\nText: {input}\nClass:"
"""Asked where no template is given: the classes stand listed."""

CALIBRATIONS = ("median", "content_free", "none")
CONTENT_FREE = ("N/A", "[MASK]", "")
SWEEPS = 200
EMPTY, CUT, OUTSIDE = "empty input", "cut at the token limit", "an answer outside the classes"


class PromptSupervisor(BaseEstimator):
    """Ask a language model for each input which class's word comes next.

    It abstains, with the reason in ``reasons_``, where the input is empty, where the prompt is longer than the token limit (the model
    would judge a part), and where all the words together are less probable than ``least``: its answer would be no class.

    Parameters
    ----------
    model : str
        A packaged language model ("smollm2"), a Hub id, or a folder.
    classes : sequence of str, optional
        The task's, all of them. Default: those that ``words`` names.
    template : str, optional
        Holds ``{input}`` once, and may hold ``{classes}``, the words in a list. Default :data:`TEMPLATE`.
    words : mapping of class to word, optional
        What the model would write for each class. Default: the class's own name.
    calibration : {"median", "content_free", "none"}
        See the module's text.
    prior : mapping of class to share, optional
        The shares that ``median`` brings about. Default: even.
    least : float
        Least probability of all words together, in [0, 1).
    max_tokens : int
        Token limit of a prompt.
    revision : str, optional
        Branch, tag or commit of a Hub id.
    title : str, optional
        Shown in tables instead of ``prompt MODEL``.

    Attributes
    ----------
    logs_ : ndarray of shape (n, c)
        Log-probabilities of the words on the rows labelled last, before calibration; NaN where nothing was asked.
    offsets_ : ndarray of shape (c,)
    reasons_ : ndarray of shape (n,) of str
        Why a row has no label; empty where it has one.
    report_ : str
        How many rows were not labelled, and why.
    """

    needs_truth = False
    on: ClassVar[str | None] = None
    # Told sentences, and whether to draw a bar; set by who runs it.
    say: Callable[[str], None] | None = None
    bar: Callable[[str, int], Any] | None = None

    def __init__(
        self,
        model: str = "smollm2",
        classes: ArrayLike | None = None,
        template: str | None = None,
        words: Mapping[str, str] | None = None,
        calibration: Literal["median", "content_free", "none"] = "median",
        prior: Mapping[str, float] | None = None,
        least: float = 1e-6,
        max_tokens: int = 1024,
        revision: str | None = None,
        title: str | None = None,
    ):
        self.model = model
        self.classes = classes
        self.template = template
        self.words = words
        self.calibration = calibration
        self.prior = prior
        self.least = least
        self.max_tokens = max_tokens
        self.revision = revision
        self.title = title

    @property
    def name(self) -> str:
        """Shown in tables."""
        return self.title or f"prompt {self.model.rstrip('/').rpartition('/')[2]}"

    # --- what is asked -----------------------------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Raise when the question is not sound; nothing is loaded or fetched for it.

        Raises
        ------
        LabelsError
            A template without ``{input}`` (or with two); a class without a word, or two with the same; an unknown calibration; shares
            that are none.
        InputError
            An unknown model.
        """
        who, template = f"supervisor {self.name!r}", self._template()
        if not isinstance(template, str) or template.count("{input}") != 1:
            count = template.count("{input}") if isinstance(template, str) else 0
            raise LabelsError(
                f"the template of {who} holds {{input}} {count} times; write it once, where the input is to stand"
            )
        known = self._classes()
        if len(known) < 2:
            raise LabelsError(f"{who} needs two classes or more, and has {len(known)}; give classes= or words=")
        self._words()
        if self.calibration not in CALIBRATIONS:
            raise LabelsError(
                f"the calibration of {who} is one of {list(CALIBRATIONS)}, not {self.calibration!r}"
                f"{nearest(str(self.calibration), CALIBRATIONS)}"
            )
        if isinstance(self.least, bool) or not isinstance(self.least, int | float) or not 0 <= self.least < 1:
            raise LabelsError(f"least of {who} must be a number from 0 and below 1, not {self.least!r}")
        self._prior()
        self._asked()

    def _template(self) -> Any:
        return TEMPLATE if self.template is None else self.template

    def _classes(self) -> list[str]:
        if self.classes is not None:
            return [str(c) for c in np.asarray(self.classes).tolist()]
        return sorted(str(c) for c in self.words) if isinstance(self.words, Mapping) else []

    def _words(self) -> list[str]:
        who, known = f"supervisor {self.name!r}", self._classes()
        given = {c: c for c in known} if self.words is None else self.words
        if not isinstance(given, Mapping):
            raise LabelsError(
                f"words of {who} say each class's word, {{class: word}}; they are a {type(given).__name__}"
            )
        named = {str(k): v for k, v in given.items()}
        for name in named:
            if name not in known:
                raise LabelsError(f"words of {who} name the class {name!r}, which there is not{nearest(name, known)}")
        missing = [c for c in known if c not in named]
        if missing:
            raise LabelsError(f"words of {who} have none for class {missing[0]!r}; give one for each class")
        words = []
        for c in known:
            word = named[c]
            if not isinstance(word, str) or not word.strip():
                raise LabelsError(f"the word of class {c!r} of {who} is {word!r}; it must be a text that is not empty")
            words.append(word.strip())
            if words.index(words[-1]) < len(words) - 1:
                twin = known[words.index(words[-1])]
                raise LabelsError(
                    f"classes {twin!r} and {c!r} of {who} have the same word, so no answer tells them apart; give words="
                )
        return words

    def _prior(self) -> NDArray[np.float64]:
        known = self._classes()
        if self.prior is None:
            return np.full(len(known), 1 / len(known))
        shares = {str(k): v for k, v in self.prior.items()} if isinstance(self.prior, Mapping) else {}
        sound = set(shares) == set(known) and all(isinstance(v, int | float) and v > 0 for v in shares.values())
        if not sound or abs(sum(shares.values()) - 1) > 1e-6:
            raise LabelsError(
                f"prior of supervisor {self.name!r} must give each class a share above 0, and sum to 1; the classes are "
                + ", ".join(repr(c) for c in known[:12])
            )
        return np.array([shares[c] for c in known], dtype=np.float64)

    def _asked(self) -> LanguageModel:
        return LanguageModel(self.model, max_tokens=self.max_tokens, revision=self.revision, say=self.say)

    def prompts(self, inputs: Sequence[str]) -> list[str]:
        """Return the prompt for each input."""
        head, tail = self._frame()
        return [head + text + tail for text in inputs]

    def _frame(self) -> tuple[str, str]:
        before, after = self._template().split("{input}")
        listed = ", ".join(self._words())
        # A space at the end belongs to the word: models' tokens begin with it.
        return before.replace("{classes}", listed), after.replace("{classes}", listed).rstrip(" ")

    def continuations(self) -> list[str]:
        """Return what is scored after a prompt, one for each class."""
        tail = self._frame()[1]
        return [word if tail[-1:] in ("\n", "(", "[", '"', "'") else f" {word}" for word in self._words()]

    def fingerprint(self) -> str:
        """Name the question by the model's bytes, prompts, words and calibration."""
        what = [*self._frame(), self.continuations(), self._classes(), self.calibration, self._prior()]
        return fingerprint("prompt", type(self), self._asked().key, *what, float(self.least), self.name)

    # --- asking ------------------------------------------------------------------------------------------------------------------------

    def label(self, rows: Rows) -> WeakLabels:
        """Ask about the rows given. Answers are kept one by one in the cache: what was asked before is not asked again.

        Returns
        -------
        WeakLabels
            One source, which has no view and saw no truth.

        Raises
        ------
        LabelsError
            Inputs that are no texts; see also :meth:`check`.
        FetchError, MissingExtra, StoreError
            When the model cannot be had or the cache not written.
        """
        from outgrow.generation.answers import kept_scores

        self.check()
        inputs = rows.view(INPUTS)
        if not all(isinstance(text, str) for text in inputs):
            raise LabelsError(f"supervisor {self.name!r} asks about texts, and this task's inputs are numbers")
        model, words = self._asked(), self.continuations()
        task = rows.views[INPUTS].fingerprint()
        reasons = np.array([EMPTY if not text.strip() else "" for text in inputs], dtype=object)
        prompts = self.prompts(inputs)
        some = np.flatnonzero(reasons == "")
        longest = model.limit - model.longest(words)
        reasons[some[model.lengths([prompts[i] for i in some]) > longest]] = CUT
        asked = np.flatnonzero(reasons == "")
        logs = np.full((len(inputs), len(words)), np.nan)
        free = self.prompts(CONTENT_FREE) if self.calibration == "content_free" else []
        with self._bar(len(asked)) as tick:
            found = kept_scores(model, [*(prompts[i] for i in asked), *free], words, task=task, tick=tick)
        logs[asked] = found[: len(asked)]
        # Added up as logarithms: a word of many tokens may be too improbable for a number.
        mass = np.logaddexp.reduce(logs[asked], axis=1)
        reasons[asked[mass < np.log(max(float(self.least), 1e-300))]] = OUTSIDE
        covered = reasons == ""
        self.logs_, self.reasons_ = logs, reasons.astype(str)
        self.offsets_ = self._offsets(logs[covered], found[len(asked) :])
        self.report_ = self._report(reasons)
        probs = np.zeros_like(logs)
        if covered.any():
            probs[covered] = _softmax(logs[covered] + self.offsets_)
        key = fingerprint(self, rows.ids, task)
        source = Source(self.name, None, (), key)
        return WeakLabels.from_probs(
            probs, np.array(self._classes()), ids=rows.ids, covered=covered.astype(bool), source=source
        )

    def _offsets(self, logs: NDArray[np.float64], free: NDArray[np.float64]) -> NDArray[np.float64]:
        if self.calibration == "content_free":
            return -np.log(_softmax(free).mean(axis=0))
        if self.calibration == "median" and len(logs):
            return even_offsets(logs, self._prior())
        return np.zeros(len(self._words()))

    def _bar(self, rows: int) -> Any:
        import contextlib

        quiet: Callable[[int], None] = lambda done: None  # noqa: E731
        return contextlib.nullcontext(quiet) if self.bar is None else self.bar(f"asking {self.model}", rows)

    def _report(self, reasons: NDArray[Any]) -> str:
        why = [f"{int((reasons == r).sum()):,} for {r}" for r in (EMPTY, CUT, OUTSIDE) if (reasons == r).any()]
        if not why:
            return ""
        count = int((reasons != "").sum())
        return f"Supervisor {self.name!r} abstains on {count:,} of {len(reasons):,} rows: {', '.join(why)}."


def even_offsets(logs: NDArray[np.float64], prior: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (c,) offsets under which class k has the highest ``logs + offsets`` on a share ``prior[k]`` of the rows.

    Each class in turn is set against the best of the others at the wanted quantile, until shares stand; with two classes that is the
    median (or the prior's quantile) of the difference. Ties and few rows may leave shares a row or two off.

    Parameters
    ----------
    logs : ndarray of shape (n, c)
    prior : ndarray of shape (c,)
    """
    n, c = logs.shape
    offsets = np.zeros(c)
    best, apart = offsets.copy(), np.inf
    for _ in range(SWEEPS):
        for k in range(c):
            moved = logs + offsets
            rest = np.delete(moved, k, axis=1).max(axis=1)
            offsets[k] = np.quantile(rest - logs[:, k], prior[k])
        share = np.bincount((logs + offsets).argmax(axis=1), minlength=c) / n
        far = float(np.abs(share - prior).max())
        if far < apart:
            best, apart = offsets.copy(), far
        if apart <= 1 / n:
            break
    return best - best.mean()


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    up = np.exp(logits - logits.max(axis=1, keepdims=True))
    return up / up.sum(axis=1, keepdims=True)
