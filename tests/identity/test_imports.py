"""Imports run downward only: cli, reports and papers, studies, forecasts and audits, methods, ..., store, errors."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import outgrow

SOURCE = Path(outgrow.__file__).parent

LEVELS = (
    ("errors",),
    ("fingerprints", "offline"),
    ("store",),
    ("scores",),
    ("tasks",),
    ("encoders",),
    ("learners",),
    ("generation",),
    ("supervisors", "worlds"),
    ("methods",),
    ("forecasts", "audits"),
    ("studies",),
    ("reports", "papers"),
    ("road",),
    ("cli",),
    ("__main__",),
)
"""From the bottom up. Parts of one level do not import each other."""

ANNEXES = ("agents", "diffusion")
ANNEX_MAY = {"generation", "learners", "scores", "store", "errors", "fingerprints"}

EVERYWHERE = {"catalogue": {"methods", "forecasts", "audits"}}
"""Finds classes in the folders by name; it imports none of them itself, and their ``__init__`` hand names on through it."""


def part_of(module: str) -> str | None:
    """``outgrow.tasks.rows`` -> ``tasks``; None outside the package, "" for the package itself."""
    pieces = module.split(".")
    return None if pieces[0] != "outgrow" else (pieces[1] if len(pieces) > 1 else "")


def imports(text: str, where: str) -> list[str]:
    """Modules of this package that a file imports anywhere in it; what only type checkers read is left out."""
    tree = ast.parse(text)
    typed = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for child in block.body
        for node in ast.walk(child)
    }
    found = []
    for node in ast.walk(tree):
        if id(node) in typed:
            continue
        if isinstance(node, ast.Import):
            found += [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{where} imports relatively"
            found += [f"{node.module}.{a.name}" if node.module == "outgrow" else str(node.module) for a in node.names]
    return [m for m in found if part_of(m) is not None]


def files() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def graph() -> dict[str, set[str]]:
    """Part -> parts it imports, over all files of the package."""
    edges: dict[str, set[str]] = {}
    for path in files():
        place = path.relative_to(SOURCE)
        part = place.parts[0].removesuffix(".py")
        if part == "__init__":
            continue
        for module in imports(path.read_text("utf-8"), place.as_posix()):
            to = part_of(module)
            if to not in (part, "", "__version__"):
                edges.setdefault(part, set()).add(str(to))
    return edges


def level(part: str) -> int:
    return next(i for i, names in enumerate(LEVELS) if part in names)


def test_every_part_has_its_level():
    parts = {p.relative_to(SOURCE).parts[0].removesuffix(".py") for p in files()} - {"__init__"}
    known = {name for names in LEVELS for name in names} | set(ANNEXES) | set(EVERYWHERE)
    assert parts <= known


def wrong(edges: dict[str, set[str]]) -> list[tuple[str, str]]:
    bad = []
    for part, targets in edges.items():
        for to in targets:
            if part in ANNEXES:
                fine = to in ANNEX_MAY
            elif to in ANNEXES:
                fine = part in ("papers", "cli")
            elif part in EVERYWHERE:
                fine = to == "errors"
            elif to in EVERYWHERE:
                fine = part in EVERYWHERE[to] or level(part) > level("audits")
            else:
                fine = level(to) < level(part)
            if not fine:
                bad.append((part, to))
    return sorted(bad)


def test_imports_run_downward():
    assert wrong(graph()) == []


def test_the_rule_would_find_an_upward_import():
    assert wrong({"tasks": {"studies"}}) == [("tasks", "studies")]
    assert wrong({"worlds": {"supervisors"}}) == [("worlds", "supervisors")]
    assert wrong({"agents": {"tasks"}, "methods": {"agents"}}) == [("agents", "tasks"), ("methods", "agents")]
    assert imports("import outgrow.tasks.rows\nfrom outgrow.scores import metrics\nimport numpy", "x") == [
        "outgrow.tasks.rows",
        "outgrow.scores",
    ]
    assert imports("if TYPE_CHECKING:\n    from outgrow.studies.study import Study\n", "x") == []


def test_no_module_imports_itself_in_a_circle():
    """Among modules, counting imports at their top only: those inside functions run later."""
    edges: dict[str, set[str]] = {}
    names = {".".join(("outgrow", *p.relative_to(SOURCE).with_suffix("").parts)): p for p in files()}
    for name, path in names.items():
        tops = [n for n in ast.parse(path.read_text("utf-8")).body if isinstance(n, ast.Import | ast.ImportFrom)]
        text = "\n".join(ast.unparse(n) for n in tops)
        edges[name] = {m for m in imports(text, name) if m in names and m != name}
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join((*path[path.index(name) :], name))
        if name not in done:
            for to in sorted(edges[name]):
                visit(to, (*path, name))
            done.add(name)

    for name in names:
        visit(name, ())
    assert sum(map(len, edges.values())) > 50


@pytest.mark.parametrize("folder", sorted(p.parent.name for p in SOURCE.glob("*/__init__.py")))
def test_an_init_only_hands_names_on(folder):
    path = SOURCE / folder / "__init__.py"
    for node in ast.parse(path.read_text("utf-8")).body:
        assert not isinstance(node, ast.ClassDef), f"{folder}/__init__.py defines {getattr(node, 'name', '')}"
        if isinstance(node, ast.FunctionDef):
            assert node.name in ("__getattr__", "__dir__")
