from __future__ import annotations

import numpy as np
import pytest

from outgrow.errors import InputError, LabelsError, NeedsError, TaskError
from outgrow.learners.linear import LinearHead
from outgrow.learners.ridge import RidgeHead
from outgrow.methods import Naive
from outgrow.methods.method import OfLearner
from outgrow.scores.metrics import row_score
from outgrow.studies.evaluate import References, assemble, evaluate, grant, predictions, references
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.needs import Known, Needs
from outgrow.tasks.rows import Rows, View
from outgrow.tasks.split import Roles
from outgrow.tasks.task import Task

HEAD = LinearHead(penalty=0.1)


def world(n: int = 120, seed: int = 0, truth=None, kind="classes"):
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, 3))
    value = x[:, 0] + 0.5 * random.normal(size=n)
    named = (value if kind == "value" else np.where(value > 0, "yes", "no")) if truth is None else truth
    task = Task.from_arrays(x, named, kind=kind, **({"classes": ["no", "yes"]} if kind == "classes" else {}))
    roles = Roles(np.arange(30), np.arange(30, 80), np.arange(80, 90), np.arange(90, n))
    return task, Rows.from_arrays(X=x), roles


def soft(task: Task, seed: int = 1) -> WeakLabels:
    p = 1 / (1 + np.exp(-2 * np.asarray(task.inputs)[:, 0] + np.random.default_rng(seed).normal(size=len(task))))
    return WeakLabels.from_probs(np.stack([1 - p, p], 1), task.classes)


# --- a whole evaluation -------------------------------------------------------------------------------------------------------------


def test_the_four_scores_are_of_the_same_rows():
    task, rows, roles = world()
    weak = soft(task)
    student = Naive(HEAD).fit(rows.at(roles.transfer), weak.at(roles.transfer))
    found = evaluate(student, task, rows, weak, roles)
    assert found.ids.tolist() == roles.test.tolist()
    assert set(found.score) == {"floor", "student", "direct", "ceiling"}
    assert {len(v) for v in found.score.values()} == {30}
    truth = task.truth_at(roles.test)
    by_hand = {
        "student": student.predict_proba(rows.at(roles.test)),
        "direct": LinearHead(penalty=0.1)
        .fit(rows.at(roles.teach), task.truth_table(roles.teach))
        .predict_proba(rows.at(roles.test)),
        "ceiling": LinearHead(penalty=0.1)
        .fit(rows.at(roles.transfer), task.truth_table(roles.transfer))
        .predict_proba(rows.at(roles.test)),
        "floor": weak.at(roles.test).probs[:, 0],
    }
    for role, outputs in by_hand.items():
        assert np.array_equal(found.outputs[role], outputs)
        assert np.array_equal(found.score[role], row_score("accuracy", outputs, truth))
    assert found.direct_rows == 30
    assert found.cell == {"task": "task", "supervisor": "labels", "student": "X", "method": "Naive"}
    assert (found.spent, found.metric, found.missing, found.unnamed) == (0, "accuracy", {}, ())


def test_the_order_in_which_roles_are_given_does_not_matter():
    task, rows, roles = world()
    weak = soft(task)
    student = Naive(HEAD).fit(rows.at(roles.transfer), weak.at(roles.transfer))
    mixed = Roles(*(np.random.default_rng(0).permutation(roles[r]) for r in ("teach", "transfer", "select", "test")))
    one, two = (evaluate(student, task, rows, weak, r) for r in (roles, mixed))
    assert np.array_equal(one.ids, two.ids)
    assert all(np.array_equal(one.score[r], two.score[r]) for r in one.score)


def test_references_of_other_test_rows_are_refused():
    task, rows, roles = world()
    weak = soft(task)
    student = Naive(HEAD).fit(rows.at(roles.transfer), weak.at(roles.transfer))
    other = Roles(roles.teach, roles.transfer, np.arange(90, 100), np.r_[np.arange(80, 90), np.arange(100, 120)])
    made = references(HEAD, task, rows, other)
    assert len(made.ids) == len(roles.test)
    with pytest.raises(
        InputError, match="references are of 30 other test rows than these 30; train them with the same roles"
    ):
        evaluate(student, task, rows, weak, roles, references=made)
    with pytest.raises(InputError, match="5 predictions for 30 rows"):
        assemble(task, weak, roles, np.full((5, 2), 0.5), references(HEAD, task, rows, roles))


