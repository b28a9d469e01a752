"""Cells for the forecasts: real tasks, supervisors from bad to nearly perfect, students, and what each reaches.

    python benchmarks/forecast_cells.py FOLDER --seeds 0 [--tasks movies,digits]

One .npz file a task and seed holds what statistics read (weak labels, students' outputs, cross-fitted heads) and, apart from it, truth.
A task is a packaged set, or a packaged set with other classes (``newsgroups-top``: four branches); sets made from one another are of
one *family*, and are left out together where a task is left out. Beside two probes taught by the study's own teach rows there are
"vendors", fitted on rows that the study never sees. fashion needs Debian's package dataset-fashion-mnist. About five CPU minutes a seed.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import outgrow
from outgrow.forecasts.crossfit import cross_fit, out_of_fold
from outgrow.learners.linear import LinearHead
from outgrow.methods.confidence import Confidence
from outgrow.methods.method import in_classes
from outgrow.methods.naive import Naive
from outgrow.methods.recipe import Recipe
from outgrow.supervisors.factory import supervisor as build
from outgrow.supervisors.probe import ProbeSupervisor
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.packaged import packaged_views
from outgrow.tasks.rows import Rows, View
from outgrow.tasks.split import Roles

Floats = NDArray[np.float64]
SHORT = {"encoder": "minilm", "layer": 6, "max_tokens": 128}
TOPS = {"comp": "comp", "rec": "rec", "sci": "sci", "talk": "talk"}


@dataclass(frozen=True)
class Setting:
    """A task of the benchmark: its rows, how its truth is read, the weak views of its supervisors and the views of its students."""

    family: str
    source: str
    weak: tuple[str, str]
    students: tuple[Any, ...]
    sample: int | None = 4300
    relabel: Callable[[str], str | None] | None = None
    text: bool = True
    roles: tuple[int, int, int] = (400, 500, 150)
    test: int = 1200
    small: int = 40
    domain: str | None = None


def _branch(name: str) -> str | None:
    return TOPS.get(name.partition(".")[0])


def _acquired(name: str) -> str | None:
    return "acq" if name == "acq" else "other"


def _parity(name: str) -> str | None:
    return "odd" if int(name) % 2 else "even"


def _tops(name: str) -> str | None:
    return name if name in ("t-shirt", "pullover", "coat", "shirt") else None


TOL = 1e-3
"""Of all heads: against 1e-6 it moves two answers in a thousand and takes a third of the time."""
WORDS = ("glove", "wordllama")
DIGITS = {"text": False, "sample": None, "test": 1000, "roles": (120, 400, 60), "small": 30}
SETTINGS: dict[str, Setting] = {
    "movies": Setting("movies", "movies", WORDS, ("minilm/3", "smollm2/18"), small=60),
    "newsgroups": Setting("newsgroups", "newsgroups", WORDS, (SHORT, "wordllama"), small=120),
    "newsgroups-top": Setting("newsgroups", "newsgroups", WORDS, (SHORT, "wordllama"), relabel=_branch, test=1000),
    "reuters-r8": Setting("reuters", "reuters-r8", WORDS, (SHORT, "wordllama")),
    "reuters-acq": Setting("reuters", "reuters-r8", WORDS, (SHORT, "wordllama"), relabel=_acquired),
    "reuters-r52": Setting("reuters", "reuters-r52", WORDS, ("wordllama",), small=150),
    "digits": Setting("digits", "digits", ("coarse", "profile"), ("fourier", "inputs"), **DIGITS),  # type: ignore[arg-type]
    "digits-parity": Setting(
        "digits", "digits", ("coarse", "profile"), ("fourier", "inputs"), relabel=_parity, **DIGITS
    ),  # type: ignore[arg-type]
    "digits-shift": Setting(
        "digits",
        "digits-shift",
        ("coarse", "centre"),
        ("fourier", "inputs"),
        None,
        None,
        False,
        (250, 500, 100),
        1000,
        domain="clean",
    ),
    "fashion": Setting("fashion", "fashion", ("coarse", "profile"), ("fourier", "inputs"), 4300, None, False),
    "fashion-tops": Setting(
        "fashion", "fashion", ("coarse", "upper"), ("fourier", "inputs"), 6000, _tops, False, test=1000
    ),
}
METHODS = {"naive": Naive, "recipe": Recipe, "confidence": Confidence}


def load(setting: Setting, encoded: Path | None = None) -> tuple[outgrow.Task, Rows, list[str]]:
    """Return the task, all its views, and the names of the students' views; ``encoded`` holds matrices that were made before."""
    task = outgrow.packaged(setting.source)
    if setting.sample is not None:
        task = outgrow.sample(task, setting.sample)
    views: dict[str, View] = {}
    names: list[str] = []
    held = None if encoded is None else encoded / f"{setting.source}_0.npz"
    if setting.text and held is not None and held.exists():
        with np.load(held) as file:
            if not np.array_equal(file["y"], task.truth_at(task.ids)):
                raise SystemExit(f"{held.name} is of other rows than the sample of {setting.source}")
            views = {k[5:]: View(np.asarray(file[k])) for k in file.files if k.startswith("view:")}
        names = [s if isinstance(s, str) else f"{s['encoder']}/{s['layer']}" for s in setting.students]
    elif setting.text:
        rows = outgrow.encode(task, [*WORDS, "tfidf", *setting.students], progress=False)
        views = {k: v for k, v in rows.views.items() if v.matrix}
        from outgrow.encoders.views import parse

        names = [parse(s).name for s in setting.students]
    else:
        views = {"inputs": View(np.asarray(task.inputs, dtype=np.float64))}
        views |= {k: View(np.asarray(v, dtype=np.float64)) for k, v in packaged_views(setting.source, task).items()}
        names = list(setting.students)
    kept = task.ids
    if setting.relabel is not None:
        told = [setting.relabel(str(task.classes[t])) for t in task.truth_at(task.ids)]
        kept = np.flatnonzero([t is not None for t in told])
        inputs = [task.inputs[i] for i in kept] if setting.text else np.asarray(task.inputs)[kept]
        task = outgrow.Task.from_arrays(
            inputs, np.array([told[i] for i in kept]), kind="classes", on_conflict="unknown"
        )
        views = {k: View(np.asarray(v.values)[kept]) for k, v in views.items()}
    return task, Rows(task.ids, views), names


