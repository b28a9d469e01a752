"""The card of a saved student: a README.md for people, made of what lies beside it; no input text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from outgrow.store import read_json

__all__ = ["card_of"]

_HUB_ID = re.compile(r"^[\w.-]+/[\w.-]+$")
_SCORES = (
    ("floor", "the supervisor alone"),
    ("student", "this student"),
    ("direct", "the same learner on true labels of the teach rows"),
    ("ceiling", "the same learner on true labels of the rows the student learned from"),
    ("self", "the strong model's own answer, without any label"),
)


def card_of(folder: Path) -> str:
    """Return the card of the student in a folder, as Markdown with the Hub's YAML header.

    Parameters
    ----------
    folder : Path
        Written by :meth:`outgrow.Student.save`; ``student.json``, ``head/head.json`` and ``encoder/encoder.json`` are read.
    """
    card, head = read_json(folder / "student.json"), read_json(folder / "head" / "head.json")
    encoder = read_json(folder / "encoder" / "encoder.json") if card["encoded"] else {}
    about: Mapping[str, Any] = card["about"]
    row, cell = about.get("row", {}), about.get("cell", {})
    base, terms = _base(head, encoder)
    parts = [_header(base), f"# A student of weak labels{' for ' + _plain(cell['task']) if 'task' in cell else ''}"]
    parts.append(
        "Trained with outgrow on labels of a weaker source, not on labels of people. "
        + _plain(row.get("sentence", "Its quality was not measured where it was saved."))
    )
    if row:
        parts += ["## Scores", _scores(row)]
    parts += ["## What it is", _facts(card, head, cell, about, base, terms)]
    parts += ["## Limits", _limits(row, base, terms)]
    parts += [
        "## Use",
        '```python\nimport outgrow\n\nstudent = outgrow.load("this folder")\nstudent.predict(inputs)\n```',
    ]
    return "\n\n".join(parts) + "\n"


def _header(base: str | None) -> str:
    lines = ["---", "library_name: outgrow", "tags:", "- outgrow", "- weak-to-strong-generalization"]
    if base is not None and _HUB_ID.match(base):
        lines.append(f"base_model: {base}")
    return "\n".join([*lines, "---"])


def _base(head: Mapping[str, Any], encoder: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return the pretrained model below, and its terms where they are known; a local folder is not named."""
    from outgrow.encoders.hub import is_folder
    from outgrow.tasks.pins import PINS

    name = head.get("params", {}).get("model") or encoder.get("of") or encoder.get("name")
    if not isinstance(name, str):
        return None, None
    if name in PINS:
        return PINS[name].source.partition(";")[0], PINS[name].licence
    if is_folder(name):
        return "a model in a local folder", None
    return name, None


def _scores(row: Mapping[str, Any]) -> str:
    lines = [f"| | {_plain(row['metric'])} | 95 % interval |", "| --- | ---: | ---: |"]
    for key, words in _SCORES:
        if row.get(f"{key}_score") is not None:
            lines.append(f"| {key}: {words} | {_cells(row, key + '_score', key)} |")
    for key, words in (("gain", "student minus floor"), ("gap", "ceiling minus floor"), ("pgr", "gain / gap")):
        if row.get(key) is not None:
            lines.append(f"| {key.upper() if key == 'pgr' else key}: {words} | {_cells(row, key, key)} |")
    seeds, rows = row.get("seeds"), row.get("n")
    told = f"Means over {seeds} seed{'' if seeds == 1 else 's'} and {rows} test rows, the same for every line."
    if row.get("pgr") is None and row.get("pgr_reason"):
        told += f" PGR is undefined: {_plain(row['pgr_reason'])}."
    if row.get("spent"):
        told += f" The student was given the truth of {row['spent']} rows beside weak labels."
    return "\n".join(lines) + "\n\n" + told


def _cells(row: Mapping[str, Any], key: str, ends: str) -> str:
    low, high = row.get(f"{ends}_low"), row.get(f"{ends}_high")
    interval = "" if low is None or high is None else f"{low:.3f} to {high:.3f}"
    return f"{row[key]:.3f} | {interval}"


def _facts(
    card: Mapping[str, Any],
    head: Mapping[str, Any],
    cell: Mapping[str, Any],
    about: Mapping[str, Any],
    base: str | None,
    terms: str | None,
) -> str:
    classes = head.get("classes")
    names = classes.get("names") if isinstance(classes, Mapping) else classes
    facts = {
        "study": about.get("study"),
        "task": cell.get("task"),
        "supervisor": cell.get("supervisor"),
        "method": cell.get("method"),
        "seed": about.get("seed"),
        "chosen": about.get("reason"),
        "learner": head.get("learner"),
        "view": card.get("view"),
        "base model": f"{base} ({terms})" if base and terms else base,
        "classes": ", ".join(map(str, names)) if names else "none: it predicts values",
    }
    lines = [f"- {what}: {_plain(value)}" for what, value in facts.items() if value is not None]
    prints = {k: v for k, v in dict(about.get("fingerprints", {})).items() if isinstance(v, str)}
    if "student_key" in about:
        prints["student"] = about["student_key"]
    lines += [f"- fingerprint of the {_plain(k)}: `{_plain(v)}`" for k, v in sorted(prints.items())]
    return "\n".join(lines)


def _limits(row: Mapping[str, Any], base: str | None, terms: str | None) -> str:
    lines = [
        "- It learned what its supervisor said. Where the supervisor errs in a system, so may the student.",
        "- The scores hold for rows drawn like the test rows of the study; other data were not looked at.",
        "- The folder holds weights, settings and class names, and no training text. Whether weights tell of their training text was "
        "not tested.",
    ]
    if row.get("flag_sentences"):
        lines.append(f"- {_plain(row['flag_sentences'])}")
    if base is not None and terms is None:
        lines.append("- The terms of the model below it hold for the student too; look them up there.")
    return "\n".join(lines)


def _plain(value: Any) -> str:
    """Return a value as one line that Markdown takes for words."""
    return re.sub(r"([\\`*_\[\]<>#|])", r"\\\1", " ".join(str(value).split()))
