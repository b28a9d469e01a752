from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgrow.errors import InputError, LabelsError, TaskError
from outgrow.fingerprints import fingerprint
from outgrow.supervisors import FileSupervisor, Supervisor
from outgrow.tasks.rows import Rows

NAMES = ["007", "7", "a b", "A", "x"]
CLASSES = ["no", "perhaps", "yes"]


def rows(n: int = 5) -> Rows:
    return Rows.from_arrays(inputs=[f"text {i}" for i in range(n)])


def make(table: Any, **options: Any) -> FileSupervisor:
    return FileSupervisor(table, **{"classes": CLASSES, "names": NAMES, **options})


def columns(labels: list[Any], ids: list[Any] | None = None) -> dict[str, list[Any]]:
    return {"id": NAMES[: len(labels)] if ids is None else ids, "guess": labels}


def hard(supervisor: FileSupervisor) -> list[int]:
    return supervisor.label(rows()).hard()[:, 0].tolist()


def test_ids_are_text_as_written(tmp_path: Path):
    path = tmp_path / "weak.csv"
    path.write_text("id,guess\n7,yes\n007,no\nA,perhaps\nx,\n", encoding="utf-8")
    supervisor = make(path, labels="guess")
    assert isinstance(supervisor, Supervisor)
    assert hard(supervisor) == [0, 2, -1, 1, -1]
    assert supervisor.report_ == "The file 'weak.csv' has labels for 4 of 5 rows, joined by id."


@given(order=st.permutations(range(5)), taken=st.permutations(range(5)))
def test_the_order_of_lines_is_nothing(order: list[int], taken: list[int]):
    labels = ["no", "yes", "perhaps", "yes", "no"]
    shuffled = columns([labels[i] for i in order], [NAMES[i] for i in order])
    got = make(shuffled, labels="guess").label(rows()[taken])
    assert got.hard()[:, 0].tolist() == [CLASSES.index(labels[i]) for i in taken]


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_kinds_of_files(tmp_path: Path, suffix: str):
    frame = pd.DataFrame(columns(["no", "yes", "yes", "no", "perhaps"]))
    path = tmp_path / f"weak.{suffix}"
    if suffix == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    elif suffix == "parquet":
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="\t" if suffix == "tsv" else ",")
    assert hard(make(str(path), labels="guess")) == [0, 2, 2, 0, 1]
    assert hard(make(frame, labels="guess")) == [0, 2, 2, 0, 1]


def test_an_encoding_can_be_given(tmp_path: Path):
    path = tmp_path / "weak.csv"
    path.write_bytes("id,guess\n007,né\n7,né\nx,non\n".encode("cp1252"))
    with pytest.raises(TaskError, match="encoding='cp1252'"):
        make(path, labels="guess", classes=["né", "non"]).label(rows())
    assert hard(make(path, labels="guess", classes=["né", "non"], encoding="cp1252")) == [0, 0, -1, -1, 1]


def test_joining_by_order_is_asked_for_and_needs_equal_lengths():
    table = {"guess": ["no", "yes", "yes", "no", "no"]}
    with pytest.raises(TaskError, match=r"no column 'id'.*by='order'"):
        make(table, labels="guess").label(rows())
    assert hard(make(table, labels="guess", by="order")) == [0, 2, 2, 0, 0]
    taken = make(table, labels="guess", by="order").label(rows()[[4, 1]])
    assert taken.hard()[:, 0].tolist() == [0, 2]
    with pytest.raises(LabelsError, match="has 4 lines and the task 5 rows"):
        make({"guess": table["guess"][:4]}, labels="guess", by="order").label(rows())
    with pytest.raises(LabelsError, match="not by='row'"):
        make(columns(["no"] * 5), labels="guess", by="row").label(rows())


