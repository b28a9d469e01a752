from __future__ import annotations

import shutil

import numpy as np
import pytest

from outgrow import store
from outgrow.encoders import gguf
from outgrow.errors import FetchError


@pytest.fixture
def fake(tmp_path, monkeypatch, fresh_home):
    """An archive with a GGUF file, and a conversion that counts its calls."""
    archive = tmp_path / "archive"
    archive.mkdir()
    (archive / "tiny.gguf").write_bytes(b"GGUF")
    calls = []

    def convert(file, goal):
        calls.append(file.name)
        (goal / "model.safetensors").write_bytes(b"weights")

    monkeypatch.setattr("outgrow.tasks.archives.fetch_archive", lambda name, say=None: archive)
    monkeypatch.setattr(gguf, "convert", convert)
    gguf._sound.cache_clear()
    return calls


def test_converted_once_and_told(fake):
    said = []
    first = gguf.packaged_model("smollm2", said.append)
    assert gguf.packaged_model("smollm2", said.append) == first
    assert fake == ["tiny.gguf"]
    assert said == ["converting smollm2 to safetensors, once (about half a minute)"]
    assert first == store.home() / "models" / gguf.packaged_digest("smollm2")


def test_a_damaged_conversion_is_made_again(fake, caplog):
    folder = gguf.packaged_model("smollm2")
    (folder / "model.safetensors").write_bytes(b"weightz")
    gguf._sound.cache_clear()
    gguf.packaged_model("smollm2")
    assert len(fake) == 2
    assert (folder / "model.safetensors").read_bytes() == b"weights"
    assert "damaged" in caplog.text


def test_a_conversion_that_breaks_leaves_nothing(fake, monkeypatch):
    def broken(file, goal):
        (goal / "half").write_bytes(b"x")
        raise RuntimeError

    monkeypatch.setattr(gguf, "convert", broken)
    with pytest.raises(RuntimeError):
        gguf.packaged_model("smollm2")
    left = [p for p in (store.home() / "models").iterdir() if not p.name.endswith(".lock")]
    assert left == []


def test_a_file_that_is_no_gguf(tmp_path):
    (tmp_path / "x.gguf").write_bytes(b"not a model")
    (tmp_path / "goal").mkdir()
    with pytest.raises(FetchError, match=r"cannot read x\.gguf"):
        gguf.convert(tmp_path / "x.gguf", tmp_path / "goal")


def test_archives_in_transformers_layout_need_no_conversion(tmp_path, monkeypatch):
    shutil.copyfile(__file__, tmp_path / "model.safetensors")
    monkeypatch.setattr("outgrow.tasks.archives.fetch_archive", lambda name, say=None: tmp_path)
    assert gguf.packaged_model("minilm") == tmp_path
    assert "gguf" not in gguf.packaged_digest("minilm")
    assert gguf.packaged_digest("smollm2").endswith(f"-gguf{gguf.CONVERSION}")


@pytest.mark.packaged("smollm2")
def test_the_real_conversion_reads_text():
    from outgrow.encoders.encoder import encoder

    enc = encoder("smollm2", dtype="float32")
    views, counts = enc.read(["a wonderful movie", "a great film", "Steuerformular", ""], [2, 4])
    assert views[4].shape == (4, 576)
    assert np.isfinite(views[4]).all()
    assert (counts.unknown, counts.empty) == (0, 1)
