"""Content-addressed files: fingerprint, atomic write, checksum, lock, journal, clean-up.

An *object* is a folder of files under ``home()/objects``, named by the fingerprint of everything it was made from. It appears in one
rename, carries the checksum of each of its files, and is never written again. Only safe formats are stored (npy, safetensors, Parquet,
JSON): nothing here unpickles.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from outgrow.errors import StoreError
from outgrow.fingerprints import fingerprint

__all__ = [
    "Journal",
    "Store",
    "atomic_write",
    "file_digest",
    "fingerprint",
    "home",
    "lock",
    "read_json",
    "write_json",
    "write_text",
]

MANIFEST = "manifest.json"
# None: numpy reports a write that was cut short without a number.
_DISK = (None, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)


def home() -> Path:
    """Return the cache folder, made with mode 0700: ``OUTGROW_HOME``, or the platform's cache folder.

    Raises
    ------
    StoreError
        When the folder cannot be made or written.
    """
    set_by = os.environ.get("OUTGROW_HOME")
    if set_by:
        root = Path(set_by).expanduser()
    elif sys.platform == "darwin":
        root = Path.home() / "Library" / "Caches" / "outgrow"
    else:
        root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").expanduser() / "outgrow"
    return private_folder(root.absolute())


def private_folder(path: Path) -> Path:
    """Make a folder, and the parents it lacks, that only its owner can read; say in one sentence when that is not possible."""
    with writing(path):
        for missing in reversed([p for p in (path, *path.parents) if not p.is_dir()]):
            missing.mkdir(exist_ok=True, mode=0o700)
        if not os.access(path, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, "no permission to write", str(path))
    return path


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a failed write (disk full, no permission) into a StoreError that names the folder and the way out.

    An error about a file elsewhere, which code inside the block was reading, passes unchanged.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _DISK and not any(_near(name, path) for name in (error.filename, error.filename2)):
            raise
        reason = error.strerror or "the disk is full or the write was cut short"
        raise StoreError(
            f"cannot write to the cache at {path}: {reason}; free space there or set OUTGROW_HOME to another folder"
        ) from error


def _near(name: Any, path: Path) -> bool:
    if not isinstance(name, str | os.PathLike):
        return False
    file, path = Path(name).absolute(), path.absolute()
    return file.is_relative_to(path.parent) or path.is_relative_to(file)


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on a clean exit it replaces ``path`` in one rename, else it is removed.

    Works for a file and, where ``path`` does not exist yet, for a folder.
    """
    path = Path(path)
    private_folder(path.parent)
    part = path.parent / f".{path.name}.{uuid.uuid4().hex[:8]}.part"
    try:
        with writing(path):
            yield part
            for file in [part] if part.is_file() else [p for p in part.rglob("*") if p.is_file()]:
                sync(file)
            part.replace(path)
            sync(path.parent)
    finally:
        if part.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        else:
            part.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Flush a file or folder to the disk, so that what was renamed is whole after a crash."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def lock(path: Path, timeout: float = -1) -> Iterator[None]:
    """Hold an exclusive lock between processes, named after ``path``; it is freed when the holder dies.

    Raises
    ------
    StoreError
        When ``timeout`` seconds (-1: no limit) pass without getting it.
    """
    import filelock

    folder = private_folder(Path(path).parent)
    held = filelock.FileLock(folder / f".{Path(path).name}.lock", timeout=timeout, mode=0o600)
    with writing(folder):
        try:
            held.acquire()
        except filelock.Timeout as error:
            raise StoreError(f"another process holds {path}; wait for it to end, or stop it") from error
    try:
        yield
    finally:
        held.release()


def write_json(path: Path, value: Any) -> None:
    """Write JSON in one step; NaN and infinity are refused."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=False, default=plain) + "\n")


def write_text(path: Path, text: str, mode: int | None = None) -> None:
    """Write UTF-8 text in one step; ``mode`` are the file's permissions, those of the process by default."""
    with atomic_write(path) as part:
        part.write_text(text, "utf-8")
        if mode is not None:
            part.chmod(mode)


def plain(value: Any) -> Any:
    """JSON's view of a numpy scalar or array."""
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"cannot be written as JSON: {type(value).__name__}")


def read_json(path: Path) -> Any:
    """Read a JSON file."""
    return json.loads(Path(path).read_text("utf-8"))


