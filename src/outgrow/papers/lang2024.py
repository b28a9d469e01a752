"""Lang, Sontag, Vijayaraghavan 2024, "Theoretical Analysis of Weak-to-Strong Generalization", arXiv 2405.16043.

From the paper: on IMDb, labelled by which of two words stands more often (6 % covered), a sentence model taught by it is right on .858 and
.749 of the uncovered rows by class, and on .955 and .691 of the covered ones, where the rule is right on .895 and .671; a bag of words
copies the rule and is at chance elsewhere. Bounds are .05 and .37 against errors .04 and .35 on covered rows, .37 and .33 against .16 and
.29 on uncovered ones. Here: the bounds from its table's own inputs, its co-training world, and a rule of two words on movie snippets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outgrow.forecasts.expansion import correction_bound, coverage_bound, expansion, nearest_rows, trivial_bound
from outgrow.papers.cells import HubData
from outgrow.papers.claim import Claim, Measurement
from outgrow.papers.paper import Paper, Picture
from outgrow.worlds.lang import lang_world, two_words, without

__all__ = [
    "CLAIMS",
    "PAPER",
    "bag_copies",
    "bag_does_not_expand",
    "bound_above_error",
    "co_training",
    "pretrained_corrects",
    "pretrained_extends",
    "table_values",
]

LOOKED = range(3)
PENALTY = 3.0
STUDENTS, SHARE = 5, 0.8
TABLE = (
    # bound as printed, function, its inputs as printed: err, alpha, then expansions
    (0.05, correction_bound, (0.12, 0.11, 0.848)),
    (0.37, correction_bound, (0.29, 0.33, 0.497)),
    (0.37, coverage_bound, (0.12, 0.11, 0.16, 0.98)),
    (0.33, coverage_bound, (0.29, 0.33, 0.75, 0.55)),
)


@dataclass(frozen=True)
class Rule:
    """A rule of two words on a set of texts: which set, which words, the student's view, that of neighbours, and uncovered rows."""

    data: str | HubData = "movies"
    words: tuple[str, str] = ("too", "funny")
    student: str = "smollm2/18"
    neighbours: str = "wordllama"
    uncovered: int = 2000


MOVIES = Rule()
# The rule, the set and the student of the paper; its paraphrases are not known, so neighbours are nearest texts here too.
REVIEWS = Rule(
    HubData("stanfordnlp/imdb", "text", "label", split="train+test"),
    ("horrible", "incredible"),
    "sentence-transformers/all-mpnet-base-v2/12",
    uncovered=20_000,
)


