"""The whole road in one call: run a study, or several, or measure a paper's claims, and write results and reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, overload

from outgrow.errors import StudyError
from outgrow.papers.reproduce import Reproduction, find_paper, folder_name, reproduce_paper
from outgrow.reports.pages import comparison_pages, pages, reproduction_pages
from outgrow.store import Store, write_json, write_text
from outgrow.studies.compare import Comparison, run_several
from outgrow.studies.ready import Say, make_ready
from outgrow.studies.results import Results
from outgrow.studies.run import carry_out, to_stderr
from outgrow.studies.several import Several, read_study
from outgrow.studies.study import Study
from outgrow.studies.together import follow, follows, leading
from outgrow.tasks.task import Task

__all__ = ["reproduce", "run"]


@overload
def run(
    study: Several,
    *,
    out: str | Path | None = None,
    processes: int | None = None,
    store: Store | None = None,
    progress: bool = True,
    show_text: bool = False,
    say: Say = to_stderr,
) -> Comparison: ...


@overload
def run(
    study: Study,
    *,
    task: Task | None = None,
    views: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    processes: int | None = None,
    store: Store | None = None,
    progress: bool = True,
    show_text: bool = False,
    say: Say = to_stderr,
) -> Results: ...


@overload
def run(
    study: str | Path | Mapping[str, Any],
    *,
    task: Task | None = None,
    views: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    processes: int | None = None,
    store: Store | None = None,
    progress: bool = True,
    show_text: bool = False,
    say: Say = to_stderr,
) -> Any: ...


def run(
    study: str | Path | Mapping[str, Any] | Study | Several,
    *,
    task: Task | None = None,
    views: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    processes: int | None = None,
    store: Store | None = None,
    progress: bool = True,
    show_text: bool = False,
    say: Say = to_stderr,
) -> Results | Comparison:
    """Run a study and write its results and report.

    Parameters
    ----------
    study : path, mapping, Study or Several
        Where the file or mapping has the key ``studies``, each of these is run, and a comparison is written beside them.
    task : Task, optional
        In place of the one the study names.
    views : mapping, optional
        Further matrices (N, d) of the task's rows, by view name.
    out : path, optional
        Folder of the results; default ``outgrow-runs/NAME`` in the current folder.
    processes : int, optional
        Worker processes for fits; default one a core, or one a graphics processor where a model is fine-tuned on some.
    show_text : bool
        Let the row table and the report hold inputs.

    Returns
    -------
    Results, or Comparison
        The latter of several studies. Of several processes of ``accelerate launch`` the first runs the study, the others train beside it
        where a model is fine-tuned, and all return the same.

    Raises
    ------
    InputError
        The study cannot be run as it is; nothing was done.
    """
    made = read_study(study)
    folder = Path(out) if out is not None else Path("outgrow-runs") / made.name
    if follows():
        follow(store or Store())
        return (Comparison if isinstance(made, Several) else Results).load(folder)
    with leading():
        if isinstance(made, Several):
            if task is not None or views is not None:
                raise StudyError("task and views are of one study, and these are several; leave them out")
            return run_several(
                made,
                folder,
                processes=processes,
                progress=progress,
                show_text=show_text,
                store=store,
                say=say,
                pages=pages,
                compared=comparison_pages,
            )
        ready = make_ready(made, task=task, views=views, store=store, say=say)
        return carry_out(
            ready, folder, processes=processes, progress=progress, show_text=show_text, say=say, pages=pages
        )


def reproduce(
    paper: str,
    *,
    scale: str = "laptop",
    seed: int | None = None,
    quick: bool = False,
    again: bool = False,
    out: str | Path | None = None,
    say: Say = to_stderr,
) -> Reproduction:
    """Measure the claims of a paper and write a report.

    Parameters
    ----------
    paper : str
        Id of a paper; ``outgrow papers`` lists them.
    scale : {"laptop", "paper"}
        The paper's own models, data and sizes, or what a laptop does in minutes.
    seed : int, optional
        Measure on as many seeds from this one on, in place of those of the verdicts.
    quick : bool
        Small forms on few seeds, whose verdicts are no evidence.
    again : bool
        Measure also what the folder holds.
    out : path, optional
        Folder of claims.json, reproduction.json and the report; default ``outgrow-runs/reproduce/PAPER`` in the current folder.

    Returns
    -------
    Reproduction
        A claim that fails is a result and no error; ``errors`` names claims that could not be measured.

    Raises
    ------
    InputError
        For an unknown paper or scale, or a seed that a claim was developed on.
    FetchError, MissingExtra
        When models or data of the paper's scale cannot be had.
    """
    known = find_paper(paper)
    folder = Path(out) if out is not None else Path("outgrow-runs/reproduce") / folder_name(known, scale, seed, quick)
    found = reproduce_paper(known.id, folder, scale=scale, seed=seed, quick=quick, again=again, say=say)
    found = replace(found, report=(folder / "report.html").absolute())
    write_json(folder / "reproduction.json", found.as_dict())
    for name, text in reproduction_pages(found).items():
        write_text(folder / name, text)
    return found
