"""A job that fails is a row; workers that die; two runs at once; one process or two."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from .conftest import finish, journal, start, write_study

RULES = '''
import os, signal
from pathlib import Path

HERE = Path(__file__).parent


def tone(text):
    """Votes on the words; fails while the file 'broken' stands beside it."""
    if (HERE / "broken").exists():
        raise KeyError(text)
    found = [w for w in text.split() if w in ("good", "great", "funny", "bad", "dull", "slow")]
    return None if not found else "pos" if found[0] in ("good", "great", "funny") else "neg"
'''
METHOD = '''
import os, signal
from outgrow.methods.naive import Naive


class Dies(Naive):
    """Naive, in a process that is killed."""

    def fit(self, X, y, **more):
        if os.environ.get("WORKER_DIES"):
            os.kill(os.getpid(), signal.SIGKILL)
        return super().fit(X, y, **more)
'''


def done(folder: Path) -> list[str]:
    return [line["key"] for line in journal(folder) if line["event"] == "done"]


def tables(folder: Path) -> list[bytes]:
    student = sorted(p for p in (folder / "student").rglob("*") if p.is_file())
    return [(folder / n).read_bytes() for n in ("results.csv", "table.csv")] + [p.read_bytes() for p in student]


def test_failed_job_is_a_row(own_data, program, tmp_path):
    """Exit code 1, the other supervisor's results are kept and reported; mended, only what failed is done."""
    (own_data / "failing_rules.py").write_text(RULES, "utf-8")
    (own_data / "broken").touch()
    crowd = {"file": "weak.csv", "id": "key", "label": "guess", "name": "crowd"}
    study = write_study(own_data / "study.yaml", supervisors=[{"rules": "failing_rules:tone"}, crowd])
    out = tmp_path / "out"
    answer = program("run", study, "--out", out, "--processes", 1, "--json")
    assert answer.code == 1, answer.err
    found = answer.json
    assert {line["supervisor"] for line in found["table"]} == {"crowd"}
    errors = {line["job"]: line["error"] for line in found["failures"]}
    assert "KeyError" in errors["tone labels"]
    assert "film" not in answer.out + answer.err
    skipped = {job for job, error in errors.items() if error.startswith("skipped")}
    assert len(skipped) == 4  # student and score, two seeds
    assert all("tone" in job for job in skipped)
    assert answer.err.count("failed: ") == 1
    for name in ("report.html", "report.md"):
        assert "tone labels" in (out / name).read_text("utf-8")
    assert {"failed", "done", "end"} <= {line["event"] for line in journal(out)}
    before = done(out)

    (own_data / "broken").unlink()
    answer = program("run", study, "--out", out, "--processes", 1, "--json")
    assert answer.code == 0, answer.err
    assert {line["supervisor"] for line in answer.json["table"]} == {"crowd", "tone"}
    assert answer.json["failures"] == []
    after = done(out)
    assert len(after) == len(set(after))
    assert after[: len(before)] == before
    assert len(after) == len(before) + 5
    assert "tone labels" not in (out / "report.md").read_text("utf-8")


def test_a_stack_falls_with_its_member(own_data, program, tmp_path):
    """A nested list is one table: without one of its supervisors there is none, and nothing else to train."""
    (own_data / "failing_stack.py").write_text(RULES, "utf-8")
    (own_data / "broken").touch()
    crowd = {"file": "weak.csv", "id": "key", "label": "guess", "name": "crowd"}
    study = write_study(own_data / "study.yaml", supervisors=[[{"rules": "failing_stack:tone"}, crowd]])
    answer = program("run", study, "--out", tmp_path / "out", "--processes", 1)
    assert answer.code in (1, 2)
    assert "Traceback" not in answer.err
    assert "tone" in answer.err


@pytest.fixture
def many(own_data):
    """Enough fits that worker processes are used."""
    return write_study(
        own_data / "study.yaml",
        supervisors=[
            {"probe": "tfidf", "penalty": 1.0, "folds": 2},
            {"file": "weak.csv", "id": "key", "label": "guess", "name": "crowd"},
        ],
        methods=["naive", "confidence"],
    )


