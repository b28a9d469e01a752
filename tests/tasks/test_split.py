"""Roles: disjoint, together, of the right size, the same from one seed; and what is said when they cannot be."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outgrow.errors import TaskError
from outgrow.tasks.split import ROLES, Roles, sample, split
from outgrow.tasks.task import Task


def make(
    n: int, *, classes: int = 2, known: float = 1.0, kind="classes", twins: int = 0, groups: int = 0, seed: int = 0
) -> Task:
    """A task of n rows; the last ``twins`` repeat the first; ``groups`` > 0 draws that many groups."""
    rng = np.random.default_rng(seed)
    texts = [f"text {i}" for i in range(n - twins)] + [f"text {i}" for i in range(twins)]
    if kind == "value":
        truth = rng.normal(size=n)
        truth[n - twins :] = truth[:twins]
        truth[rng.random(n) >= known] = np.nan
        names = None
    else:
        truth = rng.integers(classes, size=n)
        truth[n - twins :] = truth[:twins]
        truth[rng.random(n) >= known] = -1
        names = [f"class {c}" for c in range(classes)]
    return Task("made", kind, texts, truth, names, groups=rng.integers(groups, size=n) if groups else None)


def all_ids(roles: Roles) -> np.ndarray:
    return np.concatenate([roles[role] for role in ROLES])


def roles_of(task: Task, roles: Roles) -> np.ndarray:
    owner = np.full(len(task), -1)
    for k, role in enumerate(ROLES):
        owner[roles[role]] = k
    return owner


TASKS = st.builds(
    make,
    st.integers(30, 300),
    classes=st.integers(2, 4),
    known=st.sampled_from([1.0, 0.7, 0.2]),
    kind=st.sampled_from(["classes", "value"]),
    twins=st.integers(0, 12),
    groups=st.sampled_from([0, 0, 40, 100]),
    seed=st.integers(0, 5),
)


# ---- invariants ----


@settings(max_examples=80)
@given(task=TASKS, seed=st.integers(0, 9), test_seed=st.integers(0, 2))
def test_what_holds_for_every_split(task, seed, test_seed):
    roles = split(task, seed, test_seed=test_seed)
    ids = all_ids(roles)
    assert len(np.unique(ids)) == len(ids)
    owner = roles_of(task, roles)
    for role in ROLES:
        assert (np.diff(roles[role]) > 0).all()
        assert roles[role].dtype == np.int64
    assert task.has_truth[roles.test].all()
    assert task.has_truth[roles.teach].all()
    # Rows without a role are those without truth whose fellows teach or test.
    assert not task.has_truth[owner == -1].any()
    for codes in (task.twins, task.groups):
        if codes is None:
            continue
        for code in np.unique(codes):
            used = owner[(codes == code) & (owner >= 0)]
            assert len(np.unique(used)) <= 1
    known = int(task.has_truth.sum())
    assert len(roles.test) <= min(1500, int(0.4 * known))
    again = split(task, seed, test_seed=test_seed)
    assert all((again[role] == roles[role]).all() for role in ROLES)
    other = split(task, seed + 1, test_seed=test_seed)
    assert (other.test == roles.test).all()


@settings(max_examples=40)
@given(
    n=st.integers(20, 200),
    sizes=st.lists(st.integers(0, 60), min_size=4, max_size=4),
    known=st.sampled_from([1.0, 0.5]),
    kind=st.sampled_from(["classes", "value"]),
)
def test_given_sizes_are_met_to_the_row_or_refused(n, sizes, known, kind):
    task = make(n, known=known, kind=kind)
    teach, transfer, select, test = sizes
    if transfer == 0 or sum(sizes) > n or teach + test > task.has_truth.sum():
        with pytest.raises(TaskError):
            split(task, teach=teach, transfer=transfer, select=select, test=test)
    else:
        roles = split(task, teach=teach, transfer=transfer, select=select, test=test)
        assert [len(roles[role]) for role in ROLES] == sizes


@settings(max_examples=40)
@given(task=TASKS, share=st.floats(0.05, 1.0))
def test_a_sample_is_a_stratified_part_that_keeps_own_ids(task, share):
    n = max(1, int(share * len(task)))
    part = sample(task, n, seed=3)
    assert len(part) <= n
    if task.groups is None:
        assert len(part) >= n - 1
    assert (np.diff([int(name) for name in part.names]) > 0).all()
    places = [int(name) for name in part.names]
    assert part.inputs == tuple(task.inputs[i] for i in places)
    assert np.array_equal(part.truth_at(part.ids), task.truth_at(places), equal_nan=True)
    assert (sample(task, n, seed=3).names == part.names).all()


# ---- sizes ----


@pytest.mark.parametrize(
    ("n", "teach", "test"),
    [(10_000, 500, 1500), (1000, 200, 400), (600, 120, 240), (500, 100, 200), (499, 0, 199), (10, 0, 4)],
)
def test_default_sizes(n, teach, test):
    roles = split(make(n))
    left = n - teach - test
    assert [len(roles[role]) for role in ROLES] == [teach, left - left // 10, left // 10, test]


def test_truth_on_some_rows():
    task = make(2000).hide(np.arange(0, 2000, 5))
    roles = split(task)
    assert [len(roles[role]) for role in ROLES] == [0, 1656, 184, 160]
    assert split(make(4000).hide(np.arange(1000))).notes == ()
    assert roles.notes == ("No teach rows: no direct, and supervisors that learn from truth are left out.",)


def test_truth_on_no_row():
    roles = split(make(100).without_truth())
    assert [len(roles[role]) for role in ROLES] == [0, 90, 10, 0]
    assert len(roles.notes) == 1
    assert roles.notes[0].startswith("No row has truth: no scores")


def test_truth_on_teach_and_test_rows_only():
    roles = split(make(100).hide(np.arange(60)), teach=20, test=40)
    assert [len(roles[role]) for role in ROLES] == [20, 36, 4, 40]
    assert roles.notes == ("No truth on transfer rows: no ceiling and no PGR.",)


def test_one_size_given_leaves_the_rules_for_the_others():
    task = make(1000)
    assert [len(r) for r in map(split(task, test=300).__getitem__, ROLES)] == [200, 450, 50, 300]
    assert [len(r) for r in map(split(task, select=0).__getitem__, ROLES)] == [200, 400, 0, 400]
    assert [len(r) for r in map(split(task, transfer=100).__getitem__, ROLES)] == [200, 100, 10, 400]
    assert split(task, select=0).notes == ("No select rows: no forecasts and no stopping on them.",)
    assert split(task, test=0, teach=100).notes == ("No test rows with truth: no scores.",)


# ---- strata and seeds ----


def test_every_role_has_its_share_of_each_class():
    truth = np.repeat([0, 1, 2], [700, 280, 20])
    task = Task("skewed", "classes", [f"t{i}" for i in range(1000)], truth, ["a", "b", "c"])
    roles = split(task, seed=4)
    for role, expected in zip(ROLES, ([140, 56, 4], [252, 101, 7], [28, 11, 1], [280, 112, 8])):
        assert np.bincount(truth[roles[role]], minlength=3).tolist() == expected


def test_every_role_has_its_share_of_low_and_high_values():
    task = make(1000, kind="value")
    truth = task.truth_at(task.ids)
    bins = np.searchsorted(np.quantile(truth, np.arange(1, 10) / 10), truth, side="right")
    for role, rows in (("test", 400), ("teach", 200)):
        assert np.ptp(np.bincount(bins[split(task)[role]], minlength=10) - rows / 10) <= 1


def test_seeds_redraw_all_but_test():
    task = make(1000)
    a, b, c = split(task, 0), split(task, 1), split(task, 0, test_seed=1)
    assert (a.test == b.test).all()
    assert not np.array_equal(a.test, c.test)
    for role in ("teach", "transfer", "select"):
        assert not np.array_equal(a[role], b[role])
    # Two draws of 200 out of 600 share a third by chance; the seeds are not correlated.
    assert 40 <= len(np.intersect1d(a.teach, b.teach)) <= 95


def test_the_size_of_one_role_does_not_redraw_an_earlier_one():
    task = make(1000)
    assert (split(task, 3, select=10).teach == split(task, 3, select=50).teach).all()
    assert (split(task, 3, teach=10).test == split(task, 3, teach=150).test).all()


def test_a_seed_gives_the_same_bits_in_another_process():
    script = (
        "import numpy as np; from outgrow.tasks import task, split\n"
        "t = task.Task('m', 'classes', [f't{i}' for i in range(400)], np.arange(400) % 3, list('abc'), groups=np.arange(400) // 2)\n"
        "print(split.split(t, 5).fingerprint())"
    )
    run = [sys.executable, "-W", "error", "-c", script]
    outputs = {subprocess.run(run, capture_output=True, text=True, check=True).stdout for _ in range(2)}
    task = Task(
        "m", "classes", [f"t{i}" for i in range(400)], np.arange(400) % 3, list("abc"), groups=np.arange(400) // 2
    )
    assert outputs == {split(task, 5).fingerprint() + "\n"}


# ---- together ----


def test_equal_inputs_tie_groups_together():
    # Groups 0 and 1 share the input "x", groups 1 and 2 share "y": the three are one.
    texts = [f"t{i}" for i in range(300)]
    groups = [f"own {i}" for i in range(300)]
    chain = [10, 60, 61, 120, 121, 200]
    for i, g in zip(chain, "AABBCC"):
        groups[i] = g
    texts[60] = texts[61]
    texts[120] = texts[121]
    task = Task("tied", "classes", texts, np.arange(300) % 2, ["a", "b"], groups=groups)
    for seed in range(20):
        owner = roles_of(task, split(task, seed, test_seed=seed))
        # 60-61 are equal inputs of groups A and B, 120-121 of B and C.
        assert len(set(owner[chain].tolist())) == 1


def test_rows_without_truth_do_not_follow_their_fellows_into_test():
    task = Task(
        "g", "classes", [f"t{i}" for i in range(1000)], np.arange(1000) % 2, ["a", "b"], groups=np.arange(1000) // 2
    )
    task = task.hide(np.arange(0, 1000, 2))
    roles = split(task, teach=100, test=200)
    assert len(roles.test) == 200
    assert len(roles.teach) == 100
    unused = np.setdiff1d(task.ids, all_ids(roles))
    assert (unused == np.sort(np.concatenate([roles.test, roles.teach]) + 1)).all()
    assert roles.notes == (
        "300 rows without truth share a group or an input with teach or test rows and have no role.",
    )


def test_large_groups_leave_a_role_short_and_that_is_said():
    task = Task(
        "g", "classes", [f"t{i}" for i in range(1000)], np.arange(1000) % 2, ["a", "b"], groups=np.arange(1000) // 90
    )
    roles = split(task, test=250, teach=100)
    assert len(roles.test) == 190
    assert len(roles.teach) == 90
    assert (
        roles.notes[-1]
        == "Groups stay together, so teach has 90 of 100 rows, select has 0 of 72 rows, test has 190 of 250 rows."
    )


# ---- refusals ----


def test_sizes_beyond_the_rows():
    task = make(100)
    for sizes, said in (
        ({"test": 90, "teach": 20}, "90 test and 20 teach rows are asked for and 100 of 100 rows have truth"),
        ({"test": 50, "transfer": 60}, "60 transfer and 0 select rows are asked for and 50 of 100 rows are left"),
        ({"test": 50, "select": 51}, "51 select rows are asked for and 50 of 100"),
        ({"test": 80, "teach": 20}, "transfer is empty: 80 test, 20 teach and 0 select rows of 100 leave none"),
        ({"test": 50, "select": 50}, "transfer is empty"),
        ({"transfer": 0}, "transfer is empty"),
        ({"test": -1}, "size of test"),
        ({"test": 0.5}, "size of test"),
        ({"teach": True}, "size of teach"),
    ):
        with pytest.raises(TaskError, match=said):
            split(task, **sizes)
    with pytest.raises(TaskError, match="0 of 100 rows have truth"):
        split(task.without_truth(), test=10)
    for seed in (-1, 0.5, None, True):
        with pytest.raises(TaskError, match="seed"):
            split(task, seed)
    for n in (0, 101, 2.5, True):
        with pytest.raises(TaskError, match="1 to 100 rows"):
            sample(task, n)


def test_a_role_that_no_group_fits():
    task = Task(
        "g", "classes", [f"t{i}" for i in range(100)], np.arange(100) % 2, ["a", "b"], groups=np.arange(100) // 50
    )
    with pytest.raises(TaskError, match="role test is empty: no group"):
        split(task)
    with pytest.raises(TaskError, match="role select is empty: no group"):
        split(task, test=50, select=10)
    roles = split(task, test=50)
    assert not len(roles.select)
    assert "No select rows: no forecasts and no stopping on them." in roles.notes


# ---- roles by hand ----


def test_roles_given_by_row():
    task = make(20)
    roles = Roles.from_ids(task, teach=[3, 1], transfer=np.arange(5, 10), test=[12])
    assert roles.teach.tolist() == [1, 3]
    assert roles.seed is None
    assert roles.select.dtype == np.int64
    assert roles.notes == ("No select rows: no forecasts and no stopping on them.",)
    assert repr(roles) == "Roles(teach=2, transfer=5, select=0, test=1, seed=None)"
    frame = roles.frame()
    assert frame["row"].tolist() == [1, 3, 5, 6, 7, 8, 9, 12]
    assert frame["role"].tolist() == ["teach"] * 2 + ["transfer"] * 5 + ["test"]
    with pytest.raises(ValueError, match="read-only"):
        roles.test[0] = 1
    same = Roles(roles.teach, roles.transfer, roles.select, roles.test, seed=9, notes=("x",))
    assert same.fingerprint() == roles.fingerprint()
    assert Roles.from_ids(task, transfer=[1]).fingerprint() != roles.fingerprint()


def test_roles_given_wrongly():
    task = make(20, twins=2).hide(np.arange(15))
    for given_roles, said in (
        ({"transfer": [1, 2], "test": [2]}, "row 2 is in both transfer and test"),
        ({"transfer": [1, 1]}, "transfer has row 1 twice"),
        ({"transfer": [20]}, "transfer has row 20: the task has rows 0 to 19"),
        ({"transfer": [-1]}, "row -1"),
        ({"transfer": ["a"]}, "row numbers"),
        ({"transfer": [0.5]}, "row numbers"),
        ({"transfer": [3], "test": [16]}, "row '16' of the role test has no truth"),
        ({"transfer": [3], "teach": [15, 16]}, r"role teach has no truth \(2 rows"),
        ({"transfer": [18], "test": [0]}, "rows '0' and '18' are of equal inputs and in the roles test and transfer"),
        ({"test": [1]}, "transfer is empty"),
    ):
        with pytest.raises(TaskError, match=said):
            Roles.from_ids(task, **given_roles)
    grouped = make(20, groups=3)
    a, b = np.flatnonzero(grouped.groups == grouped.groups[0])[:2]
    with pytest.raises(TaskError, match="of one group"):
        Roles.from_ids(grouped, transfer=[a], test=[b])
    with pytest.raises(TaskError, match="no role 'train'"):
        Roles.from_ids(task, transfer=[3])["train"]


def of_domains(n: int = 400, **changed: Any) -> Task:
    random = np.random.default_rng(0)
    given: dict[str, Any] = {"domains": ["home" if i % 4 == 0 else "away" if i % 4 == 1 else "far" for i in range(n)]}
    return Task.from_arrays(random.normal(size=(n, 2)), random.integers(0, 2, n), **{**given, **changed})


def test_teach_rows_come_from_one_domain_and_all_others_from_the_rest() -> None:
    task = of_domains()
    roles = split(task, 3, teach=60, transfer=100, select=20, test=120, teach_domain="home")
    assert [len(roles[r]) for r in ROLES] == [60, 100, 20, 120]
    assert set(task.domains[roles.teach]) == {"home"}
    assert "home" not in task.domains[np.concatenate([roles.transfer, roles.select, roles.test])]
    assert "Teach rows are of the domain 'home', all others of the other domains." in roles.notes
    other = split(task, 4, teach=60, transfer=100, select=20, test=120, teach_domain="home")
    assert np.array_equal(roles.test, other.test)
    assert not np.array_equal(roles.teach, other.teach)


def test_sizes_with_domains_have_defaults() -> None:
    roles = split(of_domains(2000), teach_domain="home")
    assert [len(roles[r]) for r in ROLES] == [500, 810, 90, 600]


def test_without_a_teach_domain_domains_do_not_matter() -> None:
    task, plain = of_domains(), of_domains(domains=None)
    assert split(task, 1).fingerprint() == split(plain, 1).fingerprint()


def test_a_group_in_two_domains_has_one_role() -> None:
    task = of_domains(400, domains=["home"] * 200 + ["away"] * 200, groups=np.tile(np.arange(200), 2))
    roles = split(task, 0, teach=50, transfer=60, select=10, test=80, teach_domain="home")
    assert [len(roles[r]) for r in ROLES] == [50, 60, 10, 80]
    used = np.concatenate([task.groups[roles[r]] for r in ROLES])
    assert len(np.unique(used)) == 200


@pytest.mark.parametrize(
    ("changed", "sizes", "message"),
    [
        ({"domains": None}, {"teach_domain": "home"}, "the task has no domains: give it domains, or leave it out"),
        ({}, {"teach_domain": "hme"}, "the task has no domain 'hme'; did you mean 'home'"),
        ({"domains": ["home"] * 400}, {"teach_domain": "home"}, "no domain but 'home', so nothing is left"),
        (
            {},
            {"teach_domain": "home", "teach": 101},
            "100 rows with truth are of the domain 'home' and 300 of the others",
        ),
        ({}, {"teach_domain": "home", "teach": 10, "test": 301}, "ask for fewer"),
        ({}, {"teach_domain": "home", "teach": 10, "test": 250, "transfer": 60}, "60 transfer and 0 select rows"),
    ],
)
def test_domains_that_cannot_be(changed: dict[str, Any], sizes: dict[str, Any], message: str) -> None:
    with pytest.raises(TaskError, match=message):
        split(of_domains(**changed), **sizes)


def test_domains_are_named_for_every_row() -> None:
    with pytest.raises(TaskError, match="there are 400 inputs and 3 domains"):
        of_domains(domains=["a", "b", "c"])
    part = of_domains().take([5, 0])
    assert part.domains.tolist() == ["away", "home"]
    assert part.frame()["domain"].tolist() == ["away", "home"]
