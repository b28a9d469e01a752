"""Lang, Huang, Li 2025, *Debate Helps Weak-to-Strong Generalization* (arXiv 2501.13124): the mechanism, on a made-up world.

Read second-hand: PGR 76.5 against 41.2 (SciQ), 56.5 against 17.4 (CosmosQA) and 70.0 against 35.0 (AnthropicHH), with gaps of about two
points; debate above consultancy and market-making; ensembles above single judges; gains flatten past four judges. Their debaters have 14
billion parameters. Here arguments are the vectors of :mod:`outgrow.worlds.debate`, so these claims are about the mechanism and say nothing
about any model's arguments; what SmolLM2's are worth is in ``docs/debate.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from outgrow.papers.claim import Claim, Measurement

__all__ = [
    "CLAIMS",
    "arguments_help",
    "consultancy",
    "consultancy_of_equal_length",
    "debate_over_refits",
    "empty_arguments_cost_little",
    "empty_arguments_leak_nothing",
    "ensemble",
    "flattening",
    "refits",
    "students",
]

DELTA = 1.0
_SMALL = {"teach": 300, "transfer": 800, "test": 500}


def _measure(
    seeds: Sequence[int],
    quick: bool,
    plus: str | tuple[str, ...],
    minus: str | tuple[str, ...],
    quantity: str,
    *,
    delta: float = DELTA,
    taken: Sequence[int] = (1, 4),
    students: bool = False,
    **more: Any,
) -> Measurement:
    """Measure the sum of some figures less that of others on a new world a seed."""
    from outgrow.worlds.debate import debate_world, figures

    table = []
    for seed in seeds:
        world = debate_world(seed, **(_SMALL if quick else {}))
        table.append({"seed": seed, **figures(world, delta, seed, taken=taken, students=students)})
    up, down = ((p,) if isinstance(p, str) else p for p in (plus, minus))
    differences = [sum(row[k] for k in up) - sum(row[k] for k in down) for row in table]
    means = {k: sum(row[k] for row in table) / len(table) for k in dict.fromkeys((*down, *up))}
    note = "Means: " + ", ".join(f"{k} {v:.3f}" for k, v in means.items()) + "."
    return Measurement.over_seeds(
        differences, quantity, table=table, note=" ".join(filter(None, [note, more.pop("note", "")])), **more
    )


def arguments_help(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Compare four judges who hear debates with a judge who hears none."""
    return _measure(seeds, quick, "debate 4", "alone", "label accuracy, four judges of debates minus a judge alone")


def empty_arguments_leak_nothing(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Compare the two where arguments are noise: nothing can be gained unless truth leaks."""
    quantity = "label accuracy at delta 0, four judges of debates minus a judge alone"
    more: dict[str, Any] = {"delta": 0.0, "threshold": 0.005, "direction": "below"}
    return _measure(seeds, quick, "debate 4", "alone", quantity, **more)


def empty_arguments_cost_little(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Compare the two where arguments are noise: a judge should learn to ignore them."""
    quantity = "label accuracy at delta 0, four judges of debates minus a judge alone"
    return _measure(seeds, quick, "debate 4", "alone", quantity, delta=0.0, threshold=-0.01)


def ensemble(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Compare the mean of four judges with one of them."""
    return _measure(seeds, quick, "debate 4", "debate 1", "label accuracy, four judges minus one", threshold=-0.005)


def refits(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Compare four judges without arguments, each on resampled teach rows, with one."""
    quantity = "label accuracy without arguments, four refitted judges minus one"
    return _measure(seeds, quick, "refits", "alone", quantity, threshold=-0.005)


def debate_over_refits(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Compare four judges who differ by their debates with four who differ by their teach rows."""
    return _measure(seeds, quick, "debate 4", "refits", "label accuracy, four judges of debates minus four refits")


def flattening(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Compare what the first three further judges add with what the next twelve add."""
    quantity = "label accuracy, (4 judges minus 1) minus (16 minus 4)"
    pairs = ("debate 4", "debate 4"), ("debate 1", "debate 16")
    return _measure(seeds, quick, *pairs, quantity, taken=(1, 2, 4, 8, 16))


def consultancy(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Compare hearing both sides once with hearing one, drawn at random, once."""
    return _measure(seeds, quick, "debate 4", "consult 4", "label accuracy, four judges, debates minus consultancy")


def consultancy_of_equal_length(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Compare hearing both sides once with hearing one, drawn at random, twice."""
    quantity = "label accuracy, four judges, debates minus consultancy with as many speeches"
    return _measure(seeds, quick, "debate 4", "consult twice 4", quantity)


def students(seeds: Sequence[int], quick: bool = False) -> Measurement:
    """Compare students on the strong features by whose labels they learn from; none sees an argument."""
    quantity = "student's test accuracy, labels from debates minus labels from a judge alone"
    return _measure(seeds, quick, "student of debate", "student of alone", quantity, students=True)


def _claim(name: str, statement: str, bound: str, measure: Any) -> Claim:
    # Seeds 0 to 2 were looked at while the world and its margin were chosen.
    return Claim(
        f"debate_{name}",
        "lang2025_debate",
        "debate",
        statement,
        bound,
        measure,
        seeds=range(100, 120),
        looked=range(3),
        cost=25.0,
    )


CLAIMS = (
    _claim(
        "arguments_help",
        "Weak judges who hear informative debates label better than a judge who hears none.",
        "difference in label accuracy above 0",
        arguments_help,
    ),
    _claim(
        "empty_leaks_nothing",
        "Judges who hear arguments without information label no better than a judge who hears none.",
        "difference in label accuracy below .005",
        empty_arguments_leak_nothing,
    ),
    _claim(
        "empty_costs_little",
        "Judges who hear arguments without information label about as well as a judge who hears none.",
        "difference in label accuracy above -.01",
        empty_arguments_cost_little,
    ),
    _claim(
        "ensemble",
        "Four judges of different debates label no worse than one of them.",
        "difference in label accuracy above -.005",
        ensemble,
    ),
    _claim(
        "refits",
        "Without arguments, four judges refitted on resampled rows label no worse than one.",
        "difference in label accuracy above -.005",
        refits,
    ),
    _claim(
        "over_refits",
        "Four judges of informative debates label better than four refitted judges without arguments.",
        "difference in label accuracy above 0",
        debate_over_refits,
    ),
    _claim(
        "flattens",
        "Gains from more judges flatten past four: the first three further judges add more than the next twelve.",
        "difference of the two gains in label accuracy above 0",
        flattening,
    ),
    _claim(
        "over_consultancy",
        "Judges who hear both sides label better than judges who hear one side drawn at random.",
        "difference in label accuracy above 0",
        consultancy,
    ),
    _claim(
        "over_equal_consultancy",
        "Hearing both sides is better than hearing one side drawn at random for as many speeches.",
        "difference in label accuracy above 0",
        consultancy_of_equal_length,
    ),
    _claim(
        "reaches_students",
        "The better labels of judges who hear informative debates make better students.",
        "difference in the student's test accuracy above 0",
        students,
    ),
)
