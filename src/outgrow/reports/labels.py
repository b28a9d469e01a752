"""Parts of a report that need no truth: label quality; task, environment and fingerprints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from outgrow.reports.figures import Figure, Table, shares
from outgrow.reports.page import Section, rows_of
from outgrow.studies.results import Results
from outgrow.studies.words import isolate, number, share

__all__ = ["about_section", "quality_sections"]

_FIRST = (
    "name",
    "rows",
    "classes",
    "truth",
    "truth_rows",
    "roles",
    "seeds",
    "source",
    "licence",
    "teach",
    "transfer",
    "select",
    "test",
)


def quality_sections(results: Results) -> list[Section]:
    """Return one section on the weak labels, with what each source names."""
    rows = rows_of(results.quality)
    if not rows:
        return []
    plain = [c for c in rows[0] if not c.startswith("share(")]
    words = {"named_classes": "classes named", "most_named": "names most", "most_named_share": "on", "sd": "s.d."}
    parts = {"coverage", "overlaps", "conflicts", "most_named_share"}
    numeric = frozenset(words.get(c, c) for c in plain if c not in ("source", "most_named", "flags"))

    def write(name: str, value: Any) -> str:
        if value is None or value == "":
            return "–"
        if name in parts or (name == "agreement" and results.kind == "classes"):
            return share(float(value))
        return (
            number(float(value)) if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
        )

    table = Table(
        tuple(words.get(c, c) for c in plain),
        tuple(tuple(write(c, row[c]) for c in plain) for row in rows),
        "Label quality, which needs no truth: coverage, overlaps and conflicts are shares of all rows.",
        numeric,
    )
    drawn = {}
    for row in rows:
        named = {k[6:-1]: float(v) for k, v in row.items() if k.startswith("share(") and v is not None}
        if named:
            drawn[str(row["source"])] = named
    figures: tuple[Figure, ...] = ()
    if drawn:
        source, (label, most) = max(
            ((s, max(p.items(), key=lambda item: item[1])) for s, p in drawn.items()), key=lambda found: found[1][1]
        )
        leans = any(str(r["source"]) == source and r.get("flags") for r in rows)
        how = "leans" if leans else "is the least even, without leaning far"
        title = f"{isolate(source, 32)} {how}: it names {isolate(label, 32)} on {share(most)} of its rows"
        covered = {str(r["source"]): float(r["coverage"]) for r in rows if r.get("coverage") is not None}
        figures = (shares("quality", title, drawn, covered),)
    return [Section("quality", "The weak labels, without truth", (), figures, (table,))]


def about_section(results: Results) -> Section:
    """Return the section of task, environment and fingerprints."""
    lines = [("task: " + k, v) for k, v in _flatten(results.task)]
    lines += [("environment: " + k, v) for k, v in _flatten(results.environment)]
    prints = tuple(_flatten(results.fingerprints))
    tables = [Table(("what", "value"), tuple(lines), "Task and environment.")] if lines else []
    if prints:
        tables.append(
            Table(("what", "fingerprint"), prints, "Fingerprints: equal ones mean equal inputs, code and parameters.")
        )
    best = results.best or {}
    paragraphs = []
    if best.get("folder"):
        paragraphs.append(
            f"The best student is saved in {best['folder']}" + (f": {best['reason']}" if best.get("reason") else ".")
        )
    cut = {k: v for k, v in (results.task.get("cut_share") or {}).items() if v and v > 0.05}
    unknown = {k: v for k, v in (results.task.get("unknown_share") or {}).items() if v and v > 0.05}
    paragraphs += [f"{isolate(k)} cuts {share(v)} of inputs at its token limit." for k, v in cut.items()]
    paragraphs += [f"{isolate(k)} does not know {share(v)} of tokens." for k, v in unknown.items()]
    return Section("about", "Task, environment and fingerprints", tuple(paragraphs), tables=tuple(tables))


def _flatten(value: Mapping[str, Any], before: str = "") -> list[tuple[str, str]]:
    out: list[tuple[str, str]] = []
    # Sorted, so that a report rendered again from JSON is the same; what people look for first comes first.
    for k in sorted(value, key=lambda k: (_FIRST.index(k) if k in _FIRST else len(_FIRST), str(k))):
        v = value[k]
        name = f"{before}{k}"
        if isinstance(v, Mapping):
            out += _flatten(v, f"{name} / ")
        elif isinstance(v, list | tuple):
            out.append((name, ", ".join(map(str, v)) or "–"))
        elif v is None:
            out.append((name, "–"))
        else:
            out.append(
                (
                    name,
                    f"{v:,}"
                    if isinstance(v, int) and not isinstance(v, bool)
                    else number(v)
                    if isinstance(v, float)
                    else str(v),
                )
            )
    return out
