"""The HTML report: structure, safety against hostile names, and privacy."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from outgrow.reports.html import render, write

from .conftest import HOSTILE

STUDIES = ("binary", "three", "partial", "untold", "values", "hostile")
VOID = {"meta", "link", "br", "hr", "img", "input", "line", "rect", "path", "circle"}


class Reader(HTMLParser):
    """Collects tags with their attributes, text, and what each svg holds; checks that tags nest."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.texts, self.open, self.svgs = [], [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "svg":
            self.svgs.append((dict(attrs), []))
        elif "svg" in self.open:
            self.svgs[-1][1].append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.texts.append(data)


@pytest.fixture(scope="session", params=STUDIES)
def page(request):
    return render(request.getfixturevalue(request.param))


def test_well_formed_and_alone(page):
    seen = Reader(page)
    assert seen.open == []
    names = {tag for tag, _ in seen.tags}
    assert not names & {"script", "link", "iframe", "object", "embed", "base", "form", "img", "image", "use", "a"}
    for tag, attrs in seen.tags:
        assert not any(k.startswith("on") for k in attrs), tag
        assert not {"src", "href", "srcset", "action", "xlink:href", "data"} & set(attrs), tag
    policy = [a["content"] for t, a in seen.tags if t == "meta" and a.get("http-equiv") == "Content-Security-Policy"]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'; img-src data:"]
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)[1]
    assert "url(" not in style
    assert "@import" not in style
    assert page.count("<style>") == 1


def test_ids_are_unique(page):
    ids = [a["id"] for _, a in Reader(page).tags if "id" in a]
    assert len(ids) == len(set(ids))


def test_every_figure_has_words(page):
    seen = Reader(page)
    assert seen.svgs
    ids = {a["id"] for _, a in seen.tags if "id" in a}
    for attrs, inside in seen.svgs:
        assert attrs["role"] == "img"
        assert [t for t, _ in inside][:2] == ["title", "desc"]
        assert set(attrs["aria-labelledby"].split()) <= ids
    captions = re.findall(r'<figcaption class="finding">(.*?)</figcaption>', page)
    assert len(captions) == len(seen.svgs) / 2 == page.count("<summary>The numbers</summary>")
    assert all(len(c) > 20 for c in captions)


def test_no_empty_number(page):
    text = " ".join(Reader(page).texts)
    assert not re.search(r"\b(nan|NaN|None|inf)\b", text)
    assert not re.search(r'(x|y|x1|x2|y1|y2|cx|cy|width|height)="[^"]*(nan|inf)', page)


def test_hostile_names_are_inert(hostile):
    page = render(hostile)
    seen = Reader(page)
    assert "<script" not in page
    assert "\u202e" not in page
    assert "\u2066" not in page
    text = "".join(seen.texts)
    assert HOSTILE["script"] in text
    assert HOSTILE["arabic"] in text
    assert HOSTILE["hebrew"] in text


def test_first_screen_comes_first(binary):
    page = render(binary)
    decision = page.index('id="decision"')
    first = page.index("<svg")
    table = page.index('<table class="main">')
    assert decision < first < table
    assert page.index(binary.notes[0]) < table
    assert "600 test rows" in page[:first]
    assert "3 seeds" in page[:first]


def test_spent_stands_in_its_own_block(binary):
    page = render(binary)
    block = page.index("Methods that were given truth")
    table = page[page.index('<table class="main">') : page.index("</table>", page.index('<table class="main">'))]
    at = block - page.index(table)
    assert "selective" not in table[:at]
    assert table[at:].count("selective") == 6


def test_what_is_not_there_is_not_shown(partial, untold):
    page = render(partial)
    assert 'data-label="PGR"' not in page
    assert 'data-label="ceiling"' not in page
    assert 'data-label="gain"' in page
    assert partial.notes[0] in page
    page = render(untold)
    assert not re.search(r'data-label="(floor|student|gain|PGR)"', page)
    assert "No student can be judged" in page
    assert 'id="part-quality"' in page


def test_undefined_carries_its_reason(binary):
    from dataclasses import replace

    from outgrow.scores.evaluation import Cell, Evaluation

    e = binary.cells[0].evaluations[0]
    outputs = {**e.outputs, "ceiling": e.outputs["floor"]}
    flat = Evaluation.of(e.ids, outputs, e.truth, classes=e.classes, cell=e.cell)
    page = render(replace(binary, cells=(Cell([flat]),), findings=(), forecasts=binary.forecasts[:0], best=None))
    assert re.search(r'data-label="PGR"><span>undefined</span> <span class="under why">[^<]*gap', page)


def test_nothing_of_the_inputs_unless_asked(binary):
    canary = "canary <i> 7f3a"
    assert "canary" not in render(binary)
    assert "canary &lt;i&gt; 7f3a" in render(binary, [canary])


def test_diagonal_only_in_one_unit_and_broken_points_are_marked(binary):
    page = render(binary)
    figure = page[page.index('id="forecast-0"') :]
    figure = figure[: figure.index("</figure>")]
    assert "gain = forecast" in figure
    assert figure.count('class="mark broken"') == 2 * (1 + (binary.forecasts["broken"] != "").sum())
    assert "not trained by squared loss" in figure


def test_write_is_private(binary, tmp_path):
    path = write(binary, tmp_path / "report.html")
    assert path.stat().st_mode & 0o077 == 0
    assert path.read_text("utf-8") == render(binary)


CASES = [(name, width) for name in ("binary", "hostile", "untold") for width in (360, 1280)]


@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_in_a_browser(request, chromium, tmp_path, dark):
    from .browser import measure

    pages = [(render(request.getfixturevalue(name)), width) for name, width in CASES]
    found = measure(chromium, pages, tmp_path, dark=dark)
    assert len(found) == len(CASES)
    for (name, width), seen in zip(CASES, found):
        where = f"{name} at {width}"
        assert seen["width"] == width, where
        assert seen["scroll"] <= width, where
        assert seen["wide"] == [], where
        assert seen["spills"] == [], where
        assert (sum(seen["paper"][:3]) < 200) == dark, where
        assert seen["texts"] > 100, where
        assert seen["worst"] >= 4.5, (where, seen["where"])
        assert 0 <= seen["decision"][0] < seen["decision"][1] < 800, where
        assert seen["figure"][1] <= 800, where


@pytest.mark.browser
def test_the_harness_sees_faults(chromium, tmp_path):
    from .browser import measure

    bad = (
        "<!doctype html><body><h1 id=decision style='color:#aaa;background:#fff'>x</h1>"
        "<div style='width:900px'>wide</div><svg width=50 height=50><text x=40 y=20>long text</text></svg>"
    )
    (seen,) = measure(chromium, [(bad, 360)], tmp_path)
    assert seen["scroll"] > 360
    assert seen["wide"]
    assert seen["spills"]
    assert seen["worst"] < 4.5
