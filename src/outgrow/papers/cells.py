"""The real cells that claims are measured on: packaged texts, a probe on a weak view, a head on a strong one, scores row by row.

One test set a cell, while every seed redraws teach and transfer rows: what intervals of :mod:`outgrow.scores.intervals` are made for.
Seeds of one cell share the pool of rows they draw from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["ARCHIVES", "PAIRS", "Draw", "HubData", "Pair", "draw", "paired_cells", "whole_task"]

Floats = NDArray[np.float64]
POOL = 4300
SIZES = {"teach": 500, "transfer": 1500, "test": 1500}
TWENTY_CLASSES = {"teach": 500, "transfer": 800, "test": 1500}
QUICK_POOL = 450
QUICK_SIZES = {"teach": 100, "transfer": 200, "test": 150}
FOLDS = 2
ARCHIVES = ("movies", "newsgroups", "wordllama", "minilm", "smollm2")


@dataclass(frozen=True)
class HubData:
    """A data set of the Hub in the place of a packaged one: its id, and the columns of text and class."""

    id: str
    input: str
    truth: str
    config: str | None = None
    split: str = "train"

    def __str__(self) -> str:
        return self.id


@dataclass(frozen=True)
class Pair:
    """A packaged task or one of the Hub, the view its supervisor's probe reads, and the student's view.

    ``penalty`` is that of probe and students alike: "cv", or a fixed one where a search over 20 classes would cost too much. ``sizes``
    are teach, transfer and test rows; without them, :data:`SIZES`.
    """

    task: str | HubData
    weak: str
    strong: str
    penalty: float | str = "cv"
    sizes: tuple[int, int, int] | None = None

    @property
    def name(self) -> str:
        """As tables say it."""
        return f"{self.task}: {self.weak} -> {self.strong}"

    @property
    def pool(self) -> int:
        """Rows that seeds draw from."""
        return POOL if self.sizes is None else sum(self.sizes) + self.sizes[1] // 2


PAIRS = (
    Pair("movies", "wordllama", "minilm/3"),
    Pair("movies", "wordllama", "smollm2/18"),
    Pair("movies", "tfidf", "smollm2/18"),
    Pair("newsgroups", "tfidf", "minilm/3", 0.03),
)


@dataclass(frozen=True, eq=False)
class Draw:
    """One cell at one seed. ``told`` are the weak labels of all rows but the teach rows, on which they abstain."""

    pair: Pair
    seed: int
    quick: bool
    task: Any
    rows: Any
    told: Any
    roles: Any
    supervisor: Any

    @cached_property
    def weak(self) -> Any:
        """Weak labels of all rows, out of fold on teach rows; those cost a fit a fold, and most claims read :attr:`told` alone."""
        return self.supervisor.on_all(self.rows)

    def head(self, view: str | None = None) -> Any:
        """Return an unfitted linear head on the strong view, or another."""
        from outgrow.learners.linear import LinearHead

        return LinearHead(on=view or self.pair.strong, penalty=self.pair.penalty)

    def taught(self) -> tuple[Any, Any]:
        """Return the transfer rows and their weak labels."""
        return self.rows.at(self.roles.transfer), self.told.at(self.roles.transfer)

    def fit(self, method: Any) -> Any:
        """Fit a method on them."""
        rows, weak = self.taught()
        return method.fit(rows, weak)

    def right(self, model: Any) -> Floats:
        """Return (test rows,) whether a fitted method or learner is right."""
        from outgrow.methods.method import in_classes

        return self._right(in_classes(model, self.rows.at(self.roles.test), self.task.classes))

    def floor(self) -> Floats:
        """Return (test rows,) whether the supervisor is right."""
        return self._right(self.told.at(self.roles.test).one()[0])

    def naive(self) -> Floats:
        """Return (test rows,) whether the naive student is right."""
        return _naive(self.pair, self.seed, self.quick)

    def ceiling(self) -> Floats:
        """Return (test rows,) whether the head is right that learned the truth of the transfer rows."""
        ids = self.roles.transfer
        return self.right(self.head().fit(self.rows.at(ids), self.task.truth_table(ids)))

    def truth(self, ids: Any = None) -> NDArray[np.int64]:
        """Return class numbers of the test rows, or of others."""
        return np.asarray(self.task.truth_at(self.roles.test if ids is None else ids)).astype(np.int64)

    def _right(self, probs: Floats) -> Floats:
        from outgrow.scores.metrics import row_score

        return row_score("accuracy", probs, self.truth(), len(self.task.classes))


def whole_task(data: str | HubData) -> Any:
    """Return a packaged task, or one of the Hub."""
    from outgrow.tasks.packaged import packaged
    from outgrow.tasks.task import Task

    if isinstance(data, str):
        return packaged(data)
    # Hub sets repeat some rows, now and then with another truth.
    options = {"config": data.config, "split": data.split, "on_conflict": "unknown"}
    return Task.from_hub(data.id, data.input, data.truth, **options)


@lru_cache(maxsize=4)
def _encoded(task: str | HubData, views: tuple[str, ...], pool: int) -> tuple[Any, Any]:
    from outgrow.encoders.encode import encode
    from outgrow.tasks.split import sample

    whole = whole_task(task)
    part = sample(whole, min(pool, len(whole)))
    return part, encode(part, list(views), progress=False, show=lambda sentence: None)


@lru_cache(maxsize=64)
def draw(pair: Pair, seed: int, quick: bool = False, views: tuple[str, ...] = ()) -> Draw:
    """Draw the roles of a seed, teach the supervisor and let it label all rows.

    Parameters
    ----------
    pair : Pair
    seed : int
    quick : bool
        A few hundred rows.
    views : tuple of str
        Further views that a method reads.
    """
    from outgrow.learners.linear import LinearHead
    from outgrow.supervisors.later import LaterFolds
    from outgrow.tasks.split import split

    task, rows = _encoded(
        pair.task, tuple(dict.fromkeys((pair.weak, pair.strong, *views))), QUICK_POOL if quick else pair.pool
    )
    sizes = QUICK_SIZES if quick else TWENTY_CLASSES if pair.task == "newsgroups" else SIZES
    if pair.sizes is not None and not quick:
        sizes = dict(zip(SIZES, pair.sizes, strict=True))
    roles = split(task, seed, select=0, teach=sizes["teach"], transfer=sizes["transfer"], test=sizes["test"])
    teach = roles.teach
    probe = LinearHead(on=pair.weak, penalty=pair.penalty)
    supervisor = LaterFolds(on=pair.weak, learner=probe, folds=FOLDS).fit(rows.at(teach), task.truth_table(teach))
    return Draw(pair, seed, quick, task, rows, supervisor.label(rows), roles, supervisor)


@lru_cache(maxsize=64)
def _naive(pair: Pair, seed: int, quick: bool) -> Floats:
    # Most claims stand beside this student; it is the same in all of them.
    from outgrow.methods.naive import Naive

    d = draw(pair, seed, quick)
    return d.right(d.fit(Naive(d.head())))


def paired_cells(
    pairs: Iterable[Pair],
    seeds: Sequence[int],
    measure: Callable[[Draw], dict[str, Floats]],
    quick: bool = False,
    views: tuple[str, ...] = (),
) -> tuple[dict[str, list[Floats]], list[str], list[dict[str, Any]]]:
    """Take row scores of every cell at every seed.

    Parameters
    ----------
    pairs : iterable of Pair
        The quick form takes the first of :data:`PAIRS` instead.
    seeds : sequence of int
    measure : callable
        Given a draw, returns names -> (test rows,) scores.

    Returns
    -------
    scores : dict
        Name -> one (seeds, test rows) table a cell.
    blocks : list of str
        A cell's block: cells of one task share test rows and seeds.
    table : list of dict
        Means, a row a cell and seed.
    """
    scores: dict[str, list[Floats]] = {}
    blocks, table = [], []
    for pair in PAIRS[:1] if quick else pairs:
        found: dict[str, list[Floats]] = {}
        for seed in seeds:
            each = measure(draw(pair, seed, quick, views))
            table.append({"cell": pair.name, "seed": seed, **{k: float(v.mean()) for k, v in each.items()}})
            for name, values in each.items():
                found.setdefault(name, []).append(values)
        for name, listed in found.items():
            scores.setdefault(name, []).append(np.stack(listed))
        blocks.append(str(pair.task))
    return scores, blocks, table