def table_values(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Compute the paper's four bounds from the inputs that it prints beside them."""
    rows: list[dict[str, Any]] = [
        {"theorem": "B.1" if bound is correction_bound else "B.2", "printed": printed, "computed": bound(*inputs)}
        for printed, bound, inputs in TABLE
    ]
    worst = max(abs(r["printed"] - r["computed"]) for r in rows)
    return Measurement.exact(worst, "largest distance from a printed bound", 0.02, table=rows)


# --- co-training -----------------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=2)
def _co_training(seeds: tuple[int, ...], quick: bool) -> list[dict[str, Any]]:
    from outgrow.learners.linear import LinearHead

    table = []
    for seed in seeds:
        world = lang_world(seed, n=8_000 if quick else 60_000)
        test = np.arange(len(world.truth)) % 2 == 1
        spoken = world.named >= 0
        taught = spoken & ~test
        head = LinearHead(penalty=0.01).fit(world.view[taught], np.eye(2)[world.named[taught]])
        said = head.predict_proba(world.view).argmax(axis=1)
        for i in (0, 1):
            mine = np.flatnonzero(spoken & test & (world.truth == i))
            good = world.named[mine] == i
            alpha, err = float((~good).mean()), float((said[mine] != world.named[mine]).mean())
            found = expansion(said[mine] == i, ~good, good, nearest_rows(world.view[mine], good))
            rest = test & ~spoken & (world.truth == i)
            table.append(
                {
                    "seed": seed,
                    "class": i,
                    "expansion": found.c,
                    "bound": correction_bound(err, alpha, min(found.c, 1.0)),
                    "error, covered": float((said[mine] != i).mean()),
                    "error, uncovered": float((said[rest] != i).mean()),
                }
            )
    return table


def co_training(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Distance of bound and measured error in the co-training world, mean over classes, covered and uncovered rows."""
    table = _co_training(tuple(seeds), quick)
    values = []
    for seed in seeds:
        mine = [r for r in table if r["seed"] == seed]
        values.append(
            float(np.mean([abs(r["bound"] - r[f"error, {k}"]) for r in mine for k in ("covered", "uncovered")]))
        )
    keys = ("expansion", "bound", "error, covered", "error, uncovered")
    note = "Means: " + ", ".join(f"{k} {np.mean([r[k] for r in table]):.3f}" for k in keys) + "."
    return Measurement.over_seeds(
        values, "distance of bound and error", threshold=0.03, direction="below", table=table, note=note
    )


# --- movies ----------------------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _ruled(on: Rule, quick: bool) -> dict[str, Any]:
    """Label texts by two words, and see the covered rows and some others as a bag, as the student does, and without the words."""
    from sklearn.feature_extraction.text import CountVectorizer

    from outgrow.encoders.encode import encode
    from outgrow.papers.cells import whole_task
    from outgrow.tasks.task import Task

    task = whole_task(on.data)
    rule = two_words(*on.words)
    named = np.array([rule(text) for text in task.inputs])
    random = np.random.default_rng(0)
    covered = np.flatnonzero((named >= 0) & task.has_truth)
    coverage = len(covered) / len(task)
    if quick:
        covered = random.choice(covered, 160, replace=False)
    rest = random.choice(np.flatnonzero((named < 0) & task.has_truth), 160 if quick else on.uncovered, replace=False)
    ids = np.sort(np.concatenate([covered, rest]))
    part, truth = task.take(ids), np.asarray(task.truth_at(ids)).astype(np.int64)
    bare = Task.from_arrays(
        [without(t, *on.words) + " ." for t in part.inputs], name="movies without two words", kind="value"
    )
    student = "minilm/1" if quick else on.student
    quiet: dict[str, Any] = {"progress": False, "show": lambda sentence: None}
    return {
        "named": named[ids],
        "truth": truth,
        "coverage": coverage,
        "bag": CountVectorizer(binary=True, token_pattern=r"\b\w+\b").fit_transform(part.inputs),
        "strong": np.asarray(encode(part, [student], **quiet).view(student), dtype=np.float64),
        "near": np.asarray(encode(bare, [on.neighbours], **quiet).view(on.neighbours), dtype=np.float64),
    }


def _answers(kind: str, world: dict[str, Any], taught: NDArray[np.int64]) -> NDArray[np.int64]:
    """Teach a student the rule's labels of some covered rows; return its answers on all rows."""
    named = world["named"][taught]
    if kind == "bag":
        from sklearn.linear_model import LogisticRegression

        return np.asarray(LogisticRegression(C=10.0).fit(world["bag"][taught], named).predict(world["bag"]))
    from outgrow.learners.linear import LinearHead

    # Both names weigh alike, or the student leans to the one that the rule says more often.
    weight = 1 / np.bincount(named)[named]
    head = LinearHead(penalty=PENALTY).fit(world["strong"][taught], np.eye(2)[named], sample_weight=weight)
    return np.asarray(head.predict_proba(world["strong"]).argmax(axis=1))


@lru_cache(maxsize=2)
def _rule_table(seeds: tuple[int, ...], quick: bool, on: Rule) -> list[dict[str, Any]]:
    world = _ruled(on, quick)
    named, truth = world["named"], world["truth"]
    spoken = np.flatnonzero(named >= 0)
    table = []
    for seed in seeds:
        random = np.random.default_rng([seed, 23])
        order = random.permutation(spoken)
        taught, test = order[: len(order) // 2], np.ones(len(named), bool)
        test[taught] = False
        parts = [random.choice(taught, int(SHARE * len(taught)), replace=False) for _ in range(STUDENTS)]
        for kind in ("bag", "pretrained"):
            said = _answers(kind, world, taught)
            again = np.stack([_answers(kind, world, p) for p in parts])
            for i in (0, 1):
                table.append({"seed": seed, "student": kind, "class": i, **_one_class(world, test, i, said, again)})
        assert set(truth) == {0, 1}
    return table


def _one_class(
    world: dict[str, Any], test: NDArray[np.bool_], i: int, said: NDArray[np.int64], again: NDArray[np.int64]
) -> dict[str, float]:
    """Return errors, expansions over retrained students and the bounds of one class on test rows."""
    named, truth = world["named"], world["truth"]
    mine, rest = test & (named >= 0) & (truth == i), test & (named < 0) & (truth == i)
    good, bad = mine & (named == i), mine & (named == 1 - i)
    near = nearest_rows(world["near"], good, metric="cosine")
    alpha = float(bad.sum() / mine.sum())
    err = max(float((s != named)[mine].mean()) for s in again)
    plain = expansion(again == i, bad, good, near)
    alike = expansion(again == i, bad, good, near, answers=again)
    # Not robust: answered otherwise than the nearest row that the rule names rightly. The theorem's sets hold robust rows only, hence
    # the expansion over pairs that are answered alike.
    loose = max(float((s != s[near])[mine].mean()) for s in again)
    c = min(alike.c, 1.0) if np.isfinite(alike.c) else 0.0
    return {
        "alpha": alpha,
        "contradicts": float((said != named)[mine].mean()),
        "error, covered": float((said != i)[mine].mean()),
        "error, uncovered": float((said != i)[rest].mean()),
        "worst error, covered": max(float((s != i)[mine].mean()) for s in again),
        "expansion": plain.c,
        "expansion, answered alike": alike.c if np.isfinite(alike.c) else 0.0,
        "bound": min(correction_bound(err, alpha, c, loose), trivial_bound(err, alpha)),
    }


def _of(table: list[dict[str, Any]], seed: int, kind: str, column: str) -> list[float]:
    return [r[column] for r in table if r["seed"] == seed and r["student"] == kind]


def _note(table: list[dict[str, Any]], quick: bool, on: Rule) -> str:
    columns = ("error, covered", "error, uncovered", "expansion", "expansion, answered alike", "bound")
    parts = []
    for kind in ("bag", "pretrained"):
        told = []
        for c in columns:
            both = [np.mean([r[c] for r in table if r["student"] == kind and r["class"] == i]) for i in (0, 1)]
            told.append(f"{c} {both[0]:.2f} and {both[1]:.2f}")
        parts.append(f"{kind}: {', '.join(told)}")
    alpha = [np.mean([r["alpha"] for r in table if r["class"] == i]) for i in (0, 1)]
    coverage = _ruled(on, quick)["coverage"]
    return (
        f"'{on.words[0]}' against '{on.words[1]}' covers {coverage:.1%} and errs on {alpha[0]:.2f} and {alpha[1]:.2f} of its "
        f"negative and positive rows; by class, {'; '.join(parts)}."
    )


def _measured(seeds: Sequence[int], quick: bool, on: Rule, figure: Any, quantity: str, **more: Any) -> Measurement:
    table = _rule_table(tuple(seeds), quick, on)
    values = [float(figure(table, seed)) for seed in seeds]
    return Measurement.over_seeds(values, quantity, table=table, note=_note(table, quick, on), **more)


def bag_copies(seeds: Sequence[int], quick: bool = False, *, on: Rule = MOVIES) -> Measurement:
    """How often a bag of words contradicts the rule on covered test rows, mean over classes."""
    return _measured(
        seeds,
        quick,
        on,
        lambda t, s: np.mean(_of(t, s, "bag", "contradicts")),
        "share of covered test rows on which the bag of words contradicts the rule",
        threshold=0.1,
        direction="below",
    )


def bag_does_not_expand(seeds: Sequence[int], quick: bool = False, *, on: Rule = MOVIES) -> Measurement:
    """Expansion of a bag of words where pairs are answered alike, the larger of the two classes."""
    return _measured(
        seeds,
        quick,
        on,
        lambda t, s: max(_of(t, s, "bag", "expansion, answered alike")),
        "expansion of the bag of words, pairs answered alike, larger class",
        threshold=0.3,
        direction="below",
    )


def pretrained_corrects(seeds: Sequence[int], quick: bool = False, *, on: Rule = MOVIES) -> Measurement:
    """The rule's error minus the pretrained student's on covered test rows, mean over classes."""
    return _measured(
        seeds,
        quick,
        on,
        lambda t, s: np.mean(_of(t, s, "pretrained", "alpha")) - np.mean(_of(t, s, "pretrained", "error, covered")),
        "error on covered rows, rule minus pretrained student, mean over classes",
    )


def pretrained_extends(seeds: Sequence[int], quick: bool = False, *, on: Rule = MOVIES) -> Measurement:
    """Accuracy on rows that the rule does not cover, pretrained student minus bag of words."""
    return _measured(
        seeds,
        quick,
        on,
        lambda t, s: (
            np.mean(_of(t, s, "bag", "error, uncovered")) - np.mean(_of(t, s, "pretrained", "error, uncovered"))
        ),
        "balanced accuracy on uncovered rows, pretrained student minus bag of words",
    )


def bound_above_error(seeds: Sequence[int], quick: bool = False, *, on: Rule = MOVIES) -> Measurement:
    """The bound minus the pretrained student's worst error on covered rows, the smaller over classes; for a copying bag both are equal."""

    def least(table: list[dict[str, Any]], seed: int) -> float:
        mine = [r for r in table if r["seed"] == seed and r["student"] == "pretrained"]
        return min(r["bound"] - r["worst error, covered"] for r in mine)

    return _measured(
        seeds, quick, on, least, "bound minus worst error on covered rows, least over classes", threshold=-0.03
    )


_COMMON: dict[str, Any] = {"paper": "lang2024", "subject": "expansion", "looked": LOOKED}
_MOVIES: dict[str, Any] = {
    **_COMMON,
    "seeds": range(100, 110),
    "cost": 40.0,
    "archives": ("movies", "wordllama", "smollm2", "minilm"),
}
CLAIMS = (
    Claim(
        name="expansion_table",
        statement="From the inputs that the paper prints, the formulas give the four bounds that it prints.",
        bound="largest distance at most .02",
        measure=table_values,
        seeds=range(100, 105),
        cost=1.0,
        **_COMMON,
    ),
    Claim(
        name="expansion_co_training",
        statement="Where views are independent given the class, the bound meets the student's error on covered and uncovered rows.",
        bound="mean distance over classes and parts: interval below .03",
        measure=co_training,
        seeds=range(100, 110),
        cost=20.0,
        **_COMMON,
    ),
    Claim(
        name="expansion_bag_copies",
        statement="A bag of words, which can represent a rule of two words, copies it.",
        bound="contradicts it on under .1 of covered test rows",
        measure=bag_copies,
        **_MOVIES,
    ),
    Claim(
        name="expansion_bag_none",
        statement="The sets on which a student that copies its supervisor is right do not expand.",
        bound="expansion counting pairs answered alike, larger class: interval below .3",
        measure=bag_does_not_expand,
        **_MOVIES,
    ),
    Claim(
        name="expansion_pretrained_corrects",
        statement="A head on a pretrained model corrects the rule of two words on rows it covers.",
        bound="error of the rule minus the student's, mean over classes: interval above 0",
        measure=pretrained_corrects,
        **_MOVIES,
    ),
    Claim(
        name="expansion_pretrained_extends",
        statement="A head on a pretrained model is right more often than a bag of words where the rule is silent.",
        bound="balanced accuracy on uncovered rows, pretrained minus bag: interval above 0",
        measure=pretrained_extends,
        **_MOVIES,
    ),
    Claim(
        name="expansion_bound",
        statement="The bound from measured expansion lies above the pretrained student's error on covered rows.",
        bound="bound minus worst error, least over classes: interval above -.03",
        measure=bound_above_error,
        **_MOVIES,
    ),
)
_OF_RULES: dict[str, Any] = {c.name: c.measure for c in CLAIMS if c.archives}
PAPER = Paper(
    "lang2024",
    models=("sentence-transformers/all-mpnet-base-v2",),
    data=("stanfordnlp/imdb",),
    scaled="Movie snippets of 19 words in place of 25,000 reviews; nearest snippets without the rule's words in place of paraphrases.",
    at_scale={
        "expansion_table": table_values,
        **{name: partial(measure, on=REVIEWS) for name, measure in _OF_RULES.items()},
    },
    no_scale=(
        "Its paraphraser is unknown to us: neighbours are the nearest reviews without the rule's words, in wordllama's space. The world "
        "of co-training has no size in the paper."
    ),
    pictures=(
        Picture(
            "expansion_co_training",
            "scatter",
            x="bound",
            y="error, uncovered",
            diagonal=True,
            title="Independent views: the bound meets the error",
            x_words="bound (error rate)",
            y_words="student's error on uncovered rows (error rate)",
        ),
        Picture(
            "expansion_bound",
            "scatter",
            x="bound",
            y="worst error, covered",
            by="student",
            diagonal=True,
            title="Movies: bounds and errors on covered rows",
            x_words="bound (error rate)",
            y_words="worst error on covered rows (error rate)",
        ),
    ),
)
