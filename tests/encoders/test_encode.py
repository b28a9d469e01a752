from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from outgrow.encoders import encode as module
from outgrow.encoders import text
from outgrow.encoders.encode import encode, encode_new, estimate, fitted, view_key, view_notes
from outgrow.encoders.encoder import load_encoder, save_encoder
from outgrow.encoders.passes import LayerReader
from outgrow.errors import FetchError, InputError
from outgrow.fingerprints import fingerprint
from outgrow.store import Journal, Store

from .conftest import texts


def make_task(inputs):
    return SimpleNamespace(inputs=inputs, key=fingerprint(inputs if isinstance(inputs, np.ndarray) else list(inputs)))


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "home")


@pytest.fixture
def passes(monkeypatch):
    """The layers of every pass through a transformer."""
    asked = []
    real = LayerReader.__call__
    monkeypatch.setattr(
        LayerReader,
        "__call__",
        lambda self, ids, mask, layers: asked.append(tuple(layers)) or real(self, ids, mask, layers),
    )
    return asked


def silent(task, views, store, **options):
    return encode(task, views, store=store, progress=False, show=options.pop("show", lambda s: None), **options)


def test_views_are_mapped_named_and_in_task_order(llama, store, monkeypatch):
    monkeypatch.setattr(text, "_SHARD_WORK", 0)
    task = make_task(texts(60))
    view = {"encoder": str(llama), "batch_tokens": 128, "layer": 2}
    rows = silent(task, [view, "tfidf"], store)
    name = module.named(view)[0].name
    assert list(rows.views) == ["inputs", name, "tfidf"]
    assert isinstance(rows.views[name].values, np.memmap)
    assert not rows.views[name].values.flags.writeable
    enc = module.named(view)[0].make()
    np.testing.assert_allclose(rows.view(name)[17], enc.encode([task.inputs[17]], [2])[2][0], atol=1e-5)
    assert rows.views[name].key == view_key(task, view)
    assert rows.view("inputs") == list(task.inputs)


def test_the_store_is_asked_first_and_only_what_lacks_is_made(llama, store, passes):
    task = make_task(texts(20))
    silent(task, f"{llama}/2", store)
    assert set(passes) == {(2,)}
    passes.clear()
    silent(task, [f"{llama}/2", f"{llama}/1"], store)
    assert set(passes) == {(1,)}
    passes.clear()
    rows = silent(task, [f"{llama}/2", f"{llama}/1", f"{llama}/3", str(llama)], store)
    assert set(passes) == {(3,)}
    np.testing.assert_array_equal(rows.view(f"{llama}/3"), rows.view(str(llama)))
    assert rows.key(f"{llama}/3") == rows.key(str(llama))
    passes.clear()
    silent(make_task([*texts(19), "another"]), f"{llama}/2", store)
    assert set(passes) == {(2,)}


def test_several_layers_in_one_pass_are_the_layers_alone(llama, tmp_path):
    task = make_task(texts(30))
    both = silent(task, [f"{llama}/1", f"{llama}/3"], Store(tmp_path / "both"))
    alone = silent(task, f"{llama}/1", Store(tmp_path / "alone"))
    np.testing.assert_array_equal(both.view(f"{llama}/1"), alone.view(f"{llama}/1"))


def test_sentences_are_said_when_made_and_warnings_always(bert, store):
    task = make_task(["good film " * 200, "a film", "zyzzyva quux"])
    said = []
    silent(task, f"{bert}/1", store, show=said.append)
    assert [s.startswith("warning") for s in said] == [False, True]
    assert "33.3% of the texts were cut" in said[0]
    assert view_notes(task, f"{bert}/1", store)["counts"]["unknown"] == 2
    again = []
    silent(task, f"{bert}/1", store, show=again.append)
    assert again == [s for s in said if s.startswith("warning")]
    assert again
    assert not any("zyzzyva" in s for s in said)


def test_a_corrupted_view_is_found_and_made_again(llama, tmp_path):
    task = make_task(texts(20))
    first = np.array(silent(task, f"{llama}/1", Store(tmp_path / "home")).view())
    file = Store(tmp_path / "home").path(view_key(task, f"{llama}/1")) / "view.npy"
    raw = bytearray(file.read_bytes())
    raw[-5] ^= 4
    file.write_bytes(raw)
    said = []
    rows = silent(task, f"{llama}/1", Store(tmp_path / "home"), show=said.append)
    assert "does not match its checksum and is made again" in said[0]
    np.testing.assert_array_equal(rows.view(), first)


