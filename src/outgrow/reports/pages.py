"""The files of a report: one HTML page and its Markdown twin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from outgrow.reports.compared import comparison_markdown, render_comparison
from outgrow.reports.html import render
from outgrow.reports.markdown import to_markdown
from outgrow.reports.reproduced import render_reproduction, reproduction_markdown
from outgrow.studies.compare import Comparison
from outgrow.studies.results import Results

if TYPE_CHECKING:
    from outgrow.papers.reproduce import Reproduction

__all__ = ["comparison_pages", "pages", "reproduction_pages"]


def pages(results: Results) -> dict[str, str]:
    """Return file name and text of each page, the HTML report last."""
    return {"report.md": to_markdown(results), "report.html": render(results)}


def comparison_pages(comparison: Comparison) -> dict[str, str]:
    """Return file name and text of each page of a comparison, the HTML report last."""
    return {"leaderboard.md": comparison_markdown(comparison), "leaderboard.html": render_comparison(comparison)}


def reproduction_pages(found: Reproduction) -> dict[str, str]:
    """Return file name and text of each page of a paper's claims, the HTML report last."""
    return {"report.md": reproduction_markdown(found), "report.html": render_reproduction(found)}
