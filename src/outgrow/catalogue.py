"""What there is, found by looking: every public class of a folder's files, and of entry points in other packages.

A method (forecast, audit) is added by one new file; nothing lists it. In another package an entry point of the group
``outgrow.methods`` (``outgrow.forecasts``, ``outgrow.audits``) does the same. The name in a study is the class name in snake case.
What marks a class as one of its folder is an attribute: ``truth`` of a method, ``units`` of a forecast, ``question`` of an audit.

Claims are values, not classes: a file of :mod:`outgrow.papers` names its own in a tuple ``CLAIMS``, and an entry point of the group
``outgrow.claims`` names such a tuple. What is known of a paper besides is a value ``PAPER`` in the same file, or an entry point of the
group ``outgrow.papers``.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import pkgutil
import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

from outgrow.errors import StudyError, nearest

if TYPE_CHECKING:
    from outgrow.papers.claim import Claim
    from outgrow.papers.paper import Paper

__all__ = ["catalogue", "claims", "find", "papers", "public", "snake"]

MARKS = {"methods": "truth", "forecasts": "units", "audits": "question"}


def snake(name: str) -> str:
    """Write a class name as a study does: ``TwoStage`` is ``two_stage``, ``KLMisfit`` is ``kl_misfit``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


@cache
def catalogue(folder: str) -> dict[str, type]:
    """Return the classes of one folder by name, our own first, then those of other packages.

    Parameters
    ----------
    folder : {"methods", "forecasts", "audits"}

    Raises
    ------
    StudyError
        When two packages give the same name, or what an entry point names cannot be imported or is of another kind.
    """
    found: dict[str, type] = {}
    for loaded in _modules(importlib.import_module(f"outgrow.{folder}")):
        for public in getattr(loaded, "__all__", ()):
            value = getattr(loaded, public)
            if inspect.isclass(value) and value.__module__ == loaded.__name__ and _is_one(value, folder):
                found[snake(public)] = value
    for point in importlib.metadata.entry_points(group=f"outgrow.{folder}"):
        if point.name in found:
            raise StudyError(
                f"{point.value!r} wants the name {point.name!r}, which outgrow.{folder} has; rename its entry point"
            )
        found[point.name] = _load(point, folder)
    return found


def _load(point: Any, folder: str) -> type:
    value = _loaded(point, f"the {folder[:-1]} {point.name!r}")
    if not inspect.isclass(value) or not hasattr(value, MARKS[folder]):
        raise StudyError(
            f"the entry point {point.value!r} is no {folder[:-1]}: it must be a class with the attribute {MARKS[folder]!r}"
        )
    return value


def _is_one(value: Any, folder: str) -> bool:
    return MARKS[folder] in vars(value) and not getattr(value, "_is_protocol", False)


def find(folder: str, name: str) -> type:
    """Return one class by its name in a study.

    Raises
    ------
    StudyError
        Names the nearest there is.
    """
    known = catalogue(folder)
    if name not in known:
        raise StudyError(f"there is no {folder[:-1]} {name!r}{nearest(str(name), known)}")
    return known[name]


def public(folder: str, name: str) -> Any:
    """Serve ``outgrow.<folder>.<ClassName>``, importing the folder's files only now."""
    for value in catalogue(folder).values():
        if value.__name__ == name:
            return value
    raise AttributeError(f"module 'outgrow.{folder}' has no attribute {name!r}")


def _modules(package: Any) -> Iterator[Any]:
    """Import a package's modules, in the order of their names."""
    for module in sorted(m.name for m in pkgutil.iter_modules(package.__path__)):
        yield importlib.import_module(f"{package.__name__}.{module}")


def _values(attribute: str, absent: Any, group: str, what: str) -> Iterator[tuple[str, Any]]:
    """Yield where a value stands, and the value: of each file of ``papers``, then of other packages."""
    for loaded in _modules(importlib.import_module("outgrow.papers")):
        yield loaded.__name__, getattr(loaded, attribute, absent)
    for point in importlib.metadata.entry_points(group=f"outgrow.{group}"):
        yield point.value, _loaded(point, what)


def _loaded(point: Any, what: str) -> Any:
    try:
        return point.load()
    except Exception as error:  # anybody's code
        raise StudyError(
            f"{what} of {point.value!r} cannot be imported ({type(error).__name__}: {error}); mend or uninstall that package"
        ) from error


@cache
def claims() -> dict[str, Claim]:
    """Return all claims by name, our own first, then those of other packages.

    Raises
    ------
    StudyError
        When two claims have one name, or what an entry point names cannot be imported or is no tuple of claims.
    """
    kind = importlib.import_module("outgrow.papers").Claim
    found: dict[str, Claim] = {}
    for where, named in _values("CLAIMS", (), "claims", "the claims"):
        if not isinstance(named, tuple) or not all(isinstance(c, kind) for c in named):
            raise StudyError(f"{where!r} must be a tuple of outgrow.papers.Claim")
        for claim in named:
            if claim.name in found:
                raise StudyError(f"two claims are called {claim.name!r}, one in {where!r}; rename one")
            found[claim.name] = claim
    return found


@cache
def papers() -> dict[str, Paper]:
    """Return the papers that have claims, by id: what their files say, filled up from the library of citations.

    Raises
    ------
    StudyError
        When two files describe one paper, or what an entry point names is no paper.
    """
    kind = importlib.import_module("outgrow.papers.paper").Paper
    library: dict[str, Paper] = {p.id: p for p in importlib.import_module("outgrow.papers.library").LIBRARY}
    told: dict[str, Paper] = {}
    for where, said in _values("PAPER", None, "papers", "the paper"):
        if said is None:
            continue
        if not isinstance(said, kind):
            raise StudyError(f"{where!r} must hold an outgrow.papers.Paper")
        if said.id in told:
            raise StudyError(f"two files describe the paper {said.id!r}, one of them {where!r}; leave one")
        told[said.id] = said.over(library[said.id]) if said.id in library else said
    known = {**library, **told}
    with_claims = {c.paper for c in claims().values()}
    found = {id: paper for id, paper in known.items() if paper.names & with_claims}
    named = frozenset().union(*(p.names for p in found.values())) if found else frozenset()
    return found | {name: kind(name) for name in sorted(with_claims - named)}
