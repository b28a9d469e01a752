"""Who runs the jobs: this process, or a pool of worker processes with one thread each.

A worker is ``python -m outgrow.studies.worker``: it reads a job's JSON from its input and answers in JSON, so nothing is pickled, a
notebook's or script's main module is never imported again, and the same line of JSON can be sent to a cluster.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from outgrow.errors import InputError, OutgrowError
from outgrow.studies.plan import Job

__all__ = ["Outcome", "cards", "run_jobs"]

THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Parameters
    ----------
    job : Job
    seconds : float
        0 when another process had done it.
    error : str
        One sentence when it failed.
    skipped : bool
        It was not tried, because something it is made from failed.
    given : bool
        It failed because of what a person gave.
    """

    job: Job
    seconds: float = 0.0
    error: str = ""
    skipped: bool = False
    given: bool = False


def sentence_of(error: BaseException) -> str:
    """Say what went wrong without quoting inputs: our own sentences whole, other errors by type and place."""
    if isinstance(error, OutgrowError):
        return str(error)
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = (
        f" in {os.path.basename(place.tb_frame.f_code.co_filename)}, line {place.tb_lineno}"
        if place is not None
        else ""
    )
    if isinstance(error, MemoryError):
        return f"out of memory{where}; use fewer processes, fewer rows, or a smaller view"
    return f"unexpected {type(error).__name__}{where}; set OUTGROW_DEBUG=1 to see the traceback"


def cards() -> tuple[str, ...]:
    """Return the graphics processors that this process may use, by the names that CUDA_VISIBLE_DEVICES takes."""
    import torch

    count = torch.cuda.device_count()
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is None or not count:
        return tuple(str(i) for i in range(count))
    names = (name.strip() for name in named.split(","))
    return tuple(itertools.islice(names, count))


def run_jobs(
    jobs: Sequence[Job],
    here: Callable[[Mapping[str, Any]], float],
    *,
    processes: int,
    root: str,
    failed: Collection[str] = (),
    devices: Sequence[str] = (),
) -> Generator[Outcome, None, None]:
    """Run jobs, each after its inputs; yield outcomes as they come.

    Parameters
    ----------
    jobs : sequence of Job
        An input that is not among them counts as done.
    here : callable
        Does one job in this process and returns its seconds.
    processes : int
        Worker processes; with 1, or with few jobs, everything runs here.
    root : str
        The store's folder, for the workers.
    failed : collection of str
        Keys of jobs that failed before; what is made from them is skipped.
    devices : sequence of str
        Graphics processors, see :func:`cards`. Workers take them in turn, and each sees its own alone; where there are several, even
        two jobs are spread.
    """
    waiting = {job.key: job for job in jobs}
    failed = set(failed)
    away = [j for j in jobs if not j.local and j.kind != "evaluation"]
    few = 1 if len(devices) > 1 else 2 * processes
    pool = Pool(min(processes, len(away)), root, devices) if processes > 1 and len(away) > few else None
    try:
        running: dict[str, Job] = {}
        while waiting or running:
            # What hangs on a skipped job is skipped in turn, before anything is called ready.
            while doomed := [j for j in waiting.values() if failed & set(j.inputs)]:
                for job in doomed:
                    failed.add(job.key)
                    del waiting[job.key]
                    yield Outcome(job, skipped=True, error="skipped: something it is made from failed")
            ready = [j for j in waiting.values() if not any(i in waiting or i in running for i in j.inputs)]
            mine = None
            for job in ready:
                if pool is not None and not job.local and job.kind != "evaluation":
                    if len(running) < pool.size + 1:
                        running[job.key] = waiting.pop(job.key)
                        pool.put(job)
                elif mine is None:
                    mine = waiting.pop(job.key)
            if mine is not None:
                outcome = _here(mine, here)
            elif running and pool is not None:
                outcome = pool.get()
                del running[outcome.job.key]
            else:
                continue
            if outcome.error:
                failed.add(outcome.job.key)
            yield outcome
    except BaseException:
        if pool is not None:
            pool.kill()
        raise
    finally:
        if pool is not None:
            pool.close()


