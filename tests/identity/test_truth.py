"""Truth is locked: permuted outside the teach rows, it changes no label, student or forecast; a cheat is caught by the same check."""

from __future__ import annotations

import ast
import contextlib
from pathlib import Path

import numpy as np
import pytest

import outgrow
from outgrow import catalogue as catalogue_module
from outgrow.catalogue import catalogue, find
from outgrow.errors import NeedsError
from outgrow.forecasts.forecast import Forecast, reads
from outgrow.learners.linear import LinearHead
from outgrow.learners.ridge import RidgeHead
from outgrow.methods.method import OfLearner
from outgrow.methods.naive import Naive
from outgrow.studies.evaluate import evaluate, grant
from outgrow.supervisors.probe import ProbeSupervisor
from outgrow.supervisors.rules import RuleSupervisor
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.needs import Needs
from outgrow.tasks.prepare import prepare
from outgrow.tasks.rows import Rows, View
from outgrow.tasks.split import Roles, split
from outgrow.tasks.task import Task

SOURCE = Path(outgrow.__file__).parent


def world(kind: str = "classes", n: int = 260):
    """A task of numbers whose first feature the supervisor sees, and roles."""
    random = np.random.default_rng(0)
    x = random.normal(size=(n, 6))
    value = x @ random.normal(size=6) + 0.5 * random.normal(size=n)
    truth = value if kind == "value" else np.where(value > 0, "yes", "no")
    task = Task.from_arrays(x, truth, kind=kind)
    return task, split(task, 0, teach=60, transfer=100, select=30, test=70)


def permuted(task: Task, roles: Roles) -> Task:
    """The same task with its truth permuted on all rows but those of teach."""
    outside = np.setdiff1d(task.ids, roles.teach)
    truth = task.truth_at(task.ids).copy()
    truth[outside] = truth[np.random.default_rng(1).permutation(outside)]
    assert (truth != task.truth_at(task.ids)).mean() > 0.2
    return task.with_truth(truth)


def road(task: Task, roles: Roles, method_name: str, forecasts) -> dict[str, object]:
    """Go the main road as a study does, and return every output but the evaluation."""
    x = np.asarray(task.inputs)
    rows = Rows(task.ids, {"weak": View(x[:, :2]), "strong": View(x)})
    head = RidgeHead if task.kind == "value" else LinearHead
    probe = ProbeSupervisor("weak", head(on="weak", penalty=0.1)).fit(
        rows.at(roles.teach), task.truth_table(roles.teach)
    )
    tables = [probe.label(rows)]
    method = find("methods", method_name)(learner=head(on="strong", penalty=0.1))
    while len(tables) < method.needs().supervisors:
        tables.append(tables[0].relabel(tables[0].probs[:, 0], name=f"again {len(tables)}"))
    weak = WeakLabels.stack(tables)
    method.fit(rows.at(roles.transfer), weak.at(roles.transfer), **grant(method, task, rows, weak, roles))
    said = []
    for name in forecasts:
        predictor = find("forecasts", name)()
        ids = getattr(roles, reads(predictor))
        with contextlib.suppress(NeedsError):  # as a study does: a supervisor of labels alone has no view to project on
            said += [f.as_dict() for f in predictor.predict(method, rows.at(ids), weak.at(ids))]
    return {
        "labels": weak.probs,
        "covered": weak.covered,
        "label key": weak.fingerprint(),
        "logits": method.logits(rows),
        "coefficients": method.student_.coef_,
        "intercept": np.asarray(method.student_.intercept_),
        "fingerprint": method.fingerprint_,
        "forecasts": said,
        "student": method,
        "rows": rows,
        "weak": weak,
    }


OUTPUTS = ("labels", "covered", "label key", "logits", "coefficients", "intercept", "fingerprint", "forecasts")


def same(a, b) -> bool:
    return np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b


def leaks(kind: str, method: str, forecasts) -> list[str]:
    """Which outputs change when truth outside teach is permuted after the roles are fixed."""
    task, roles = world(kind)
    global CURRENT
    found = []
    for version in (task, permuted(task, roles)):
        CURRENT = version
        found.append(road(version, roles, method, forecasts))
    return [name for name in OUTPUTS if not same(found[0][name], found[1][name])]


