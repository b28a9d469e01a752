"""From finished jobs to results: cells, forecasts beside measured gains, findings, the best student, one line per row."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from outgrow.catalogue import find
from outgrow.fingerprints import code_version
from outgrow.forecasts.forecast import RANK
from outgrow.scores.evaluation import Cell, Evaluation
from outgrow.scores.intervals import Interval
from outgrow.store import read_json
from outgrow.studies.curve import worth_table
from outgrow.studies.learned import learned
from outgrow.studies.own import beside
from outgrow.studies.plan import Cellwork, Job, Plan, student_name, view_name
from outgrow.studies.ready import Ready
from outgrow.studies.results import FORECAST_COLUMNS, Results
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.rows import INPUTS

__all__ = ["fit_seconds", "gather", "pooled_forecasts", "save_best", "write_rows"]

Names = tuple[str, str, str]


def gather(ready: Ready, plan: Plan, failures: Sequence[tuple[Job, str]], environment: Mapping[str, Any]) -> Results:
    """Read what the jobs stored and put it together."""
    import pandas as pd

    store = ready.store
    by_cell: dict[Names, list[Cellwork]] = {}
    for work in plan.cells:
        if store.get(work.evaluation) is not None:
            by_cell.setdefault(_names(work), []).append(work)
    cells = tuple(
        Cell([beside(Evaluation.load(store.path(w.evaluation)), store, plan.own.get(w.cell["student"])) for w in works])
        for works in by_cell.values()
    )
    findings = [f for cell in cells for name in ready.audits for f in find("audits", name)().examine(cell)]
    details = pd.DataFrame([_detail(ready, w, plan) for works in by_cell.values() for w in works])
    forecasts = [
        line for works, cell in zip(by_cell.values(), cells, strict=True) for line in _forecasts(ready, works, cell)
    ]
    failed = pd.DataFrame(
        [{"job": j.label, "kind": j.kind, "error": e} for j, e in failures], columns=["job", "kind", "error"]
    )
    quality, flags = _quality(ready, plan)
    told, approximate = learned({by: [_student(ready, w).get("said", {}) for w in ws] for by, ws in by_cell.items()})
    said = [
        read_json(store.path(key) / "about.json")["said"] for key in dict.fromkeys(plan.own.values()) if store.get(key)
    ]
    mute = [
        f"No forecast by {name} of {' on '.join(reversed(by[1:]))}, taught by {by[0]}: {sentence}."
        for by, works in by_cell.items()
        for work in works
        for name, sentence in _student(ready, work).get("mute", {}).items()
    ]
    return Results(
        name=ready.study.name,
        kind=ready.task.kind,
        metric=ready.metric,
        task=_task(ready),
        cells=cells,
        quality=quality,
        forecasts=pd.DataFrame(forecasts, columns=list(FORECAST_COLUMNS)),
        findings=tuple(findings),
        notes=tuple(dict.fromkeys([*ready.notes, *_reasons(cells), *flags, *filter(None, said), *approximate, *mute])),
        failures=failed,
        environment=dict(environment),
        fingerprints=_fingerprints(ready),
        details=details,
        learned=told,
        worth=worth_table(cells, plan.curves, store),
    )


def _student(ready: Ready, work: Cellwork) -> dict[str, Any]:
    about: dict[str, Any] = read_json(ready.store.path(work.student) / "student.json")
    return about


def _names(work: Cellwork) -> Names:
    return work.cell["supervisor"], work.cell["student"], work.cell["method"]


def _detail(ready: Ready, work: Cellwork, plan: Plan) -> dict[str, Any]:
    made = read_json(ready.store.path(work.student) / "student.json")
    reference = read_json(ready.store.path(work.reference) / "reference.json")
    line: dict[str, Any] = {k: v for k, v in work.cell.items() if k != "task"}
    line |= {
        "seed": work.seed,
        "penalty": made["penalty"],
        "iterations": made["iterations"],
        "converged": made["converged"],
    }
    line |= {f"penalty_{role}": value for role, value in reference["penalties"].items()}
    return line | {"labels_key": "+".join(work.labels), "reference_key": work.reference, "student_key": work.student}


def fit_seconds(ready: Ready, plan: Plan) -> list[dict[str, Any]]:
    """Return the mean CPU seconds of a student's fit for each cell, as the store's manifests hold them."""
    from outgrow.store import MANIFEST

    found: dict[Names, list[float]] = {}
    for work in plan.cells:
        if ready.store.get(work.student) is not None:
            recipe = read_json(ready.store.path(work.student) / MANIFEST)["recipe"] or {}
            if "cpu_seconds" in recipe:
                found.setdefault(_names(work), []).append(float(recipe["cpu_seconds"]))
    keys = ("supervisor", "student", "method")
    return [{**dict(zip(keys, names, strict=True)), "seconds": float(np.mean(s))} for names, s in found.items()]


def _forecasts(ready: Ready, works: Sequence[Cellwork], cell: Cell) -> list[dict[str, Any]]:
    """Set each pooled forecast beside the gain measured in the same unit."""
    lines = []
    for line in pooled_forecasts(ready, works):
        measured = cell.in_unit(line["unit"]) if line["unit"] != RANK else None
        gain: tuple[float | None, ...] = (None, None, None)
        if isinstance(measured, Interval):
            gain = (measured.mean, measured.low, measured.high)
        lines.append({**line, **dict(zip(("measured", "measured_low", "measured_high"), gain, strict=True))})
    return lines


def pooled_forecasts(ready: Ready, works: Sequence[Cellwork]) -> list[dict[str, Any]]:
    """Pool the forecasts of one cell over its seeds."""
    said: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
    for work in works:
        for f in read_json(ready.store.path(work.student) / "student.json")["forecasts"]:
            said.setdefault((f["forecast"], f["order"], f["unit"]), []).append(f)
    lines = []
    for (name, order, unit), found in said.items():
        value, low, high = _over_seeds([f["value"] for f in found])
        broken = "; ".join(dict.fromkeys(b for f in found for b in f["broken"]))
        line = {k: works[0].cell[k] for k in ("supervisor", "student", "method")}
        lines.append(
            {
                **line,
                "forecast": name,
                "order": order,
                "unit": unit,
                "value": value,
                "low": low,
                "high": high,
                "broken": broken,
            }
        )
    return lines


def _over_seeds(values: Sequence[float]) -> tuple[float, float | None, float | None]:
    """Return the mean over seeds and its 95 % t interval; each seed has select rows of its own, so seeds carry both doubts."""
    from scipy import stats

    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, None, None
    half = float(stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return mean, mean - half, mean + half


def _quality(ready: Ready, plan: Plan) -> tuple[Any, list[str]]:
    """Describe the labels of every supervisor, and of each of its rules, on the transfer rows of the first seed."""
    import pandas as pd

    from outgrow.supervisors import quality

    seed = ready.study.seeds[0]
    transfer = ready.roles[seed].transfer
    keys = dict.fromkeys(k for (_, s), ks in plan.labels.items() if s == seed for k in ks)
    folders = [ready.store.path(k) for k in keys if ready.store.get(k) is not None]
    if not folders:
        return pd.DataFrame(), []
    tables = [WeakLabels.load(f) for f in folders]
    found = quality(WeakLabels.stack(tables).at(transfer))
    frames = [found.frame()]
    for folder, table in zip(folders, tables, strict=True):
        if (folder / "votes").is_dir():
            rules = quality(WeakLabels.load(folder / "votes").at(transfer)).frame()
            frames.append(rules.assign(source=[f"{table.label}: {rule}" for rule in rules["source"]]))
    said = [read_json(f / "about.json")["said"] for f in folders]
    return pd.concat(frames, ignore_index=True), [s for s in said if s] + list(found.sentences)


def _reasons(cells: Sequence[Cell]) -> list[str]:
    said: list[str] = []
    for cell in cells:
        for e in cell.evaluations:
            said += [
                f"Not computed: {role}, because {why.removeprefix(f'no {role}: ')}." for role, why in e.missing.items()
            ]
    return list(dict.fromkeys(said))


def _task(ready: Ready) -> dict[str, Any]:
    from outgrow.encoders.encode import view_notes

    task, roles = ready.task, ready.roles[ready.study.seeds[0]]
    known = int(task.has_truth.sum())
    counts = {}
    for name, spec in ready.wanted.items():
        if name != INPUTS and name not in ready.extra:
            counts[name] = (view_notes(task, spec, ready.store) or {}).get("counts", {})
    return {
        "name": task.name,
        "rows": len(task),
        "classes": None if task.kind == "value" else task.classes.tolist(),
        "source": dict(task.source or {}),
        "licence": (task.source or {}).get("licence"),
        "key": task.key,
        "roles": {r: len(roles[r]) for r in ("teach", "transfer", "select", "test")},
        "seeds": list(ready.study.seeds),
        "truth": "all" if known == len(task) else "some" if known else "none",
        "truth_rows": known,
        "cut_share": {n: c["cut"] / max(c["rows"], 1) for n, c in counts.items() if c},
        "unknown_share": {n: c["unknown"] / max(c["tokens"], 1) for n, c in counts.items() if c},
    }


def _fingerprints(ready: Ready) -> dict[str, Any]:
    from outgrow.fingerprints import fingerprint

    return {
        "study": fingerprint(ready.study.plain()),
        "task": ready.task.key,
        "views": {name: about["key"] for name, about in ready.keys().items()},
        "code": code_version("outgrow.studies.run"),
    }


def _best(results: Results, plan: Plan) -> tuple[Cellwork, str] | None:
    """Choose whose student is saved: the first of the ranking that spent no truth; its first seed."""
    ranked = results.ranked()
    if not ranked:
        return None
    cell = ranked[0]
    names = cell.evaluations[0].cell
    seed = cell.evaluations[0].seed
    work = next(w for w in plan.cells if dict(w.cell) == dict(names) and w.seed == seed)
    if results.scored:
        return work, f"best mean {results.metric} on the test rows among {len(ranked)}; seed {seed}"
    return work, f"the first of the study, because there is no truth to choose by; seed {seed}"


def save_best(ready: Ready, plan: Plan, results: Results, folder: Path) -> Results:
    """Save the best student, to be loaded with :func:`outgrow.load`; return the results that name it."""
    from outgrow.encoders.encode import fitted
    from outgrow.encoders.views import parse
    from outgrow.studies.student import Student, load_head

    # What an earlier run left there would be taken for this one's.
    shutil.rmtree(folder, ignore_errors=True)
    chosen = _best(results, plan)
    if chosen is None:
        return results
    work, reason = chosen
    head = load_head(ready.store.path(work.student) / "head")
    spec = next(s for s in ready.study.students if student_name(s, view_name(s)) == work.cell["student"])
    view = view_name(spec)
    own = view == INPUTS or view in ready.extra
    cell = next(c for c in results.cells if dict(c.evaluations[0].cell) == dict(work.cell))
    about = {"study": results.name, "cell": dict(work.cell), "seed": work.seed, "reason": reason, "row": cell.row()}
    about |= {"fingerprints": results.fingerprints, "student_key": work.student}
    encoder = None if own else fitted(ready.task, spec.view(), ready.store)
    layer = None if own else parse(spec.view()).layer
    Student(head, encoder, layer, view, about).save(folder)
    return replace(results, best={**work.cell, "seed": work.seed, "reason": reason, "folder": folder.name})


def write_rows(ready: Ready, plan: Plan, results: Results, folder: Path, show_text: bool) -> None:
    """Write ``rows.parquet``: for the best student, one line per row with each source's label and where they disagree."""
    import pandas as pd

    from outgrow.store import atomic_write

    (folder / "rows.parquet").unlink(missing_ok=True)
    if results.best is None:
        return
    best = {k: results.best[k] for k in ("task", "supervisor", "student", "method")}
    work = next(w for w in plan.cells if dict(w.cell) == best and w.seed == results.best["seed"])
    task, roles = ready.task, ready.roles[work.seed]
    weak, output = ready.weak(work), ready.outputs(work)
    role = np.full(len(task), "", dtype=object)
    for name in ("teach", "transfer", "select", "test"):
        role[roles[name]] = name
    table: dict[str, Any] = {"id": task.names, "role": role}
    combined, there = weak.one(weak.at(roles.transfer).prior())
    if task.kind == "value":
        for j, source in enumerate(weak.sources):
            table[f"value {source.name}"] = np.where(weak.covered[:, j], weak.probs[:, j, 0], np.nan)
        table["value student"] = output[:, 0]
        table["disagreement"] = np.where(there, np.abs(output[:, 0] - combined[:, 0]), np.nan)
    else:
        classes = task.classes.astype(object)
        named = weak.hard()
        for j, source in enumerate(weak.sources):
            table[f"label {source.name}"] = np.where(named[:, j] >= 0, classes[named[:, j]], None)
            table[f"probability {source.name}"] = np.where(weak.covered[:, j], weak.probs[:, j].max(axis=1), np.nan)
        if (key := plan.own.get(work.cell["student"])) and (asked := ready.store.get(key)):
            own = WeakLabels.load(asked)
            said, sure = np.full(len(task), None, dtype=object), np.full(len(task), np.nan)
            first = own.hard()[:, 0]
            said[own.ids] = np.where(first >= 0, classes[first], None)
            sure[own.ids] = np.where(own.any_covered, own.probs[:, 0].max(axis=1), np.nan)
            table["label self"], table["probability self"] = said, sure
        table["label student"] = classes[output.argmax(axis=1)]
        table["probability student"] = output.max(axis=1)
        # Half the total difference of the two probability vectors: 0 the same, 1 sure of different classes.
        table["disagreement"] = np.where(there, 0.5 * np.abs(output - combined).sum(axis=1), np.nan)
    if show_text and task.is_text:
        table["input"] = list(task.inputs)
    with atomic_write(folder / "rows.parquet") as part:
        pd.DataFrame(table).to_parquet(part, index=False)
