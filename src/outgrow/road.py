"""The whole road in one call: run a study, and write its results and its report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from outgrow.reports.pages import pages
from outgrow.store import Store
from outgrow.studies.ready import Say, make_ready
from outgrow.studies.results import Results
from outgrow.studies.run import carry_out, to_stderr
from outgrow.studies.study import Study
from outgrow.tasks.task import Task

__all__ = ["run"]


def run(
    study: str | Path | Mapping[str, Any] | Study,
    *,
    task: Task | None = None,
    views: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    processes: int | None = None,
    store: Store | None = None,
    progress: bool = True,
    show_text: bool = False,
    say: Say = to_stderr,
) -> Results:
    """Run a study and write its results and report.

    Parameters
    ----------
    study : path, mapping or Study
    task : Task, optional
        In place of the one the study names.
    views : mapping, optional
        Further matrices (N, d) of the task's rows, by view name.
    out : path, optional
        Folder of the results; default ``outgrow-runs/NAME`` in the current folder.
    processes : int, optional
        Worker processes for fits; default one per core.
    show_text : bool
        Let the row table and the report hold inputs.

    Returns
    -------
    Results

    Raises
    ------
    InputError
        The study cannot be run as it is; nothing was done.
    """
    study = Study.read(study)
    ready = make_ready(study, task=task, views=views, store=store, say=say)
    folder = Path(out) if out is not None else Path("outgrow-runs") / study.name
    return carry_out(ready, folder, processes=processes, progress=progress, show_text=show_text, say=say, pages=pages)
