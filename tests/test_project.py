"""What a stranger reads and runs first: README, examples, Makefile."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from outgrow.studies.study import Study

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
OWN = ROOT / "examples" / "own-data"


def block(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.S)


def test_the_study_of_the_readme_is_the_example():
    shown = yaml.safe_load(block(README, "yaml")[0])
    example = yaml.safe_load((ROOT / "examples" / "movies.yaml").read_text("utf-8"))
    assert shown.items() <= example.items()
    assert Study.read(ROOT / "examples" / "movies.yaml").seeds == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("page", ["README.md", "docs/own-data.md"])
def test_every_study_in_the_documentation_is_read(page):
    for text in block((ROOT / page).read_text("utf-8"), "yaml"):
        study = yaml.safe_load(text)
        if "task" not in study:
            study |= {"task": {"packaged": "movies"}, "supervisors": [{"probe": "tfidf"}], "students": ["tfidf"]}
        assert Study.read(study).students


def test_the_example_files_are_what_their_script_writes(tmp_path):
    shutil.copy(OWN / "make.py", tmp_path)
    subprocess.run([sys.executable, str(tmp_path / "make.py")], check=True)
    for name in ("tickets.csv", "weak.csv"):
        assert (tmp_path / name).read_bytes() == (OWN / name).read_bytes()


def test_the_example_in_python_runs(tmp_path):
    script = ROOT / "examples" / "five_seeds.py"
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [line.partition(":")[0] for line in done.stdout.splitlines()] == ["Naive", "Confidence"]
    assert done.stdout.count("The student is better than its supervisor:") == 2
    assert list(tmp_path.iterdir()) == []


@pytest.mark.packaged("vader", "wordllama", "minilm")
@pytest.mark.slow
def test_the_python_of_the_readme_runs(tmp_path):
    """With MiniLM in place of SmolLM2 and fewer rows, which take a tenth of the time."""
    code = block(README, "python")[0].replace("smollm2/18", "minilm/3")
    code = code.replace('outgrow.packaged("movies"), 4300', 'outgrow.packaged("movies"), 700').replace(
        "range(5)", "range(2)"
    )
    code = code.replace(
        "teach=500, transfer=2000, select=300, test=1500", "teach=100, transfer=300, select=50, test=250"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "2 seeds and 250 test rows" in done.stdout


def test_links_between_pages_lead_somewhere():
    broken = []
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text("utf-8")):
            if not target.startswith("http") and "api/" not in target and not (page.parent / target).exists():
                broken.append(f"{page.name}: {target}")
    assert broken == []


@pytest.mark.skipif(shutil.which("make") is None, reason="no make")
def test_an_old_python_gets_a_sentence(tmp_path):
    old = tmp_path / "python"
    old.write_text("#!/bin/sh\ncase $1 in --version) echo Python 3.8.1;; *) exit 1;; esac\n")
    old.chmod(0o755)
    shutil.copy(ROOT / "Makefile", tmp_path)
    env = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    done = subprocess.run(["make", f"PYTHON={old}", "demo"], capture_output=True, text=True, cwd=tmp_path, env=env)
    assert done.returncode == 2
    assert "outgrow needs Python 3.11 or newer" in done.stderr
    assert "Python 3.8.1; name another one: make PYTHON=" in done.stderr