def vendors(
    setting: Setting, task: outgrow.Task, rows: Rows, strong: str, outside: NDArray[np.int64], seed: int
) -> Iterator[tuple[str, Any]]:
    """Yield labels by models that were taught on rows outside the study, from bad to nearly perfect."""
    from sklearn.feature_selection import chi2
    from sklearn.naive_bayes import GaussianNB, MultinomialNB
    from sklearn.neighbors import KNeighborsClassifier

    c = len(task.classes)
    order = np.random.default_rng([seed, 11]).permutation(outside)
    first, second = setting.weak
    raw = "tfidf" if setting.text else "inputs"
    nb = MultinomialNB() if setting.text else GaussianNB(var_smoothing=1e-2)
    plan: list[tuple[str, Any, str, int]] = [
        ("nearest", KNeighborsClassifier(1), second, 250),
        ("bayes", nb, raw, 300),
        ("many", LinearHead(on="x"), first, 1200),
        ("expert", LinearHead(on="x"), strong, 1000),
    ]
    for name, model, view, many in plan:
        ids, x = order[:many], np.asarray(rows.view(view), dtype=np.float64)
        truth = task.truth_at(ids)
        if isinstance(model, LinearHead):
            made = model.fit(Rows.from_arrays(x=x).at(ids), task.truth_table(ids))
            yield name, (in_classes(made, Rows.from_arrays(x=x), task.classes), None)
        else:
            model.fit(x[ids] - (x.min() if isinstance(nb, MultinomialNB) and view == raw else 0), truth)
            probs = np.zeros((len(x), c))
            probs[:, model.classes_] = model.predict_proba(x)
            yield name, (probs, None)
    if setting.text:
        ids, x = order[:200], np.asarray(rows.view("tfidf"))
        truth, votes = task.truth_at(ids), np.zeros((len(x), c))
        for k in np.unique(truth):
            best = np.argsort(
                -np.nan_to_num(chi2(x[ids], truth == k)[0])
                * np.sign(x[ids][truth == k].mean(0) - x[ids][truth != k].mean(0))
            )
            votes[:, k] = (x[:, best[:4]] > 0).sum(1)
        there = votes.max(1) > 0
        yield "words", (votes / np.maximum(votes.sum(1, keepdims=True), 1), there)


def tables(
    setting: Setting, task: outgrow.Task, rows: Rows, strong: str, roles: Roles, outside: Any, seed: int
) -> dict[str, WeakLabels]:
    """Return the weak labels of all rows, by supervisor."""
    found = {}
    small = np.sort(np.random.default_rng([seed, 12]).permutation(roles.teach)[: setting.small])
    for name, view, ids in (("probe", setting.weak[1], roles.teach), ("probe small", setting.weak[0], small)):
        found[name] = ProbeSupervisor(on=view, random_state=seed).fit(rows.at(ids), task.truth_table(ids)).label(rows)
    if setting.source == "movies":
        rule = build({"rules": "vader"}, classes=task.classes.tolist(), kind="classes", names=task.names)
        given = Rows(task.ids, {**rows.views, "inputs": View(task.inputs, task.key)})
        found["vader"] = rule.label(given)
    for name, (probs, there) in vendors(setting, task, rows, strong, outside, seed):
        covered = np.ones(len(probs), bool) if there is None else there
        found[name] = WeakLabels.from_probs(probs, task.classes, covered=covered, source=name)
    return found