def test_a_learner_alone_can_be_evaluated():
    task, rows, roles = world()
    weak = soft(task)
    head = LinearHead(penalty=0.1).fit(rows.at(roles.transfer), weak.at(roles.transfer))
    found = evaluate(head, task, rows, weak, roles, cell={"method": "mine"})
    assert found.cell["method"] == "mine"
    assert {"direct", "ceiling"} <= set(found.score)


# --- floors -------------------------------------------------------------------------------------------------------------------------


def tiny(probs, covered, truth=("a", "b", "b", "a", "b", "b")):
    """Three transfer rows 0-2 and three test rows 3-5; one column per supervisor."""
    task = Task.from_arrays(np.arange(6.0)[:, None], list(truth), classes=["a", "b"])
    roles = Roles((), [0, 1, 2], (), [3, 4, 5])
    tables = [
        WeakLabels.from_probs(
            np.stack([1 - np.asarray(p), p], 1), task.classes, covered=np.asarray(c, bool), source=f"s{j}"
        )
        for j, (p, c) in enumerate(zip(probs, covered, strict=True))
    ]
    return task, roles, WeakLabels.stack(tables)


def assembled(task, roles, weak, metric="accuracy", **given):
    none = References(roles.test, {})
    return assemble(task, weak, roles, np.full((3, 2), 0.5), none, metric=metric, **given)


def test_floor_of_a_supervisor_that_abstains_by_hand():
    # Transfer rows 0 and 1 are covered, p(b) .9 and .5: the prior is .7 for b. Test row 4 is covered (.2), 3 and 5 are not.
    task, roles, weak = tiny([[0.9, 0.5, 0.1, 0.4, 0.2, 0.6]], [[1, 1, 0, 0, 1, 0]])
    found = assembled(task, roles, weak)
    assert found.outputs["floor"] == pytest.approx(np.array([[0.3, 0.7], [0.8, 0.2], [0.3, 0.7]]))
    assert found.score["floor"].tolist() == [
        0,
        0,
        1,
    ]  # truth a b b: the prior is wrong on a, the supervisor on the first b
    assert found.covered.tolist() == [False, True, False]
    assert found.floors == {"s0": pytest.approx(1 / 3)}
    loss = assembled(task, roles, weak, metric="log_loss")
    assert loss.score["floor"] == pytest.approx(np.log([0.3, 0.2, 0.7]))


def test_floor_of_several_supervisors_by_hand():
    covered = [[1, 1, 0, 1, 0, 0], [1, 0, 0, 1, 1, 0]]
    task, roles, weak = tiny([[0.9, 0.5, 0, 0.2, 0, 0], [0.7, 0, 0, 0.4, 0.6, 0]], covered)
    found = assembled(task, roles, weak)
    # Combined on transfer: row 0 (.9 + .7) / 2 = .8, row 1 .5; the prior is .65. Test: (.2 + .4) / 2, .6, and the prior.
    assert found.outputs["floor"][:, 1] == pytest.approx([0.3, 0.6, 0.65])
    assert found.score["floor"].tolist() == [1, 1, 1]
    # Alone: s0 has the prior (.9 + .5) / 2 = .7 on rows 4 and 5; s1 says .4, .6 and has the prior .7.
    assert found.floors == {"s0": 1.0, "s1": 1.0}
    hard = assembled(task, roles, weak, metric="brier")
    assert hard.floors["s0"] == pytest.approx(-np.mean([2 * 0.2**2, 2 * 0.3**2, 2 * 0.3**2]))
    assert hard.floors["s1"] == pytest.approx(-np.mean([2 * 0.4**2, 2 * 0.4**2, 2 * 0.3**2]))


def test_a_supervisor_that_covers_no_transfer_row_has_no_floor_of_its_own():
    task, roles, weak = tiny([[0.9] * 6, [0.1] * 6], [[1] * 6, [0, 0, 0, 1, 1, 1]])
    assert list(assembled(task, roles, weak).floors) == ["s0"]
    silent = tiny([[0.9] * 6], [[0, 0, 0, 1, 1, 1]])
    with pytest.raises(LabelsError, match="covers none of these 3 rows; there is nothing to learn from"):
        assembled(*silent)


def test_a_class_that_nobody_names():
    task, roles, weak = tiny([[0.1, 0.2, 0.3, 0.1, 0.2, 0.4]], [[1] * 6])
    assert assembled(task, roles, weak).unnamed == ("b",)
    tie = tiny([[0.1, 0.5, 0.3, 0.1, 0.2, 0.4]], [[1] * 6])
    assert assembled(*tie).unnamed == ()
    hidden = tiny([[0.1, 0.9, 0.3, 0.1, 0.2, 0.4]], [[1, 0, 1, 1, 1, 1]])
    assert assembled(*hidden).unnamed == ("b",)


