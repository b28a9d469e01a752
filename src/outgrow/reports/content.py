"""What a report says, once for all its forms: HTML and Markdown only set it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from outgrow.reports.figures import Figure, Line, Mark, Table, dots, summary
from outgrow.reports.labels import about_section, quality_sections
from outgrow.reports.learned import learned_sections
from outgrow.reports.page import GLOSSARY, MainRow, Page, Section, rows_of
from outgrow.reports.readings import audit_figure, forecast_sections
from outgrow.reports.worth import worth_sections
from outgrow.scores.evaluation import Cell
from outgrow.scores.intervals import Interval, Undefined
from outgrow.scores.measured import sign
from outgrow.scores.metrics import METRICS, metric_name
from outgrow.scores.verdict import CODES, FLAGS
from outgrow.studies.results import Results, names, spent
from outgrow.studies.words import clean, count, interval, isolate, number, plural, share, signed

if TYPE_CHECKING:
    from outgrow.audits.finding import Finding

__all__ = ["content", "floor_note", "main_rows", "score_text"]

ROLES = ("floor", "direct", "student", "ceiling")
MOST_BANDS = 40


def content(results: Results, show_text: Sequence[str] | None = None) -> Page:
    """Put a study's results into words, figures and tables.

    Parameters
    ----------
    results : Results
    show_text : sequence of str, optional
        Input texts to print as examples; nothing of the inputs is printed otherwise.
    """
    decision = results.decide()
    rows = main_rows(results)
    blocks = []
    free = tuple(r for r in rows if not r.spent)
    paid = tuple(r for r in rows if r.spent)
    if free:
        blocks.append(("", free))
    if paid:
        blocks.append(("Methods that were given truth: judge them against direct, not against the rows above", paid))
    columns = tuple(dict.fromkeys(c for r in rows for c in r.cells))
    sections = [
        *_cells_section(results),
        *forecast_sections(results),
        *_audits(results, decision.cell),
        *quality_sections(results),
        *_verdicts(results, rows),
        *worth_sections(results),
        *learned_sections(results),
        *_failures(results),
        *_examples(show_text),
        about_section(results),
    ]
    first = _summary(results, decision.cell) if decision.cell is not None and results.scored else None
    if first is None:
        quality = next((s for s in sections if s.name == "quality" and s.figures), None)
        first = quality.figures[0] if quality else None
        if quality:
            at = sections.index(quality)
            sections[at] = Section(quality.name, quality.title, quality.paragraphs, (), quality.tables, quality.lists)
    return Page(
        results.name,
        decision.code,
        decision.lead,
        decision.reason,
        _facts(results),
        (*results.notes, *_optimism(results)),
        first,
        columns,
        tuple(blocks),
        floor_note(results),
        tuple(sections),
        _glossary(results),
    )


def _glossary(results: Results) -> tuple[tuple[str, str], ...]:
    """Return the words of a study's report; a ceiling is of the rows whose truth it learned."""
    if results.task.get("ceiling") != "teach":
        return GLOSSARY
    words = {**dict(GLOSSARY), "ceiling": "the same model trained on the truth of all teach rows, as direct is"}
    return tuple(words.items())


def score_text(found: Interval | Undefined, *, plus: bool = False) -> tuple[str, str]:
    """Write a figure and what stands beneath it: its interval, or the reason why there is none."""
    write = signed if plus else number
    if isinstance(found, Interval):
        return write(found.mean), interval(found.low, found.high, plus=plus)
    if found.value is not None:
        return write(found.value), "no interval"
    return "undefined", found.reason


def main_rows(results: Results) -> tuple[MainRow, ...]:
    """Return the lines of the main table, ranked. A column that no row can fill is left out."""
    cells = results.ranked()
    have = [r for r in (*ROLES, "self") if any(r in c.roles for c in cells)]
    with_gap = any({"ceiling", "floor", "student"} <= set(c.roles) for c in cells)
    foretold = rows_of(results.forecasts)
    rows = []
    for cell in cells:
        by, judged = names(cell), cell.verdict()
        line: dict[str, tuple[str, str]] = {}
        for role in have:
            line[role] = score_text(cell.shown(role)) if role in cell.roles else ("–", cell.why(role))
        if results.scored:
            line["gain"] = score_text(cell.gain(), plus=True)
        if with_gap:
            line["PGR"] = score_text(cell.pgr())
        if any(f.get("forecast") == "misfit" for f in foretold):
            line["misfit"] = _misfit(foretold, by) or ("–", "not computed")
        rows.append(
            MainRow(
                (by.get("method", ""), by.get("student", ""), by.get("supervisor", "")),
                line,
                CODES[judged.code],
                judged.code,
                tuple((FLAGS.get(f.code, f.code), f.sentence) for f in judged.flags),
                judged.sentence,
                spent(cell),
            )
        )
    return tuple(rows)


