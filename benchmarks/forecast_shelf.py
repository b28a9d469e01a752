"""The same cells from a run of examples/shelf.yaml: students are fitted already, only cross-fitted heads and direct are added.

    python benchmarks/forecast_shelf.py RUN/movies CELLS --seeds 100,101

RUN is the folder of the run's results; the store must still hold its jobs. Lines of several supervisors are left out, because they share
members with the others.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import Any

import numpy as np

import outgrow
from outgrow.forecasts.crossfit import cross_fit, out_of_fold
from outgrow.learners.linear import LinearHead
from outgrow.methods.method import in_classes
from outgrow.store import MANIFEST, Journal, Store, read_json
from outgrow.studies.plan import student_name, view_name
from outgrow.studies.study import Study
from outgrow.tasks.labels import WeakLabels

TOL = 1e-3
METHODS = ("naive", "recipe", "confidence")
SMALL = 60


def jobs(folder: Path) -> dict[str, str]:
    """Return the key of every job that was done, by its label."""
    events = [line for line in Journal(folder / "journal.jsonl").read() if line["event"] in ("done", "found")]
    return {line["label"]: line["key"] for line in events}


def stored_labels(store: Store, task: str, seed: int) -> dict[str, str]:
    """Return the keys of a task's label tables by supervisor: those of one seed, and those that saw no truth."""
    lines = (store.root / "tasks" / task).read_text("utf-8").split("\n")
    found = {}
    for key in dict.fromkeys(line.removeprefix("object ") for line in lines if line.startswith("object ")):
        about = store.path(key) / MANIFEST
        recipe = (read_json(about).get("recipe") or {}) if about.exists() else {}
        if recipe.get("kind") == "labels":
            free = not WeakLabels.load(store.path(key)).sources[0].taught
            if free or recipe.get("seed") == seed:
                found[recipe["supervisor"]] = key
    return found


def collect(folder: Path, seeds: list[int], out: Path) -> None:
    """Write one file a seed."""
    study, store, done = Study.read(folder / "study.yaml"), Store(), jobs(folder)
    task = outgrow.packaged(study.task.packaged or "")
    task = outgrow.sample(task, study.task.sample) if study.task.sample else task
    sizes = study.split.model_dump(exclude_none=True)
    for seed in seeds:
        roles = outgrow.split(task, seed, **sizes)
        small = np.sort(np.random.default_rng([seed, 12]).permutation(roles.teach)[:SMALL])
        made: dict[str, Any] = {"truth": task.truth_at(task.ids), "classes": task.classes.astype(str), "small": small}
        made |= {f"role:{r}": roles[r] for r in ("teach", "transfer", "select", "test")}
        weak = {}
        for name, key in stored_labels(store, task.key, seed).items():
            weak[name] = WeakLabels.load(store.path(key))
            made[f"weak:{name}"] = weak[name].probs[:, 0].astype(np.float32)
            made[f"covered:{name}"] = weak[name].covered[:, 0]
        for j, spec in enumerate(study.students):
            view, shown = view_name(spec), student_name(spec, view_name(spec))
            rows = outgrow.encode(task, [spec.view()], progress=False)
            made[f"view:{j}"] = np.array(shown)
            penalty: Any = spec.penalty
            for what, ids in (("direct", roles.teach), ("direct small", small), ("ceiling", roles.transfer)):
                fitted = LinearHead(on=view, penalty=penalty, tol=TOL).fit(rows.at(ids), task.truth_table(ids))
                made[f"{what}:{j}"] = in_classes(fitted, rows, task.classes).astype(np.float32)
                if what != "ceiling":
                    head = LinearHead(on=view, tol=TOL)
                    answers = out_of_fold(head, rows.at(ids), task.truth_table(ids), fitted.penalty_)
                    made[f"cv {what}:{j}"] = answers.astype(np.float32)
            for name, table in weak.items():
                keys = {m: done.get(f"{name} -> {shown}, {m}, seed {seed}") for m in METHODS}
                keys = {m: k for m, k in keys.items() if k is not None and store.get(k) is not None}
                if "naive" not in keys:
                    continue
                for method, key in keys.items():
                    outputs = np.load(store.path(str(key)) / "outputs.npy", allow_pickle=False)
                    made[f"{method}:{name}:{j}"] = outputs.astype(np.float32)
                strength = read_json(store.path(str(keys["naive"])) / "student.json")["penalty"]
                head = LinearHead(on=view, tol=TOL, random_state=seed)
                crossed = cross_fit(head, rows.at(roles.transfer), table.at(roles.transfer), strength)
                made |= {f"cross {part}:{name}:{j}": value for part, value in crossed.as_arrays().items()}
        out.mkdir(parents=True, exist_ok=True)
        np.savez(out / f"{study.task.packaged}_{seed}.npz", **made)
        print(f"{study.task.packaged}, seed {seed}: {sorted(weak)}", flush=True)


def main() -> None:
    """Collect the seeds asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=lambda text: [int(s) for s in text.split(",")], default=[100])
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    collect(given.run, given.seeds, given.folder)


if __name__ == "__main__":
    main()