CURRENT: Task | None = None
"""What a cheat reads: the task, through a global of its module."""


def suits(kind: str, method: str) -> bool:
    """Whether a method takes this kind of task; it says so itself."""
    try:
        find("methods", method)(learner=RidgeHead() if kind == "value" else LinearHead()).check()
    except outgrow.OutgrowError:
        return False
    return True


@pytest.mark.parametrize("kind", ["classes", "value"])
@pytest.mark.parametrize("method", sorted(catalogue("methods")))
def test_methods_do_not_see_truth(kind, method):
    if suits(kind, method):
        # Those on request retrain a method several times over; the next test has them.
        usual = sorted(n for n, f in catalogue("forecasts").items() if not getattr(f, "on_request", False))
        assert leaks(kind, method, usual) == []
    else:
        assert kind == "value"


@pytest.mark.parametrize("forecast", sorted(catalogue("forecasts")))
def test_forecasts_do_not_see_truth(forecast):
    assert leaks("classes", "naive", [forecast]) == []


# --- planted cheats -----------------------------------------------------------------------------------------------------------------


class Cheat(OfLearner):
    """Trains on the truth of the rows it was given, read through a global."""

    truth = "none"

    def __init__(self, learner=None):
        self.learner = learner

    def fit(self, X, y, *, sample_weight=None):
        rows, _, weight = prepare(self, X, y, sample_weight)
        return self._train(rows, CURRENT.truth_table(rows.ids), weight, None)


class Glance(Naive):
    """Reads one row's truth, and lets it move the labels by little."""

    truth = "none"

    def fit(self, X, y, *, sample_weight=None):
        rows, weak, weight = prepare(self, X, y, sample_weight)
        right = weak.probs[np.arange(len(weak)), 0, CURRENT.truth_at(rows.ids)]
        return super().fit(rows, weak, sample_weight=weight * (1 + 1e-6 * right))


class Oracle:
    """A forecast that scores the student."""

    units = ("accuracy",)

    def needs(self):
        return Needs(select=True)

    def predict(self, student, rows, weak):
        named = student.predict_proba(rows).argmax(1)
        value = float((named == CURRENT.truth_at(rows.ids)).mean())
        return [Forecast("oracle", "", "accuracy", value, len(rows), ())]


class Point:
    """An entry point of another package."""

    def __init__(self, name: str, value: type):
        self.name, self.value, self.load = name, f"planted:{value.__name__}", lambda: value


@pytest.fixture
def planted(monkeypatch):
    """Register the cheats as another package would, by entry points."""
    points = {
        "outgrow.methods": [Point("cheat", Cheat), Point("glance", Glance)],
        "outgrow.forecasts": [Point("oracle", Oracle)],
    }
    catalogue.cache_clear()
    monkeypatch.setattr(catalogue_module.importlib.metadata, "entry_points", lambda group: points.get(group, []))
    yield
    monkeypatch.undo()
    catalogue.cache_clear()


def test_a_planted_method_that_peeks_is_caught(planted):
    assert {"cheat", "glance"} <= set(catalogue("methods"))
    assert leaks("classes", "naive", ["misfit"]) == []
    assert {"logits", "coefficients", "forecasts"} <= set(leaks("classes", "cheat", ["misfit"]))
    assert {"logits", "coefficients"} <= set(leaks("classes", "glance", ["misfit"]))


def test_a_planted_forecast_that_peeks_is_caught(planted):
    assert leaks("classes", "naive", ["oracle"]) == ["forecasts"]


def test_a_supervisor_that_peeks_is_caught(monkeypatch):
    def label(self, rows):
        return CURRENT.truth_table(rows.ids)

    monkeypatch.setattr(ProbeSupervisor, "label", label)
    assert "labels" in leaks("classes", "naive", ["misfit"])


# --- the evaluation does see it -----------------------------------------------------------------------------------------------------


