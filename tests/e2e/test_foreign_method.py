"""The package in examples/foreign-method as another author's: installed beside ours, listed, checked and run in a study."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import yaml

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "foreign-method"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as pip leaves it: the module, and what its pyproject.toml says as metadata. Building would need a network."""
    about = tomllib.loads((EXAMPLE / "pyproject.toml").read_text("utf-8"))
    project = about["project"]
    site = tmp_path_factory.mktemp("site")
    for name in about["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]:
        shutil.copy(EXAMPLE / name, site)
    info = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n", "utf-8"
    )
    lines = [
        f"[{group}]\n" + "".join(f"{k} = {v}\n" for k, v in points.items())
        for group, points in project["entry-points"].items()
    ]
    (info / "entry_points.txt").write_text("\n".join(lines), "utf-8")
    return site


def outgrow(site: Path, *args: object, cwd: Path) -> tuple[int, str, str]:
    paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-m", "outgrow", *map(str, args)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_it_is_listed(site: Path, tmp_path: Path) -> None:
    code, out, said = outgrow(site, "ls", "methods", "--json", cwd=tmp_path)
    assert code == 0, said
    listed = {line["name"]: line for line in json.loads(out)}
    assert listed["smoothing"] == {
        "name": "smoothing",
        "paper": "szegedy2016",
        "text": "Train the learner on weak labels mixed with the uniform distribution.",
        "truth": "none",
        "needs": [],
    }
    assert "naive" in listed


def test_it_runs_in_a_study_by_its_name(site: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    y = random.integers(0, 2, 260)
    x = random.normal(size=(260, 4)) + y[:, None] * [1.0, 0.5, 1.0, 0.0]
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    np.save(tmp_path / "two.npy", x[:, :2])
    study = {
        "task": {"arrays": {"inputs": "x.npy", "truth": "y.npy", "two": "two.npy"}},
        "split": {"teach": 60, "transfer": 100, "select": 20, "test": 80},
        "supervisors": [{"probe": "two", "penalty": 1.0, "folds": 2}],
        "students": [{"encoder": "inputs", "penalty": 0.1}],
        "methods": ["naive", {"smoothing": {"share": 0}}, {"smoothing": {"share": 0.3}}],
        "seeds": 1,
    }
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(study), "utf-8")
    code, out, said = outgrow(site, "run", "mine.yaml", "--processes", "2", "--json", cwd=tmp_path)
    assert code == 0, said
    lines = {line["method"]: line for line in json.loads(out)["table"]}
    assert set(lines) == {"naive", "smoothing(share=0)", "smoothing(share=0.3)"}
    scores = {
        name: line["student_accuracy"] if "student_accuracy" in line else line["student"]
        for name, line in lines.items()
    }
    assert scores["smoothing(share=0)"] == scores["naive"]
    study["methods"] = [{"smoothing": {"share": 2}}]
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(study), "utf-8")
    code, _, said = outgrow(site, "run", "mine.yaml", cwd=tmp_path)
    assert code == 2
    assert "Smoothing share must be a number of at least 0 and below 1, not 2" in said


@pytest.mark.slow
def test_it_passes_every_check(site: Path, tmp_path: Path) -> None:
    code, out, said = outgrow(site, "check-method", "outgrow_smoothing:Smoothing", "--json", cwd=tmp_path)
    found = json.loads(out)
    assert code == 0, (found, said)
    assert (found["failed"], found["skipped"]) == (0, 0)
    told = {line["check"]: line["sentence"] for line in found["checks"]}
    assert told["value task"] == "refused beforehand: Smoothing mixes class labels, and the task has values; use Naive"


def test_the_documentation_shows_the_same_code() -> None:
    text = (ROOT / "docs" / "extend.md").read_text("utf-8")
    code = (EXAMPLE / "outgrow_smoothing.py").read_text("utf-8")
    (shown,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    for line in shown.splitlines():
        if line.strip() and not line.startswith(("#", "    def fit", "            weak = weak.relabel")):
            assert line.rstrip('"') in code, line
    assert 'smoothing = "outgrow_smoothing:Smoothing"' in text
    from outgrow.studies.check import CHECKS

    assert all(name in text for name in CHECKS)
