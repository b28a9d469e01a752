"""The store: one rename, checked on reading, gone when asked."""

from __future__ import annotations

import logging
import os
import resource
import signal
import stat
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from outgrow import store as stores
from outgrow.errors import StoreError
from outgrow.store import MANIFEST, Store, atomic_write, file_digest, fingerprint, home, lock, read_json, write_json

KEY = fingerprint("an object")
OTHER = fingerprint("another object")
TASK = fingerprint("a task")


def fill(folder: Path) -> None:
    np.save(folder / "values.npy", np.arange(6.0))
    (folder / "deep").mkdir()
    write_json(folder / "deep" / "about.json", {"n": 6})


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def python(code: str, *args: str, **kwargs) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **kwargs,
    )


def leftovers(root: Path) -> list[str]:
    return sorted(str(p.relative_to(root)) for p in root.rglob("*") if ".part" in p.name or ".gone" in p.name)


def test_home_follows_the_variable_and_is_private(fresh_home, monkeypatch, tmp_path):
    assert home() == fresh_home
    assert mode(fresh_home) == 0o700
    monkeypatch.delenv("OUTGROW_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr(sys, "platform", "linux")
    assert home() == tmp_path / "xdg" / "outgrow"
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    monkeypatch.setattr(sys, "platform", "darwin")
    assert home() == tmp_path / "me" / "Library" / "Caches" / "outgrow"


def test_home_is_made_private_with_its_parents_under_an_open_umask(fresh_home):
    before = os.umask(0)
    try:
        store = Store()
        store.put(KEY, "view", fill, task=TASK)
        store.start_partial(TASK, OTHER)
        with store.lock(KEY):
            pass
    finally:
        os.umask(before)
    folders = [fresh_home, *(p for p in fresh_home.rglob("*") if p.is_dir())]
    inside_objects = store.path(KEY)
    assert {str(p): oct(mode(p)) for p in folders if mode(p) != 0o700 and inside_objects not in p.parents} == {}


def test_put_shows_the_object_whole_and_once():
    store = Store()
    assert store.get(KEY) is None
    seen = []

    def write(folder: Path) -> None:
        seen.append(store.get(KEY))
        fill(folder)

    path = store.put(KEY, "view", write, task=TASK, recipe={"layer": 3})
    assert seen == [None]
    assert path == store.path(KEY) == store.get(KEY)
    assert np.array_equal(np.load(path / "values.npy"), np.arange(6.0))
    manifest = read_json(path / MANIFEST)
    assert (manifest["kind"], manifest["task"], manifest["recipe"]) == ("view", TASK, {"layer": 3})
    assert sorted(manifest["files"]) == ["deep/about.json", "values.npy"]
    assert manifest["files"]["values.npy"]["sha256"] == file_digest(path / "values.npy")
    assert list((store.root / "partial").iterdir()) == []


def test_a_put_that_fails_leaves_nothing():
    store = Store()

    def write(folder: Path) -> None:
        fill(folder)
        raise KeyError("stop")

    with pytest.raises(KeyError):
        store.put(KEY, "view", write, task=TASK)
    assert store.get(KEY) is None
    assert list((store.root / "partial").iterdir()) == []


def test_a_second_put_keeps_the_first_object():
    store = Store()
    first = store.put(KEY, "view", fill, task=TASK)
    before = (first / "values.npy").stat().st_ino
    again = store.put(KEY, "view", fill, task=TASK)
    assert again == first
    assert (first / "values.npy").stat().st_ino == before
    assert list((store.root / "partial").iterdir()) == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "values.npy").write_bytes((folder / "values.npy").read_bytes()[:-1] + b"\x01"),
        lambda folder: (folder / "values.npy").write_bytes(b""),
        lambda folder: (folder / "values.npy").unlink(),
        lambda folder: (folder / MANIFEST).write_text("{"),
        lambda folder: (folder / MANIFEST).write_text("[]"),
        lambda folder: (folder / MANIFEST).write_text('{"files": []}'),
        lambda folder: (folder / MANIFEST).write_bytes(b"\xff\xfe\x00"),
    ],
    ids=["one byte", "emptied", "missing file", "cut manifest", "list manifest", "odd manifest", "no text"],
)
def test_a_damaged_object_is_found_dropped_and_made_again(damage):
    Store().put(KEY, "view", fill, task=TASK)
    store = Store()
    damage(store.path(KEY))
    assert store.get(KEY) is None
    assert store.damaged == [KEY]
    assert not store.path(KEY).exists()
    store.put(KEY, "view", fill, task=TASK)
    assert Store().get(KEY) is not None
    assert leftovers(store.root) == []


