"""A student to take home: saved without text, loaded whole, strict about what it is given."""

from __future__ import annotations

import json

import numpy as np
import pytest

import outgrow
from outgrow.errors import InputError, StoreError
from outgrow.studies.student import Student, load
from outgrow.tasks.rows import Rows

TEXTS = ["a good warm film", "a bad dull plot", "great and funny", "slow and cold"] * 6


@pytest.fixture
def numbers():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3))
    head = outgrow.LinearHead(on="inputs", penalty=0.1).fit(Rows.from_arrays(inputs=x), np.where(x[:, 0] > 0, "b", "a"))
    return Student(head, None, None, "inputs", {"study": "s"}), x


@pytest.fixture
def reader():
    from outgrow.encoders.encoder import encoder

    made = encoder("tfidf").fit(TEXTS)
    head = outgrow.LinearHead(on="tfidf", penalty=0.1)
    head.fit(Rows.from_arrays(tfidf=made.encode(TEXTS)[None]), np.array(["pos", "neg"] * 12))
    return Student(head, made, None, "tfidf")


def test_numbers(numbers, tmp_path):
    student, x = numbers
    again = load(student.save(tmp_path / "s"))
    np.testing.assert_array_equal(again.predict_proba(x), student.predict_proba(x))
    assert list(again.classes) == ["a", "b"]
    assert again.about == {"study": "s"}
    assert (again.predict(x) == np.where(x[:, 0] > 0, "b", "a")).mean() > 0.9
    with pytest.raises(InputError, match="rows of numbers"):
        again.predict(x[0])


def test_texts(reader, tmp_path):
    again = load(reader.save(tmp_path / "s"))
    np.testing.assert_allclose(again.predict_proba(TEXTS), reader.predict_proba(TEXTS), atol=1e-12)
    for file in (tmp_path / "s").rglob("*"):
        assert file.is_dir() or not any(w in file.read_bytes() for w in (b"funny", b"warm"))
    with pytest.raises(InputError, match="list of texts"):
        again.predict("one text")
    with pytest.raises(InputError, match="input 1 is of type int"):
        again.predict(["a", 3])


def test_values(tmp_path):
    x = np.random.default_rng(0).normal(size=(50, 2))
    head = outgrow.RidgeHead(on="inputs", penalty=0.1).fit(Rows.from_arrays(inputs=x), x[:, 0] * 2)
    student = load(Student(head, None, None, "inputs").save(tmp_path / "s"))
    assert student.classes is None
    assert np.corrcoef(student.predict(x), x[:, 0])[0, 1] > 0.99
    with pytest.raises(InputError, match="use predict"):
        student.predict_proba(x)


def test_what_is_no_student(numbers, tmp_path):
    with pytest.raises(StoreError, match=r"student\.json is missing"):
        load(tmp_path)
    folder = numbers[0].save(tmp_path / "s")
    card = json.loads((folder / "student.json").read_text())
    (folder / "student.json").write_text(json.dumps({**card, "format": 99}))
    with pytest.raises(StoreError, match="format 99"):
        load(folder)
    (folder / "student.json").write_text("{")
    with pytest.raises(StoreError, match="damaged"):
        load(folder)
    (folder / "student.json").write_text(json.dumps(card))
    (folder / "head" / "head.json").unlink()
    with pytest.raises(StoreError):
        load(folder)


def test_another_model_under_the_same_name(tmp_path, reader):
    """A student whose encoder has other bytes than at its training refuses, instead of answering wrongly."""
    folder = reader.save(tmp_path / "s")
    spec = folder / "encoder" / "encoder.json"
    spec.write_text(json.dumps({**json.loads(spec.read_text()), "model": "0" * 32}))
    with pytest.raises(InputError, match="views would differ"):
        load(folder)
