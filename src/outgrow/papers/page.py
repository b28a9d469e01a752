"""The page of claims: one table, then a paragraph for each that does not hold or has something to add."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["measured_with", "page", "ranges"]

_SPECIAL = re.compile(r"([\\`*_\[\]<>|~$])")
_HEAD = """# Claims

What papers say of their methods, measured here. `make claims` wrote this page from `claims.json`, which also holds every seed's figures.

- A claim **holds** when the whole 95 % interval lies on the claimed side of its bound, **fails** when the whole interval lies on the other
  side, and is **undecided** otherwise. Identities, and counts that the claim itself names, are decided by the figure.
- Thresholds and defaults were set on the seeds that were *looked* at; verdicts are from fresh seeds.
- The data are small and real (movie snippets, newsgroups) or made up; the models are small. A claim that fails here fails *here*.
"""


def _text(value: object) -> str:
    return _SPECIAL.sub(r"\\\1", " ".join(str(value).split()))


def ranges(seeds: Sequence[int]) -> str:
    """Write seeds shortly: ``0-9, 12``."""
    parts: list[list[int]] = []
    for seed in sorted(seeds):
        if parts and seed == parts[-1][1] + 1:
            parts[-1][1] = seed
        else:
            parts.append([seed, seed])
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in parts) or "none"


def page(records: Sequence[Mapping[str, Any]], missing: Sequence[str] = (), older: Sequence[str] = ()) -> str:
    """Return the page as Markdown.

    Parameters
    ----------
    records : sequence of mappings
        Of :func:`~outgrow.papers.verdicts.record`.
    missing : sequence of str
        Claims without a record.
    older : sequence of str
        Claims whose record is of other code than there is now.
    """
    ordered = sorted(records, key=lambda r: (r["subject"], r["name"]))
    counts = {v: sum(r["verdict"] == v for r in ordered) for v in ("holds", "fails", "undecided")}
    parts = [_HEAD, f"{counts['holds']} hold, {counts['fails']} fail, {counts['undecided']} are undecided."]
    if any(r["form"] == "quick" for r in ordered):
        parts.append(
            "**These are quick forms on few seeds: they show that the measurements run, and are no evidence.**"
        )
    if codes := Counter(code for r in ordered if (code := measured_with(r))):
        parts.append("Measured with " + ", ".join(f"{c} ({n})" for c, n in sorted(codes.items())) + ".")
    if older:
        parts.append(
            f"† {len(older)} of these verdicts are of older code: a function that their measurement reaches was edited since. "
            "`make claims` measures them anew."
        )
    lines = ["| about | claim | bound | figures | verdict | seeds |", "| --- | --- | --- | --- | --- | --- |"]
    for r in ordered:
        seeds = f"{ranges(r['seeds'])}; looked: {ranges(r['looked'])}"
        about = f"{_text(r['subject'])} ({_text(r['paper'])})"
        cells = [_text(r["statement"]), _text(r["bound"]), _text(r["figures"]), _verdict(r["verdict"]), seeds]
        cells[3] += " †" if r["name"] in older else ""
        lines.append("| " + " | ".join([about, *cells]) + " |")
    parts.append("\n".join(lines))
    if missing:
        parts.append("Not measured yet: " + ", ".join(f"`{m}`" for m in sorted(missing)) + ".")
    for title, verdict in (("Refuted", "fails"), ("Undecided", "undecided"), ("Notes on what holds", "holds")):
        told = [r for r in ordered if r["verdict"] == verdict and (verdict != "holds" or r["measurement"]["note"])]
        if told:
            parts += [f"## {title}", *(_paragraph(r) for r in told)]
    return "\n\n".join(p.strip("\n") for p in parts) + "\n"


def measured_with(record: Mapping[str, Any]) -> str:
    """Say which code a verdict is of: "commit 0a1b2c3d4e", or "version 0.1.0" where no commit is known; empty for old records."""
    code = record.get("code") or {}
    return f"commit {code['commit']}" if code.get("commit") else f"version {code['version']}" if code else ""


def _verdict(word: str) -> str:
    return word if word == "holds" else f"**{word}**"


def _paragraph(r: Mapping[str, Any]) -> str:
    m = r["measurement"]
    spread = f" over {_text(m['spread'])}" if m["spread"] else ""
    sentence = f"**`{r['name']}`**: {_text(m['quantity'])}: {_text(r['figures'])}{spread}; bound: {_text(r['bound'])}."
    more = [f"To decide it: {_text(r['decider'])}."] if r["decider"] else []
    return " ".join([sentence, *more, _text(m["note"])]).strip()
