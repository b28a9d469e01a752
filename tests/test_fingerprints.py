"""Fingerprints: one name for one value, in every process; another name whenever a result could differ."""

from __future__ import annotations

import dataclasses
import functools
import importlib
import math
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from outgrow.errors import InputError
from outgrow.fingerprints import code_version, environment_key, fingerprint


def named(row):
    return row


def also_named(row):
    return row


@dataclasses.dataclass(frozen=True)
class Point:
    x: float
    y: object = None


@dataclasses.dataclass(frozen=True)
class SamePoint:
    x: float
    y: object = None


class Keyed:
    def __init__(self, key):
        self.key = key

    def fingerprint(self):
        return self.key


ONE = [1, 1.0, np.float64(1), np.int64(1), np.float32(1), np.uint8(1)]


@pytest.mark.parametrize("one", ONE, ids=lambda v: f"{type(v).__name__}")
def test_one_is_one_number(one):
    assert fingerprint(one) == fingerprint(1)
    assert fingerprint({"penalty": one}) == fingerprint({"penalty": 1})
    assert fingerprint(LogisticRegression(C=one)) == fingerprint(LogisticRegression(C=1))


def test_no_two_of_these_are_the_same():
    values = [
        None,
        True,
        False,
        0,
        1,
        -1,
        0.1,
        0.1 + 2**-56,
        2**53,
        2**53 + 1,
        10**400,
        10**400 + 1,
        math.inf,
        -math.inf,
        math.nan,
        "",
        "1",
        "None",
        "True",
        b"1",
        b"",
        [],
        [1],
        [[1]],
        [1, 2],
        [2, 1],
        ["ab"],
        ["a", "b"],
        {},
        {"a": 1},
        {"a": 2},
        {"b": 1},
        {"a": {"b": 1}},
        set(),
        {1},
        {1, 2},
        np.zeros(2),
        np.zeros(3),
        np.zeros((1, 2)),
        np.zeros((2, 1)),
        np.zeros(2, np.float32),
        np.zeros(2, np.int64),
        np.zeros(0),
        np.zeros((0, 5)),
        np.array(["a", "b"]),
        np.array(["ab"]),
        np.array(["a", None], dtype=object),
        Point(1),
        Point(2),
        Point(1, "x"),
        SamePoint(1),
        Point,
        SamePoint,
        named,
        also_named,
        functools.partial(named, 1),
        functools.partial(named, row=1),
        math.sqrt,
        len,
        LogisticRegression(),
        LogisticRegression(C=2),
        StandardScaler(),
        make_pipeline(StandardScaler(), LogisticRegression()),
        make_pipeline(StandardScaler(), LogisticRegression(C=2)),
        make_pipeline(PCA(), LogisticRegression()),
        Keyed("a"),
        Keyed("b"),
        math.pi,
    ]
    prints = [fingerprint(v) for v in values]
    clashes = [
        (repr(a)[:40], repr(b)[:40])
        for i, (a, p) in enumerate(zip(values, prints))
        for b, q in zip(values[:i], prints)
        if p == q
    ]
    assert clashes == []


def test_what_it_looks_like():
    assert len(fingerprint()) == 32
    assert set(fingerprint("x")) <= set("0123456789abcdef")
    assert fingerprint("a", "b") != fingerprint("ab")
    assert fingerprint("a", "b") != fingerprint("b", "a")


def test_equal_values_of_other_shape_in_memory_are_equal():
    array = np.arange(12.0).reshape(3, 4)
    assert fingerprint(array) == fingerprint(np.asfortranarray(array)) == fingerprint(np.repeat(array, 2, axis=0)[::2])
    assert fingerprint(array.astype(">f8")) == fingerprint(array)
    assert fingerprint((1, 2)) == fingerprint([1, 2])
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint({3, 1, 2}) == fingerprint(frozenset([2, 3, 1]))
    assert fingerprint(np.array(["ab", "c"])) == fingerprint(np.array(["ab", "c"], dtype=object))
    assert fingerprint(-0.0) == fingerprint(0)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False) | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_a_value_and_its_copy_agree(value):
    import copy

    assert fingerprint(value) == fingerprint(copy.deepcopy(value))


@given(st.lists(st.text()), st.lists(st.text()))
def test_two_lists_of_text_agree_only_when_equal(a, b):
    assert (fingerprint(a) == fingerprint(b)) == (a == b)


@given(st.integers() | st.floats(allow_nan=False), st.integers() | st.floats(allow_nan=False))
def test_two_numbers_agree_only_when_equal(a, b):
    assert (fingerprint(a) == fingerprint(b)) == (a == b)


