"""Pictures of claims: drawn from the stored table alone, each number beside the drawing, nothing that is not there."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pytest
from scipy import stats

from outgrow.errors import InputError
from outgrow.papers import Picture
from outgrow.reports.figures import Figure
from outgrow.reports.pictures import picture_figure

POINTS = [
    {"panel": p, "misfit": m, "gain": g, "low": (g or 0) - 0.05, "high": (g or 0) + 0.05}
    for p, m, g in (("one", 0.1, 0.1), ("one", 0.3, 0.28), ("two", 0.2, 0.1), ("two <b>", 0.4, None))
]
CURVES = [
    {"seed": s, "epoch": e, "student": 0.6 + 0.05 * np.log10(e) + 0.01 * s, "floor": 0.6}
    for s in range(4)
    for e in (1, 10, 100)
]
FIELD = [{"n": n, "nu": v, "gain": n / 1000 - v, "seed": s} for n in (100, 900) for v in (0.2, 0.5) for s in (0, 1)]


def shapes(figure: Figure, tag: str, css: str) -> list[ET.Element]:
    root = ET.fromstring(figure.wide)
    return [e for e in root.iter() if e.tag.endswith(tag) and css in e.get("class", "")]


def test_points_stand_where_their_numbers_are() -> None:
    picture = Picture("c", "scatter", "misfit", "gain", by="panel", low="low", high="high", diagonal=True)
    figure = picture_figure(picture, POINTS, "p")
    assert len(shapes(figure, "circle", "mark student")) == 2 + 1  # and one in the legend
    assert len(shapes(figure, "path", "mark direct")) == 1 + 1
    assert len(shapes(figure, "line", "whisker")) == 3
    (diagonal,) = shapes(figure, "path", "diagonal")
    (x1, y1), (x2, y2) = (tuple(map(float, p.split())) for p in re.findall(r"[ML]([\d. ]+)", diagonal.get("d", "")))
    first = shapes(figure, "circle", "mark student")[1]
    x, y = float(first.get("cx", "")), float(first.get("cy", ""))
    # Gain equals misfit there, so it lies on the diagonal.
    assert abs((x - x1) / (x2 - x1) - (y - y1) / (y2 - y1)) < 0.01
    assert figure.table.rows[0] == ("one", "0.1", "0.1", "[0.05, 0.15]")
    assert len(figure.table.rows) == 3
    assert "&lt;b&gt;" not in figure.wide  # a series without a point is not drawn


def test_lines_are_means_with_intervals_over_seeds() -> None:
    picture = Picture("c", "lines", "epoch", ("floor", "student"), log="x", title="It rises")
    figure = picture_figure(picture, CURVES, "p")
    assert figure.title == "It rises"
    (curve,) = shapes(figure, "path", "curve student")
    places = [float(p.split()[0]) for p in re.findall(r"[ML]([\d. ]+)", curve.get("d", ""))]
    assert places[1] - places[0] == pytest.approx(places[2] - places[1], abs=0.2)  # decades are equal steps
    values = [0.6 + 0.01 * s for s in range(4)]
    half = stats.t.ppf(0.975, 3) * np.std(values, ddof=1) / 2
    assert ("student", "1", "0.615", f"[{0.615 - half:.4g}, {0.615 + half:.4g}]") in figure.table.rows
    # A role's name is drawn in the role's own colour, whatever its place.
    assert shapes(figure, "rect", "mark floor")
    assert len(shapes(figure, "path", "area student")) == 1


def test_a_map_is_the_mean_over_seeds_shaded_on_either_side_of_zero() -> None:
    figure = picture_figure(Picture("c", "map", "n", "nu", z="gain"), FIELD, "p")
    assert figure.table.columns == ("nu \\ n", "100", "900")
    assert figure.table.rows == (("0.5", "-0.4", "0.4"), ("0.2", "-0.1", "0.7"))
    assert len(shapes(figure, "rect", "heat up")) == 2
    assert len(shapes(figure, "rect", "heat down")) == 2
    assert "green above 0" in figure.description


def test_some_rows_only() -> None:
    picture = Picture("c", "scatter", "misfit", "gain", where={"panel": "two"})
    assert len(picture_figure(picture, POINTS, "p").table.rows) == 1


def test_what_cannot_stand_on_a_logarithmic_axis_is_left_out() -> None:
    rows = [{"x": x, "y": 1.0} for x in (0.0, -1.0, 1e-8, 1e-7)]
    figure = picture_figure(Picture("c", "scatter", "x", "y", log="x"), rows, "p")
    assert [r[0] for r in figure.table.rows] == ["1e-08", "1e-07"]
    assert ">1e-7<" in figure.wide


def test_names_are_escaped() -> None:
    rows = [{"panel": "<script>", "misfit": 0.1, "gain": 0.1}]
    figure = picture_figure(Picture("c", "scatter", "misfit", "gain", by="panel", title="<i>"), rows, "p")
    for drawing in (figure.wide, figure.narrow):
        assert "<script>" not in drawing
        assert "<i>" not in drawing
        ET.fromstring(drawing)


@pytest.mark.parametrize(
    ("more", "rows", "said"),
    [
        ({"y": "gian"}, POINTS, "names the column 'gian', which its table lacks; did you mean 'gain'"),
        ({}, [], "has no rows to draw"),
        ({"where": {"panel": "three"}}, POINTS, "has no rows to draw"),
        ({}, [{"misfit": "a", "gain": None}], "has no row with numbers in 'misfit'"),
        ({"by": "k"}, [{"misfit": 1, "gain": 1, "k": k} for k in range(6)], "has 6 series and at most 5"),
        ({"kind": "map", "z": "z"}, [{"misfit": 1, "gain": 1, "z": None}], "has no row with a number in 'z'"),
    ],
)
def test_what_cannot_be_drawn_is_said(more: dict[str, Any], rows: list[Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        picture_figure(Picture(**{"claim": "c", "kind": "scatter", "x": "misfit", "y": "gain", **more}), rows, "p")