def test_the_evaluation_changes():
    task, roles = world()
    made = road(task, roles, "naive", ["misfit"])
    other = permuted(task, roles)
    one = evaluate(made["student"], task, made["rows"], made["weak"], roles)
    two = evaluate(made["student"], other, made["rows"], made["weak"], roles)
    assert np.array_equal(one.outputs["student"], two.outputs["student"])
    assert np.array_equal(one.outputs["floor"], two.outputs["floor"])
    assert np.array_equal(one.outputs["direct"], two.outputs["direct"])
    assert not np.array_equal(one.outputs["ceiling"], two.outputs["ceiling"])
    assert one.score["student"].mean() > two.score["student"].mean() + 0.1


def test_rules_see_no_truth():
    task, _ = world()
    rows = Rows(task.ids, {"inputs": View(tuple(f"{v:.3f}" for v in task.inputs[:, 0]))})

    tables = [RuleSupervisor(sign, classes=["no", "yes"]).label(rows) for _ in range(2)]
    assert np.array_equal(tables[0].probs, tables[1].probs)
    assert all(s.taught == () for s in tables[0].sources)


def sign(text):
    return "yes" if float(text) > 0 else "no"


def test_rows_and_labels_hold_no_truth():
    task, roles = world()
    made = road(task, roles, "naive", ["misfit"])
    with pytest.raises(AttributeError, match="locked"):
        _ = task.truth
    reachable = [made["rows"], made["weak"], made["student"]]
    seen, truth = set(), task.truth_at(task.ids)
    while reachable:
        value = reachable.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        assert not isinstance(value, Task)
        if isinstance(value, np.ndarray):
            assert not (value.shape == truth.shape and np.array_equal(value, truth))
        elif isinstance(value, dict):
            reachable += list(value.values())
        elif isinstance(value, list | tuple):
            reachable += list(value)
        elif hasattr(value, "__dict__"):
            reachable += list(vars(value).values())


# --- who may ask --------------------------------------------------------------------------------------------------------------------

ALLOWED = {
    "tasks/task.py": "keeps the truth, and copies of itself with another",
    "tasks/split.py": "stratifies the draw of roles",
    "studies/evaluate.py": "references and scores: where truth comes in",
    "studies/ready.py": "stores the truth for the jobs that are handed it; chooses the metric from the class shares",
    "studies/plan.py": "hashes it into the keys of jobs that are handed it",
    "studies/work.py": "hands a supervisor the truth of its teach rows",
    "studies/advise.py": "trains direct and scores self on teach rows, whose truth the study has spent",
    "studies/curve.py": "trains direct on fewer teach rows, and scores it",
}


def asks_for_truth(text: str) -> bool:
    names = {"truth_at", "truth_table", "_truth"}
    return any(isinstance(node, ast.Attribute) and node.attr in names for node in ast.walk(ast.parse(text)))


def own_truth(text: str) -> bool:
    """Whether every ``._truth`` is a class's own attribute or method, and nobody asks a task."""
    asked = [
        n
        for n in ast.walk(ast.parse(text))
        if isinstance(n, ast.Attribute) and n.attr in ("truth_at", "truth_table", "_truth")
    ]
    return all(n.attr == "_truth" and isinstance(n.value, ast.Name) and n.value.id == "self" for n in asked)


def test_only_named_files_ask_a_task_for_its_truth():
    asking = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if asks_for_truth(path.read_text("utf-8"))
        and not own_truth(path.read_text("utf-8"))
        # A claim is measured by asking; nothing that a student is made of can import it (test_imports).
        and path.parent != SOURCE / "papers"
    }

    assert asking | {"tasks/task.py"} <= set(ALLOWED), sorted(asking - set(ALLOWED))
    assert set(ALLOWED) - {"tasks/task.py"} <= asking, "an entry of ALLOWED that asks for nothing"


def test_the_search_would_find_a_peek():
    assert asks_for_truth("def f(task):\n    return task.truth_at([0])")
    assert not own_truth("def f(task):\n    return task._truth")
    assert own_truth("class E:\n    def f(self):\n        return self._truth")


def test_methods_forecasts_and_audits_do_not_import_the_task():
    for folder in ("learners", "methods", "forecasts", "audits", "scores"):
        for path in (SOURCE / folder).glob("*.py"):
            text = path.read_text("utf-8")
            assert "outgrow.tasks.task" not in text, path.name
            assert "outgrow.studies" not in text, path.name