def test_lines_of_no_row_are_counted_and_said():
    said: list[str] = []
    supervisor = make(columns(["no"] * 5, ["007", "7", "x", "gone", "lost"]), labels="guess")
    labels = supervisor.label(rows(), say=said.append)
    assert labels.covered.sum() == 3
    assert said == [supervisor.report_]
    assert "3 of 5 rows" in said[0]
    assert "2 of its 5 lines name no row of the task" in said[0]


@pytest.mark.parametrize(
    ("ids", "hint"),
    [
        (["1", "2", "3", "4", "5"], ""),
        (["a", "X ", "l", "m", "n"], ""),
        (["007 ", " 7", "A ", "x ", " a b"], "spaces"),
        (["X", "A B", "a", "zz", "yy"], "upper and lower"),
        (["0007", "00007", "0x", "0a b", "0A"], "leading zeros"),
        (["007.0", "7.0", "A.0", "x.0", "l"], "decimal point"),
    ],
)
def test_a_join_that_mostly_fails_stops(ids: list[str], hint: str):
    with pytest.raises(LabelsError, match=r"of the 5 lines .* exactly as written") as caught:
        make(columns(["no"] * 5, ids), labels="guess").label(rows())
    assert ("would match but for" in str(caught.value)) == bool(hint)
    assert hint in str(caught.value)


def test_labels_for_few_rows_stop_unless_meant():
    table = columns(["no", "yes"], ["x", "A"])
    with pytest.raises(LabelsError, match=r"only 2 of the task's 5 rows find a line.*least="):
        make(table, labels="guess").label(rows())
    assert make(table, labels="guess", least=0.2).label(rows()).covered.sum() == 2


def test_exactly_half_is_enough():
    names = ["1", "2", "3", "4"]
    table = {"id": ["1", "2", "8", "9"], "guess": ["no"] * 4}
    assert make(table, labels="guess", names=names).label(rows(4)).covered.sum() == 2
    with pytest.raises(LabelsError, match="only 1 of the 3 lines"):
        make({"id": ["1", "8", "9"], "guess": ["no"] * 3}, labels="guess", names=names, least=0).label(rows(4))


def test_default_ids_are_row_numbers():
    table = {"id": [0, 2, 4], "guess": ["no", "yes", "yes"]}
    assert hard(make(table, labels="guess", names=None)) == [0, -1, 2, -1, 2]
    with pytest.raises(LabelsError, match="are fractions"):
        make({"id": [0.0, 2.0, 4.0], "guess": ["no"] * 3}, labels="guess", names=None).label(rows())


def test_duplicate_and_empty_ids():
    with pytest.raises(LabelsError, match=r"id '7' stands in .* more than once \(1 lines.*source="):
        make(columns(["no"] * 5, ["7", "7", "x", "A", "007"]), labels="guess").label(rows())
    with pytest.raises(LabelsError, match=r"line 1 of .* has no id"):
        make(columns(["no"] * 5, ["7", "", "x", "A", "007"]), labels="guess").label(rows())


@pytest.mark.parametrize(
    ("cells", "match"),
    [
        (["no", "Yes", "no", "no", "no"], "'Yes' at id '7'.*class 'yes' by case or spaces only"),
        (["no", "yes ", "no", "no", "no"], "by case or spaces only"),
        (["no", "maybe", "no", "no", "no"], "label 'maybe' at id '7'"),
        (["no", ["yes", "no"], "no", "no", "no"], "one task per label"),
        (["no", '["yes", "no"]', "no", "no", "no"], "one task per label"),
        (["80%", "20%", "", "1%", "5%"], "holds percentages"),
        (["80", "20", "", "1", "5"], "holds percentages"),
        (["0.8", "0.2", "", "1", "0"], "holds numbers.*probs="),
        ([""] * 5, "empty on all 5 lines"),
    ],
)
def test_cells_that_are_no_labels(cells: list[Any], match: str):
    with pytest.raises(LabelsError, match=match):
        make(columns(cells), labels="guess").label(rows())