def test_a_memory_map_is_its_content(tmp_path):
    array = np.arange(1000.0)
    np.save(tmp_path / "a.npy", array)
    assert fingerprint(np.load(tmp_path / "a.npy", mmap_mode="r")) == fingerprint(array)


def test_text_that_is_no_utf8_has_a_name():
    assert fingerprint("\ud800") != fingerprint("?")


def inner():
    def hidden(row):
        return row

    return hidden


@pytest.mark.parametrize(
    "value",
    [lambda row: row, inner(), functools.partial(lambda row: row), [{"rule": lambda row: row}]],
    ids=["lambda", "inner", "partial", "nested"],
)
def test_a_function_without_a_name_is_refused(value):
    with pytest.raises(InputError, match="define it with def at the top of a module"):
        fingerprint(value)


def test_other_things_are_refused_in_a_sentence():
    with pytest.raises(InputError, match="random_state is a generator"):
        fingerprint(LogisticRegression(random_state=np.random.RandomState(0)))
    with pytest.raises(InputError, match="random_state is a generator"):
        fingerprint(np.random.default_rng(0))
    with pytest.raises(InputError, match="cannot fingerprint a value of type object"):
        fingerprint({"a": object()})
    with pytest.raises(InputError, match="records that hold Python objects"):
        fingerprint(np.zeros(2, dtype=[("a", object)]))
    with pytest.raises(InputError, match="cannot fingerprint a value of type generator"):
        fingerprint(x for x in "ab")


def test_a_bound_method_counts_with_what_it_is_bound_to():
    """Two rules that are methods of differently set-up objects are two rules."""
    one, other = LogisticRegression(C=1).predict, LogisticRegression(C=2).predict
    assert fingerprint(one) != fingerprint(other)
    assert fingerprint(one) == fingerprint(LogisticRegression(C=1.0).predict)


def test_a_mapping_with_keys_that_print_alike_is_not_mixed_up():
    assert fingerprint({1: "a", "1": "b"}) != fingerprint({1: "b", "1": "a"})


# --- the code behind a value -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A little package that a person edits: main uses helper, which uses deep (in a folder below); aside is used by nobody."""
    files = {
        "__init__.py": "",
        "main.py": """
            from .helper import half
            from . import data as d
            class Method:
                def __init__(self, weight=0.5):
                    self.weight = weight
                def get_params(self, deep=True):
                    return {"weight": self.weight}
            def rule(row):
                return half(row)
        """,
        "helper.py": """
            import numpy as np
            def half(row):
                from og_little.below.deep import two
                return row / two
        """,
        "below/__init__.py": "",
        "below/deep.py": "two = 2\n",
        "data.py": "x = 1\n",
        "aside.py": "x = 1\n",
    }
    for name, text in files.items():
        path = tmp_path / "og_little" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text))
    monkeypatch.syspath_prepend(str(tmp_path))
    forget_modules()
    yield tmp_path / "og_little"
    forget_modules()


def forget_modules():
    """What a new process would know: nothing."""
    for name in [n for n in sys.modules if n.partition(".")[0] == "og_little"]:
        del sys.modules[name]
    importlib.invalidate_caches()
    code_version.cache_clear()


def prints() -> tuple[str, str, str]:
    forget_modules()
    main = importlib.import_module("og_little.main")
    return code_version("og_little.main"), fingerprint(main.Method()), fingerprint(main.rule)


@pytest.mark.parametrize("edited", ["main.py", "helper.py", "below/deep.py", "data.py", "__init__.py"])
def test_an_edit_to_a_helper_changes_the_name(package, edited):
    before = prints()
    assert prints() == before
    with (package / edited).open("a") as file:
        file.write("\nchanged = True\n")
    after = prints()
    assert all(a != b for a, b in zip(before, after))


def test_an_edit_elsewhere_changes_nothing(package):
    before = prints()
    (package / "aside.py").write_text("x = 2\n")
    (package / "notes.txt").write_text("x")
    assert prints() == before


def test_the_init_of_a_folder_counts_only_when_it_is_imported_by_name(package):
    """Else adding one method to a folder would rename all the others."""
    before = prints()
    (package / "below" / "__init__.py").write_text("from . import other\n")
    (package / "below" / "other.py").write_text("x = 1\n")
    assert prints() == before


def test_moving_text_from_one_file_to_another_changes_the_name(package):
    (package / "data.py").write_text("x = 1\ny = 2\n")
    before = prints()
    (package / "data.py").write_text("x = 1\n")
    (package / "helper.py").write_text("y = 2\n" + (package / "helper.py").read_text())
    assert prints()[0] != before[0]