def _here(job: Job, here: Callable[[Mapping[str, Any]], float]) -> Outcome:
    try:
        return Outcome(job, here(job.spec))
    except Exception as error:
        if os.environ.get("OUTGROW_DEBUG"):
            raise
        return Outcome(job, error=sentence_of(error), given=isinstance(error, InputError))


class Pool:
    """Worker processes that each take one job at a time."""

    def __init__(self, size: int, root: str, devices: Sequence[str] = ()):
        self.size = size
        self._root = root
        self._devices = devices
        self._todo: queue.Queue[Job | None] = queue.Queue()
        self._done: queue.Queue[Outcome] = queue.Queue()
        self._workers: list[subprocess.Popen[str]] = []
        self._threads = [threading.Thread(target=self._serve, args=(i,), daemon=True) for i in range(size)]
        for thread in self._threads:
            thread.start()

    def put(self, job: Job) -> None:
        """Hand over a job."""
        self._todo.put(job)

    def get(self) -> Outcome:
        """Wait for the next outcome."""
        return self._done.get()

    def _start(self, number: int) -> subprocess.Popen[str]:
        env = {**os.environ, **dict.fromkeys(THREADS, "1"), "OUTGROW_HOME": self._root}
        if self._devices:
            env["CUDA_VISIBLE_DEVICES"] = self._devices[number % len(self._devices)]
        worker = subprocess.Popen(
            [sys.executable, "-m", "outgrow.studies.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=env,
            text=True,
            encoding="utf-8",
            # Control-C is for the program; a worker ends when its input does.
            start_new_session=True,
        )
        self._workers.append(worker)
        return worker

    def _serve(self, number: int) -> None:
        worker = None
        while (job := self._todo.get()) is not None:
            try:
                if worker is not None and worker.poll() is not None:
                    _let_go(worker)
                    worker = None
                worker = worker or self._start(number)
                outcome = self._ask(worker, job)
            except Exception as error:  # else nobody would ever answer for this job
                outcome = Outcome(job, error=sentence_of(error))
            self._done.put(outcome)
        if worker is not None:
            _let_go(worker)

    @staticmethod
    def _ask(worker: subprocess.Popen[str], job: Job) -> Outcome:
        assert worker.stdin is not None
        assert worker.stdout is not None
        try:
            worker.stdin.write(json.dumps(dict(job.spec)) + "\n")
            worker.stdin.flush()
            line = worker.stdout.readline()
        except OSError:
            line = ""
        answer = None
        # A line without its end was cut off by the worker's own.
        whole = line.endswith("\n")
        with contextlib.suppress(ValueError):
            answer = json.loads(line) if whole else None
        if isinstance(answer, dict):
            return Outcome(job, answer.get("seconds", 0.0), answer.get("error", ""))
        if whole:
            worker.kill()
        code = worker.wait()
        _let_go(worker)
        reason = f"was ended by signal {-code} (often: out of memory)" if code < 0 else f"ended with code {code}"
        reason = "answered with something that is no JSON" if whole else reason
        return Outcome(job, error=f"the worker process {reason}; run again with --processes 1")

    def kill(self) -> None:
        """End the workers at once; what they had not stored is lost, and made again by the next run."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._todo.get_nowait()
        for worker in self._workers:
            worker.kill()

    def close(self) -> None:
        """Let the workers finish and end."""
        for _ in self._threads:
            self._todo.put(None)
        for thread in self._threads:
            thread.join(timeout=60)
        for worker in self._workers:
            if worker.poll() is None:
                worker.kill()
                worker.wait()


def _let_go(worker: subprocess.Popen[str]) -> None:
    """Close a worker's input, upon which it ends, wait for that, and close its answers."""
    with contextlib.suppress(OSError):
        if worker.stdin is not None:
            worker.stdin.close()
    worker.wait()
    if worker.stdout is not None:
        worker.stdout.close()
