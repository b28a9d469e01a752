from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from outgrow.errors import StudyError
from outgrow.studies.study import Study, method_of, student_of

BASE = {"task": {"packaged": "digits"}, "supervisors": [{"probe": "inputs"}], "students": ["inputs"]}


def read(**changed) -> Study:
    return Study.read({**BASE, **changed})


def fails(message: str, **changed) -> None:
    with pytest.raises(StudyError) as raised:
        read(**changed)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


# --- what is read -------------------------------------------------------------------------------------------------------------------


def test_defaults():
    study = read()
    assert study.seeds == [0, 1, 2, 3, 4]
    assert study.methods == ["naive"]
    assert (study.metric, study.forecasts, study.audits, study.name) == (None, None, None, "study")
    assert study.students[0].penalty == "cv"


@pytest.mark.parametrize(("given", "seeds"), [(1, [0]), (3, [0, 1, 2]), ([7, 3], [7, 3]), ([0], [0])])
def test_forms_of_seeds(given, seeds):
    assert read(seeds=given).seeds == seeds


@pytest.mark.parametrize(
    ("written", "encoder", "layer"),
    [
        ("minilm", "minilm", None),
        ("smollm2/18", "smollm2", 18),
        ("org/model", "org/model", None),
        ("org/model/12", "org/model", 12),
        ("/3", "/3", None),
        ("minilm/-1", "minilm/-1", None),
    ],
)
def test_layers_in_strings(written, encoder, layer):
    (student,) = read(students=[written]).students
    assert (student.encoder, student.layer) == (encoder, layer)
    assert student.view() == ({"encoder": encoder} if layer is None else {"encoder": encoder, "layer": layer})


def test_a_student_as_a_mapping():
    made = {"encoder": "minilm", "layer": 3, "penalty": 1, "head": "linear", "name": "mine"}
    assert student_of(made) is made
    (student,) = read(students=[made]).students
    assert (student.penalty, student.name, student.view()) == (1.0, "mine", {"encoder": "minilm", "layer": 3})


def test_nested_supervisors_are_kept():
    given = [{"probe": "inputs"}, [{"probe": "inputs"}, {"rules": "vader"}], "tfidf"]
    assert read(supervisors=given).supervisors == given


def test_methods_with_parameters():
    study = read(methods=["naive", {"confidence": {"weight": 0.5}}, {"confidence": None}])
    assert [method_of(m) for m in study.methods] == [("naive", {}), ("confidence", {"weight": 0.5}), ("confidence", {})]


def test_reading_a_study_twice_gives_it_back():
    study = read()
    assert Study.read(study) is study


def test_a_file_round_trip(tmp_path: Path):
    text = """
task: {file: data/tickets.csv, input: body, truth: label}
supervisors: [{probe: wordllama}, [{rules: vader}, {probe: tfidf}]]
students: [{encoder: smollm2, layer: 18}, minilm/3]
methods: [naive, {confidence: {weight: .5}}]
seeds: 2
"""
    path = tmp_path / "my study é.yaml"
    path.write_text(text, "utf-8")
    study = Study.read(path)
    assert study.folder == tmp_path
    assert study.name == "my-study-é"
    study.write(tmp_path / "again.yaml")
    again = Study.read(tmp_path / "again.yaml")
    assert again.plain() == study.plain()
    assert "folder" not in study.plain()
    path.write_text("name: other\n" + text, "utf-8-sig")
    assert Study.read(path).name == "other"


# --- unknown keys, at every level ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"suprvisors": []}, "unknown key 'suprvisors'; did you mean 'supervisors'?"),
        ({"task": {"packged": "digits"}}, "unknown key 'task.packged'; did you mean 'packaged'?"),
        ({"split": {"tech": 4}}, "unknown key 'split.tech'; did you mean 'teach'?"),
        ({"students": [{"encoder": "a", "layr": 3}]}, "unknown key 'students.0.layr'; did you mean 'layer'?"),
        (
            {"students": ["a", {"encoder": "b", "poling": "mean"}]},
            "unknown key 'students.1.poling'; did you mean 'pooling'?",
        ),
        ({"methods": ["confidance"]}, "methods: there is no method 'confidance'; did you mean 'confidence'?"),
        (
            {"methods": [{"confidence": {"wieght": 1}}]},
            "method 'confidence' has no parameter 'wieght'; did you mean 'weight'?",
        ),
        ({"methods": [{"naive": {"learner": 1}}]}, "method 'naive' has no parameter 'learner'; there is none"),
        ({"xyz": 1}, "unknown key 'xyz'; there is 'task', 'supervisors', 'students'"),
        ({"folder": "elsewhere"}, "unknown key 'folder'"),
    ],
)
def test_an_unknown_key_names_the_nearest(changed, message):
    fails(message, **changed)