def test_an_object_without_a_manifest_does_not_block_its_key():
    store = Store()
    folder = store.put(KEY, "view", fill, task=TASK)
    (folder / MANIFEST).unlink()
    fresh = Store()
    assert fresh.get(KEY) is None
    fresh.put(KEY, "view", fill, task=TASK)
    assert Store().get(KEY) is not None


def test_a_dropped_object_stays_readable_through_a_live_map():
    store = Store()
    values = np.load(store.put(KEY, "view", fill, task=TASK) / "values.npy", mmap_mode="r")
    store.drop(KEY)
    store.drop(KEY)
    assert store.get(KEY) is None
    assert np.array_equal(values, np.arange(6.0))


def test_an_object_dropped_by_another_process_is_missing_not_trusted():
    first, second = Store(), Store()
    first.put(KEY, "view", fill, task=TASK)
    assert second.get(KEY) is not None
    first.drop(KEY)
    assert second.get(KEY) is None


@pytest.mark.parametrize("files", [0, 1, 7])
def test_sigkill_in_mid_put_leaves_no_object(fresh_home, files):
    code = f"""
        import sys, time
        from outgrow.store import Store
        def write(folder):
            for i in range({files}):
                (folder / f"part{{i}}.bin").write_bytes(b"x" * 100_000)
            print("here", flush=True)
            time.sleep(60)
        Store().put("{KEY}", "view", write, task="{TASK}")
    """
    with python(code) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "here\n"
        os.kill(child.pid, signal.SIGKILL)
    store = Store()
    assert store.get(KEY) is None
    store.put(KEY, "view", fill, task=TASK)
    assert Store().get(KEY) is not None
    store.forget(TASK)
    assert [p for p in (fresh_home / "partial").rglob("*") if p.is_file()] == []


def test_sigkill_at_any_moment_of_many_puts(fresh_home):
    code = f"""
        from outgrow.store import Store, fingerprint
        store = Store()
        for i in range(10_000):
            store.put(fingerprint(i), "view", lambda folder: (folder / "v.bin").write_bytes(b"x" * 1000), task="{TASK}")
            print(i, flush=True)
    """
    for puts, wait in ((1, 0), (2, 0.001), (3, 0.002), (5, 0.003), (8, 0.005)):
        with python(code) as child:
            assert child.stdout is not None
            for _ in range(puts):
                child.stdout.readline()
            time.sleep(wait)
            os.kill(child.pid, signal.SIGKILL)
    store = Store()
    there = [p for p in (fresh_home / "objects").glob("*/*") if not p.name.startswith(".")]
    assert there
    assert all(store.get(p.name) == p for p in there)
    assert {p.name for p in there} <= store.tasks()[TASK]["objects"]
    store.forget(TASK)
    assert [p for p in (fresh_home / "objects").rglob("*") if p.is_file()] == []


def test_two_processes_put_one_key(fresh_home):
    code = f"""
        import sys, time
        from outgrow.store import Store
        store = Store()
        def write(folder):
            (folder / "who.bin").write_bytes(sys.argv[1].encode() * 200_000)
            print("ready", flush=True)
            sys.stdin.readline()
        path = store.put("{KEY}", "view", write, task="{TASK}")
        assert store.get("{KEY}") == path
    """
    children = [python(code, who, stdin=subprocess.PIPE) for who in "ab"]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    for child in children:
        _, complaint = child.communicate(timeout=60)
        assert child.returncode == 0, complaint
    path = Store().get(KEY)
    assert path is not None
    assert len(set((path / "who.bin").read_bytes())) == 1
    assert list((fresh_home / "partial").iterdir()) == []


def test_two_processes_under_the_lock_build_once(fresh_home):
    code = f"""
        import time
        from outgrow.store import Store
        store = Store()
        def write(folder):
            print("built", flush=True)
            time.sleep(0.2)
            (folder / "v.bin").write_bytes(b"v")
        with store.lock("{KEY}"):
            if store.get("{KEY}") is None:
                store.put("{KEY}", "view", write, task="{TASK}")
    """
    children = [python(code) for _ in range(3)]
    outputs = [child.communicate(timeout=60) for child in children]
    assert [child.returncode for child in children] == [0, 0, 0], outputs
    assert sum(out.count("built") for out, _ in outputs) == 1


