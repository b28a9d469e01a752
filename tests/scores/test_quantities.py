"""Numbers with their doubt, written and read back."""

from __future__ import annotations

import json

import pytest

from outgrow.scores.quantities import Interval, Undefined, from_dict, number


@pytest.mark.parametrize(
    ("value", "sign", "text"),
    [
        (0.7364, False, ".736"),
        (0.0764, True, "+.076"),
        (-0.0214, False, "-.021"),
        (-0.0214, True, "-.021"),
        (0.99996, False, "1.000"),
        (-1.5, False, "-1.500"),
        (0.0, True, ".000"),
        (-0.0001, True, ".000"),
        (9.99999, False, "10.0"),
        (12.345, True, "+12.3"),
        (99.96, False, "100"),
        (31680.4, False, "31,680"),
    ],
)
def test_numbers_are_short(value, sign, text):
    assert number(value, sign) == text


def test_interval_text_sides_and_flip():
    found = Interval(0.076, 0.061, 0.091, 0.95, 1500, 5, 12.0)
    assert found.text(sign=True) == "+.076 [+.061, +.091]"
    assert found.above()
    assert not found.above(0.061)
    assert found.below(0.092)
    assert not found.below(0.091)
    turned = found.flipped()
    assert (turned.mean, turned.low, turned.high) == (-0.076, -0.091, -0.061)
    assert turned.below()
    assert found.defined
    assert found.value == 0.076
    assert found.reason == ""


def test_undefined_shows_nothing_and_keeps_its_value():
    found = Undefined("All rows are alike.", 1.0)
    assert not found.defined
    assert not found.above(-5)
    assert not found.below(5)
    assert found.text() == "1.000"
    assert found.flipped() == Undefined("All rows are alike.", -1.0)
    assert Undefined("why").text() == "undefined"
    assert Undefined("why").flipped() == Undefined("why")


@pytest.mark.parametrize(
    "found", [Interval(0.1, -0.25, 1e-9, 0.9, 7, 1, 6.5), Undefined("why", None), Undefined("why", 0.5)]
)
def test_json_round_trip(found):
    assert from_dict(json.loads(json.dumps(found.as_dict()))) == found