# --- wrong types and values ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"seeds": 0}, "seeds: must be at least 1, not 0"),
        ({"seeds": True}, "seeds: must be a whole number, or a list of them, not True"),
        ({"seeds": 5.0}, "seeds: must be a whole number, or a list of them, not 5.0"),
        ({"seeds": "3"}, "not '3'"),
        ({"seeds": [True]}, "'seeds.0' must be a whole number, not True"),
        ({"seeds": [0, -1]}, "'seeds.1' must be greater than or equal to 0, not -1"),
        ({"seeds": [4, 1, 4]}, "seeds: has 4 more than once"),
        ({"seeds": []}, "'seeds' must be a list with at least one entry, not an empty one"),
        ({"students": []}, "'students' must be a list with at least one entry"),
        ({"students": "minilm"}, "'students' must be a list, not 'minilm'"),
        ({"students": [5]}, "'students.0' must be a view such as minilm/3, or a mapping with an encoder, not 5"),
        ({"students": [{"layer": 3}]}, "the key 'students.0.encoder' is missing"),
        ({"students": [{"encoder": "a", "penalty": "x"}]}, "'students.0.penalty' must be a number or 'cv', not 'x'"),
        ({"students": [{"encoder": "a", "tol": 1}]}, "'students.0.tol' must be less than 1, not 1"),
        ({"students": [{"encoder": "a", "penalty": 0}]}, "'students.0.penalty' must be greater than 0 or 'cv', not 0"),
        (
            {"students": [{"encoder": "a", "head": "rigde"}]},
            "'students.0.head' must be 'linear' or 'ridge', not 'rigde'",
        ),
        ({"students": [{"encoder": "a", "layer": "3"}]}, "'students.0.layer' must be a whole number, not '3'"),
        ({"methods": "naive"}, "'methods' must be a list, not 'naive'"),
        ({"methods": ["naive", {"naive": {}}]}, "methods: has 'naive' more than once"),
        ({"methods": [{"naive": {}, "confidence": {}}]}, "a method is a name, or one name with its parameters"),
        ({"methods": [{"confidence": [1]}]}, "the parameters of method 'confidence' must be a mapping, not [1]"),
        ({"methods": [{5: {}}]}, "there is no method 5"),
        ({"supervisors": "probe"}, "'supervisors' must be a list, not 'probe'"),
        ({"supervisors": {"probe": "x"}}, "'supervisors' must be a list, not a mapping"),
        ({"supervisors": [5]}, "a supervisor is a mapping such as {probe: wordllama}, not 5"),
        ({"supervisors": [[]]}, "a nested list of supervisors is one stacked table, and this one is empty"),
        ({"supervisors": [[{"probe": "a"}, 3]]}, "a supervisor is a mapping such as {probe: wordllama}, not 3"),
        ({"task": None}, "'task' must be a mapping such as {packaged: movies}, not nothing"),
        ({"task": {}}, "a task has one of packaged, file, hub or arrays; this one has none"),
        ({"task": {"packaged": "a", "file": "b"}}, "this one has ['packaged', 'file']"),
        ({"task": {"file": "a.csv"}}, "a task from a file needs input: the column that holds the inputs"),
        ({"task": {"file": "a.csv", "input": 3}}, "'task.input' must be a string or a list, not 3"),
        ({"task": {"arrays": {"truth": "y.npy"}}}, "a task from arrays needs inputs: a .npy file"),
        ({"task": {"packaged": "a", "sample": "100"}}, "'task.sample' must be a whole number, not '100'"),
        ({"task": {"packaged": "a", "sample": 0}}, "'task.sample' must be greater than 0, not 0"),
        ({"split": {"test": -1}}, "'split.test' must be greater than or equal to 0, not -1"),
        ({"split": 3}, "'split' must be a mapping such as {teach: 500}, not 3"),
        ({"metric": "acuracy"}, "'metric' must be 'accuracy', 'balanced_accuracy'"),
        ({"name": "a/b"}, "'name' must be letters, digits and . _ - only"),
        ({"name": 3}, "'name' must be a string, not 3"),
    ],
)
def test_wrong_types_and_values(changed, message):
    fails(message, **changed)


def test_a_missing_key():
    with pytest.raises(StudyError, match="the key 'supervisors' is missing"):
        Study.read({"task": {"packaged": "digits"}, "students": ["a"]})


# --- files that are no study --------------------------------------------------------------------------------------------------------


def read_text(folder: Path, text: str | bytes) -> Study:
    path = folder / "s.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return Study.read(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nseeds: 2\na: 3\n", "the key 'a' stands there twice"),
        ("task:\n  packaged: x\n  packaged: y\n", "at line 3, column 3: the key 'packaged' stands there twice"),
        ("students: [{encoder: a, encoder: b}]\n", "the key 'encoder' stands there twice"),
        ("a: [1\n", "is no YAML at line"),
        ("a: b: c\n", "is no YAML at line 1, column 5"),
        ("- 1\n- 2\n", "must hold keys such as task, supervisors, students; it holds a list"),
        ("", "it holds a NoneType"),
        ("a: !!python/object:os.system {}\n", "is no YAML"),
        (b"name: caf\xe9\n", "is not UTF-8 at byte 9; save it as UTF-8"),
    ],
)
def test_files_that_are_no_study(tmp_path, text, message):
    with pytest.raises(StudyError) as raised:
        read_text(tmp_path, text)
    assert message in str(raised.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(StudyError, match=r"cannot read the study .*: No such file"):
        Study.read(tmp_path / "none.yaml")
    with pytest.raises(StudyError, match="cannot read the study"):
        Study.read(tmp_path)


def test_a_folder_in_a_file_is_an_unknown_key(tmp_path):
    with pytest.raises(StudyError, match="unknown key 'folder'"):
        read_text(tmp_path, yaml.safe_dump({**BASE, "folder": "/"}))


def test_a_study_is_frozen():
    with pytest.raises(ValueError, match="frozen"):
        read().name = "other"
