"""The program: help that is true and quick, one JSON value, exit codes, no prompts, pipes that close."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

HEAVY = ("torch", "transformers", "sklearn", "pandas", "matplotlib", "scipy")
VERBS = (
    "demo",
    "run",
    "forecast",
    "label",
    "report",
    "predict",
    "ls",
    "claims",
    "check-method",
    "fetch",
    "clean",
    "papers",
    "reproduce",
    "plan-truth",
    "choose",
)


def call(*args, **more):
    return subprocess.run(
        [sys.executable, "-m", "outgrow", *map(str, args)],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        timeout=120,
        **more,
    )


@pytest.fixture
def program(monkeypatch, capsys):
    """The program in this process: exit code, standard output, standard error."""
    from outgrow.cli import main

    def run(*args):
        monkeypatch.setattr(sys, "argv", ["outgrow", *map(str, args)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main()
        return (stop.value.code or 0, *capsys.readouterr())

    return run


@pytest.fixture
def study(tmp_path):
    """Two classes in four columns; a probe on two of them teaches a head on all."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 240)
    x = rng.normal(size=(240, 4)) + y[:, None] * [1.0, 0.5, 1.0, 0.0]
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    np.save(tmp_path / "two.npy", x[:, :2])
    given = {
        "task": {"arrays": {"inputs": "x.npy", "truth": "y.npy", "two": "two.npy"}},
        "split": {"teach": 40, "transfer": 100, "select": 20, "test": 80},
        "supervisors": [{"probe": "two", "penalty": 1.0, "folds": 2}],
        "students": [{"encoder": "inputs", "penalty": 0.1}],
        "seeds": 2,
    }
    path = tmp_path / "numbers.yaml"
    path.write_text(yaml.safe_dump(given), "utf-8")
    return path


def test_help_is_quick_and_light():
    """``--help`` of the program and of every verb imports nothing that takes seconds."""
    code = (
        "import sys\nfrom outgrow.cli import main\n"
        f"for args in [[], *[[v] for v in {VERBS!r}]]:\n"
        "    sys.argv = ['outgrow', *args, '--help']\n"
        "    try:\n        main()\n    except SystemExit as stop:\n        assert not stop.code, args\n"
        f"loaded = [m for m in {HEAVY!r} if m in sys.modules]\n"
        "assert not loaded, loaded\n"
    )
    began = os.times()
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    ended = os.times()
    assert ran.returncode == 0, ran.stderr
    cpu = ended.children_user + ended.children_system - began.children_user - began.children_system
    # Ten helps in one process; a person waits for one.
    assert cpu < 3, cpu
    text = " ".join(ran.stdout.split())
    for verb in VERBS:
        assert f"outgrow {verb}" in text
    assert text.count("--json") >= len(VERBS)


def test_help_tells_the_truth(program):
    """Every option of every verb stands in its help, with a sentence."""
    from typer.main import get_command

    from outgrow.cli import app

    commands = get_command(app).commands
    assert set(commands) == set(VERBS)
    for name, command in commands.items():
        code, out, _ = program(name, "--help")
        assert code == 0
        for parameter in command.params:
            if parameter.name == "help":
                continue
            assert getattr(parameter, "help", None), (name, parameter.name)
            shown = max(parameter.opts, key=len)
            assert shown.lstrip("-").upper().replace("-", "_") in out.upper().replace("-", "_"), (name, shown)
        assert any("--json" in p.opts for p in command.params), name


def test_run_report_predict(program, study, tmp_path):
    """The road in one process, each answer as JSON and as text."""
    out = tmp_path / "out"
    code, shown, said = program("run", study, "--out", out, "--processes", "1", "--json")
    assert code == 0, said
    found = json.loads(shown, parse_constant=pytest.fail)
    assert {"study", "headline", "report", "folder", "table", "forecasts", "notes", "failures", "best"} == set(found)
    assert found["study"] == "numbers"
    assert Path(found["report"]).is_file()
    code, shown, _ = program("run", study, "--out", out, "--processes", "1")
    assert code == 0
    assert found["report"] in shown
    assert " ".join(found["headline"].split()) in " ".join(shown.split())
    code, shown, _ = program("report", out, "--html", tmp_path / "again.html", "--json")
    assert code == 0
    assert json.loads(shown)["headline"] == found["headline"]
    assert (tmp_path / "again.html").read_text("utf-8") == (out / "report.html").read_text("utf-8")
    np.save(tmp_path / "new.npy", np.zeros((3, 4)))
    code, shown, _ = program("predict", out / "student", tmp_path / "new.npy", "--json")
    assert code == 0
    lines = json.loads(shown, parse_constant=pytest.fail)
    assert [line["id"] for line in lines] == ["0", "1", "2"]
    assert all(line["label"] in ("0", "1") for line in lines)
    code, shown, _ = program("predict", out / "student", tmp_path / "new.npy")
    assert code == 0
    assert "probability" in shown


