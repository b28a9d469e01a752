"""Xue, Li, Mirzasoleiman 2025, "Representations Shape Weak-to-Strong Generalization", arXiv 2502.00620: what ``P_s (I - P_w)`` tells.

Read second-hand: "strong correlation" between the metric and the student's error on three molecule sets, two ethics tasks and fine-tuned
language models, 52 models in all; coefficients, cut-offs and ridges could not be read. Their supervisors are many pretrained models; here
they are heads on random columns of packaged views, so that they see more or less. All twelve cut-offs count alike, never the best one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outgrow.forecasts.projection import ALPHAS, BETAS, Spectrum, labelled_projection, projection, projection_grid
from outgrow.papers.cells import HubData, Pair, draw
from outgrow.papers.claim import Claim, Measurement
from outgrow.papers.paper import Paper, Picture
from outgrow.worlds.xue import XueWorld, xue_world

__all__ = [
    "CLAIMS",
    "PAPER",
    "identities",
    "predicted_gap",
    "rank_known",
    "rank_real",
    "rank_real_operator",
    "triangle",
]

Floats = NDArray[np.float64]
LOOKED = range(3)
CLOSE = 1e-10
SEEN = 0.6


@dataclass(frozen=True)
class Views:
    """Real views: a task, those whose columns supervisors read, how many columns and how often drawn, the student's, and rows."""

    task: str | HubData = "movies"
    weak: tuple[str, ...] = ("wordllama", "glove", "minilm/3")
    strong: str = "smollm2/18"
    columns: tuple[int, ...] = (4, 8, 16, 32, 64, 128)
    draws: int = 2
    sizes: tuple[int, int, int] | None = None


PACKAGED = Views()
# One of the paper's sets. Which 52 models it has is unknown: layers of public ones, whole and in part.
REVIEWS = Views(
    HubData("fancyzhx/amazon_polarity", "content", "label", split="test[:10%]"),
    tuple(f"openai-community/{m}" for m in ("gpt2/4", "gpt2/8", "gpt2-medium/8", "gpt2-medium/16", "gpt2-large/24")),
    "openai-community/gpt2-xl/32",
    columns=(8, 32, 128, 768),
    sizes=(5000, 5000, 2000),
)


# --- identities ------------------------------------------------------------------------------------------------------------------------


