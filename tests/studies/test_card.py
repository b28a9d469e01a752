"""The card of a saved student says what was measured and holds no text of the task."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import outgrow
from outgrow.encoders.encoder import encoder
from outgrow.studies.card import card_of
from outgrow.studies.student import Student
from outgrow.tasks.rows import Rows

CANARY = "canary-text-5521"
TEXTS = [f"a good warm film {CANARY}", "a bad dull plot", "great and funny", "slow and cold"] * 6
ABOUT = {
    "study": "films",
    "cell": {"task": "films", "supervisor": "rules|vader", "student": "tfidf", "method": "naive"},
    "seed": 0,
    "row": {
        "metric": "accuracy",
        "sentence": "The student is better than its supervisor.",
        "n": 300,
        "seeds": 1,
        "spent": 0,
        **{f"floor_{k}": v for k, v in (("score", 0.6), ("low", 0.55), ("high", 0.65))},
        **{f"student_{k}": v for k, v in (("score", 0.7), ("low", 0.65), ("high", 0.75))},
        "direct_score": None,
        "gain": 0.1,
        "gain_low": 0.04,
        "gain_high": 0.16,
        "pgr": None,
        "pgr_reason": "there is no ceiling",
        "flag_sentences": "The supervisor *rules* is unsure.",
    },
    "fingerprints": {"study": "abc123", "views": {"tfidf": "x"}},
    "student_key": "def456",
}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    made = encoder("tfidf").fit(TEXTS)
    head = outgrow.LinearHead(on="tfidf", penalty=0.1)
    head.fit(Rows.from_arrays(tfidf=made.encode(TEXTS)[None]), np.array(["pos", "neg"] * 12))
    return Student(head, made, None, "tfidf", ABOUT).save(tmp_path / "s")


def test_it_is_for_people(saved: Path) -> None:
    card = (saved / "README.md").read_text("utf-8")
    assert card.startswith("---\nlibrary_name: outgrow\n")
    for line in (
        "# A student of weak labels for films",
        "| floor: the supervisor alone | 0.600 | 0.550 to 0.650 |",
        "| gain: student minus floor | 0.100 | 0.040 to 0.160 |",
        "Means over 1 seed and 300 test rows, the same for every line. PGR is undefined: there is no ceiling.",
        "- supervisor: rules\\|vader",
        "- classes: neg, pos",
        "- fingerprint of the student: `def456`",
        "- fingerprint of the study: `abc123`",
        "- The supervisor \\*rules\\* is unsure.",
    ):
        assert line in card
    assert "direct" not in card
    assert card == card_of(saved)


def test_no_text_of_the_task_is_in_the_folder(saved: Path) -> None:
    files = [p for p in saved.rglob("*") if p.is_file()]
    assert len(files) >= 5
    for file in files:
        raw = file.read_bytes()
        assert not any(word in raw for word in (CANARY.encode(), b"canary", b"warm", b"funny")), file.name


def test_without_a_study(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(50, 2))
    head = outgrow.RidgeHead(on="inputs", penalty=0.1).fit(Rows.from_arrays(inputs=x), x[:, 0] * 2)
    card = (Student(head, None, None, "inputs").save(tmp_path / "s") / "README.md").read_text("utf-8")
    assert "Its quality was not measured where it was saved." in card
    assert "- classes: none: it predicts values" in card
    assert "## Scores" not in card
    assert "base model" not in card


def test_the_model_below_is_named_and_a_folder_is_not() -> None:
    from outgrow.studies.card import _base

    assert _base({"params": {"model": "smollm2"}}, {}) == ("HuggingFaceTB/SmolLM2-135M-Instruct", "Apache-2.0")
    assert _base({"params": {"model": "org/name"}}, {}) == ("org/name", None)
    assert _base({}, {"name": "/secret/place/model"}) == ("a model in a local folder", None)
    assert _base({"params": {"model": "./place"}}, {})[0] == "a model in a local folder"
