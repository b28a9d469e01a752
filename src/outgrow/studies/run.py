"""Run a study: skip what the store holds, do the rest, gather results, write them. A killed run goes on where it was."""

from __future__ import annotations

import contextlib
import platform
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from outgrow.encoders.encode import work_bar
from outgrow.errors import LabelsError, OutgrowError, StudyError
from outgrow.store import Journal, Store, lock, private_folder, write_json
from outgrow.studies.executors import cards, run_jobs
from outgrow.studies.gather import fit_seconds, gather, save_best, write_rows
from outgrow.studies.learned import graphs
from outgrow.studies.own import asks_before, own_seconds
from outgrow.studies.plan import Job, Plan
from outgrow.studies.ready import Ready, Say
from outgrow.studies.results import Results
from outgrow.studies.together import Led, several
from outgrow.studies.tuned_cost import fine_tunes, tuned_cost
from outgrow.studies.work import Context

__all__ = ["alone", "carry_out", "do_jobs", "do_kinds", "dry_run", "own_folder"]


CEILING = "The study asks for a ceiling on teach rows: it is direct, trained on the truth of teach rows; gap and PGR are against it."
Pages = Callable[[Results], Mapping[str, str]]


def to_stderr(sentence: str) -> None:
    """Print a sentence to standard error."""
    print(sentence, file=sys.stderr)


def carry_out(
    ready: Ready,
    folder: Path,
    *,
    processes: int | None = None,
    progress: bool = True,
    show_text: bool = False,
    say: Say = to_stderr,
    pages: Pages | None = None,
) -> Results:
    """Do all jobs of a study that is ready, and write its results into a folder.

    Parameters
    ----------
    pages : callable, optional
        Writes a report: from results to file name and text. It is handed in, because reports stand above studies.
    """
    folder = own_folder(Path(folder))
    journal = Journal(folder / "journal.jsonl")
    with alone(folder, say):
        ready.store.remember_run(ready.task.key, ready.study.name, folder)
        start = time.perf_counter()
        journal.write("start", study=ready.study.name, task=ready.task.key)
        ready.study.write(folder / "study.yaml")
        ready.lay_down()
        for one in ready.answering.values():
            if hasattr(one, "bar"):
                one.say, one.bar = say, partial(work_bar, progress)
        failures, first = label_first(ready, journal, say)
        ready = ready.encode_views(progress=progress, say=say, journal=journal)
        encoded = time.perf_counter()
        plan = ready.plan()
        failures = do_jobs(ready, plan, journal, processes, progress, say, failures, first)
        fitted = time.perf_counter()
        seconds = {"encode": round(encoded - start, 1), "fit": round(fitted - encoded, 1)}
        results = gather(ready, plan, failures, environment={**environment(), "seconds": seconds})
        results = _write(ready, plan, results, folder, journal, show_text, pages)
        journal.write("end", failed=len(failures))
    return results


def label_first(ready: Ready, journal: Journal, say: Say) -> tuple[list[tuple[Job, str]], set[str]]:
    """Take the labels of rules, files and prompts, which need no view: what is wrong is said before anything is encoded.

    Returns
    -------
    failures : list
        As :func:`do_jobs` returns them.
    tried : set of str
        Keys of the jobs that were not stored from before.

    Raises
    ------
    LabelsError
        When every line of the study's supervisors fails because of what it was given.
    """
    plan = ready.plan()
    here = [j for j in plan.jobs if asks_before(j, ready.supervisors)]
    here = _missing(ready.store, here, say)
    wrong: set[str] = set()
    failures = do_jobs(ready, replace(plan, jobs=tuple(here)), journal, 1, False, say, wrong=wrong)
    if failures and all(wrong & set(keys) for keys in plan.labels.values()):
        raise LabelsError(f"no supervisor can label the rows: {failures[0][1]}")
    return failures, {j.key for j in here}


def _missing(store: Store, jobs: Sequence[Job], say: Say) -> list[Job]:
    """Return the jobs that the store does not hold, or holds damaged."""
    todo = []
    for job in jobs:
        before = len(store.damaged)
        if store.get(job.key) is None:
            todo.append(job)
        if len(store.damaged) > before:
            say(f"the stored {job.kind} of {job.label} does not match its checksum and is made again")
    return todo


