"""The report as one self-contained HTML file: no network, no script, and every name escaped."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from outgrow.reports.content import content
from outgrow.reports.page import Page
from outgrow.studies.results import Results
from outgrow.studies.words import clean, clip, line

__all__ = ["render", "set_page", "write"]


def render(results: Results, show_text: Sequence[str] | None = None) -> str:
    """Return the report of a study as HTML.

    Parameters
    ----------
    results : Results
    show_text : sequence of str, optional
        Input texts to print as examples (``--show-text``); without it nothing of the inputs is in the file.
    """
    return set_page(content(results, show_text))


def set_page(page: Page) -> str:
    """Return a page of any kind as HTML."""
    import jinja2
    from markupsafe import Markup

    from outgrow import __version__

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("outgrow.reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    # Only for drawings, which escape their own texts, and for the style sheet.
    environment.filters |= {"clean": clean, "line": line, "drawn": Markup, "shorten": clip}
    style = files("outgrow.reports").joinpath("templates/style.css").read_text("utf-8")
    return environment.get_template("report.html.j2").render(page=page, style=style, version=__version__)


def write(results: Results, path: Path, show_text: Sequence[str] | None = None) -> Path:
    """Write the report into a file, readable by its owner only."""
    from outgrow.store import write_text

    write_text(Path(path), render(results, show_text), mode=0o600)
    return Path(path)