def test_default_folder(program, study, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, shown, _ = program("run", study, "--processes", "1", "--json")
    assert code == 0
    assert Path(json.loads(shown)["folder"]) == tmp_path / "outgrow-runs" / "numbers"


def test_dry_run(program, study, fresh_home, tmp_path):
    """It lists jobs and what is stored, and makes nothing."""
    code, shown, _ = program("run", study, "--dry-run", "--json")
    assert code == 0
    before = json.loads(shown, parse_constant=pytest.fail)
    kinds = [job["kind"] for job in before["jobs"]]
    assert {k: kinds.count(k) for k in sorted(set(kinds))} == {
        "evaluation": 2,
        "labels": 2,
        "reference": 2,
        "student": 2,
        "view": 2,
    }
    assert not (fresh_home / "objects").exists()
    assert program("run", study, "--out", tmp_path / "out", "--processes", "1")[0] == 0
    code, shown, _ = program("run", study, "--dry-run")
    assert code == 0
    assert "10 jobs, 10 stored" in shown


def test_lists(program):
    for what in ("methods", "forecasts", "audits", "claims", "encoders", "supervisors", "packaged", "runs"):
        code, shown, _ = program("ls", what, "--json")
        assert code == 0
        found = json.loads(shown, parse_constant=pytest.fail)
        assert isinstance(found, list)
        assert found or what == "runs"
        code, shown, _ = program("ls", what)
        assert code == 0
        assert all(str(line["name"]) in shown for line in found)
    code, shown, _ = program("ls", "--json")
    assert code == 0
    assert len(json.loads(shown)) == 8


@pytest.mark.parametrize(
    "args",
    [["nothing"], ["run"], ["run", "a", "b"], ["run", "x.yaml", "--processes", "0"], ["ls", "--nothing"], ["predict"]],
)
def test_usage_errors(program, args):
    code, _, said = program(*args)
    assert code == 2
    assert "Traceback" not in said


def test_no_arguments_is_help(program):
    code, out, said = program()
    assert code in (0, 2)
    assert "demo" in out + said


def test_reader_that_goes_away():
    """``outgrow ls | head -1`` ends without a traceback."""
    ran = subprocess.run(
        f"{sys.executable} -m outgrow ls --json | head -n 1", shell=True, capture_output=True, text=True, timeout=120
    )
    assert ran.stdout.strip() == "{"
    assert ran.stderr == ""


def test_interrupt(study, tmp_path):
    """Control-C is a sentence and exit code 130, and leaves no worker behind."""
    given = yaml.safe_load(study.read_text("utf-8"))
    study.write_text(yaml.safe_dump({**given, "seeds": 300}), "utf-8")
    out = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "-m", "outgrow", "run", study, "--out", out, "--processes", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A suite started in the background of a shell ignores the signal, and hands that on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        until = time.monotonic() + 90
        while time.monotonic() < until and process.poll() is None:
            if (out / "journal.jsonl").exists() and '"done"' in (out / "journal.jsonl").read_text("utf-8"):
                break
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=180)
    finally:
        process.kill()
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert "goes on where it was" in said
    home = f"OUTGROW_HOME={os.environ['OUTGROW_HOME']}".encode()
    for left in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            assert not (
                b"studies.worker" in (left / "cmdline").read_bytes() and home in (left / "environ").read_bytes()
            )


def test_no_colours_in_files(study, tmp_path):
    """Tables that go into a file or pipe hold no control characters, and no line is cut."""
    ran = call(
        "run",
        study,
        "--out",
        tmp_path / "out",
        "--processes",
        "1",
        env={**os.environ, "FORCE_COLOR": "", "COLUMNS": "80"},
    )
    assert ran.returncode == 0, ran.stderr
    assert not re.search("\x1b", ran.stdout + ran.stderr)
    assert "…" not in ran.stdout


def test_plan_truth(program, study, tmp_path):
    """From a rate and from a study; rows are written, and every refusal has the exit code of wrong input."""
    code, shown, _ = program("plan-truth", "--gain", ".05", "--disagreement", ".2")
    assert (code, shown.strip()) == (0, "Label 619 rows to see a gain of .050 in accuracy with 80% power.")
    code, shown, said = program("plan-truth", study, "--gain", ".03", "--processes", "1", "--json")
    assert code == 0, said
    found = json.loads(shown, parse_constant=pytest.fail)
    assert {"wished", "remaining", "labelled", "available", "power", "students", "sentences", "out"} == set(found)
    assert found["students"][0]["rows"] == found["remaining"] > 0
    assert found["available"] == 0
    code, _, said = program("plan-truth", study, "--gain", ".03", "--out", tmp_path / "rows.csv")
    assert code == 2
    assert "no row without truth is held out" in said
    truth = np.load(tmp_path / "y.npy").astype(object).astype(str)
    truth[120:] = ""
    np.save(tmp_path / "y.npy", truth.astype("U1"))
    code, shown, said = program("plan-truth", study, "--gain", ".03", "--out", tmp_path / "rows.csv")
    assert code == 0, said
    assert "fill the column truth" in said
    assert "rows to see a gain of 0.03" in shown
    lines = (tmp_path / "rows.csv").read_text().splitlines()
    assert lines[0] == "id,truth"
    code, _, said = program("plan-truth", study, "--pilot", tmp_path / "rows.csv")
    assert code == 2
    assert "has 0 rows with truth" in said
