from __future__ import annotations

import pytest

from outgrow import catalogue as module
from outgrow.catalogue import catalogue, find, snake
from outgrow.errors import StudyError
from outgrow.methods.naive import Naive


class Point:
    def __init__(self, name: str, value, value_name: str = "other:Thing"):
        self.name, self.value, self._value = name, value_name, value

    def load(self):
        if isinstance(self._value, Exception):
            raise self._value
        return self._value


class Mine:
    truth = "none"


@pytest.fixture
def points(monkeypatch):
    """Entry points of other packages, by group."""
    table: dict[str, list[Point]] = {}
    catalogue.cache_clear()
    monkeypatch.setattr(module.importlib.metadata, "entry_points", lambda group: table.get(group, []))
    yield table
    monkeypatch.undo()
    catalogue.cache_clear()


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("TwoStage", "two_stage"),
        ("KLMisfit", "kl_misfit"),
        ("Naive", "naive"),
        ("Raven", "raven"),
        ("MLPHead2", "mlp_head2"),
    ],
)
def test_names_in_studies(name, written):
    assert snake(name) == written


def test_what_there_is():
    assert {"naive", "confidence"} <= set(catalogue("methods"))
    assert {"misfit", "kl_misfit"} <= set(catalogue("forecasts"))
    assert {"imitation", "calibration"} <= set(catalogue("audits"))
    assert find("methods", "naive") is Naive
    for folder in ("methods", "forecasts", "audits"):
        for name, value in catalogue(folder).items():
            assert name == snake(value.__name__)
            assert value.__doc__


def test_protocols_bases_and_values_are_not_listed():
    listed = {c.__name__ for folder in ("methods", "forecasts", "audits") for c in catalogue(folder).values()}
    assert not listed & {"Method", "OfLearner", "Predictor", "Forecast", "Audit", "Finding", "ConfidenceObjective"}


def test_the_nearest_is_named():
    with pytest.raises(StudyError, match=r"there is no method 'nave'; did you mean 'naive'\?"):
        find("methods", "nave")
    with pytest.raises(StudyError, match=r"there is no forecast 'oracle'; there is .*'kl_misfit', 'misfit'"):
        find("forecasts", "oracle")
    with pytest.raises(StudyError, match="there is no method 5"):
        find("methods", 5)


def test_folders_serve_classes_by_name():
    import outgrow.methods

    assert outgrow.methods.Naive is Naive
    assert set(dir(outgrow.methods)) >= {"Naive", "Confidence"}
    with pytest.raises(AttributeError, match="no attribute 'Nave'"):
        _ = outgrow.methods.Nave
    with pytest.raises(AttributeError):
        _ = outgrow.methods.nothing


def test_another_package_adds_one(points):
    points["outgrow.methods"] = [Point("mine", Mine)]
    assert find("methods", "mine") is Mine
    assert list(catalogue("methods"))[-1] == "mine"


def test_a_name_that_is_taken(points):
    points["outgrow.methods"] = [Point("naive", Mine)]
    with pytest.raises(StudyError, match=r"'other:Thing' wants the name 'naive', which outgrow\.methods has; rename"):
        catalogue("methods")
    points["outgrow.methods"] = [Point("mine", Mine), Point("mine", Mine)]
    with pytest.raises(StudyError, match="wants the name 'mine'"):
        catalogue("methods")


def test_an_entry_point_that_cannot_be_used(points):
    points["outgrow.methods"] = [Point("mine", ImportError("no module named lost"))]
    with pytest.raises(
        StudyError, match=r"the method 'mine' of 'other:Thing' cannot be imported \(ImportError: no module named lost\)"
    ):
        catalogue("methods")
    for wrong in (len, object):
        points["outgrow.methods"] = [Point("mine", wrong)]
        with pytest.raises(StudyError, match="is no method: it must be a class with the attribute 'truth'"):
            catalogue("methods")