def do_jobs(
    ready: Ready,
    plan: Plan,
    journal: Journal,
    processes: int | None,
    progress: bool,
    say: Say,
    failures: Sequence[tuple[Job, str]] = (),
    tried: Collection[str] = (),
    wrong: set[str] | None = None,
) -> list[tuple[Job, str]]:
    """Do the jobs of a plan that the store does not hold; return those that failed, with the sentence.

    Parameters
    ----------
    processes : int, optional
        Default: one a core, or one a graphics processor where there are any and something is fine-tuned.
    failures : sequence
        Jobs that failed before; they are not tried again, and stand in what is returned.
    tried : collection of str
        Keys of jobs that this run has done or tried before, and that are not from an earlier one.
    wrong : set, optional
        Receives the keys of jobs that failed because of what a person gave.
    """
    store = ready.store
    failures = list(failures)
    todo = _missing(store, [job for job in plan.jobs if job.key not in tried], say)
    held = len(plan.jobs) - len(todo) - len(set(tried) & {job.key for job in plan.jobs})
    if held:
        journal.write("held", jobs=held)
        say(f"{held} of {len(plan.jobs)} jobs are stored from before")
    context = Context(store, rows=ready.rows, supervisors=ready.answering)
    before = {job.key for job, _ in failures}
    # Fits that share a graphics processor share its memory, so each has one; heads are solved on the CPU.
    launched = several()
    devices = () if launched else cards()
    tuned = {job.key for job in todo if fine_tunes(ready, job)} if launched or devices else set()
    devices = devices if tuned else ()
    outcomes = run_jobs(
        todo,
        Led(context, tuned),
        processes=1 if launched else processes or len(devices) or _cores(),
        root=str(store.root),
        failed=before,
        devices=devices,
    )
    # Closed here and not when it is collected: an interrupt that lands in this loop must end the workers at once.
    with _bar(progress, len(todo)) as tick, contextlib.closing(outcomes):
        for outcome in outcomes:
            job = outcome.job
            if outcome.given and wrong is not None:
                wrong.add(job.key)
            if outcome.error:
                failures.append((job, outcome.error))
                journal.write("failed", kind=job.kind, key=job.key, label=job.label, error=outcome.error)
                if not outcome.skipped:
                    say(f"failed: {job.label}: {outcome.error}")
            elif not outcome.seconds:
                journal.write("found", kind=job.kind, key=job.key, label=job.label)
            else:
                journal.write("done", kind=job.kind, key=job.key, label=job.label, seconds=round(outcome.seconds, 3))
            tick(job.label)
    return failures


def do_kinds(
    ready: Ready, kinds: Collection[str], progress: bool, say: Say, processes: int | None = None
) -> tuple[Ready, Plan, list[tuple[Job, str]]]:
    """Do a study's jobs of some kinds only, such as labels and students without a reference or a score.

    Returns
    -------
    ready : Ready
        With its views.
    plan : Plan
        The whole one.
    failures : list
        As :func:`do_jobs` returns them.

    Raises
    ------
    StudyError
        Inside a launch of several processes, of which only a whole run can make use.
    """
    if several():
        raise StudyError("only 'outgrow run' can use several processes of a launch; start this command by itself")
    journal = Journal(ready.store.root / "logs" / f"{ready.task.key}.jsonl")
    ready.lay_down()
    failures, first = label_first(ready, journal, say)
    ready = ready.encode_views(progress=progress, say=say, journal=None)
    plan = ready.plan()
    wanted = replace(plan, jobs=tuple(j for j in plan.jobs if j.kind in kinds))
    return ready, plan, do_jobs(ready, wanted, journal, processes, progress, say, failures, first)


def _write(
    ready: Ready, plan: Plan, results: Results, folder: Path, journal: Journal, show_text: bool, pages: Pages | None
) -> Results:
    """Write everything a person takes away; the report comes last, so that it stands for a whole run."""
    from outgrow.store import write_text

    results = _with_ceiling(results, ready)
    results = save_best(ready, plan, results, folder / "student")
    journal.write("wrote", what="student")
    write_rows(ready, plan, results, folder, show_text)
    journal.write("wrote", what="rows")
    results.save(folder)
    write_json(folder / "costs.json", fit_seconds(ready, plan))
    journal.write("wrote", what="results")
    for name, text in (pages(results) if pages is not None else {}).items():
        write_text(folder / name, text)
        journal.write("wrote", what=name)
    return results


def _with_ceiling(results: Results, ready: Ready) -> Results:
    """Say which rows' truth the ceiling learned."""
    ceiling = ready.study.ceiling
    notes = results.notes if ceiling == "transfer" else (*results.notes, CEILING)
    return replace(results, notes=notes, task={**results.task, "ceiling": ceiling})


