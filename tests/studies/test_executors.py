"""Jobs in order, failures and what hangs on them, workers that answer in JSON lines."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import ClassVar

import pytest

from outgrow.errors import InputError, StoreError
from outgrow.studies import executors, worker
from outgrow.studies.executors import Outcome, run_jobs, sentence_of
from outgrow.studies.plan import Job


def job(name, *inputs, local=False, kind="student"):
    return Job(kind, name, f"label of {name}", inputs, {"key": name}, local)


def here(log, wrong=()):
    def do(spec):
        log.append(spec["key"])
        if spec["key"] in wrong:
            raise wrong[spec["key"]]
        return 0.5

    return do


def run(jobs, do, **more):
    return list(run_jobs(jobs, do, **{"processes": 1, "root": "", **more}))


def test_after_its_inputs():
    log = []
    jobs = [job("d", "b", "c"), job("b", "a"), job("c", "a", "elsewhere"), job("a")]
    outcomes = run(jobs, here(log))
    assert sorted(log) == ["a", "b", "c", "d"]
    assert log[0] == "a"
    assert log[-1] == "d"
    assert [o.job.key for o in outcomes] == log
    assert all(o == Outcome(o.job, 0.5) for o in outcomes)


def test_failures_and_what_hangs_on_them():
    log = []
    jobs = [job("a"), job("b", "a"), job("c", "b"), job("x"), job("y", "x", "a")]
    outcomes = {o.job.key: o for o in run(jobs, here(log, {"a": InputError("column 'k' is missing")}))}
    assert sorted(log) == ["a", "x"]
    assert outcomes["a"].error == "column 'k' is missing"
    assert outcomes["a"].given
    assert not outcomes["a"].skipped
    assert {k for k, o in outcomes.items() if o.skipped} == {"b", "c", "y"}
    assert not any(o.given for k, o in outcomes.items() if k != "a")
    assert outcomes["x"].error == ""


def test_failed_before():
    log = []
    outcomes = {o.job.key: o for o in run([job("b", "a"), job("x")], here(log), failed={"a"})}
    assert log == ["x"]
    assert outcomes["b"].skipped


def test_foreign_errors_are_not_quoted(monkeypatch):
    secret = "zebrafinch"
    log = []
    (outcome,) = run([job("a")], here(log, {"a": KeyError(secret)}))
    assert secret not in outcome.error
    assert "KeyError" in outcome.error
    assert "test_executors.py" in outcome.error
    assert not outcome.given
    assert "out of memory" in sentence_of(MemoryError(secret))
    assert sentence_of(StoreError("whole")) == "whole"
    monkeypatch.setenv("OUTGROW_DEBUG", "1")
    with pytest.raises(KeyError):
        run([job("a")], here(log, {"a": KeyError(secret)}))


class FakePool:
    """Answers in the order given, and keeps what it was asked."""

    made: ClassVar[list[FakePool]] = []

    def __init__(self, size, root, devices):
        self.size, self.root, self.devices, self.todo, self.asked, self.ended = size, root, devices, [], [], []
        FakePool.made.append(self)

    def put(self, one):
        self.todo.append(one)
        self.asked.append(one.key)

    def get(self):
        return Outcome(self.todo.pop(0), 0.25)

    def close(self):
        self.ended.append("close")

    def kill(self):
        self.ended.append("kill")


def test_what_goes_to_workers(monkeypatch):
    """Fits go away; local jobs and scores stay here; few jobs need no workers; an interrupt ends them at once."""
    monkeypatch.setattr(executors, "Pool", FakePool)
    FakePool.made.clear()
    log = []
    jobs = [
        job("l", local=True),
        *(job(f"s{i}", "l") for i in range(6)),
        *(job(f"e{i}", f"s{i}", kind="evaluation") for i in range(6)),
    ]
    outcomes = run(jobs, here(log), processes=2, root="somewhere")
    (pool,) = FakePool.made
    assert (pool.size, pool.root, pool.devices) == (2, "somewhere", ())
    assert sorted(pool.asked) == [f"s{i}" for i in range(6)]
    assert sorted(log) == ["e0", "e1", "e2", "e3", "e4", "e5", "l"]
    assert len(outcomes) == 13
    assert pool.ended == ["close"]
    run([job(f"s{i}") for i in range(3)], here(log), processes=2)
    run([job(f"s{i}") for i in range(30)], here(log), processes=1)
    assert len(FakePool.made) == 1
    with pytest.raises(KeyboardInterrupt):
        run(jobs, here(log, {"l": KeyboardInterrupt()}), processes=2)
    assert FakePool.made[-1].ended == ["kill", "close"]


@pytest.mark.parametrize(
    ("code", "word"),
    [
        ("print('{', end='')", "ended with code 0"),
        ("import os; print('{\"sec', end='', flush=True); os.kill(os.getpid(), 9)", "signal 9"),
        ("import sys; sys.exit(3)", "ended with code 3"),
        ("print('no JSON'); input()", "no JSON"),
    ],
)
def test_workers_that_fail(monkeypatch, code, word):
    """Each of their jobs is a failed row, and the pool goes on with a new worker."""

    def start(self, number):
        worker = subprocess.Popen(
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._workers.append(worker)
        return worker

    monkeypatch.setattr(executors.Pool, "_start", start)
    outcomes = run([job(f"s{i}") for i in range(5)], here([]), processes=2)
    assert len(outcomes) == 5
    assert all(word in o.error for o in outcomes), outcomes


def test_workers_that_cannot_start(monkeypatch):
    def start(self, number):
        raise OSError("no memory")

    monkeypatch.setattr(executors.Pool, "_start", start)
    outcomes = run([job(f"s{i}") for i in range(5)], here([]), processes=2)
    assert all("OSError" in o.error for o in outcomes)


def test_worker_answers_in_json(monkeypatch, fresh_home, tmp_path):
    """One line a job, errors as sentences, and nothing else on the channel, whatever jobs print."""
    from outgrow.studies import work

    def do(spec, context):
        os.write(1, b"noise of a library\n")
        if spec["key"] == "bad":
            raise KeyError("zebrafinch")
        return 0.125

    monkeypatch.setattr(worker, "do", do)
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"key": "good"}\n{"key": "bad"}\n{"key": "good"}\n'))
    answers = tmp_path / "answers"
    saved = os.dup(1), os.dup(2)
    try:
        with answers.open("wb") as file, (tmp_path / "noise").open("wb") as noise:
            os.dup2(file.fileno(), 1)
            os.dup2(noise.fileno(), 2)
            worker.main()
    finally:
        os.dup2(saved[0], 1)
        os.dup2(saved[1], 2)
    first, second, third = map(json.loads, answers.read_text("utf-8").splitlines())
    assert first == third == {"seconds": 0.125}
    assert "KeyError" in second["error"]
    assert "zebrafinch" not in answers.read_text("utf-8")
    assert (tmp_path / "noise").read_bytes().count(b"noise") == 3
    assert set(work.WORK) == {"labels", "reference", "student", "evaluation", "curve", "self"}


def test_an_interrupt_between_jobs_ends_the_workers_at_once(fresh_home):
    """Closing the outcomes, as an interrupt in the loop over them does, waits for no worker."""
    jobs = [Job("reference", f"{i:032x}", f"job {i}", (), {"kind": "reference", "key": f"{i:032x}"}) for i in range(9)]
    outcomes = run_jobs(jobs, lambda spec: 0.0, processes=2, root=str(fresh_home))
    next(outcomes)
    started = time.monotonic()
    outcomes.close()
    assert time.monotonic() - started < 20


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the environment of another process")
def test_each_worker_sees_a_graphics_processor_of_its_own(monkeypatch, fresh_home):
    """Workers take the named ones in turn, and two jobs are enough to spread; without names the environment stays."""
    seen = []

    def watched(worker, job):
        # Just after a process begins, its environment reads as empty.
        while not (text := Path(f"/proc/{worker.pid}/environ").read_bytes()):
            time.sleep(0.01)
        seen.append(dict(line.split(b"=", 1) for line in text.split(b"\0") if b"=" in line))
        worker.kill()
        executors._let_go(worker)
        return Outcome(job, 0.1)

    monkeypatch.setattr(executors.Pool, "_ask", staticmethod(watched))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    run([job(f"s{i}") for i in range(2)], here([]), processes=2, root=str(fresh_home), devices=("3", "GPU-5"))
    assert {env[b"CUDA_VISIBLE_DEVICES"] for env in seen} <= {b"3", b"GPU-5"}
    assert len(seen) == 2
    pool = executors.Pool(0, str(fresh_home), ("3", "GPU-5"))
    for number, name in enumerate((b"3", b"GPU-5", b"3")):
        watched(pool._start(number), job("s"))
        assert seen[-1][b"CUDA_VISIBLE_DEVICES"] == name
    pool.close()
    seen.clear()
    run([job(f"s{i}") for i in range(5)], here([]), processes=2, root=str(fresh_home))
    assert len(seen) == 5
    assert not any(b"CUDA_VISIBLE_DEVICES" in env for env in seen)


@pytest.mark.parametrize(
    ("count", "named", "found"),
    [(0, None, ()), (0, "0,1", ()), (3, None, ("0", "1", "2")), (2, "4, 7", ("4", "7")), (1, "2,-1,3", ("2",))],
)
def test_cards(monkeypatch, count, named, found):
    """Torch counts what it can see; this machine may have none, so its count is given here."""
    import torch

    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if named is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert executors.cards() == found