# --- what is missing, and why -------------------------------------------------------------------------------------------------------


def hidden(keep):
    task, rows, roles = world()
    return task.hide(keep), rows, roles


@pytest.mark.parametrize(
    ("keep", "roles", "missing"),
    [
        (np.r_[0:30, 90:120], None, {"ceiling": "no ceiling: no truth on transfer rows"}),
        (np.r_[0:40, 90:120], None, {"ceiling": "no ceiling: truth on 10 of 50 transfer rows only"}),
        (
            np.arange(120),
            Roles((), np.arange(30, 80), (), np.arange(90, 120)),
            {"direct": "no direct: there are no teach rows"},
        ),
    ],
)
def test_a_reference_that_cannot_be_trained_says_why(keep, roles, missing):
    task, rows, usual = hidden(keep)
    made = references(HEAD, task, rows, roles or usual)
    assert made.missing == missing
    assert set(made.outputs) == {"direct", "ceiling"} - set(missing)
    assert set(made.penalties) == set(made.outputs)
    weak = soft(task)
    student = Naive(HEAD).fit(rows.at(usual.transfer), weak.at(usual.transfer))
    found = evaluate(student, task, rows, weak, roles or usual)
    assert found.missing == missing
    assert found.direct_rows == (None if "direct" in missing else 30)
    assert not found.pgr().defined or "ceiling" in found.score


def test_teach_rows_of_one_class():
    task, rows, roles = world(truth=["no"] * 30 + ["no", "yes"] * 45)
    made = references(HEAD, task, rows, roles)
    assert made.missing == {"direct": "no direct: the teach rows hold one class only"}


def test_without_any_truth_there_is_no_score():
    task, rows, _ = hidden([])
    roles = Roles((), np.arange(80), np.arange(80, 120), ())
    weak = soft(task)
    student = Naive(HEAD).fit(rows.at(roles.transfer), weak.at(roles.transfer))
    found = evaluate(student, task, rows, weak, roles)
    assert found.truth is None
    assert (dict(found.score), found.floors) == ({}, {})
    assert set(found.outputs) == {"floor", "student"}
    assert found.ids.tolist() == list(range(80, 120))
    assert found.missing["scores"] == "there are no test rows with truth"
    assert found.missing["direct"] == "no direct: no test rows with truth to score it on"
    assert found.why("student") == "there are no test rows with truth"
    assert found.verdict().code == "no_truth"
    assert not found.pgr().defined


# --- classes by name ----------------------------------------------------------------------------------------------------------------


def test_a_student_that_never_saw_a_class_is_matched_by_name():
    random = np.random.default_rng(0)
    truth = np.array([f"c{j:02d}" for j in random.integers(0, 20, 400)])
    x = 4 * np.eye(20)[[int(t[1:]) for t in truth]] + random.normal(size=(400, 20))
    task = Task.from_arrays(x, truth)
    seen = truth != "c07"
    student = LinearHead(penalty=0.01).fit(x[seen], truth[seen])
    assert len(student.classes_) == 19
    rows = Rows.from_arrays(X=x)
    made = predictions(student, rows, task)
    assert made.shape == (400, 20)
    assert made[:, 7].max() == 0
    by_name = (student.predict(x) == truth).mean()
    assert row_score("accuracy", made, task.truth_at(task.ids)).mean() == pytest.approx(by_name)
    assert by_name > 0.9


def test_a_student_of_another_task():
    task, rows, _ = world()
    student = LinearHead(penalty=0.1).fit(rows.view(), np.where(rows.view()[:, 0] > 0, "good", "bad"))
    with pytest.raises(InputError, match=r"names class 'bad', which the task does not have \(\['no', 'yes'\]\)"):
        predictions(student, rows, task)


def test_labels_in_another_order_of_classes_are_refused():
    task, rows, roles = world()
    weak = soft(task)
    student = Naive(HEAD).fit(rows.at(roles.transfer), weak.at(roles.transfer))
    turned = WeakLabels.from_probs(weak.probs[:, 0, ::-1], ["yes", "no"])
    with pytest.raises(
        LabelsError,
        match=r"classes \['yes', 'no'\] and the task has \['no', 'yes'\]; make the table with classes=task.classes",
    ):
        evaluate(student, task, rows, turned, roles)
    values = WeakLabels.from_probs(weak.probs[:, 0, 0], None)
    with pytest.raises(LabelsError, match="the weak labels are values, and this is a task of classes"):
        evaluate(student, task, rows, values, roles)
    with pytest.raises(TaskError, match="row 90 is not among the 90 rows here"):
        evaluate(student, task, rows, weak[:90], roles)


