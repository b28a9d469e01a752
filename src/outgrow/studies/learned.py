"""What methods learned beside their students, from each job's ``said()`` to one table; and the controls that stand beside methods."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from outgrow.methods.neighbours import ASKED

if TYPE_CHECKING:
    import pandas as pd

    from outgrow.studies.ready import Ready
    from outgrow.studies.study import Study

__all__ = ["COLUMNS", "graphs", "learned", "said_of", "with_controls"]

COLUMNS = ("supervisor", "student", "method", "what", "mean", "low", "high", "seeds")
RECALL = "recall of neighbours"


def said_of(method: Any) -> dict[str, float | None]:
    """Return what a fitted method says of itself, for JSON: what could not be told is None."""
    found: Mapping[str, float] = getattr(method, "said", dict)()
    return {str(k): float(v) if math.isfinite(v) else None for k, v in found.items()}


def learned(
    cells: Mapping[tuple[str, str, str], Sequence[Mapping[str, float | None]]],
) -> tuple[pd.DataFrame, list[str]]:
    """Pool over seeds what methods said.

    Parameters
    ----------
    cells : mapping
        (supervisor, student, method) -> what each seed's method said.

    Returns
    -------
    table : DataFrame
        The columns of ``COLUMNS``: mean, least and greatest value over the seeds where it could be told, and how many those are.
    notes : list of str
        Sentences about approximate neighbours.
    """
    import pandas as pd

    lines: list[tuple[Any, ...]] = []
    notes = []
    for names, told in cells.items():
        for what in dict.fromkeys(k for one in told for k in one):
            values = [v for one in told if (v := one.get(what)) is not None]
            ends = (sum(values) / len(values), min(values), max(values)) if values else (None, None, None)
            lines.append((*names, what, *ends, len(values)))
            if what == RECALL and values:
                where = f"{names[2]} on {names[1]}"
                notes.append(f"Neighbours of {where} are approximate: recall {min(values):.3f} on {ASKED} rows.")
    return pd.DataFrame(lines, columns=list(COLUMNS)), list(dict.fromkeys(notes))


def with_controls(study: Study) -> Study:
    """Return the study with the controls that its methods ask to have beside them (a random drop beside a filter)."""
    from outgrow.catalogue import find
    from outgrow.studies.study import method_of

    entries = list(study.methods)
    there = [_full(*method_of(entry)) for entry in entries]
    for entry in study.methods:
        name, params = method_of(entry)
        control = getattr(find("methods", name)(**params), "control", lambda: None)()
        if control is not None and _full(name, control) not in there:
            entries.append({name: control})
            there.append(_full(name, control))
    return study if len(entries) == len(study.methods) else study.model_copy(update={"methods": entries})


def _full(name: str, params: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Name a method by all its parameters, defaults filled in."""
    from outgrow.catalogue import find

    return name, find("methods", name)(**params).get_params(deep=False)


def graphs(ready: Ready, jobs: Sequence[Any]) -> tuple[float, int, list[str]]:
    """Say what the methods of student jobs take beside their learners' fits.

    Returns
    -------
    seconds, bytes, notes
        Of one core, all jobs together; of memory, the largest; a sentence for each method and view.
    """
    from outgrow.studies.work import build_method

    rows = max(len(r.transfer) for r in ready.roles.values())
    found: dict[tuple[str, str], list[float]] = {}
    most = 0
    widths: dict[str, int] = {}
    made: dict[tuple[str, str], Any] = {}
    for job in jobs:
        if job.kind != "student":
            continue
        method = build_method(job.spec["method"], job.spec["learner"])
        view = getattr(method, "on", None) or job.spec["learner"]["on"]
        where = (job.label.split(", ", 1)[1].rsplit(", seed", 1)[0] if ", " in job.label else job.label, view)
        if where not in made:
            widths.setdefault(view, _width(ready, view))
            made[where] = getattr(method, "cost", None) and method.cost(rows, widths[view])
        cost = made[where]
        if cost and cost.seconds:
            found.setdefault(where, []).append(cost.seconds)
            most = max(most, cost.bytes)
    notes = [
        f"{name} looks for neighbours among {rows:,} rows of {view}: about {max(1, round(s[0]))} s and "
        f"{max(1, round(made[name, view].bytes / 1e6)):,} MB of memory a fit, {len(s)} {'fits' if len(s) > 1 else 'fit'}."
        for (name, view), s in found.items()
    ]
    return sum(sum(s) for s in found.values()), most, notes


def _width(ready: Ready, view: str) -> int:
    """Return how many features a view has, or will have."""
    from outgrow.encoders.estimate import width_of
    from outgrow.tasks.rows import INPUTS

    if view in ready.extra or view == INPUTS:
        values = ready.extra.get(view, ready.task.inputs)
        return int(values.shape[1])
    return width_of(ready.wanted[view])
