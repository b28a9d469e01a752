"""The Markdown twin of the HTML report: the same words and numbers, for pull requests and terminals."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from outgrow.reports.content import content
from outgrow.reports.figures import Table
from outgrow.reports.page import MainRow, Page, Section
from outgrow.studies.results import Results
from outgrow.studies.words import clip, count, line

__all__ = ["page_markdown", "to_markdown", "write"]

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!&])")
_BLOCK = re.compile(r"^(\s*\d*)([-+=.)])", re.MULTILINE)


def escape(text: object) -> str:
    r"""Write a text so that Markdown and HTML take none of it as markup: ``a|b <i>`` is ``a\|b \<i\>``."""
    plain = _SPECIAL.sub(r"\\\1", line(text))
    # A link that a reader makes of a bare address, and a line that begins like a list, are markup too.
    return _BLOCK.sub(r"\1\\\2", plain).replace("://", ":\\//").replace("www.", "www\\.")


def to_markdown(results: Results, show_text: Sequence[str] | None = None) -> str:
    """Return the report of a study as Markdown.

    Parameters
    ----------
    results : Results
    show_text : sequence of str, optional
        Input texts to print as examples; without it nothing of the inputs is in the text.
    """
    return page_markdown(content(results, show_text))


def page_markdown(page: Page) -> str:
    """Return a page of any kind as Markdown."""
    parts = [f"# {escape(page.lead)}", escape(page.reason)]
    parts.append(
        f"{page.kind.capitalize()} {escape(clip(page.name, 60))} · " + " · ".join(escape(f) for f in page.facts)
    )
    parts += [f"> {escape(note)}" for note in page.notes]
    if page.figure:
        parts += [f"**{escape(page.figure.title)}**", _table(page.figure.table)]
    if page.blocks:
        parts.append("## Every student beside its rivals")
        for words, rows in page.blocks:
            if words:
                parts.append(f"*{escape(words)}*")
            parts.append(_main(page, rows))
        parts += [escape(note) for note in page.footnotes]
    for section in page.sections:
        parts += _section(section, 2)
    parts.append("## How to read this")
    parts.append("\n".join(f"- **{escape(word)}**: {escape(meaning)}" for word, meaning in page.glossary))
    return "\n\n".join(p for p in parts if p) + "\n"


def write(results: Results, path: Path, show_text: Sequence[str] | None = None) -> Path:
    """Write the Markdown report into a file, readable by its owner only."""
    from outgrow.store import write_text

    write_text(Path(path), to_markdown(results, show_text), mode=0o600)
    return Path(path)


def _section(section: Section, level: int) -> list[str]:
    parts = [f"{'#' * level} {escape(section.title)}", *map(escape, section.paragraphs)]
    for figure in section.figures:
        parts += [f"**{escape(figure.title)}**", _table(figure.table)]
    parts += [_table(table) for table in section.tables]
    if section.lists:
        parts.append("\n".join(f"- {escape(item)}" for item in section.lists))
    for folded in section.folded:
        parts += _section(folded, level + 1)
    return parts


def _rows(columns: Sequence[str], numeric: Sequence[bool], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(columns) + " |", "| " + " | ".join("---:" if n else "---" for n in numeric) + " |"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def _table(table: Table) -> str:
    columns = [escape(c) or " " for c in table.columns]
    numeric = [c in table.numeric for c in table.columns]
    body = _rows(columns, numeric, [[escape(v) for v in row] for row in table.rows])
    return f"{escape(table.caption)}\n\n{body}" if table.caption else body


def _main(page: Page, rows: Sequence[MainRow]) -> str:
    columns = ["method", "student", "supervisor", *page.columns, "verdict"]
    paid = any(r.spent for r in rows)
    if paid:
        columns.insert(3, "spent")
    numeric = [c in page.columns or c == "spent" for c in columns]
    lines = []
    for r in rows:
        flags = "".join(f"; {words}" for words, _ in r.flags)
        cells = [" ".join(p for p in r.cells[c] if p) for c in page.columns]
        names = [clip(n, 60) for n in r.names] + ([count(r.spent)] if paid else [])
        lines.append([escape(v) for v in (*names, *cells, r.verdict + flags)])
    return _rows([escape(c) for c in columns], numeric, lines)