def file_digest(path: Path) -> str:
    """Return the sha256 of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def append_line(path: Path, line: str) -> None:
    """Append one line to a file that several processes write, and flush it; a torn last line (a kill) is closed first."""
    private_folder(path.parent)
    with writing(path):
        handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            # Without the lock a line that another process is still writing looks torn.
            fcntl.flock(handle, fcntl.LOCK_EX)
            size = os.fstat(handle).st_size
            torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
            data = ("\n" * torn + line + "\n").encode()
            if os.write(handle, data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(handle)
        finally:
            os.close(handle)


class Journal:
    """A file of JSON lines to which several processes append; a torn last line (a kill) is passed over when read."""

    def __init__(self, path: Path):
        self.path = Path(path)

    def write(self, event: str, **fields: Any) -> None:
        """Append one line and flush it to the disk."""
        append_line(self.path, json.dumps({"event": event, **fields, "time": round(time.time(), 3)}, default=plain))

    def read(self) -> list[dict[str, Any]]:
        """Return the whole lines, oldest first."""
        if not self.path.exists():
            return []
        lines = []
        for line in self.path.read_text("utf-8", errors="replace").split("\n"):
            with contextlib.suppress(json.JSONDecodeError):
                entry = json.loads(line)
                if isinstance(entry, dict):
                    lines.append(entry)
        return lines


class Store:
    """Objects by key, under one root folder.

    Parameters
    ----------
    root : Path, optional
        Default: :func:`home`.
    """

    def __init__(self, root: Path | None = None):
        self.root = private_folder(Path(root)) if root is not None else home()
        self._checked: set[str] = set()

    def path(self, key: str) -> Path:
        """Return where an object lies (or would lie)."""
        return self.root / "objects" / key[:2] / key

    def partial(self, key: str) -> Path:
        """Return the folder, kept between runs, in which a long job builds its object; call :meth:`commit` when it is whole."""
        return private_folder(self.root / "partial" / key)

    def lock(self, key: str) -> contextlib.AbstractContextManager[None]:
        """Hold an object's lock, so that two runs build it once."""
        return lock(self.root / "locks" / key)

    def get(self, key: str) -> Path | None:
        """Return an object's folder, or None when there is none or when it is damaged.

        Each file is checked against its sum the first time this process asks. A damaged object is put aside and forgotten, so the
        caller makes it again; ``damaged`` holds the keys.
        """
        folder = self.path(key)
        if not folder.is_dir():
            return None
        if key not in self._checked or not (folder / MANIFEST).is_file():
            if not self._sound(folder):
                self.damaged.append(key)
                self.drop(key)
                return None
            self._checked.add(key)
        return folder

    @property
    def damaged(self) -> list[str]:
        """Keys of objects found damaged by this process; they were dropped, to be made again."""
        if not hasattr(self, "_damaged"):
            self._damaged: list[str] = []
        return self._damaged

    def _sound(self, folder: Path) -> bool:
        try:
            files = read_json(folder / MANIFEST)["files"]
            return all(file_digest(folder / name) == entry["sha256"] for name, entry in files.items())
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return False

    def put(self, key: str, kind: str, write: Callable[[Path], None], *, task: str, recipe: Any = None) -> Path:
        """Make an object: ``write`` fills an empty folder, which then appears under ``key`` in one rename.

        Parameters
        ----------
        key, kind : str
            Fingerprint, and what it is (view, labels, ...).
        write : callable
            Takes the folder to fill.
        task : str
            Key of the task it came from, for :meth:`forget`.
        recipe : JSON value, optional
            How it was made, for people.
        """
        self._remember(task, key)
        folder = private_folder(self.root / "partial" / f"{key}.{uuid.uuid4().hex[:8]}")
        try:
            with writing(folder):
                write(folder)
            return self.commit(key, kind, folder, task=task, recipe=recipe)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def commit(self, key: str, kind: str, folder: Path, *, task: str, recipe: Any = None) -> Path:
        """Checksum a finished folder and move it to its place. If another process was faster, its object stays."""
        with writing(folder):
            files = {
                str(p.relative_to(folder)): {"sha256": file_digest(p), "bytes": p.stat().st_size}
                for p in sorted(folder.rglob("*"))
                if p.is_file() and p.name != MANIFEST
            }
            write_json(folder / MANIFEST, {"kind": kind, "task": task, "files": files, "recipe": recipe})
            for name in files:
                sync(folder / name)
            self._remember(task, key)
            target = self.path(key)
            private_folder(target.parent)
            if target.is_dir() and not (target / MANIFEST).is_file():
                self.drop(key)
            try:
                folder.rename(target)
            except OSError:
                if not (target / MANIFEST).is_file():
                    raise
                shutil.rmtree(folder, ignore_errors=True)
            sync(target.parent)
        self._checked.add(key)
        return target

    def drop(self, key: str) -> None:
        """Remove one object. It is renamed first: a reader with a live map keeps its pages."""
        folder = self.path(key)
        aside = folder.parent / f".{key}.{uuid.uuid4().hex[:8]}.gone"
        with contextlib.suppress(FileNotFoundError):
            folder.rename(aside)
            shutil.rmtree(aside, ignore_errors=True)
        self._checked.discard(key)

    # --- what came from which task -------------------------------------------------------------------------------------------------

    def _tasks(self) -> Path:
        return private_folder(self.root / "tasks")

    def _remember(self, task: str, key: str) -> None:
        append_line(self._tasks() / task, f"object {key}")

    def remember_run(self, task: str, name: str, folder: Path) -> None:
        """Note that a run of study ``name`` wrote results of this task into ``folder``."""
        append_line(self._tasks() / task, f"run {json.dumps([name, str(Path(folder).absolute())])}")

    def tasks(self) -> dict[str, dict[str, Any]]:
        """Return, for each task key: study names, folders of runs, the keys of its objects."""
        found: dict[str, dict[str, Any]] = {}
        for file in sorted(p for p in self._tasks().iterdir() if not p.name.startswith(".")):
            entry: dict[str, Any] = {"names": set(), "runs": set(), "objects": set()}
            for line in file.read_text("utf-8").splitlines():
                what, _, rest = line.partition(" ")
                if what == "object":
                    entry["objects"].add(rest)
                elif what == "run":
                    with contextlib.suppress(ValueError):
                        name, folder = json.loads(rest)
                        entry["names"].add(name)
                        entry["runs"].add(folder)
            found[file.name] = entry
        return found

    def forget(self, task: str) -> dict[str, int]:
        """Remove everything that came from a task: objects no other task shares, partial work, folders of runs with their logs.

        Returns
        -------
        dict
            How many objects and runs went.
        """
        tasks = self.tasks()
        mine = tasks.pop(task, None)
        if mine is None:
            return {"objects": 0, "runs": 0}
        shared: set[str] = set().union(*(t["objects"] for t in tasks.values())) if tasks else set()
        gone = mine["objects"] - shared
        for key in gone:
            self.drop(key)
            for left in (self.root / "partial").glob(f"{key}*"):
                self._remove(left)
        shared_runs: set[str] = set().union(*(t["runs"] for t in tasks.values())) if tasks else set()
        runs = [Path(r) for r in mine["runs"] - shared_runs]
        for run in runs:
            self._remove(run)
        (self._tasks() / task).unlink(missing_ok=True)
        return {"objects": len(gone), "runs": len(runs)}

    def clear(self) -> None:
        """Remove everything in the cache: objects, half-built work, archives, converted models, locks that nobody holds."""
        for folder in ("objects", "partial", "tasks", "archives", "models", "logs"):
            self._remove(self.root / folder)
        self._checked.clear()

    def start_partial(self, task: str, key: str) -> Path:
        """Return :meth:`partial`, noting its task first, so that :meth:`forget` finds half-built work too."""
        self._remember(task, key)
        return self.partial(key)

    @staticmethod
    def _remove(path: Path) -> None:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)

    def sizes(self) -> dict[str, int]:
        """Return bytes on disk per folder of the store."""
        return {p.name: folder_bytes(p) for p in sorted(self.root.iterdir()) if p.is_dir()}


def folder_bytes(path: Path) -> int:
    """Sum the sizes of all files below a folder."""
    total = 0
    for file in all_files(path):
        with contextlib.suppress(OSError):
            total += file.stat().st_size
    return total


def all_files(path: Path) -> Iterable[Path]:
    """Every file below a folder."""
    return (p for p in path.rglob("*") if p.is_file())