def test_empty_cells_abstain_and_names_like_na_do_not():
    cells = ["NA", None, "", float("nan"), "no"]
    assert hard(make(columns(cells), labels="guess", classes=["NA", "no"])) == [0, -1, -1, -1, 1]


def test_no_message_quotes_an_input():
    inputs = [f"CANARY text {i}" for i in range(5)]
    table = {"id": NAMES, "body": inputs}
    for classes in (CLASSES, None):
        with pytest.raises(LabelsError) as caught:
            make(table, labels="body", classes=classes).label(Rows.from_arrays(inputs=inputs))
        assert "CANARY" not in str(caught.value)


def test_probabilities_by_name():
    table = {"id": NAMES, "yes": ["0.7", "1", "0", "", "0.25"], "p(no)": ["0.3", "0", "1", "", "0.75"]}
    labels = make(table, probs=["yes", "p(no)"]).label(rows())
    assert labels.probs[:3, 0].tolist() == [[0.3, 0, 0.7], [0, 0, 1], [1, 0, 0]]
    assert labels.covered[:, 0].tolist() == [True, True, True, False, True]
    mapped = make({"id": NAMES, "a": table["yes"], "b": table["p(no)"]}, probs={"no": "b", "yes": "a"}).label(rows())
    assert np.array_equal(mapped.probs, labels.probs)
    with pytest.raises(LabelsError, match=r"'a' .* not named after a class.*class: column"):
        make({"id": NAMES, "a": table["yes"]}, probs=["a"]).label(rows())


def test_one_column_is_enough_for_two_classes():
    table = {"id": NAMES, "yes": [0.7, 1, 0, None, 0.25]}
    labels = make(table, probs="yes", classes=["yes", "no"]).label(rows())
    np.testing.assert_allclose(labels.probs[[0, 1, 2, 4], 0], [[0.7, 0.3], [1, 0], [0, 1], [0.25, 0.75]])


@pytest.mark.parametrize(
    ("yes", "no", "match"),
    [
        ([70, 20, 10, 0, 100], [30, 80, 90, 100, 0], "look like percentages"),
        (["70%", 0, 0, 0, 0], [0] * 5, "holds percentages"),
        ([0.7, 0.5, 0.5, 0.5, 0.5], [0.3, 0.5, 0.5, 0.5, 0.6], "id 'x' .* 0.5, 0.6 .sum 1.1., one of 1 such lines"),
        ([-0.1, 1, 1, 1, 1], [1.1, 0, 0, 0, 0], "must be non-negative"),
        ([0.7, None, 1, 1, 1], [0.3, 0, 0, 0, 0], "no number in column 'yes' and some in others"),
        (["a lot", 1, 1, 1, 1], [0] * 5, "column 'yes' at id '007' .* is no number"),
        ([float("inf"), 1, 1, 1, 1], [0] * 5, "is not finite"),
        ([[0.7, 0.3], 1, 1, 1, 1], [0] * 5, "is a list"),
    ],
)
def test_cells_that_are_no_probabilities(yes: list[Any], no: list[Any], match: str):
    with pytest.raises(LabelsError, match=match):
        make({"id": NAMES, "yes": yes, "no": no}, probs=["yes", "no"]).label(rows())


def test_percentages_in_one_column():
    with pytest.raises(LabelsError, match="look like percentages"):
        make({"id": NAMES, "yes": [70, 20, 10, 0, 100]}, probs="yes", classes=["no", "yes"]).label(rows())


def test_values():
    labels = make({"id": NAMES, "y": ["1.5", "-2", "", None, "3e2"]}, value="y", classes=None).label(rows())
    assert labels.classes is None
    assert labels.covered[:, 0].tolist() == [True, True, False, False, True]
    assert labels.probs[[0, 1, 4], 0, 0].tolist() == [1.5, -2, 300]
    with pytest.raises(LabelsError, match="gives values, and the task has classes"):
        make({"id": NAMES, "y": ["1"] * 5}, value="y").label(rows())


