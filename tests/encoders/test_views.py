from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgrow.encoders.encoder import TABLE, encoder
from outgrow.encoders.views import ViewSpec, groups, named, parse
from outgrow.errors import InputError


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("smollm2/18", ViewSpec("smollm2", 18)),
        ("tfidf", ViewSpec("tfidf")),
        ("org/name", ViewSpec("org/name")),
        ("org/name/12", ViewSpec("org/name", 12)),
        ("./folder/3", ViewSpec("./folder", 3)),
        ("smollm2/18[pooling=last,max_tokens=64]", ViewSpec("smollm2", 18, {"pooling": "last", "max_tokens": 64})),
    ],
)
def test_names(text, spec):
    assert parse(text) == spec


def test_a_folder_named_by_a_number_is_no_layer(tmp_path):
    (tmp_path / "12").mkdir()
    assert parse(str(tmp_path / "12")) == ViewSpec(str(tmp_path / "12"))
    assert parse(str(tmp_path / "12") + "/3") == ViewSpec(str(tmp_path / "12"), 3)


@given(
    st.sampled_from(sorted(TABLE)),
    st.none() | st.integers(0, 40),
    st.dictionaries(st.sampled_from(["pooling", "max_tokens", "dtype"]), st.sampled_from(["mean", 64, "auto"])),
)
def test_a_name_reads_back(name, layer, options):
    spec = ViewSpec(name, layer, options)
    assert parse(spec.name) == spec
    assert parse({"encoder": name, "layer": layer, **options}) == spec


@pytest.mark.parametrize(
    ("view", "sentence"),
    [
        ({"encoder": "smollm2", "layer": -1}, "whole number from 0"),
        ({"encoder": "smollm2", "layer": True}, "whole number from 0"),
        ({"encoder": "smollm2/3", "layer": 4}, "give one of them"),
        ({"layer": 4}, "needs the key 'encoder'"),
        (3, "not int"),
        ("", "a view is a name"),
        ("tfidf[char]", "write options as"),
    ],
)
def test_what_is_no_view(view, sentence):
    with pytest.raises(InputError, match=sentence):
        parse(view)


def test_one_pass_for_the_layers_of_one_encoder():
    specs = named(["smollm2/18", "tfidf", "smollm2/9", "smollm2/18[pooling=last]", "smollm2/18"])
    assert [[s.name for s in g] for g in groups(specs)] == [
        ["smollm2/18", "smollm2/9"],
        ["tfidf"],
        ["smollm2/18[pooling=last]"],
    ]


@pytest.mark.parametrize(
    ("name", "options", "sentence"),
    [
        ("smolm2", {}, "did you mean 'smollm2'"),
        ("smolm2/18", {}, "no encoder is called"),
        ("tfidf", {"analyser": "char"}, "did you mean 'analyzer'"),
        ("tfidf", {"analyzer": "chars"}, "did you mean 'char'"),
        ("tfidf", {"features": 0}, "whole number from 1"),
        ("smollm2", {"pooling": "max"}, "one of"),
        ("smollm2", {"dtype": "float16"}, "one of"),
        ("smollm2", {"max_tokens": 0}, "whole number from 1"),
        ("wordllama", {"layer": 3}, "has no option"),
    ],
)
def test_wrong_names_and_options(name, options, sentence):
    with pytest.raises(InputError, match=sentence):
        encoder(name, **options)


def test_another_package_adds_one_by_entry_point(monkeypatch):
    import importlib.metadata

    point = importlib.metadata.EntryPoint("lengths", "outgrow.encoders.bag:TfidfEncoder", "outgrow.encoders")
    monkeypatch.setattr(
        importlib.metadata, "entry_points", lambda group: [point] if group == "outgrow.encoders" else []
    )
    assert encoder("lengths", features=3).spec()["features"] == 3