@pytest.mark.slow
def test_two_runs_and_two_workers(many, program, tmp_path, fresh_home):
    """Two processes with two workers each, at once, from one empty cache, into two folders: each thing is made once.

    A run in one process and another cache finds the same, bit for bit.
    """
    runs = [start("run", many, "--out", tmp_path / name, "--processes", 2) for name in "ab"]
    answers = [finish(run) for run in runs]
    assert [a.code for a in answers] == [0, 0], answers
    assert not any("Traceback" in a.err for a in answers)
    made = [key for name in "ab" for key in done(tmp_path / name)]
    shards = [(e["key"], e["shard"]) for name in "ab" for e in journal(tmp_path / name) if e["event"] == "shard"]
    assert len(made) == len(set(made))
    assert len(shards) == len(set(shards)) > 0
    assert tables(tmp_path / "a") == tables(tmp_path / "b")

    os.environ["OUTGROW_HOME"] = str(tmp_path / "other-home")
    assert program("run", many, "--out", tmp_path / "c", "--processes", 1).code == 0
    assert set(done(tmp_path / "c")) == set(made)
    assert tables(tmp_path / "c") == tables(tmp_path / "a")
    for name in ("results", "rows", "forecasts", "table"):
        one, other = (pd.read_parquet(tmp_path / n / f"{name}.parquet") for n in "ac")
        pd.testing.assert_frame_equal(one, other, check_exact=True)


def test_two_runs_into_one_folder(own_data, program, tmp_path):
    """The second waits, says so, and finds everything stored."""
    out = tmp_path / "out"
    assert program("run", own_data / "study.yaml", "--out", out, "--processes", 1).code == 0
    before = tables(out)
    hold = "import sys, time; from outgrow.store import lock\nwith lock(sys.argv[1]): print('held', flush=True); time.sleep(1)"
    holder = subprocess.Popen([sys.executable, "-c", hold, out / "run"], stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"held\n"
    answer = program("run", own_data / "study.yaml", "--out", out, "--processes", 1)
    holder.communicate()
    assert answer.code == 0, answer.err
    assert "another process is running" in answer.err
    assert tables(out) == before
    assert len(done(out)) == len(set(done(out)))


def test_script_without_main_guard(many, tmp_path):
    """Workers never import the script again, so it needs no ``if __name__ == "__main__"``."""
    script = tmp_path / "script.py"
    script.write_text(
        f"import outgrow\nprint('once')\nr = outgrow.run({str(many)!r}, out={str(tmp_path / 'out')!r}, processes=2)\n"
        "print(len(r.cells), len(r.failures))\n",
        "utf-8",
    )
    ran = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == ["once", "4", "0"]


@pytest.mark.slow
def test_dead_workers(many, program, tmp_path, monkeypatch):
    """A worker killed in mid-job is a failed row that names the signal; the other jobs go on in a new worker."""
    site = tmp_path / "site"
    (site / "dying-1.0.dist-info").mkdir(parents=True)
    (site / "dying.py").write_text(METHOD, "utf-8")
    (site / "dying-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: dying\nVersion: 1.0\n", "utf-8"
    )
    (site / "dying-1.0.dist-info" / "entry_points.txt").write_text("[outgrow.methods]\ndies = dying:Dies\n", "utf-8")
    study = yaml.safe_load(many.read_text("utf-8"))
    many.write_text(
        yaml.safe_dump({**study, "methods": ["naive", "dies"], "supervisors": study["supervisors"][1:]}), "utf-8"
    )
    env = {"WORKER_DIES": "1", "PYTHONPATH": os.pathsep.join([str(site), os.environ["PYTHONPATH"]])}
    answer = finish(start("run", many, "--out", tmp_path / "out", "--processes", 2, "--json", env=env))
    assert answer.code == 1, answer.err
    errors = [line["error"] for line in answer.json["failures"] if not line["error"].startswith("skipped")]
    assert len(errors) == 2
    assert all(f"signal {int(signal.SIGKILL)}" in e and "--processes 1" in e for e in errors)
    assert [line["method"] for line in answer.json["table"]] == ["naive"]