def dry_run(ready: Ready) -> dict[str, Any]:
    """Say what a run would do: jobs, what the store holds, time and space. Nothing is made.

    Returns
    -------
    dict
        ``jobs`` (kind, label, stored), ``stored``, ``seconds`` (None when unknown), ``bytes``, ``download``, ``memory`` (bytes that
        the largest neighbour graph or fine-tuned fit takes), ``notes``.
    """
    from outgrow.encoders.estimate import estimate
    from outgrow.tasks.rows import INPUTS

    wanted = [spec for name, spec in ready.wanted.items() if name != INPUTS and name not in ready.extra]
    cost = estimate(ready.task, wanted, store=ready.store)
    jobs: list[dict[str, Any]] = [
        {"kind": "view", "label": name, "stored": name in cost.stored or name == INPUTS or name in ready.extra}
        for name in ready.wanted
    ]
    plan = ready.plan()
    jobs += [{"kind": j.kind, "label": j.label, "stored": ready.store.path(j.key).is_dir()} for j in plan.jobs]
    heads = sum(not j["stored"] for j in jobs if j["kind"] in ("reference", "curve", "student", "labels"))
    asking = own_seconds(ready, [j for j in plan.jobs if not ready.store.path(j.key).is_dir()])
    talk, told = _talk(ready)
    rows = max(len(r.transfer) for r in ready.roles.values())
    undone = [j for j in plan.jobs if not ready.store.path(j.key).is_dir()]
    tuning, most, tuned, tuned_told = tuned_cost(ready, undone)
    heads -= tuned
    # A cross-validated head on 2,000 rows of 576 features takes about a second of one core.
    fits = heads * max(0.2, rows / 2000) / _cores()
    edges, memory, graphs_told = graphs(ready, undone)
    fits += edges / _cores()
    known = [cost.seconds, talk, tuning]
    return {
        "jobs": jobs,
        "stored": sum(j["stored"] for j in jobs),
        "seconds": None if None in known else round(sum(s or 0.0 for s in known) + asking + fits, 1),
        "bytes": cost.bytes,
        "download": cost.download,
        "memory": max(memory, most),
        "notes": [
            *ready.notes,
            *([CEILING] if ready.study.ceiling == "teach" else []),
            *told,
            *graphs_told,
            *tuned_told,
        ],
    }


def _talk(ready: Ready) -> tuple[float | None, list[str]]:
    """Return what supervisors who hold debates say of their cost; seconds are None where one cannot tell."""
    total: float | None = 0.0
    told = []
    for one in ready.supervisors.values():
        if not hasattr(one, "foretell"):
            continue
        one.store = ready.store
        seconds, sentence = one.foretell(ready.task.inputs, ready.task.classes.tolist())
        if seconds != 0:
            told.append(sentence)
        total = None if total is None or seconds is None else total + seconds
    return total, told


def environment() -> dict[str, Any]:
    """Return versions, processor and threads, for reports."""
    import importlib.metadata

    import torch

    import outgrow

    versions = {"outgrow": outgrow.__version__, "python": platform.python_version()}
    for name in ("numpy", "scipy", "scikit-learn", "torch", "transformers", "tokenizers"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return {
        "versions": versions,
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": _cores(),
        "threads": torch.get_num_threads(),
    }


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _cores() -> int:
    import os

    with contextlib.suppress(AttributeError):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def own_folder(folder: Path) -> Path:
    """Make the results folder; refuse one with other files in it, because ``clean --task`` removes it whole."""
    held = [p.name for p in folder.iterdir() if not p.name.startswith(".")] if folder.is_dir() else []
    if held and "journal.jsonl" not in held:
        raise StudyError(f"the folder {folder} holds other files; name a new or an empty one for the results")
    return private_folder(folder)


@contextlib.contextmanager
def alone(folder: Path, say: Say) -> Iterator[None]:
    """Hold the results folder: a second run of the same study waits for the first, and then finds its jobs stored."""
    held = lock(folder / "run", timeout=0.2)
    try:
        held.__enter__()
    except OutgrowError:
        say(f"another process is running a study into {folder}; waiting for it to end")
        held = lock(folder / "run")
        held.__enter__()
    try:
        yield
    finally:
        held.__exit__(None, None, None)


@contextlib.contextmanager
def _bar(progress: bool, total: int) -> Iterator[Callable[[str], None]]:
    if not (progress and total and sys.stderr.isatty()):
        yield lambda label: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("fits"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        job = bar.add_task("", total=total)
        yield lambda label: bar.update(job, advance=1, description=label)
