"""Which edits can change a verdict, and which cannot."""

from __future__ import annotations

import importlib
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from outgrow.catalogue import claims
from outgrow.errors import InputError
from outgrow.papers import reach
from outgrow.papers.page import page
from outgrow.papers.reach import code_key, stamp
from outgrow.papers.verdicts import older, published

FILES = {
    "__init__": '"""A package."""\n',
    "tools": '''
        """Tools."""
        import numpy as np

        LIMIT = 3
        OTHER = 4
        TABLE = {}

        def clipped(x):
            """Clip."""
            return np.minimum(x, LIMIT)

        def unused(x):
            return x + OTHER

        class Base:
            def scale(self):
                return 2

        class Child(Base):
            pass

        def register():
            TABLE["a"] = 1

        register()
        ''',
    "more": """
        def late(x):
            return x
        """,
    "claims": '''
        from typing import TYPE_CHECKING
        from mylab_reach.tools import Child
        from mylab_reach import tools

        if TYPE_CHECKING:
            from collections.abc import Sequence

        def measure(seeds: "Sequence[int]", quick=False, n=10):
            """Measure."""
            # A comment.
            from .more import late
            return late(Child().scale()) * n

        def clips(seeds, quick=False):
            return tools.clipped(1)

        WORDS = "of a claim"
        ''',
}


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Write a package with some texts changed, and return its claims' module with nothing remembered."""
    folder = tmp_path / "mylab_reach"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(*edits: tuple[str, str, str]) -> Any:
        for name, text in FILES.items():
            text = textwrap.dedent(text).lstrip("\n")
            for where, old, new in edits:
                if where == name:
                    assert old in text
                    text = text.replace(old, new)
            (folder / f"{name}.py").write_text(text, "utf-8")
        for name in [n for n in sys.modules if n.partition(".")[0] == "mylab_reach"]:
            del sys.modules[name]
        for remembered in (reach._closure, reach._module, reach._uses, reach._digest):
            remembered.cache_clear()
        importlib.invalidate_caches()
        return importlib.import_module("mylab_reach.claims")

    yield write
    for remembered in (reach._closure, reach._module, reach._uses, reach._digest):
        remembered.cache_clear()


@pytest.mark.parametrize(
    "edit",
    [
        ("claims", "# A comment.", "# Another, longer comment.\n    #"),
        ("claims", '"""Measure."""', '"""Measure it well."""'),
        ("claims", '"Sequence[int]"', '"list[int]"'),
        ("claims", "of a claim", "of another claim"),
        ("tools", "x + OTHER", "x - OTHER"),
        ("tools", "LIMIT = 3", "LIMIT = 5"),
        ("tools", '"""Tools."""', '"""Tools of all kinds."""'),
    ],
)
def test_what_cannot_change_a_measurement(lab: Any, edit: tuple[str, str, str]) -> None:
    assert code_key(lab().measure) == code_key(lab(edit).measure)


@pytest.mark.parametrize(
    "edit",
    [
        ("claims", "n=10", "n=11"),
        ("claims", "* n", "+ n"),
        ("more", "return x", "return -x"),
        ("tools", "return 2", "return 3"),
        ("tools", "class Child(Base)", "class Child"),
        ("tools", "\nregister()\n", "\nregister(); register()\n"),
    ],
)
def test_what_can(lab: Any, edit: tuple[str, str, str]) -> None:
    assert code_key(lab().measure) != code_key(lab(edit).measure)


def test_a_module_that_is_used_as_a_whole_counts_whole(lab: Any) -> None:
    first = code_key(lab().clips)
    assert first == code_key(lab(("more", "return x", "return -x")).clips)
    assert first != code_key(lab(("tools", "LIMIT = 3", "LIMIT = 5")).clips)


def test_arguments_count_and_nameless_functions_are_refused(lab: Any) -> None:
    made = lab()
    keys = {code_key(made.measure), *(code_key(partial(made.measure, n=n)) for n in (10, 11))}
    assert len(keys) == 3
    with pytest.raises(InputError, match="lambda or an inner function"):
        code_key(lambda seeds, quick=False: None)


def test_keys_are_those_of_another_process() -> None:
    names = ["expansion_table", "bootstrap_three_hops"]
    code = (
        "from outgrow.catalogue import claims\nfrom outgrow.papers.reach import code_key\n"
        f"print(*(code_key(claims()[n].measure) for n in {names}))"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert there == [code_key(claims()[n].measure) for n in names]
    assert len(set(there)) == 2


def test_what_a_real_claim_reaches() -> None:
    seen: set[tuple[str, str]] = set()
    waiting = [("outgrow.papers.burns2023", "three_hops")]
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            waiting += reach._uses(node, frozenset({"outgrow"}))
    for part in (
        ("outgrow.methods.bootstrap", "Bootstrap"),
        ("outgrow.methods.bootstrap", "_answers"),
        ("outgrow.methods.method", "OfLearner"),
        ("outgrow.learners.solver", "solve"),
        ("outgrow.papers.cells", "SIZES"),
        ("outgrow.supervisors.later", "LaterFolds"),
        ("outgrow.supervisors.probe", "ProbeSupervisor"),
        ("outgrow.scores.intervals", "pooled_mean"),
    ):
        assert part in seen, part
    modules = {module for module, _ in seen}
    assert not modules & {"outgrow.cli", "outgrow.methods.confidence", "outgrow.papers.library"}
    assert ("outgrow.papers.burns2023", "PAPER") not in seen


def test_what_is_older_is_said() -> None:
    known = {name: claims()[name] for name in ("expansion_table", "expansion_co_training")}
    keys = {name: claim.key() for name, claim in known.items()}
    records = {
        name: {
            **{k: getattr(claim, k) for k in ("name", "paper", "subject", "statement", "bound", "looked", "seeds")},
            "verdict": "holds",
            "figures": "1",
            "decider": "",
            "form": "full",
            "key": keys[name] if name == "expansion_table" else "0" * 32,
            "code": {"version": "0.1.0", "commit": "0a1b2c3d4e" if name == "expansion_table" else None},
            "measurement": {"quantity": "q", "spread": "", "note": ""},
        }
        for name, claim in known.items()
    }
    assert older(records, known) == ["expansion_co_training"]
    text = page(list(records.values()), older=["expansion_co_training"])
    assert text.count("holds † |") == 1
    assert "† 1 of these verdicts are of older code" in text
    assert "Measured with commit 0a1b2c3d4e (1), version 0.1.0 (1)." in text
    assert "†" not in page(list(records.values()))


def test_the_stamp_and_the_documentation() -> None:
    assert stamp()["version"]
    held = published()
    assert set(held) <= set(claims())
    assert all(r["verdict"] in ("holds", "fails", "undecided") for r in held.values())