def identities(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Compare the d x d form with n x n smoothers, equal views with s (1 - s), and nested views without ridge with nothing."""
    worst, table = 0.0, []
    for seed in seeds:
        random = np.random.default_rng([seed, 20])
        n = 120
        h, w = random.normal(size=(n, 9)) * np.arange(1, 10) ** -0.8, random.normal(size=(n, 6))
        w = w + h[:, :6]
        off: dict[str, float] = {}
        for cell in projection_grid(w, h, alphas=ALPHAS, betas=BETAS):
            p = _smoother(h, cell.alpha, cell.beta) @ (np.eye(n) - _smoother(w, cell.alpha, cell.beta))
            found = max(abs(np.linalg.norm(p, 2) - cell.operator), abs((p**2).sum() / n - cell.frobenius))
            off["n x n"] = max(off.get("n x n", 0.0), float(found))
        alike = Spectrum.of(h)
        s = alike.shrink(0.0, 0.1)
        top, square = projection(s, s, alike.scores.T @ alike.scores)
        off["equal views"] = max(abs(top - float((s * (1 - s)).max())), abs(square - float(((s * (1 - s)) ** 2).sum())))
        # The part inside: without ridge, I - P_w removes all that the student can see.
        ones = np.ones(len(Spectrum.of(h).values)), np.ones(len(Spectrum.of(np.hstack([h, w])).values))
        both = Spectrum.of(np.hstack([h, w]))
        off["nested views"] = projection(*ones, alike.scores.T @ both.scores)[1]
        table.append({"seed": seed, **off})
        worst = max(worst, *off.values())
    return Measurement.exact(worst, "largest deviation from an identity", CLOSE, table=table)


def _smoother(view: Floats, alpha: float, beta: float) -> Floats:
    """Return P (n, n) from the eigenvectors of K itself."""
    n = len(view)
    h = view - view.mean(axis=0)
    values, vectors = np.linalg.eigh(h @ h.T / n)
    kept = values >= max(alpha * values[-1], 1e-12 * values[-1])
    ridge = beta * values.sum() / n + values[~kept].sum() / n
    return np.asarray((vectors[:, kept] * (values[kept] / (values[kept] + ridge))) @ vectors[:, kept].T)


def triangle(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Check sqrt(student's error) <= sqrt(gap to the ceiling) + sqrt(ceiling's error) for every supervisor of the world."""
    worst, table = -np.inf, []
    for seed in seeds:
        world = xue_world(seed, supervisors=10 if quick else 40)
        told = [world.outcome(j) for j in range(len(world.weak))]
        over = [np.sqrt(o["student"]) - np.sqrt(o["gap"]) - np.sqrt(o["ceiling"]) for o in told]
        table.append({"seed": seed, "largest excess": max(over), "least": min(over)})
        worst = max(worst, float(max(over)))
    return Measurement.exact(worst, "left side minus right side, largest over supervisors", CLOSE, table=table)


# --- the world -------------------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _world_table(seeds: tuple[int, ...], quick: bool) -> list[dict[str, Any]]:
    table = []
    for seed in seeds:
        world = xue_world(seed, supervisors=20 if quick else 40)
        strong = Spectrum.of(world.strong[1])
        for j in range(len(world.weak)):
            table.append({"seed": seed, "supervisor": j, **world.outcome(j), **_foretold(world, j, strong)})
    return table


def _foretold(world: XueWorld, j: int, strong: Spectrum) -> dict[str, float]:
    view = world.weak[j][1]
    grid = projection_grid(view, strong)
    labelled = labelled_projection(view, world.strong[1], world.truth[1], world.beta, world.beta)
    return {"labelled": labelled, "frobenius": float(np.mean([c.frobenius for c in grid]))}


def predicted_gap(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Correlate the measured gap between student and ceiling with the labelled metric, over supervisors."""
    table = _world_table(tuple(seeds), quick)
    found, ratios = [], []
    for seed in seeds:
        mine = [r for r in table if r["seed"] == seed]
        gap, told = (np.array([r[k] for r in mine]) for k in ("gap", "labelled"))
        found.append(float(np.corrcoef(gap, told)[0, 1]))
        ratios.append(float(np.median(gap / told)))
    note = (
        f"Median ratio of gap to metric: {min(ratios):.2f} to {max(ratios):.2f} over seeds, mean {np.mean(ratios):.2f}."
    )
    return Measurement.over_seeds(
        found, "Pearson correlation over 40 supervisors", threshold=0.95, table=table, note=note
    )


def gap_ratio(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Compare the size of the gap with the labelled metric: distance of the median ratio from the middle of .7 to 1.5."""
    table = _world_table(tuple(seeds), quick)
    ratios = []
    for seed in seeds:
        mine = [r for r in table if r["seed"] == seed]
        ratios.append(float(np.median([r["gap"] / r["labelled"] for r in mine])))
    apart = [abs(r - 1.1) for r in ratios]
    rows = [{"seed": s, "median ratio": r} for s, r in zip(seeds, ratios, strict=True)]
    quantity = "distance of the median ratio of gap to metric from 1.1"
    note = f"Mean of the median ratios: {np.mean(ratios):.2f}."
    return Measurement.over_seeds(apart, quantity, threshold=0.4, direction="below", table=rows, note=note)


def rank_known(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Rank the world's supervisors by the Frobenius norm, which reads no label, against the student's error."""
    table = _world_table(tuple(seeds), quick)
    own, known = _ranks(table, seeds, "frobenius")
    note = f"Ranked by the supervisor's own error, which takes truth: {np.mean(known):.3f}."
    return Measurement.over_seeds(
        own, "Spearman correlation with the student's error", threshold=SEEN, note=note, table=table
    )


def _ranks(table: list[dict[str, Any]], seeds: Sequence[int], by: str) -> tuple[list[float], list[float]]:
    from scipy.stats import spearmanr

    out: tuple[list[float], list[float]] = ([], [])
    for seed in seeds:
        mine = [r for r in table if r["seed"] == seed]
        for found, column in zip(
            out, (by, "supervisor error" if "supervisor error" in mine[0] else "supervisor"), strict=True
        ):
            found.append(float(spearmanr([r[column] for r in mine], [r["student"] for r in mine]).statistic))
    return out


# --- real views ------------------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _real_table(seeds: tuple[int, ...], quick: bool, of: Views) -> list[dict[str, Any]]:
    """Teach supervisors on columns of real views, and a student each; a row a (seed, supervisor)."""
    from outgrow.learners.ridge import RidgeHead

    table = []
    for seed in seeds:
        d = draw(Pair(of.task, of.weak[0], of.strong, 1.0, of.sizes), seed, quick, of.weak[1:])
        ids = [d.roles.teach, d.roles.transfer, d.roles.test]
        y = [2.0 * d.truth(i) - 1 for i in ids]
        strong = [np.asarray(d.rows.at(i).view(of.strong), dtype=np.float64) for i in ids]
        # As heads standardise their features, so does the metric.
        spectrum = Spectrum.of(_standard(strong[1]))
        random = np.random.default_rng([seed, 21])
        for name in of.weak:
            view = [np.asarray(d.rows.at(i).view(name), dtype=np.float64) for i in ids]
            for k in of.columns:
                for _ in range(1 if quick else of.draws):
                    seen = random.choice(view[0].shape[1], min(k, view[0].shape[1]), replace=False)
                    head = RidgeHead().fit(view[0][:, seen], y[0])
                    told, floor = head.predict(view[1][:, seen]), head.predict(view[2][:, seen])
                    student = RidgeHead().fit(strong[1], told).predict(strong[2])
                    grid = projection_grid(_standard(view[1][:, seen]), spectrum)
                    table.append(
                        {
                            "seed": seed,
                            "supervisor": f"{name}, {len(seen)} columns",
                            "supervisor error": float(((floor - y[2]) ** 2).mean()),
                            "student": float(((student - y[2]) ** 2).mean()),
                            "student accuracy": float(((student > 0) == (y[2] > 0)).mean()),
                            **{
                                f"{n} {c.alpha:g} {c.beta:g}": v
                                for c in grid
                                for n, v in (("F", c.frobenius), ("op", c.operator))
                            },
                        }
                    )
    return table


def _standard(x: Floats) -> Floats:
    return np.asarray((x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-12))


def _real(seeds: Sequence[int], quick: bool, norm: str, words: str, of: Views) -> Measurement:
    table = _real_table(tuple(seeds), quick, of)
    cells = [f"{norm} {a:g} {b:g}" for a in ALPHAS for b in BETAS]
    ranks = {cell: _ranks(table, seeds, cell) for cell in cells}
    own = [float(np.mean([ranks[c][0][i] for c in cells])) for i in range(len(seeds))]
    known = float(np.mean(ranks[cells[0]][1]))
    told = ", ".join(f"({c.split(' ', 1)[1].replace(' ', ', ')}) {np.mean(ranks[c][0]):.2f}" for c in cells)
    note = (
        f"The whole grid (cut-off, ridge), mean over seeds: {told}. "
        f"Ranked by the supervisor's own error, which takes truth: {known:.2f}. "
        f"Students' accuracies run from {min(r['student accuracy'] for r in table):.3f} to {max(r['student accuracy'] for r in table):.3f}."
    )
    slim = [
        {
            **{k: v for k, v in r.items() if not k.startswith(("F ", "op "))},
            words: float(np.mean([r[c] for c in cells])),
        }
        for r in table
    ]
    return Measurement.over_seeds(
        own,
        f"Spearman correlation of the {words} with the student's squared error, mean over 12 cut-offs",
        threshold=SEEN,
        table=slim,
        note=note,
    )


def rank_real(seeds: Sequence[int], quick: bool = False, *, of: Views = PACKAGED) -> Measurement:
    """Rank supervisors on real views by the Frobenius norm."""
    return _real(seeds, quick, "F", "Frobenius norm", of)


def rank_real_operator(seeds: Sequence[int], quick: bool = False, *, of: Views = PACKAGED) -> Measurement:
    """Rank supervisors on real views by the operator norm."""
    return _real(seeds, quick, "op", "operator norm", of)


_COMMON: dict[str, Any] = {"paper": "xue2025", "subject": "projection", "looked": LOOKED}
_ARCHIVES = ("movies", "wordllama", "glove", "minilm", "smollm2")
CLAIMS = (
    Claim(
        name="projection_identities",
        statement="The small form equals n x n smoothers; equal views leave s (1 - s); a view inside its supervisor's leaves nothing.",
        bound=f"largest deviation at most {CLOSE:g}",
        measure=identities,
        seeds=range(100, 110),
        cost=2.0,
        **_COMMON,
    ),
    Claim(
        name="projection_triangle",
        statement="A student's error is bounded by its gap to the ceiling and the ceiling's error, in square roots.",
        bound=f"largest excess at most {CLOSE:g}",
        measure=triangle,
        seeds=range(100, 110),
        cost=8.0,
        **_COMMON,
    ),
    Claim(
        name="projection_foretells_gap",
        statement="Across supervisors of power-law latents, the labelled metric follows the squared gap between student and ceiling.",
        bound="Pearson correlation a world: interval above .95",
        measure=predicted_gap,
        seeds=range(100, 110),
        cost=8.0,
        **_COMMON,
    ),
    Claim(
        name="projection_size_of_gap",
        statement="The labelled metric has the size of the squared gap between student and ceiling.",
        bound="median ratio a world within .7 and 1.5: distance from 1.1 below .4",
        measure=gap_ratio,
        seeds=range(100, 110),
        cost=8.0,
        **_COMMON,
    ),
    Claim(
        name="projection_ranks_world",
        statement="Without any label the Frobenius norm ranks supervisors of power-law latents by their students' errors.",
        bound="Spearman correlation a world: interval above .6",
        measure=rank_known,
        seeds=range(100, 110),
        cost=8.0,
        **_COMMON,
    ),
    Claim(
        name="projection_ranks_views",
        statement="Without any label the Frobenius norm ranks 36 supervisors on columns of real views by their students' errors.",
        bound="Spearman correlation, mean over all twelve cut-offs: interval above .6",
        measure=rank_real,
        seeds=range(100, 106),
        cost=60.0,
        archives=_ARCHIVES,
        **_COMMON,
    ),
    Claim(
        name="projection_operator_ranks_views",
        statement="Without any label the operator norm ranks 36 supervisors on columns of real views by their students' errors.",
        bound="Spearman correlation, mean over all twelve cut-offs: interval above .6",
        measure=rank_real_operator,
        seeds=range(100, 106),
        cost=60.0,
        archives=_ARCHIVES,
        **_COMMON,
    ),
)
PAPER = Paper(
    "xue2025",
    models=tuple(f"openai-community/{m}" for m in ("gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl")),
    data=("fancyzhx/amazon_polarity",),
    scaled="Ridge heads on columns of packaged views, in place of 52 pretrained models; one text task.",
    at_scale={
        "projection_identities": identities,
        "projection_triangle": triangle,
        "projection_ranks_views": partial(rank_real, of=REVIEWS),
        "projection_operator_ranks_views": partial(rank_real_operator, of=REVIEWS),
    },
    no_scale=(
        "The paper's 52 models are unknown to us: forty supervisors on columns of public models' layers, on one of its sets, stand in "
        "their place. The world of power-law latents is ours and has no size in the paper."
    ),
    pictures=(
        Picture(
            "projection_foretells_gap",
            "scatter",
            x="labelled",
            y="gap",
            diagonal=True,
            title="The labelled metric foretells the gap to the ceiling",
            x_words="labelled metric (squared error)",
            y_words="gap between student and ceiling (squared error)",
        ),
        Picture(
            "projection_ranks_views",
            "scatter",
            x="Frobenius norm",
            y="student",
            title="A metric without labels, and the student's error",
            x_words="Frobenius norm, mean over cut-offs",
            y_words="student's squared error",
        ),
    ),
)