# --- values -------------------------------------------------------------------------------------------------------------------------


def test_the_value_road():
    task, rows, roles = world(kind="value")
    weak = WeakLabels.from_probs(np.asarray(task.inputs)[:, 0] * 0.5, None, covered=np.arange(120) % 4 > 0)
    student = Naive(RidgeHead(penalty=0.01)).fit(rows.at(roles.transfer), weak.at(roles.transfer))
    found = evaluate(student, task, rows, weak, roles)
    truth = task.truth_at(roles.test)
    assert found.metric == "mse"
    assert found.classes is None
    assert np.allclose(found.score["student"], -((student.predict(rows.at(roles.test)) - truth) ** 2))
    prior = weak.at(roles.transfer).prior()[0]
    expected = np.where(roles.test % 4 > 0, np.asarray(task.inputs)[roles.test, 0] * 0.5, prior)
    assert found.outputs["floor"][:, 0] == pytest.approx(expected)
    assert found.score["ceiling"].mean() > found.score["floor"].mean()
    assert found.unnamed is None


# --- grants -------------------------------------------------------------------------------------------------------------------------


class Asks(OfLearner):
    def __init__(self, learner=None, needs=Needs(known=True, select=True)):  # noqa: B008
        self.learner = learner
        self._needs = needs

    def needs(self):
        return self._needs


def test_a_grant_holds_teach_rows_and_is_counted():
    task, rows, roles = world()
    weak = soft(task)
    given = grant(Asks(), task, rows, weak, roles, budget=12)
    assert set(given) == {"known", "select"}
    known = given["known"]
    assert isinstance(known, Known)
    ids = known.rows.ids
    assert known.spent == len(set(ids.tolist())) == 12
    assert set(ids.tolist()) <= set(roles.teach.tolist())
    # Teach rows stand in the task's order; the first of them are no sample.
    assert ids.tolist() != roles.teach[:12].tolist()
    more = grant(Asks(), task, rows, weak, roles, budget=20)["known"].rows.ids
    assert set(ids.tolist()) <= set(more.tolist())
    assert np.array_equal(known.truth, task.truth_at(ids))
    assert given["select"][0].ids.tolist() == given["select"][1].ids.tolist() == roles.select.tolist()
    assert grant(Asks(), task, rows, weak, roles)["known"].spent == 30
    assert grant(Naive(), task, rows, weak, roles) == {}


def test_the_cost_of_a_grant_reaches_the_evaluation():
    task, rows, roles = world()
    weak = soft(task)
    student = Naive(HEAD).fit(rows.at(roles.transfer), weak.at(roles.transfer))
    student.spent_ = 30
    made = references(HEAD, task, rows, roles)
    assert evaluate(student, task, rows, weak, roles, references=made).spent == 30
    assert evaluate(student, task, rows, weak, roles, references=made, spent=7).spent == 7


@pytest.mark.parametrize(
    ("needs", "message"),
    [
        (Needs(views=frozenset({"minilm/3"})), "Asks needs the view 'minilm/3'; there is 'X'"),
        (Needs(supervisors=2), "Asks needs 2 supervisors, the study gives 1"),
        (Needs(supervisor_view=True), r"Asks needs the supervisor's features; \['labels'\] has none"),
        (Needs(known=True), r"Asks needs known= \(truth that the study grants\)"),
        (Needs(select=True), r"Asks needs select= \(select rows with weak labels\)"),
    ],
)
def test_what_a_method_lacks_is_said(needs, message):
    task, rows, _ = world()
    bare = Roles((), np.arange(30, 80), (), np.arange(90, 120))
    with pytest.raises(NeedsError, match=message):
        grant(Asks(needs=needs), task, rows, soft(task), bare)


def test_a_budget_above_the_teach_rows():
    task, rows, roles = world()
    with pytest.raises(
        NeedsError, match="Asks is granted 31 rows of truth and there are 30 teach rows; lower the budget"
    ):
        grant(Asks(), task, rows, soft(task), roles, budget=31)


def test_views_are_named_in_the_cell():
    task, rows, roles = world()
    named = Rows(rows.ids, {"minilm/3": View(rows.view())})
    weak = soft(task)
    student = Naive(LinearHead(on="minilm/3", penalty=0.1)).fit(named.at(roles.transfer), weak.at(roles.transfer))
    assert evaluate(student, task, named, weak, roles).cell["student"] == "minilm/3"