def test_killed_anywhere_it_goes_on_to_the_same_bits(llama, tmp_path):
    (tmp_path / "inputs.json").write_text(json.dumps(texts(60)))
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("killer.py")), str(tmp_path), str(llama)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    plain = found.pop("plain")
    assert plain["lines"] >= 12
    assert len(found) == 8
    for name, run in found.items():
        assert run["exits"] == [-signal.SIGKILL, 0], name
        assert run["views"] == plain["views"], name
        assert run["lines"] == run["distinct"], name
        # A kill between a shard's own record and the run's journal loses the line, never the shard.
        assert run["lines"] == plain["lines"] - name.endswith("early"), name


def test_numeric_inputs_are_their_own_view(store):
    task = make_task(np.eye(4))
    rows = silent(task, [], store)
    np.testing.assert_array_equal(rows.view(), np.eye(4))
    assert silent(task, "inputs", store).key() == rows.key()
    with pytest.raises(InputError, match="inputs are numbers, and encoder 'tfidf' reads text"):
        silent(task, "tfidf", store)


def test_layers_that_are_not_there(llama, store):
    task = make_task(texts(3))
    with pytest.raises(InputError, match="has layers 0 to 3; there is no layer 4"):
        silent(task, f"{llama}/4", store)
    with pytest.raises(InputError, match="smollm2 has layers 0 to 30; there is no layer 31"):
        silent(task, "smollm2/31", store)
    with pytest.raises(InputError, match="tfidf has one view and no layers"):
        silent(task, "tfidf/1", store)


def test_a_saved_encoder_reads_new_text_as_the_task_was_read(llama, store, tmp_path):
    task = make_task(texts(25))
    views = {"tfidf": None, f"{llama}/2": 2}
    rows = silent(task, list(views), store)
    encoders = {}
    for i, (name, layer) in enumerate(views.items()):
        save_encoder(fitted(task, name, store), tmp_path / str(i))
        encoders[name] = load_encoder(tmp_path / str(i)), layer
    new = encode_new(encoders, [task.inputs[i] for i in (7, 3)], progress=False, show=lambda s: None)
    for name in views:
        np.testing.assert_allclose(new.view(name), rows.view(name)[[7, 3]], atol=1e-5)


def test_no_text_reaches_the_store(llama, store, tmp_path):
    task = make_task([*texts(10), "xylocanary is in here"])
    silent(task, ["tfidf", f"{llama}/1"], store, journal=Journal(tmp_path / "run.jsonl"))
    files = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert len(files) > 8
    assert not any(b"xylocanary" in p.read_bytes() for p in files)


def test_forgetting_a_task_removes_its_views(store):
    task = make_task(texts(10))
    silent(task, "tfidf", store)
    store.forget(task.key)
    assert store.get(view_key(task, "tfidf")) is None


def test_estimate_works_and_writes_nothing(llama, store, tmp_path, monkeypatch):
    task = make_task(texts(40))
    before = estimate(task, ["tfidf", f"{llama}/2", f"{llama}/3"], store=store)
    assert before.seconds is not None
    assert before.seconds > 0
    assert before.bytes == 4 * 40 * (5000 + 2 * 32)
    assert before.stored == ()
    assert list((tmp_path / "home").rglob("*.npy")) == []
    silent(task, [f"{llama}/2"], store)
    after = estimate(task, [f"{llama}/2"], store=store)
    assert (after.seconds, after.bytes, after.stored) == (0, 0, (f"{llama}/2",))
    assert estimate(task, ["nobody/nothing/3"], store=store).seconds is None
    more = estimate(make_task(texts(400)), [f"{llama}/2"], store=store)
    less = estimate(make_task(texts(40, seed=1)), [f"{llama}/2"], store=store)
    assert more.bytes == 10 * less.bytes
    assert estimate(task, ["minilm/3"], store=store).download in (0, 83_506_384)


def test_errors_hold_no_input(store):
    with pytest.raises(FetchError) as caught:
        silent(make_task(["xylocanary"]), "nobody/nothing", store)
    while caught is not None:
        error = getattr(caught, "value", caught)
        assert "xylocanary" not in str(error)
        caught = error.__cause__
