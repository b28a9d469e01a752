"""A small study of made-up texts, a tiny random transformer, and the program as a person meets it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

GOOD = ["good", "great", "funny", "sharp", "warm", "lovely"]
BAD = ["bad", "dull", "slow", "broken", "cold", "dreary"]
PLAIN = ["the", "a", "film", "movie", "plot", "story", "and", "but", "very", "it", "was", "is", "scene", "actor"]


def make_texts(n: int, seed: int = 0, extra: str = "") -> tuple[list[str], list[str]]:
    """Different texts of 6 to 24 words, half of them "pos"; the tone words of one in five belong to the other class."""
    import random

    rng = random.Random(seed)
    texts, truth = [], []
    for i in range(n):
        positive = i % 2 == 0
        tone = GOOD if positive != (rng.random() < 0.2) else BAD
        words = [*rng.choices(PLAIN, k=rng.randint(4, 20)), *rng.choices(tone, k=2)]
        rng.shuffle(words)
        texts.append(" ".join([*words, f"n{i}", extra]).strip())
        truth.append("pos" if positive else "neg")
    return texts, truth


def write_csv(path: Path, **columns: list[Any]) -> Path:
    """Write columns as a CSV file in UTF-8."""
    import csv

    with path.open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow(columns)
        lines.writerows(zip(*columns.values(), strict=True))
    return path


def write_study(path: Path, **keys: Any) -> Path:
    """Write a study file; what is not given is small and quick."""
    study = {
        "task": {"file": "texts.csv", "input": "body", "truth": "label", "id": "key"},
        "split": {"teach": 40, "transfer": 100, "select": 20, "test": 80},
        "supervisors": [{"file": "weak.csv", "id": "key", "label": "guess", "name": "crowd"}],
        "students": [{"encoder": "tfidf", "penalty": 1.0}],
        "methods": ["naive"],
        "seeds": 2,
        **keys,
    }
    path.write_text(yaml.safe_dump({k: v for k, v in study.items() if v is not None}, sort_keys=False), "utf-8")
    return path


@pytest.fixture
def own_data(tmp_path: Path) -> Path:
    """A folder with texts.csv (240 rows), weak.csv (labels by id, three quarters of them right) and study.yaml."""
    import random

    folder = tmp_path / "data"
    folder.mkdir()
    texts, truth = make_texts(240)
    rng = random.Random(1)
    guess = [t if rng.random() < 0.75 else {"pos": "neg", "neg": "pos"}[t] for t in truth]
    keys = [f"k{i:03d}" for i in range(240)]
    write_csv(folder / "texts.csv", key=keys, body=texts, label=truth)
    write_csv(folder / "weak.csv", key=keys, guess=guess)
    write_study(folder / "study.yaml")
    return folder


@dataclass(frozen=True)
class Answer:
    """What the program left: exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON value on standard output; NaN is no JSON."""

        def refuse(word: str) -> None:
            raise AssertionError(f"{word} is no JSON")

        return json.loads(self.out, parse_constant=refuse)


Program = Callable[..., Answer]


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Program:
    """The program in this process: ``program("run", path, "--json")``."""
    from outgrow.cli import main

    def call(*args: Any) -> Answer:
        monkeypatch.setattr(sys, "argv", ["outgrow", *map(str, args)])
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        out, err = capsys.readouterr()
        return Answer(code, out, err)

    return call


def start(*args: Any, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> subprocess.Popen[str]:
    """Start the program as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "outgrow", *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        env={**os.environ, **(env or {})},
        cwd=cwd,
    )


def finish(process: subprocess.Popen[str], timeout: float = 120) -> Answer:
    """Wait for a process that :func:`start` began."""
    out, err = process.communicate(timeout=timeout)
    return Answer(process.returncode, out, err)


def journal(folder: Path) -> list[dict[str, Any]]:
    """All lines of a results folder's journal."""
    from outgrow.store import Journal

    return Journal(folder / "journal.jsonl").read()