def _misfit(foretold: Sequence[Mapping[str, Any]], by: Mapping[str, str]) -> tuple[str, str] | None:
    for line in foretold:
        if line.get("forecast") == "misfit" and all(
            str(line.get(k)) == by.get(k) for k in ("supervisor", "student", "method")
        ):
            if line.get("value") is None:
                continue
            ends = interval(line.get("low"), line.get("high"))
            return number(line["value"]), " ".join(p for p in (ends, clean(line.get("unit", ""))) if p)
    return None


def floor_note(results: Results) -> tuple[str, ...]:
    """Say how the floor is formed, and what the scores mean."""
    if not results.scored:
        return ()
    metric = results.metric
    way = "higher is better" if sign(metric) > 0 else "lower is better; a gain is a fall"
    notes = [
        f"Scores are {metric_name(metric) if metric in METRICS else clean(metric)}, {way}; brackets are 95 % intervals for new test rows "
        "and new seeds."
    ]
    bare = [c for c in results.cells if "floor" in c.roles and not c.covered.all()]
    several = any(len(c.evaluations[0].floors) > 1 for c in results.cells)
    if several or bare:
        notes.append(
            "Floor: the mean label of the supervisors that cover a row"
            + ("; a test row that none covers is given the label prior of the covered transfer rows." if bare else ".")
        )
    seen = set()
    for cell in bare:
        by = names(cell).get("supervisor", "")
        if by in seen:
            continue
        seen.add(by)
        value, ends = score_text(cell.covered_only("floor"))
        notes.append(
            f"{isolate(by)} covers {share(float(cell.covered.mean()))} of test rows; on these its floor is {value} {ends}."
        )
    if any(spent(c) for c in results.cells):
        notes.append("Spent: rows of truth that the method was given; such rows are never ranked with the others.")
    return tuple(notes)


def _facts(results: Results) -> tuple[str, ...]:
    cells = results.cells
    facts = []
    if cells and results.scored:
        facts += [plural(cells[0].n_rows, "test row"), plural(cells[0].n_seeds, "seed")]
        facts.append(metric_name(results.metric) if results.metric in METRICS else clean(results.metric))
    elif cells:
        facts += [plural(cells[0].n_rows, "row") + " without truth", plural(cells[0].n_seeds, "seed")]
    if results.task.get("name"):
        facts.append(f"task {isolate(results.task['name'], 40)}")
    return tuple(facts)


def _optimism(results: Results) -> tuple[str, ...]:
    free = [c for c in results.cells if spent(c) == 0]
    if not results.scored or len(free) < 2:
        return ()
    return (
        f"The best of {len(free)} rows was picked on the same test rows that score it, so expect it to do a little worse on new ones.",
    )


def _marks(cell: Cell) -> tuple[Mark, ...]:
    marks = []
    for role in (*ROLES, "self"):
        if role in cell.roles:
            found = cell.shown(role)
            ends = (found.low, found.high) if isinstance(found, Interval) else (None, None)
            if found.value is not None:
                marks.append(Mark(role, found.value, *ends))
    return tuple(marks)


def axis_words(metric: str, n: int, seeds: int) -> str:
    """Name a score's axis with its direction."""
    name = metric_name(metric) if metric in METRICS else clean(metric)
    return f"{name} ({'higher' if sign(metric) > 0 else 'lower'} is better)"


def _summary(results: Results, cell: Cell) -> Figure:
    parts = []
    for found, sign_of, rival in (
        (cell.gain(), 1, "its supervisor"),
        (cell.direct_minus_student(), -1, "truth used directly"),
    ):
        if found.value is None:
            continue
        ahead = sign_of * found.value
        if isinstance(found, Interval) and (found.above() or found.below()):
            parts.append(f"{number(abs(ahead))} {'better' if ahead > 0 else 'worse'} than {rival}")
        else:
            parts.append(f"not told apart from {rival} ({signed(ahead)})")
    title = "The best student is " + " and ".join(parts) if parts else "The best student's score"
    return summary("first", title, _marks(cell), axis_words(results.metric, cell.n_rows, cell.n_seeds))