def collect(name: str, seed: int, folder: Path, encoded: Path | None = None) -> None:
    """Fit everything of one task and seed, and write it."""
    setting = SETTINGS[name]
    task, rows, students = load(setting, encoded)
    teach, transfer, select = setting.roles
    more = {} if setting.domain is None else {"teach_domain": setting.domain}
    roles = outgrow.split(task, seed, teach=teach, transfer=transfer, select=select, test=setting.test, **more)  # type: ignore[arg-type]
    used = np.concatenate([roles[r] for r in ("teach", "transfer", "select", "test")])
    outside = np.setdiff1d(task.ids[task.has_truth], used)
    weak = tables(setting, task, rows, students[0], roles, outside, seed)
    small = np.sort(np.random.default_rng([seed, 12]).permutation(roles.teach)[: setting.small])
    out: dict[str, Any] = {"truth": task.truth_at(task.ids), "classes": task.classes.astype(str), "small": small}
    out |= {f"role:{r}": roles[r] for r in ("teach", "transfer", "select", "test")}
    for source, table in weak.items():
        out[f"weak:{source}"], out[f"covered:{source}"] = table.probs[:, 0].astype(np.float32), table.covered[:, 0]
    for j, view in enumerate(students):
        head = LinearHead(on=view, random_state=seed, tol=TOL)
        short = f"{j}"
        out[f"view:{short}"] = np.array(view)
        fitted_direct: Any = "cv"
        for what, ids in (("direct", roles.teach), ("direct small", small), ("ceiling", roles.transfer)):
            # The ceiling takes direct's penalty.
            strength = fitted_direct if what == "ceiling" else "cv"
            fitted = LinearHead(on=view, random_state=seed, tol=TOL, penalty=strength).fit(
                rows.at(ids), task.truth_table(ids)
            )
            fitted_direct = fitted.penalty_ if what == "direct" else fitted_direct
            out[f"{what}:{short}"] = in_classes(fitted, rows, task.classes).astype(np.float32)
            if what != "ceiling":
                answers = out_of_fold(head, rows.at(ids), task.truth_table(ids), fitted.penalty_)
                out[f"cv {what}:{short}"] = answers.astype(np.float32)
        penalty: Any = "cv"
        fewer = ("probe small", "many")
        for source in [s for s in weak if j == 0 or s in fewer]:
            start = time.process_time()
            at = weak[source].at(roles.transfer)
            for method, kind in METHODS.items():
                if method == "confidence" and len(task.classes) > 4:
                    continue
                made = kind(LinearHead(on=view, random_state=seed, penalty=penalty, tol=TOL)).fit(
                    rows.at(roles.transfer), at
                )  # type: ignore[operator]
                out[f"{method}:{source}:{short}"] = in_classes(made, rows, task.classes).astype(np.float32)
                # Cross-validated once, on the first supervisor's labels, for all students of this view: that saves most of the time.
                penalty = made.student_.penalty_
            crossed = cross_fit(head, rows.at(roles.transfer), at, penalty)
            for part, value in crossed.as_arrays().items():
                out[f"cross {part}:{source}:{short}"] = value
            print(f"{name} {seed} {source} {view} {time.process_time() - start:.1f} s", flush=True)
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f".{name}_{seed}.npz"
    np.savez(part, **out)
    part.rename(folder / f"{name}_{seed}.npz")


def main() -> None:
    """Collect what is not there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--encoded", type=Path, help="Folder of TASK_0.npz files: y, and matrices view:NAME of the same rows."
    )
    parser.add_argument("--seeds", type=lambda text: [int(s) for s in text.split(",")], default=[0])
    parser.add_argument("--tasks", type=lambda text: text.split(","), default=list(SETTINGS))
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    for seed in given.seeds:
        for name in given.tasks:
            if not (given.folder / f"{name}_{seed}.npz").exists():
                start = time.process_time()
                collect(name, seed, given.folder, given.encoded)
                print(f"== {name}, seed {seed}: {time.process_time() - start:.0f} CPU seconds", flush=True)


if __name__ == "__main__":
    main()