def test_columns_that_are_missing():
    table = columns(["no"] * 5)
    with pytest.raises(TaskError, match="no column 'gues'; did you mean 'guess'"):
        make(table, labels="gues").label(rows())
    with pytest.raises(TaskError, match="no column 'idd'; did you mean 'id'"):
        make(table, labels="guess", id="idd").label(rows())
    with pytest.raises(LabelsError, match="none of them is given; there are the columns 'id', 'guess'"):
        make(table).label(rows())
    with pytest.raises(LabelsError, match="both labels= and value="):
        make(table, labels="guess", value="guess").label(rows())
    with pytest.raises(LabelsError, match="not a int"):
        make(7, labels="guess").label(rows())
    with pytest.raises(LabelsError, match="columns of one length"):
        make({"id": NAMES, "guess": ["no"]}, labels="guess").label(rows())


def test_several_annotators_are_several_sources():
    table = {
        "id": ["7", "7", "x", "x", "007", "A"],
        "who": ["ann", "bob", "bob", "ann", "ann", "ann"],
        "guess": ["no", "yes", "yes", "yes", "", "no"],
    }
    labels = make(table, labels="guess", source="who", name="crowd").label(rows())
    assert [s.name for s in labels.sources] == ["crowd:ann", "crowd:bob"]
    assert labels.hard().tolist() == [[-1, -1], [0, 2], [-1, -1], [0, -1], [2, 2]]
    assert labels.sources[0].key != labels.sources[1].key
    table["who"][1] = "ann"
    with pytest.raises(LabelsError, match=r"id '7' .* more than once by 'ann'"):
        make(table, labels="guess", source="who").label(rows())
    table["who"][1] = ""
    with pytest.raises(LabelsError, match="names nobody in column 'who'"):
        make(table, labels="guess", source="who").label(rows())


def test_classes_of_the_file_where_none_are_given():
    assert make(columns(["b", "a", "b", "", "a"]), labels="guess", classes=None).label(rows()).classes.tolist() == [
        "a",
        "b",
    ]
    with pytest.raises(LabelsError, match=r"'B' and 'b'.* by case or spaces only"):
        make(columns(["b", "a", "B", "", "a"]), labels="guess", classes=None).label(rows())
    with pytest.raises(LabelsError, match="names one class only"):
        make(columns(["b"] * 5), labels="guess", classes=None).label(rows())


def test_recipes_follow_the_content(tmp_path: Path):
    path = tmp_path / "weak.csv"
    path.write_text("id,guess\n7,yes\n007,no\nA,perhaps\n", encoding="utf-8")
    twin = tmp_path / "twin.csv"
    twin.write_bytes(path.read_bytes())
    key = fingerprint(make(path, labels="guess"))
    assert key == fingerprint(make(twin, labels="guess"))
    assert key != fingerprint(make(path, labels="guess", least=0.1))
    assert key != fingerprint(make(path, labels="guess", names=NAMES[::-1]))
    content = make(path, labels="guess").label(rows()).sources[0].key
    path.write_text("id,guess\n7,no\n007,no\nA,perhaps\n", encoding="utf-8")
    assert key != fingerprint(make(path, labels="guess"))
    assert content != make(path, labels="guess").label(rows()).sources[0].key
    with pytest.raises(InputError, match="no file at"):
        fingerprint(make(tmp_path / "none.csv", labels="guess"))


def test_large_files_take_seconds():
    n = 100_000
    names = [f"row-{i}" for i in range(n)]
    table = {"id": names[::-1], "guess": (["no", "yes"] * n)[:n]}
    labels = FileSupervisor(table, labels="guess", classes=CLASSES, names=names).label(Rows(np.arange(n)))
    assert labels.hard()[:2, 0].tolist() == [2, 0]