def test_a_lock_is_freed_by_the_death_of_its_holder(fresh_home):
    code = f"""
        import time
        from outgrow.store import Store
        with Store().lock("{KEY}"):
            print("held", flush=True)
            time.sleep(60)
    """
    with python(code) as child:
        assert child.stdout is not None
        child.stdout.readline()
        with pytest.raises(StoreError, match="another process holds"), lock(Store().root / "locks" / KEY, timeout=0.05):
            pass
        os.kill(child.pid, signal.SIGKILL)
    with lock(Store().root / "locks" / KEY, timeout=10):
        pass


def test_a_full_disk_is_a_sentence_and_leaves_nothing(fresh_home):
    store = Store()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        with pytest.raises(StoreError, match=r"cannot write to the cache at .*; free space there or set OUTGROW_HOME"):
            store.put(KEY, "view", lambda folder: (folder / "big.bin").write_bytes(b"x" * 100_000) and None, task=TASK)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert store.get(KEY) is None
    assert list((fresh_home / "partial").iterdir()) == []
    store.put(KEY, "view", fill, task=TASK)
    assert Store().get(KEY) is not None


def test_a_partial_object_outlives_a_full_disk(fresh_home, monkeypatch):
    store = Store()
    folder = store.start_partial(TASK, KEY)
    (folder / "shard0.bin").write_bytes(b"x" * 1000)
    real = stores.write_json

    def full(path: Path, value: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(stores, "write_json", full)
    with pytest.raises(StoreError, match="No space left on device"):
        store.commit(KEY, "view", folder, task=TASK)
    assert (folder / "shard0.bin").is_file()
    monkeypatch.setattr(stores, "write_json", real)
    store.commit(KEY, "view", store.start_partial(TASK, KEY), task=TASK)
    assert Store().get(KEY) is not None
    assert not folder.exists()


def test_an_unwritable_cache_is_a_sentence(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("OUTGROW_HOME", str(tmp_path / "file" / "cache"))
    with pytest.raises(StoreError, match="set OUTGROW_HOME to another folder"):
        home()
    monkeypatch.setenv("OUTGROW_HOME", str(tmp_path / "file"))
    with pytest.raises(StoreError, match="set OUTGROW_HOME to another folder"):
        home()
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    monkeypatch.setattr(os, "access", lambda *_: False)
    monkeypatch.setenv("OUTGROW_HOME", str(closed))
    with pytest.raises(StoreError, match="no permission to write"):
        Store()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
def test_an_unwritable_cache_for_another_user(tmp_path):
    code = """
        import os, sys
        from outgrow.errors import StoreError
        from outgrow.store import Store
        os.setuid(65534)
        os.environ["OUTGROW_HOME"] = sys.argv[1]
        try:
            Store()
        except StoreError as error:
            print(error)
    """
    out, complaint = python(code, str(tmp_path / "cache")).communicate(timeout=60)
    assert "Permission denied" in out, complaint
    assert "OUTGROW_HOME" in out


def test_an_error_about_a_file_elsewhere_is_not_blamed_on_the_cache(tmp_path):
    store = Store()
    with pytest.raises(FileNotFoundError):
        store.put(KEY, "view", lambda folder: (tmp_path / "elsewhere" / "weights.bin").read_bytes() and None, task=TASK)
    with pytest.raises(ConnectionResetError):
        store.put(KEY, "view", lambda folder: (_ for _ in ()).throw(ConnectionResetError(104, "reset")), task=TASK)


def test_a_numpy_write_that_was_cut_short_is_a_sentence():
    """numpy's tofile raises an OSError without a number."""

    def write(folder: Path) -> None:
        raise OSError("6 requested and 0 written")

    with pytest.raises(StoreError, match="the disk is full or the write was cut short"):
        Store().put(KEY, "view", write, task=TASK)


# --- tasks and forgetting ------------------------------------------------------------------------------------------------------------


def run_folder(path: Path) -> Path:
    path.mkdir(parents=True)
    (path / "report.html").write_text("<p>")
    (path / "journal.jsonl").write_text("{}\n")
    return path


def test_forget_removes_what_came_from_a_task_and_keeps_what_is_shared(tmp_path):
    store = Store()
    other_task = fingerprint("another task")
    store.put(KEY, "view", fill, task=TASK)
    store.put(OTHER, "view", fill, task=TASK)
    store.put(OTHER, "view", fill, task=other_task)
    half = store.start_partial(TASK, fingerprint("half"))
    (half / "shard0.bin").write_bytes(b"x")
    mine, both = run_folder(tmp_path / "runs" / "a"), run_folder(tmp_path / "runs" / "b")
    store.remember_run(TASK, "movies", mine)
    store.remember_run(TASK, "movies", both)
    store.remember_run(other_task, "films", both)
    assert store.tasks()[TASK]["names"] == {"movies"}

    assert store.forget(TASK) == {"objects": 2, "runs": 1}
    assert store.get(KEY) is None
    assert Store().get(OTHER) is not None
    assert not half.exists()
    assert not mine.exists()
    assert both.exists()
    assert set(store.tasks()) == {other_task}
    assert store.forget(TASK) == {"objects": 0, "runs": 0}
    assert store.forget(other_task) == {"objects": 1, "runs": 1}
    assert Store().get(OTHER) is None
    assert store.tasks() == {}


def test_forget_leaves_no_trace_of_the_task_in_the_store(fresh_home, tmp_path):
    store = Store()
    store.put(KEY, "view", fill, task=TASK, recipe={"task": TASK})
    store.start_partial(TASK, OTHER)
    with store.lock(KEY):
        pass
    store.remember_run(TASK, "movies", run_folder(tmp_path / "run"))
    store.forget(TASK)
    traces = [p for p in fresh_home.rglob("*") if TASK in p.name or KEY in p.name or OTHER in p.name]
    # An empty lock file stays: another process may be waiting on it.
    assert [p for p in traces if p.suffix != ".lock" or p.stat().st_size] == []


def test_task_notes_survive_a_torn_line_and_odd_folder_names(tmp_path):
    store = Store()
    odd = run_folder(tmp_path / "a folder\nwith ünusual name")
    store.remember_run(TASK, "a name", odd)
    notes = store.root / "tasks" / TASK
    with notes.open("a") as file:
        file.write('run ["half')
    store.put(KEY, "view", fill, task=TASK)
    entry = store.tasks()[TASK]
    assert entry["runs"] == {str(odd)}
    assert entry["objects"] == {KEY}
    assert store.forget(TASK) == {"objects": 1, "runs": 1}
    assert not odd.exists()


def test_sizes_are_bytes():
    store = Store()
    store.put(KEY, "view", lambda folder: (folder / "v.bin").write_bytes(b"x" * 1234) and None, task=TASK)
    sizes = store.sizes()
    manifest = (store.path(KEY) / MANIFEST).stat().st_size
    assert sizes["objects"] == 1234 + manifest
    assert sizes["partial"] == 0


# --- single files --------------------------------------------------------------------------------------------------------------------


def test_atomic_write_replaces_in_one_step_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "file.txt"
    with atomic_write(path) as part:
        part.write_text("old")
    assert mode(path.parent) == 0o700

    def break_off() -> None:
        with atomic_write(path) as part:
            part.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        break_off()
    assert path.read_text() == "old"
    with atomic_write(path) as part:
        part.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert leftovers(tmp_path) == []


def test_atomic_write_of_a_folder(tmp_path):
    with atomic_write(tmp_path / "model") as part:
        part.mkdir()
        (part / "a.txt").write_text("a")
    assert (tmp_path / "model" / "a.txt").read_text() == "a"
    assert leftovers(tmp_path) == []


def test_json_is_strict_and_takes_numpy(tmp_path):
    write_json(tmp_path / "a.json", {"x": np.float32(0.5), "n": np.int64(3), "v": np.arange(2), "text": "ü"})
    assert read_json(tmp_path / "a.json") == {"x": 0.5, "n": 3, "v": [0, 1], "text": "ü"}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "b.json", {"x": float("nan")})
    with pytest.raises(TypeError, match="cannot be written as JSON: set"):
        write_json(tmp_path / "b.json", {"x": {1}})
    assert not (tmp_path / "b.json").exists()
    assert leftovers(tmp_path) == []


def test_nothing_is_logged(caplog):
    with caplog.at_level(logging.DEBUG, logger="outgrow"):
        Store().put(KEY, "view", fill, task=TASK)
    assert caplog.records == []
