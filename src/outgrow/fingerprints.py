"""Fingerprints: one short name for a value, the same in every process, and different whenever a result could differ.

A *recipe* (an estimator, a study's line) is its class, the version of the code that runs it, and its parameters; ``1``, ``1.0`` and
``numpy.float64(1)`` are one number. *Content* (arrays, files) is its bytes. Functions count by their source; a lambda or a closure has
no name that a later process could know, so it is refused.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import functools
import hashlib
import importlib.metadata
import importlib.util
import inspect
import sys
import textwrap
from collections.abc import Mapping
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import numpy as np

from outgrow.errors import InputError

__all__ = ["code_version", "environment_key", "fingerprint"]

LENGTH = 32
_GIVEN_BY = {"numpy": "numpy", "scipy": "scipy", "sklearn": "scikit-learn", "torch": "torch"}


def fingerprint(*values: Any) -> str:
    """Name values by content.

    Parameters
    ----------
    *values : object
        None, booleans, numbers, text, bytes, arrays, sequences, mappings, dataclasses, scikit-learn estimators, named functions,
        classes, or anything with a ``fingerprint()`` method; nested as deep as you like.

    Returns
    -------
    str
        32 hexadecimal digits.

    Raises
    ------
    InputError
        For a lambda, a closure, or a value of another kind.
    """
    digest = hashlib.sha256()
    for value in values:
        _feed(digest, value)
    return digest.hexdigest()[:LENGTH]


def _feed(digest: Any, value: Any) -> None:
    put = digest.update
    if value is None or isinstance(value, bool | np.bool_):
        put(f"|{value}".encode())
    elif isinstance(value, int | float | np.integer | np.floating):
        put(f"|n{_exact(value)}".encode())
    elif isinstance(value, str):
        raw = value.encode("utf-8", "surrogatepass")
        put(f"|s{len(raw)}:".encode() + raw)
    elif isinstance(value, bytes):
        put(f"|b{len(value)}:".encode() + value)
    elif isinstance(value, np.ndarray):
        _feed_array(digest, value)
    elif isinstance(value, list | tuple):
        put(f"|l{len(value)}".encode())
        for item in value:
            _feed(digest, item)
    elif isinstance(value, set | frozenset):
        put(f"|set{len(value)}".encode())
        for part in sorted(fingerprint(item) for item in value):
            put(part.encode())
    elif isinstance(value, Mapping):
        put(f"|d{len(value)}".encode())
        for key in sorted(value, key=str):
            _feed(digest, str(key))
            _feed(digest, value[key])
    elif isinstance(value, type):
        put(f"|t{value.__module__}.{value.__qualname__}@{_code_behind(value)}".encode())
    elif callable(getattr(value, "fingerprint", None)):
        put(f"|f{value.fingerprint()}".encode())
    elif callable(getattr(value, "get_params", None)):
        _feed(digest, type(value))
        _feed(digest, value.get_params(deep=False))
    elif dataclasses.is_dataclass(value):
        _feed(digest, type(value))
        _feed(digest, {f.name: getattr(value, f.name) for f in dataclasses.fields(value)})
    elif isinstance(value, np.random.RandomState | np.random.Generator):
        raise InputError("random_state is a generator, whose state no later run can know; give an integer")
    elif isinstance(value, FunctionType | BuiltinFunctionType | functools.partial) or inspect.isroutine(value):
        _feed_function(digest, value)
    else:
        raise InputError(
            f"cannot fingerprint a value of type {type(value).__name__}; give it a fingerprint() method that returns text"
        )


def _exact(value: Any) -> str:
    if isinstance(value, int | np.integer):
        return str(int(value))
    number = float(value)
    return str(int(number)) if number.is_integer() else repr(number)


def _feed_array(digest: Any, array: np.ndarray) -> None:
    if array.dtype.kind in "OUS":
        digest.update(f"|a{array.shape}".encode())
        for item in array.ravel().tolist():
            _feed(digest, item)
        return
    if array.dtype.hasobject:
        raise InputError("cannot fingerprint an array of records that hold Python objects; give its columns one by one")
    data = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
    digest.update(f"|a{data.dtype.str}{data.shape}:".encode())
    digest.update(data.reshape(-1).view(np.uint8).data if data.size else b"")


def _feed_function(digest: Any, value: Any) -> None:
    if isinstance(value, functools.partial):
        _feed(digest, ["partial", value.func, list(value.args), dict(value.keywords)])
        return
    name = getattr(value, "__qualname__", "")
    if "<lambda>" in name or "<locals>" in name:
        raise InputError(
            f"cannot fingerprint {name!r}: a lambda or an inner function has no name in a later run; "
            "define it with def at the top of a module"
        )
    module = getattr(value, "__module__", None) or "builtins"
    digest.update(f"|fn{module}.{name}@{_code_behind(value)}".encode())
    bound = getattr(value, "__self__", None)
    if bound is not None and not isinstance(bound, ModuleType):
        _feed(digest, bound)


def _code_behind(value: Any) -> str:
    """Name the code of a function or class: that of its module, or of itself and what it calls where the module is no file."""
    module = getattr(value, "__module__", None) or "builtins"
    loaded = sys.modules.get(module)
    if module != "__main__" or getattr(loaded, "__file__", None):
        return code_version(module)
    digest = hashlib.sha256()
    waiting, seen = [value], set()
    while waiting:
        part = waiting.pop()
        if part in seen:
            continue
        seen.add(part)
        try:
            source = inspect.getsource(part)
        except (OSError, TypeError) as error:
            raise InputError(
                f"cannot fingerprint {part.__qualname__!r}: its source is not kept in an interactive session; "
                "write it into a file and import it"
            ) from error
        digest.update(source.encode())
        names = {node.id for node in ast.walk(ast.parse(textwrap.dedent(source))) if isinstance(node, ast.Name)}
        for name in sorted(names):
            used = getattr(loaded, name, None)
            if isinstance(used, FunctionType | type) and used.__module__ == module:
                waiting.append(used)
            elif isinstance(used, str | int | float | list | tuple | dict | set | frozenset | np.ndarray):
                _feed(digest, [name, used])
    return digest.hexdigest()[:LENGTH]


@functools.cache
def code_version(module: str) -> str:
    """Name the code behind a module: its distribution's version, or a digest of the sources it can reach when they may be edited.

    The digest covers the module and, through its imports, every module of the same top package that it uses, so an edit to a helper
    changes it while an edit to an unrelated file does not. The ``__init__`` of a folder counts only where it is imported by name.
    """
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names or top == "builtins":
        return f"python{sys.version_info.major}.{sys.version_info.minor}"
    file = _source(module)
    if file is None or {"site-packages", "dist-packages"} & set(file.parts):
        return _distribution_version(top)
    digest = hashlib.sha256()
    for name, path in sorted((_reach(module, top) or {module: file}).items()):
        source = path.read_bytes()
        digest.update(f"{name} {len(source)}:".encode() + source)
    return digest.hexdigest()[:LENGTH]


def _reach(module: str, top: str) -> dict[str, Path]:
    found: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        path = _source(name)
        if path is None or path.suffix != ".py":
            continue
        found[name] = path
        about = path.stat()
        for said, level, names in _imports(path, about.st_mtime_ns, about.st_size):
            base = importlib.util.resolve_name("." * level + said, _package(name)) if level else said
            if base and base.partition(".")[0] == top:
                waiting += [base, *(f"{base}.{n}" for n in names)]
    return found


@functools.cache
def _imports(path: Path, changed: int, size: int) -> tuple[tuple[str, int, tuple[str, ...]], ...]:
    """Return what a file imports: a module, its dots, and the names that are taken from it. Read anew when the file has changed."""
    del changed, size
    found: list[tuple[str, int, tuple[str, ...]]] = []
    waiting: list[Any] = list(ast.parse(path.read_bytes()).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            found += [(a.name, 0, ()) for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            found.append((node.module or "", node.level, tuple(a.name for a in node.names)))
        else:
            # An import is a statement, and only these hold statements; expressions are most of a tree.
            for inner in ("body", "orelse", "finalbody", "handlers", "cases"):
                waiting += getattr(node, inner, ())
    return tuple(found)


def _package(module: str) -> str:
    path = _source(module)
    return module if path is not None and path.name == "__init__.py" else module.rpartition(".")[0]


def _source(module: str) -> Path | None:
    loaded = sys.modules.get(module)
    file = getattr(loaded, "__file__", None)
    parent, _, name = module.rpartition(".")
    if file is None and parent and (folder := _source(parent)) is not None:
        # The file is looked for by its place: the import system would import the parent, and all that this one imports.
        if folder.name != "__init__.py":
            return None
        files = (folder.parent / name / "__init__.py", folder.parent / f"{name}.py")
        file = next((f for f in files if f.is_file()), None)
    elif file is None:
        try:
            spec = importlib.util.find_spec(module)
        except (ImportError, ValueError, AttributeError):
            return None
        file = spec.origin if spec is not None else None
    return Path(file) if file and Path(file).is_file() else None


@functools.cache
def _distribution_version(top: str) -> str:
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        # Who gives a package is found by reading the records of all that is installed, which takes most of a second.
        if top in _GIVEN_BY:
            return f"{_GIVEN_BY[top]}{importlib.metadata.version(_GIVEN_BY[top])}"
    names = _distributions().get(top, [top])
    try:
        return f"{names[0]}{importlib.metadata.version(names[0])}"
    except importlib.metadata.PackageNotFoundError:
        return f"{top}?"


@functools.cache
def _distributions() -> Mapping[str, list[str]]:
    return importlib.metadata.packages_distributions()


@functools.cache
def environment_key() -> str:
    """Name the numerical libraries whose version can change a result's bits."""
    return ",".join(_distribution_version(top) for top in ("numpy", "scipy", "sklearn", "torch"))
