"""What code a measurement can reach, statement by statement, so that a verdict outlives edits that cannot change it.

A function is followed through the names it uses: functions, classes, constants and imports of its module, and so on through this package
and its own. A statement counts by its syntax tree without docstrings, comments, type annotations of functions, and places. So an edit of
a comment, of a claim's words, of a picture, or of a function that nobody calls leaves a verdict valid; one of a default, a constant or a
threshold does not. What is looked up by name at run time (``getattr``, a catalogue) cannot be followed; a class counts whole.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

from outgrow.fingerprints import fingerprint

__all__ = ["code_key", "stamp"]

Node = tuple[str, str]
WHOLE = "*"
OURS = __name__.partition(".")[0]


@dataclass(frozen=True)
class _Module:
    """A source file: its top statements by the names they bind, its imports, and what runs whatever is used."""

    name: str
    package: str
    binds: dict[str, list[ast.stmt]] = field(default_factory=dict)
    imports: dict[str, Node] = field(default_factory=dict)
    always: list[ast.stmt] = field(default_factory=list)


@cache
def stamp() -> dict[str, str | None]:
    """Return the version of this package, and the commit where it stands in its repository ("... and edits" where files differ)."""
    import importlib.metadata
    import subprocess

    root = Path(__file__).resolve().parents[3]
    commit = None
    if (root / ".git").exists():
        try:
            told = [
                subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, timeout=20, check=True)
                for words in (["rev-parse", "--short=10", "HEAD"], ["status", "--porcelain", "--", "src"])
            ]
            commit = told[0].stdout.strip() + (" and edits" if told[1].stdout.strip() else "")
        except (OSError, subprocess.SubprocessError):
            commit = None
    return {"version": importlib.metadata.version(OURS), "commit": commit}


def code_key(measure: Callable[..., Any]) -> str:
    """Name the code that a named function (or a partial of one) can reach, and the arguments it holds.

    Raises
    ------
    InputError
        For a lambda or an inner function, which has no name in a later run.
    """
    if isinstance(measure, partial):
        return fingerprint("partial", code_key(measure.func), list(measure.args), dict(measure.keywords))
    module, name = str(getattr(measure, "__module__", "")), str(getattr(measure, "__qualname__", ""))
    top = module.partition(".")[0]
    found = _module(module) if "<" not in name and top else None
    if found is None or name.partition(".")[0] not in found.binds:
        return fingerprint(measure)
    return _closure((module, name.partition(".")[0]), frozenset({top, OURS}))


@cache
def _closure(start: Node, tops: frozenset[str]) -> str:
    seen: set[Node] = set()
    waiting = [start]
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        waiting += _uses(node, tops)
    digest = hashlib.sha256()
    for node in sorted(seen):
        digest.update(f"{node[0]}:{node[1]}={_digest(node)};".encode())
    return digest.hexdigest()[:32]


@cache
def _module(name: str) -> _Module | None:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return None
    if spec is None or not spec.origin or not spec.origin.endswith(".py") or not Path(spec.origin).is_file():
        return None
    package = name if spec.submodule_search_locations is not None else name.rpartition(".")[0]
    made = _Module(name, package)
    for statement in ast.parse(Path(spec.origin).read_bytes()).body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            made.imports.update(_imported(statement, package))
            continue
        bound = {*_bound(statement)}
        # ``if TYPE_CHECKING:`` and ``try:`` may import; what is bound there leads to the whole statement.
        for inner in ast.walk(statement) if not bound or isinstance(statement, ast.If | ast.Try) else ():
            if isinstance(inner, ast.Import | ast.ImportFrom):
                made.imports.update(_imported(inner, package))
        if not bound and not _is_text(statement):
            made.always.append(statement)
        for each in bound:
            made.binds.setdefault(each, []).append(statement)
    return made


def _bound(statement: ast.stmt) -> Iterator[str]:
    """Give the names that a top statement binds."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name
        return
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name


def _is_text(statement: ast.AST) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _imported(statement: ast.Import | ast.ImportFrom, package: str) -> dict[str, Node]:
    """Return local name -> (module, symbol or all of it)."""
    if isinstance(statement, ast.Import):
        return {a.asname or a.name.partition(".")[0]: (a.name, WHOLE) for a in statement.names}
    base = statement.module or ""
    if statement.level:
        base = importlib.util.resolve_name("." * statement.level + base, package)
    return {a.asname or a.name: (base, a.name) for a in statement.names}


def _statements(node: Node) -> list[ast.stmt]:
    module = _module(node[0])
    if module is None:
        return []
    if node[1] == WHOLE:
        every = [s for statements in module.binds.values() for s in statements] + module.always
        return list({id(s): s for s in every}.values())
    return [*module.binds.get(node[1], []), *module.always]


@cache
def _uses(node: Node, tops: frozenset[str]) -> tuple[Node, ...]:
    """Return what the statements of a node name, in these packages."""
    module = _module(node[0])
    if module is None:
        return ()
    if node[1] != WHOLE and node[1] not in module.binds:
        return _elsewhere(node, module, tops)
    found: dict[Node, None] = {}
    if node[1] == WHOLE:
        found.update(dict.fromkeys(module.imports.values()))
    for statement in _statements(node):
        local: dict[str, Node] = {}
        for inner in ast.walk(statement):
            if isinstance(inner, ast.Import | ast.ImportFrom):
                local.update(_imported(inner, module.package))
        found.update(dict.fromkeys(local.values()))
        for inner in ast.walk(statement):
            if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Load):
                if inner.id in module.binds:
                    found[module.name, inner.id] = None
                elif inner.id in module.imports:
                    found[module.imports[inner.id]] = None
    return tuple(n for n in found if n[0].partition(".")[0] in tops and n != node)


def _elsewhere(node: Node, module: _Module, tops: frozenset[str]) -> tuple[Node, ...]:
    """Follow a name that a module does not make itself: it hands it on, it is a submodule, or it is served when asked for."""
    if node[1] in module.imports:
        return (module.imports[node[1]],) if module.imports[node[1]][0].partition(".")[0] in tops else ()
    if _module(f"{node[0]}.{node[1]}") is not None:
        return ((f"{node[0]}.{node[1]}", WHOLE),)
    if "__getattr__" in module.binds:
        value = getattr(importlib.import_module(node[0]), node[1], None)
        made = getattr(value, "__module__", None)
        if isinstance(made, str) and made != node[0] and made.partition(".")[0] in tops:
            return ((made, getattr(value, "__name__", WHOLE)),)
    return ((node[0], WHOLE),)


@cache
def _digest(node: Node) -> str:
    digest = hashlib.sha256()
    for statement in _statements(node):
        for part in _written(statement):
            digest.update(part.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:16]


def _written(value: Any) -> Iterator[str]:
    """Write a syntax tree alike in all versions of Python: what is empty is left out, and so is what only people read."""
    if isinstance(value, list):
        yield "["
        for item in value:
            yield from _written(item)
        yield "]"
    elif not isinstance(value, ast.AST):
        yield f"{value!r},"
    else:
        defines = isinstance(value, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        signs = isinstance(value, ast.FunctionDef | ast.AsyncFunctionDef | ast.arg)
        yield f"{type(value).__name__}("
        for name, inner in ast.iter_fields(value):
            if inner is None or inner == [] or name in ("type_comment", "type_params", "kind"):
                continue
            if signs and name in ("annotation", "returns"):
                continue
            if defines and name == "body" and _is_text(inner[0]):
                inner = inner[1:]
            yield f"{name}="
            yield from _written(inner)
        yield ")"
