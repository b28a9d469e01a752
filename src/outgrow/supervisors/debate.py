"""Lang, Huang, Li 2025, *Debate Helps Weak-to-Strong Generalization* (arXiv 2501.13124): weak judges read strong debaters.

Two copies of the strong model S argue for opposite answers over three turns, four times per row. Judge m is a weak model taught with truth
on teach rows to read the input and transcript m, and the weak label is the judges' mean:

    y(x_i) = 1/M sum_m W_m(x_i, t_im),    t_im ~ debate of S with itself about x_i,    M = 4

From a digest of the paper: opposing answers, three turns, four transcripts and judges, mean of soft labels. Ours: the prompts; a turn
lets each side speak once, the later one having read the earlier one, and who begins is drawn; a judge is a logistic head on
``[weak view of x, weak view of what was said for each class]``, where the paper fine-tunes a model; the student never sees a transcript.
With several classes two are argued for, those that the debater itself finds likeliest (no truth is used); the others' columns are zero.

Assumed: the debater can find arguments that tell truth from falsehood, and the judge can weigh them. A model of 135 million parameters
does not (``docs/debate.md``); :mod:`outgrow.worlds.debate` tests the mechanism where it does.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator

from outgrow.errors import InputError, LabelsError
from outgrow.fingerprints import fingerprint
from outgrow.store import Store
from outgrow.supervisors.protocol import as_truth
from outgrow.supervisors.transcripts import Motion, Transcript, cases, held, hold, motion_of
from outgrow.tasks.labels import Source, WeakLabels
from outgrow.tasks.rows import INPUTS, Rows

__all__ = ["DebateSupervisor"]

_VIEW = "debate"
_MINUTE = 60.0


class DebateSupervisor(BaseEstimator):
    """Let weak judges, taught by the teach rows, read debates of a language model with itself.

    Debates are held once per row and kept (:mod:`outgrow.supervisors.transcripts`); seeds, folds and judges do not change them, and no
    truth reaches them. Labels of teach rows are out of fold.

    Parameters
    ----------
    model : str
        The debater: a packaged language model, a Hub id, or a folder.
    on : str
        The judges' view of an input. Its encoder reads the speeches too.
    question : str, optional
        Put after the input. Default: "Is this A or B?", with the classes' words.
    words : mapping of class to str, optional
        What classes are called in a debate. Default: their names.
    turns : int
        How often each side speaks.
    judges : int
        Debates of a row, each with its judge.
    tokens : int
        Most tokens of a speech.
    temperature, top : float, int
        Tokens are drawn at this temperature among so many likeliest.
    learner : learner, optional
        Of a judge; default a logistic head with its penalty cross-validated.
    folds : int
        For the labels of teach rows.
    random_state : int
        Deals the folds.
    title : str, optional
        Shown in tables instead of ``debate(MODEL)``.

    Attributes
    ----------
    judges_ : list of ProbeSupervisor
        One a debate.
    classes_ : ndarray of shape (c,)
    votes_ : WeakLabels
        Each judge alone, of the rows labelled last.
    report_ : str
        What was held, in a sentence without text.
    fingerprint_ : str
    """

    needs_truth = True
    # Debates are about the raw inputs, so labels are made in the process that holds them.
    reads_inputs = True
    # Set by a study: where debates are kept (None is the cache folder), and who is told how far they are.
    store: Store | None = None
    say: Callable[[str], None] | None = None

    def __init__(
        self,
        model: str = "smollm2",
        on: str = "wordllama",
        question: str | None = None,
        words: Mapping[str, str] | None = None,
        turns: int = 3,
        judges: int = 4,
        tokens: int = 24,
        temperature: float = 0.8,
        top: int = 40,
        learner: Any = None,
        folds: int = 5,
        random_state: int = 0,
        title: str | None = None,
    ):
        self.model = model
        self.on = on
        self.question = question
        self.words = words
        self.turns = turns
        self.judges = judges
        self.tokens = tokens
        self.temperature = temperature
        self.top = top
        self.learner = learner
        self.folds = folds
        self.random_state = random_state
        self.title = title

    @property
    def name(self) -> str:
        """``title``, or ``debate(MODEL)``."""
        return self.title if self.title is not None else f"debate({self.model})"

    def fingerprint(self) -> str:
        """Name the recipe, the model's bytes included."""
        return fingerprint("debate", type(self), self.get_params(deep=False), self._debater().key)

    def check(self, classes: Sequence[Any]) -> None:
        """Say before any work what cannot be.

        Raises
        ------
        InputError
            As :meth:`motion`; a debater that is no language model; judges' features that are no encoder's.
        """
        from outgrow.encoders.views import parse

        self.motion(classes)
        self._debater()
        parse(self.on).make()

    def motion(self, classes: Sequence[Any]) -> Motion:
        """Return what is debated in a task of these classes.

        Raises
        ------
        InputError
            Words for what is no class, the same word twice, or a number out of range.
        """
        names = [str(c) for c in classes]
        words = {str(k): v for k, v in (self.words or {}).items()}
        if unknown := [w for w in words if w not in names]:
            raise InputError(
                f"supervisor {self.name!r} is given a word for {unknown[0]!r}, which is no class of the task"
            )
        return motion_of(
            [words.get(n, n) for n in names],
            self.question,
            turns=self.turns,
            debates=self.judges,
            tokens=self.tokens,
            temperature=self.temperature,
            top=self.top,
        )

    def fit(self, rows: Rows, truth: Any) -> Self:
        """Hold the debates of the teach rows and teach the judges.

        Parameters
        ----------
        rows : Rows
            The teach rows, with the raw inputs and the view ``on``.
        truth : WeakLabels, or array of shape (n,)
            As for :class:`~outgrow.supervisors.probe.ProbeSupervisor`.

        Raises
        ------
        LabelsError
            A value task, or truth that a probe could not learn from.
        InputError
            Inputs that are not texts, or a view that no encoder makes.
        """
        from outgrow.supervisors.probe import ProbeSupervisor

        table = as_truth(rows, truth, self.name)
        if table.classes is None:
            raise LabelsError(
                f"supervisor {self.name!r} debates classes, and this task has values; use another supervisor"
            )
        self.classes_ = table.classes
        self.motion_ = self.motion(table.classes.tolist())
        held_, _ = self._transcripts(rows)
        self.judges_ = []
        for m in range(self.motion_.debates):
            judge = ProbeSupervisor(_VIEW, self.learner, self.folds, self.random_state)
            self.judges_.append(judge.fit(self._heard(rows, held_, m), table))
        self.fingerprint_ = fingerprint("debate", self.motion_, [j.fingerprint_ for j in self.judges_])
        return self

    def label(self, rows: Rows) -> WeakLabels:
        """Let every judge label all rows given, on taught rows out of fold, and take the mean.

        Returns
        -------
        WeakLabels
            One source, whose ``taught`` are the ids whose truth the judges saw.
        """
        from sklearn.utils.validation import check_is_fitted

        check_is_fitted(self)
        held_, empty = self._transcripts(rows)
        self.votes_ = WeakLabels.stack(judge.label(self._heard(rows, held_, m)) for m, judge in enumerate(self.judges_))
        covered = self.votes_.covered.all(axis=1)
        source = Source(self.name, self.on, self.votes_.sources[0].taught, self.fingerprint_)
        self.report_ = (
            f"{len(self.judges_)} judges read {len(rows):,} rows debated for {self.motion_.turns} turns; "
            f"{empty:.1%} of the speeches are empty"
        )
        return WeakLabels.from_probs(
            self.votes_.probs.mean(axis=1), self.classes_, ids=rows.ids, covered=covered, source=source
        )

    def foretell(self, inputs: Sequence[str], classes: Sequence[Any]) -> tuple[float | None, str]:
        """Return seconds that debates of a task will take here, and a sentence that says so; nothing is fetched or written.

        The rate is that of a short matrix product. Seconds are None where the model is not at hand.
        """
        from outgrow.encoders.estimate import weight_seconds

        motion = self.motion(classes)
        debater = self._debater()
        total = f"{self.name}: up to {len(inputs) * motion.speeches():,} speeches of up to {motion.tokens} tokens"
        weights = _weights(debater)
        if weights is None:
            return None, f"{total} to write, with a model that is not fetched yet"
        left = len(inputs) - held(debater, inputs, motion, self.store or Store())
        n = left * motion.speeches()
        texts = sum(len(t) for t in inputs) / 4 * left / max(len(inputs), 1)
        # A cue is about eight tokens; what is read before the first speech is the input and about sixty more.
        # Half of the product's rate reaches the tokens; keys and values, and waiting for the longest speech, take the rest.
        seconds = weights * weight_seconds(64) / 0.5 * (n * (motion.tokens + 8) + texts + 60 * left)
        return seconds, (
            f"{self.name}: {n:,} speeches of up to {motion.tokens} tokens to write "
            f"({left:,} rows, {motion.debates} debates, {motion.turns} turns), about {_spoken(seconds)}"
        )

    # --- inside ----------------------------------------------------------------------------------------------------------------------

    def _debater(self) -> Any:
        from outgrow.generation.model import LanguageModel

        return LanguageModel(self.model, say=self.say)

    def _transcripts(self, rows: Rows) -> tuple[dict[int, Transcript], float]:
        """Return the debates of these rows, and the share of speeches that are empty."""
        view = rows.views.get(INPUTS)
        if view is None or view.matrix or not all(isinstance(view.values[i], str) for i in rows.ids):
            raise InputError(f"supervisor {self.name!r} debates texts, and these rows have no inputs that are texts")
        inputs = view.values if isinstance(view.values, list) else list(view.values)
        store = self.store or Store()
        found = hold(
            self._debater(), inputs, rows.ids, self.motion_, store, view.fingerprint(), tick=self._told(len(rows))
        )
        said = [text for t in found.values() for debate in t.debates for _, text in debate]
        return found, sum(not text for text in said) / max(len(said), 1)

    def _told(self, rows: int) -> Callable[[int], None]:
        """Return what says every minute how far the debates are."""
        done, last = 0, time.monotonic()

        def tick(more: int) -> None:
            nonlocal done, last
            done += more
            if self.say is not None and time.monotonic() - last > _MINUTE:
                last = time.monotonic()
                self.say(f"{self.name}: {done:,} of {rows:,} rows are debated")

        return tick

    def _heard(self, rows: Rows, found: Mapping[int, Transcript], m: int) -> Rows:
        """Return the rows with what judge m reads as one matrix; rows of the task that were not asked for are zero in it."""
        from outgrow.encoders.views import parse

        own = rows.view(self.on)
        spec = parse(self.on)
        enc = spec.make().fit(rows.views[INPUTS].values)
        said = cases(found, rows.ids, m, len(self.classes_))
        flat = [text for texts in said for text in texts]
        spoken = [i for i, text in enumerate(flat) if text]
        block = np.zeros((len(flat), enc.width), dtype=np.float32)
        if spoken:
            layer = enc.depth if spec.layer is None else spec.layer
            block[spoken] = enc.read([flat[i] for i in spoken], [layer])[0][layer]
        parts = [own, *np.split(block, len(said))]
        whole = np.zeros((len(rows.views[INPUTS].values), sum(p.shape[1] for p in parts)), dtype=np.float32)
        whole[rows.ids] = np.hstack(parts)
        return rows.with_view(_VIEW, whole)


def _weights(debater: Any) -> float | None:
    """Return how many weights a token passes, roughly; None when that cannot be told before the model is fetched."""
    from outgrow.encoders.encoder import TABLE
    from outgrow.tasks.archives import is_fetched

    if debater.source.packaged:
        entry = TABLE[debater.name]
        if not is_fetched(entry.archive or "") or entry.layers is None or entry.width is None:
            return None
        return 12.0 * entry.layers * entry.width**2 + 50_000 * entry.width
    if not debater.source.at_hand():
        return None
    config = debater.source.config()
    return float(12 * config.num_hidden_layers * config.hidden_size**2 + config.vocab_size * config.hidden_size)


def _spoken(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} minutes"