def test_modules_that_import_each_other_are_read_once(package):
    (package / "helper.py").write_text("from og_little import main\n" + (package / "helper.py").read_text())
    assert len(code_version("og_little.helper")) == 32


@pytest.mark.parametrize(
    "place",
    [
        "if x:\n    pass\nelif y:\n    {}",
        "try:\n    pass\nexcept ValueError:\n    {}",
        "try:\n    pass\nfinally:\n    {}",
        "match x:\n    case 1:\n        {}",
        "class A:\n    async def f(self):\n        with self:\n            {}",
        "for x in y:\n    pass\nelse:\n    while x:\n        {}",
    ],
)
def test_an_import_counts_wherever_it_stands(package: Path, place: str) -> None:
    inner = textwrap.indent(place.format("from . import aside"), "    ")
    (package / "helper.py").write_text(f"half = 1\ndef never(x, y):\n{inner}\n")
    before = prints()[0]
    (package / "aside.py").write_text("x = 2\n")
    assert prints()[0] != before


def test_naming_code_imports_none_of_it() -> None:
    code = "import sys; from outgrow.fingerprints import code_version, environment_key; code_version('outgrow.studies.work')"
    code += "; environment_key(); print([m for m in ('torch', 'sklearn', 'pandas', 'outgrow.studies.work') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_installed_code_counts_by_its_version():
    import sklearn

    assert code_version("sklearn.linear_model") == f"scikit-learn{sklearn.__version__}"
    assert code_version("json.decoder").startswith("python3.")
    assert "numpy" in environment_key()


def test_code_of_an_editable_install_counts_by_its_sources():
    assert len(code_version("outgrow.fingerprints")) == 32
    assert code_version("outgrow.fingerprints") != code_version("outgrow.store")


def test_processes_agree(tmp_path):
    code = """
        import numpy as np
        from sklearn.linear_model import LogisticRegression
        from outgrow.errors import TaskError
        from outgrow.fingerprints import fingerprint
        from outgrow.store import Journal, file_digest
        value = {"b": {"x", "y", "z"}, "a": [1, 2.5, None, True, "text"], "m": np.arange(6.0).reshape(2, 3),
                 "e": LogisticRegression(C=3), "t": TaskError, "f": file_digest, "j": Journal}
        print(fingerprint(value))
    """
    seen = set()
    for seed in ("0", "1"):
        env = os.environ | {"PYTHONHASHSEED": seed}
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, env=env, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
        seen.add(done.stdout)
    assert len(seen) == 1


def test_a_function_of_a_script_counts_by_its_source(tmp_path):
    """In a script a rule's module is __main__: its name alone would hide every edit."""
    body = "from outgrow.fingerprints import fingerprint\ndef rule(row):\n    return {}\nprint(fingerprint(rule))\n"
    seen = []
    for value in (1, 2, 1):
        (tmp_path / "script.py").write_text(body.format(value))
        done = subprocess.run([sys.executable, str(tmp_path / "script.py")], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        seen.append(done.stdout)
    assert seen[0] == seen[2] != seen[1]


def test_a_function_typed_at_the_prompt_is_refused():
    """A module without a file cannot tell one version of its functions from the next."""
    code = "from outgrow.fingerprints import fingerprint\ndef rule(row): return 1\nprint(fingerprint(rule))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "InputError" in done.stderr
    assert "write it into a file" in done.stderr


def test_a_function_of_a_notebook_counts_by_its_source_and_what_it_uses():
    """A notebook keeps the source of its cells in linecache, as this does."""
    code = """
        import linecache, sys
        from outgrow.fingerprints import fingerprint
        sys.modules["__main__"].__dict__.pop("__file__", None)
        def cell(text):
            name = f"<cell {len(linecache.cache)}>"
            linecache.cache[name] = (len(text), None, text.splitlines(True), name)
            exec(compile(text, name, "exec"), sys.modules["__main__"].__dict__)
        cell("WORDS = {'good', 'fine'}\\ndef helper(row): return row in WORDS\\ndef rule(row): return helper(row)\\n")
        seen = [fingerprint(rule), fingerprint(rule)]
        cell("def helper(row): return row not in WORDS\\n")
        seen.append(fingerprint(rule))
        cell("WORDS = {'good'}\\n")
        seen.append(fingerprint(rule))
        cell("def rule(row): return 1\\n")
        seen.append(fingerprint(rule))
        cell("def unused(row): return 1\\n")
        seen.append(fingerprint(rule))
        print(*[seen.index(s) for s in seen])
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True)
    assert done.stdout.split() == ["0", "0", "2", "3", "4", "4"], done.stderr
