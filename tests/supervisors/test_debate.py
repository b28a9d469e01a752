"""Judges who read debates: what they see, what they never see, and what is kept of the debates."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from outgrow.errors import InputError, LabelsError, StudyError
from outgrow.generation import LanguageModel
from outgrow.store import Store
from outgrow.supervisors import DebateSupervisor, supervisor
from outgrow.supervisors import transcripts as debates
from outgrow.supervisors.transcripts import Motion, Transcript, hold, motion_of
from outgrow.tasks.labels import WeakLabels
from outgrow.tasks.rows import Rows
from tiny_llama import WORDS, save_llama

CLASSES = ["bad", "good"]
N = 44


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_llama(tmp_path_factory.mktemp("llama")))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """One for the whole file: what a test holds, the next finds."""
    return Store(tmp_path_factory.mktemp("store"))


def some(n: int = N) -> list[str]:
    rng = np.random.default_rng(0)
    return [" ".join(rng.choice(WORDS, rng.integers(2, 12))) + f" {i}" for i in range(n)]


def rows_of(inputs: list[str]) -> Rows:
    random = np.random.default_rng(1)
    return Rows.from_arrays(inputs=inputs).with_view("tfidf", random.normal(size=(len(inputs), 4)).astype(np.float32))


def truth_of(n: int = N, seed: int = 0) -> list[str]:
    return [CLASSES[i] for i in np.random.default_rng(seed).permutation(np.arange(n) % 2)]


def debating(llama: str, store: Store, **options: Any) -> DebateSupervisor:
    small: dict[str, Any] = {"turns": 2, "judges": 2, "tokens": 4, "folds": 3}
    made = DebateSupervisor(llama, "tfidf", title="debate", **{**small, **options})
    made.store = store
    return made


def table(truth: list[str], ids: Any) -> WeakLabels:
    return WeakLabels.from_names([truth[i] for i in ids], CLASSES, ids=ids, source="truth")


def kept(store: Store) -> dict[str, bytes]:
    return {str(p.relative_to(store.root)): p.read_bytes() for p in store.root.rglob(debates._FILE)}


def test_labels_are_the_mean_of_judges_who_read_different_debates(llama: str, store: Store) -> None:
    rows, teach = rows_of(some()), np.arange(0, N, 2)
    made = debating(llama, store).fit(rows.at(teach), table(truth_of(), teach))
    labels = made.label(rows)
    assert made.votes_.supervisors == 2
    np.testing.assert_allclose(labels.probs[:, 0], made.votes_.probs.mean(axis=1))
    assert np.abs(made.votes_.probs[:, 0] - made.votes_.probs[:, 1]).max() > 0.01
    (source,) = labels.sources
    assert (source.name, source.view, source.taught) == ("debate", "tfidf", tuple(teach.tolist()))
    assert labels.covered.all()
    assert "2 judges read 44 rows debated for 2 turns" in made.report_
    order = np.random.default_rng(3).permutation(N)
    np.testing.assert_allclose(made.label(rows[order]).probs, labels.probs[order], rtol=1e-9)


def test_a_judge_reads_the_view_and_what_was_said_for_each_class(llama: str, store: Store) -> None:
    rows, teach = rows_of(some()), np.arange(0, N, 2)
    made = debating(llama, store).fit(rows.at(teach), table(truth_of(), teach))
    found, _ = made._transcripts(rows)
    heard = made._heard(rows, found, 1).view("debate")
    width = (heard.shape[1] - 4) // 2
    np.testing.assert_array_equal(heard[:, :4], rows.view("tfidf"))
    from outgrow.encoders.encoder import encoder

    enc = encoder("tfidf").fit(some())
    for side in (0, 1):
        said = [found[i].case(1, side) for i in range(N)]
        np.testing.assert_allclose(heard[:, 4 + side * width :][:, :width], enc.read(said, [None])[0][None], atol=1e-6)


def test_truth_cannot_reach_a_transcript(llama: str, tmp_path: Path) -> None:
    rows, teach = rows_of(some(12)), np.arange(12)
    files = []
    for seed in (0, 1):
        own = Store(tmp_path / f"store{seed}")
        debating(llama, own, random_state=seed).fit(rows, table(truth_of(12, seed), teach))
        files.append(kept(own))
    assert truth_of(12, 0) != truth_of(12, 1)
    assert len(files[0]) == 12
    assert files[0] == files[1]


def test_truth_beyond_the_teach_rows_changes_no_label(llama: str, store: Store) -> None:
    rows, teach, truth = rows_of(some()), np.arange(0, N, 2), truth_of()
    other = [t if i in teach else CLASSES[1 - CLASSES.index(t)] for i, t in enumerate(truth)]
    labels = [
        debating(llama, store).fit(rows.at(teach), table(given, np.arange(N))).label(rows) for given in (truth, other)
    ]
    assert np.array_equal(labels[0].probs, labels[1].probs)
    assert labels[0].sources == labels[1].sources


def test_labels_of_taught_rows_are_out_of_fold(llama: str, store: Store) -> None:
    random = np.random.default_rng(5)
    rows = rows_of(some()).with_view("tfidf", random.normal(size=(N, 240)).astype(np.float32))
    truth = truth_of()
    made = debating(llama, store).fit(rows, table(truth, np.arange(N)))
    right = (made.label(rows).hard()[:, 0] == [CLASSES.index(t) for t in truth]).mean()
    in_sample = [
        j.learner_.score(made._heard(rows, made._transcripts(rows)[0], m), truth) for m, j in enumerate(made.judges_)
    ]
    assert min(in_sample) > 0.9
    assert right < 0.75


class Enough(Exception):
    pass


def test_a_stopped_run_goes_on_and_says_the_same(llama: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(debates, "BLOCK", 8)
    motion, inputs = motion_of(CLASSES, None, turns=1, debates=2, tokens=4), some(20)
    whole = Store(tmp_path / "whole")
    wanted = hold(LanguageModel(llama), inputs, range(20), motion, whole, "task")
    part, done = Store(tmp_path / "part"), []

    def stop(rows: int) -> None:
        done.append(rows)
        if len(done) == 1:
            raise Enough

    with pytest.raises(Enough):
        hold(LanguageModel(llama), inputs, range(20), motion, part, "task", tick=stop)
    assert len(kept(part)) == 8
    # A kill in the middle of a block leaves some of its rows; they stay as they are.
    part.drop(Path(next(iter(kept(part)))).parts[-2])
    before = kept(part)
    assert hold(LanguageModel(llama), inputs, range(20), motion, part, "task") == wanted
    assert kept(part) == kept(whole)
    assert before.items() <= kept(part).items()
    idle = LanguageModel(llama)
    assert hold(idle, inputs, range(20), motion, part, "task") == wanted
    assert idle._model is None
    assert debates.held(idle, inputs, motion, part) == 20
    other = motion_of(CLASSES, "Which?", turns=1, debates=2, tokens=4)
    assert debates.held(idle, inputs, other, part) == 0


def test_transcripts_are_private_named_by_hashes_and_go_with_their_task(llama: str, tmp_path: Path) -> None:
    own = Store(tmp_path / "store")
    texts = [f"zebrafinch {t}" for t in some(4)]
    hold(LanguageModel(llama), texts, range(4), motion_of(CLASSES, None, turns=1, debates=1, tokens=3), own, "task")
    files = [own.root / name for name in kept(own)]
    assert len(files) == 4
    for file in files:
        assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    for path in own.root.rglob("*"):
        assert "zebrafinch" not in path.name
        if path.is_file() and path.name != debates._FILE:
            assert b"zebrafinch" not in path.read_bytes()
    own.forget("task")
    assert kept(own) == {}


def test_of_several_classes_two_are_argued_for(llama: str, tmp_path: Path) -> None:
    words = ["dull", "funny", "sharp", "slow"]
    own, inputs = Store(tmp_path / "store"), some(16)
    found = hold(
        LanguageModel(llama), inputs, range(16), motion_of(words, None, turns=1, debates=1, tokens=4), own, "task"
    )
    model, motion = LanguageModel(llama), motion_of(words, None, turns=1, debates=1, tokens=4)
    openings = [debates.opening(model, t, motion) + debates._ANSWER for t in inputs]
    free = debates.opening(model, "", motion) + debates._ANSWER
    logs = model.scores(openings, [f" {w}" for w in words]) - model.scores([free], [f" {w}" for w in words])
    for i, transcript in found.items():
        assert transcript.sides == tuple(sorted(np.argsort(-logs[i])[:2].tolist()))
        assert {who for who, _ in transcript.debates[0]} == set(transcript.sides)
        silent = ({0, 1, 2, 3} - set(transcript.sides)).pop()
        assert transcript.case(0, silent) == ""
    assert len({t.sides for t in found.values()}) > 1
    made = debating(llama, own, turns=1, judges=1)
    truth = [words[i % 4] for i in range(16)]
    labels = made.fit(rows_of(inputs), truth).label(rows_of(inputs))
    assert labels.probs.shape == (16, 1, 4)


def test_who_begins_is_drawn(llama: str, store: Store) -> None:
    made = debating(llama, store)
    made.motion_, made.classes_ = made.motion(CLASSES), np.array(CLASSES)
    found, _ = made._transcripts(rows_of(some()))
    first = [debate[0][0] for t in found.values() for debate in t.debates]
    assert 0.25 < np.mean(first) < 0.75
    for t in found.values():
        for debate in t.debates:
            assert [who for who, _ in debate] in ([0, 1, 0, 1], [1, 0, 1, 0])


def test_a_transcript_tells_the_case_of_a_side() -> None:
    one = Transcript((0, 1), (((1, "b"), (0, "a"), (1, "d"), (0, "c")),))
    assert one.case(0, 0) == "a c"
    assert one.case(0, 1) == "b d"
    assert Motion(("x", "y"), "?").speeches() == 24
    assert motion_of(["x", "y", "z"], None).question == "Is this x, y or z?"


def test_cost_counts_what_is_not_held(llama: str, tmp_path: Path) -> None:
    own, inputs = Store(tmp_path / "store"), some(6)
    made = debating(llama, own)
    seconds, sentence = made.foretell(inputs, CLASSES)
    assert seconds is not None
    assert seconds > 0
    assert sentence.startswith("debate: 48 speeches of up to 4 tokens to write (6 rows, 2 debates, 2 turns)")
    hold(LanguageModel(llama), inputs, range(6), made.motion(CLASSES), own, "task")
    assert made.foretell(inputs, CLASSES)[0] == 0


def test_what_is_refused(llama: str, store: Store) -> None:
    rows = rows_of(some(6))
    with pytest.raises(LabelsError, match="debates classes, and this task has values"):
        debating(llama, store).fit(rows, np.linspace(0, 1, 6))
    with pytest.raises(InputError, match="no inputs that are texts"):
        debating(llama, store).fit(Rows.from_arrays(tfidf=np.zeros((4, 2))), ["bad", "good", "bad", "good"])
    with pytest.raises(InputError, match="a word for 'god', which is no class"):
        debating(llama, store, words={"god": "x"}).motion(CLASSES)
    with pytest.raises(InputError, match="a different word for each"):
        debating(llama, store, words={"good": "Bad"}).motion(CLASSES)
    for key, value in (("turns", 0), ("judges", 1.5), ("tokens", True), ("temperature", 0)):
        with pytest.raises(InputError, match="a debate needs"):
            debating(llama, store, **{key: value}).motion(CLASSES)


def test_the_entry_of_a_study(llama: str) -> None:
    entry = {"debate": llama, "judge": "tfidf", "turns": 1, "judges": 2, "tokens": 5, "question": "Good?", "name": "d"}
    made = supervisor(entry, classes=CLASSES, kind="classes")
    assert isinstance(made, DebateSupervisor)
    assert (made.on, made.turns, made.judges, made.tokens, made.name) == ("tfidf", 1, 2, 5, "d")
    assert (made.needs_truth, made.reads_inputs) == (True, True)
    assert supervisor({"debate": "smollm2"}, classes=CLASSES, kind="classes").name == "debate(smollm2)"
    for entry, match in (
        ({"debate": ""}, "names the language model that argues"),
        ({"debate": llama, "turn": 3}, "did you mean 'turns'"),
        ({"debate": "wordllama"}, "without a language head"),
        ({"debate": llama, "judge": "wordlama"}, "did you mean 'wordllama'"),
        ({"debate": llama, "words": {"x": "y"}}, "no class of the task"),
    ):
        with pytest.raises((StudyError, InputError), match=match):
            supervisor(entry, classes=CLASSES, kind="classes")
    with pytest.raises(StudyError, match="this task has values"):
        supervisor({"debate": llama}, classes=None, kind="value")