def _cells_section(results: Results) -> list[Section]:
    cells = [c for c in results.ranked() if _marks(c)]
    if len(cells) < 2 or not results.scored:
        return []
    sure = sum(c.gain().above() for c in cells)
    beaten = sum(c.direct_minus_student().above() for c in cells if "direct" in c.roles)
    title = (
        f"{sure} of {plural(len(cells), 'student')} {'is' if sure == 1 else 'are'} surely better than the supervisor"
    )
    if any("direct" in c.roles for c in cells):
        title += f"; truth used directly surely beats {beaten or 'none'}"
    lines = []
    for cell in cells[:MOST_BANDS]:
        by = names(cell)
        label = f"{clean(by.get('method', ''))} · {clean(by.get('student', ''))} · {clean(by.get('supervisor', ''))}"
        note = f"gain {score_text(cell.gain(), plus=True)[0]}" + (
            f", spent {count(spent(cell))}" if spent(cell) else ""
        )
        lines.append(Line(label, _marks(cell), note))
    figure = dots("cells", title, lines, axis_words(results.metric, cells[0].n_rows, cells[0].n_seeds))
    more = (f"The first {MOST_BANDS} of {len(cells)} rows are drawn.",) if len(cells) > MOST_BANDS else ()
    return [Section("scores", "Scores with their doubt", more, (figure,))]


def _finding_table(finding: Finding) -> Table:
    """Set the table of a finding that has no drawing."""
    columns = tuple(str(c).replace("_", " ") for c in finding.table.columns)
    rows = rows_of(finding.table)
    body = tuple(tuple(number(v) if isinstance(v, float) else clean(str(v)) for v in row.values()) for row in rows)
    return Table(columns, body, "", frozenset(columns))


def _audits(results: Results, cell: Cell | None) -> list[Section]:
    made: list[Section] = []
    chosen = names(cell) if cell is not None else {}
    titles = {
        "imitation": "What became of the supervisor's errors",
        "calibration": "Can the probabilities be believed?",
        "moments": "While the student trains",
    }
    for audit in dict.fromkeys(f.audit for f in results.findings):
        found = [f for f in results.findings if f.audit == audit]
        first = next((f for f in found if all(f.cell.get(k) == v for k, v in chosen.items())), found[0])
        figure = audit_figure(first, f"audit-{len(made)}")
        label = " · ".join(clean(first.cell.get(k, "")) for k in ("method", "student", "supervisor"))
        others = tuple(
            (" · ".join(str(f.cell.get(k, "")) for k in ("method", "student", "supervisor")), f.sentence) for f in found
        )
        made.append(
            Section(
                f"audit-{clean(audit)}",
                titles.get(audit, clean(audit)),
                (f"Drawn: {label}." if figure else f"{label}: {first.sentence}",),
                (figure,) if figure else (),
                () if figure or len(first.table) < 2 else (_finding_table(first),),
                folded=(Section("", f"All {plural(len(found), 'row')}", tables=(Table(("row", "finding"), others),)),)
                if len(found) > 1
                else (),
            )
        )
    return made


def _verdicts(results: Results, rows: Sequence[MainRow]) -> list[Section]:
    if not rows:
        return []
    lines = []
    for r in rows:
        lines.append((" · ".join(r.names), " ".join([r.sentence, *(s for _, s in r.flags)])))
    return [Section("verdicts", "The verdict of each row", tables=(Table(("row", "verdict and flags"), tuple(lines)),))]


def _failures(results: Results) -> list[Section]:
    rows = rows_of(results.failures)
    if not rows:
        return []
    columns = tuple(rows[0])
    lines = tuple(tuple("–" if r[c] is None else str(r[c]) for c in columns) for r in rows)
    title = f"{plural(len(rows), 'job')} failed; the rest went on"
    return [Section("failures", title, tables=(Table(columns, lines),))]


def _examples(texts: Sequence[str] | None) -> list[Section]:
    return [Section("examples", "Examples of the inputs", lists=tuple(texts))] if texts else []
