"""Made-up results: simulated evaluations of four studies, so that reports can be tested without training anything."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from outgrow.audits.calibration import Calibration
from outgrow.audits.imitation import Imitation
from outgrow.scores.evaluation import Cell, Evaluation
from outgrow.studies.results import FORECAST_COLUMNS, Results

HOSTILE = {
    "script": "<script>alert('x')</script>",
    "quotes": "\"q\" 'q' & <b>",
    "override": "safe\u202egnp.exe\u2066",
    "arabic": "مشرف ضعيف",
    "hebrew": "תווית חיובית",
    "long": "supervisor" * 20,
    "pipe": "a|b `c` [x](javascript:alert(1))\nnext",
}


def soft(generator, hard, classes, sharpness=2.0):
    """Make probabilities whose largest is the given class."""
    logits = generator.gumbel(size=(len(hard), classes))
    logits[np.arange(len(hard)), hard] = logits.max(axis=1) + generator.exponential(1 / sharpness, len(hard)) + 0.05
    weights = np.exp(logits)
    return weights / weights.sum(axis=1, keepdims=True)


def answers(generator, truth, right, classes, lean=None):
    """Make hard answers that are right with a probability a row."""
    wrong = (truth + generator.integers(1, classes, len(truth))) % classes
    if lean is not None:
        wrong = np.where(truth != lean, lean, wrong)
    return np.where(generator.random(len(truth)) < right, truth, wrong)


def class_cells(classes, supervisors, students, methods, n=600, seeds=3, ceiling=True, truth=True, spent=()):
    """Simulate evaluations: a shared difficulty a row makes roles and seeds alike."""
    generator = np.random.default_rng(7)
    names = np.array(classes)
    c = len(names)
    share = np.array([0.5] * 2) if c == 2 else np.array([0.7, 0.28, 0.02])
    labels = generator.choice(c, n, p=share)
    hardness = generator.normal(0, 0.12, n)
    cells = []
    for s, (supervisor, floor) in enumerate(supervisors.items()):
        for t, (student, (direct, top)) in enumerate(students.items()):
            for m, method in enumerate(methods):
                runs = []
                for seed in range(seeds):
                    g = np.random.default_rng([s, t, seed, 3])
                    level = {
                        "floor": floor,
                        "student": floor + 0.45 * (top - floor) + 0.012 * m - 0.02 * s,
                        "direct": direct,
                        "ceiling": top,
                    }
                    hard = {}
                    for role, at in level.items():
                        hard[role] = answers(g, labels, np.clip(at + hardness, 0.02, 0.99), c, 0 if s == 2 else None)
                    if c == 3:
                        hard["floor"] = np.where(hard["floor"] == 2, 0, hard["floor"])
                    copy = g.random(n) < 0.35
                    hard["student"] = np.where(copy, hard["floor"], hard["student"])
                    outputs = {r: soft(g, h, c) for r, h in hard.items() if truth or r in ("floor", "student")}
                    missing = {}
                    if not ceiling:
                        outputs.pop("ceiling", None)
                        missing["ceiling"] = "no ceiling: no truth on transfer rows"
                    runs.append(
                        Evaluation.of(
                            np.arange(n),
                            outputs,
                            labels if truth else None,
                            metric="accuracy" if c == 2 else "balanced_accuracy",
                            missing=missing,
                            classes=names,
                            covered=np.arange(n) % 10 > 0 if s == 2 else None,
                            seed=seed,
                            spent=500 if method in spent else 0,
                            cell={"task": "made up", "supervisor": supervisor, "student": student, "method": method},
                            direct_rows=500,
                        )
                    )
                cells.append(Cell(runs))
    return cells


def quality_of(cells):
    lines = []
    for cell in {c.evaluations[0].cell["supervisor"]: c for c in cells}.values():
        e = cell.evaluations[0]
        floor = e.outputs["floor"]
        line = {"source": e.cell["supervisor"], "rows": len(e.ids), "covered": int(e.covered.sum())}
        line |= {"coverage": float(e.covered.mean()), "overlaps": 1.0, "conflicts": 0.3}
        if e.classes is not None:
            share = np.bincount(floor.argmax(1), minlength=len(e.classes)) / len(floor)
            line |= {"named_classes": int((share > 0).sum()), "most_named": str(e.classes[share.argmax()])}
            line |= {"most_named_share": float(share.max()), "entropy": 0.4, "confidence": float(floor.max(1).mean())}
            line |= {"agreement": None if len(lines) else 0.6}
            line |= {f"share({k})": float(v) for k, v in zip(e.classes, share)}
        else:
            line |= {"mean": float(floor.mean()), "sd": float(floor.std()), "low": float(floor.min())}
            line |= {"high": float(floor.max()), "agreement": None}
        lines.append(line | {"flags": "leans" if len(lines) == 2 else ""})
    return pd.DataFrame(lines)


def forecasts_of(cells, unit):
    lines = []
    for k, cell in enumerate(cells):
        e = cell.evaluations[0]
        gain = cell.in_unit(unit)
        seen = gain.value is not None
        value = 0.7 * gain.value + 0.01 if seen else 0.04
        lines.append(
            {
                **{key: e.cell[key] for key in ("supervisor", "student", "method")},
                "forecast": "misfit",
                "order": "",
                "unit": unit,
                "value": value,
                "low": value - 0.008,
                "high": value + 0.008,
                "measured": gain.value if seen else None,
                "measured_low": gain.low if seen else None,
                "measured_high": gain.high if seen else None,
                "broken": "not trained by squared loss" if k % 2 else "",
            }
        )
    return pd.DataFrame(lines, columns=FORECAST_COLUMNS)


def made(name, cells, kind="classes", unit="brier", truth="all", notes=(), classes=None, **more):
    findings = [f for cell in cells for audit in (Imitation(), Calibration()) for f in audit.examine(cell)]
    n = len(cells[0].evaluations[0].ids)
    return Results(
        name=name,
        kind=kind,
        metric=cells[0].evaluations[0].metric,
        task={
            "name": "made up",
            "rows": 4300,
            "classes": classes,
            "licence": "made up for tests",
            "source": "simulation",
            "key": "0" * 32,
            "roles": {"teach": 500, "transfer": 2000, "select": 300, "test": n},
            "seeds": len(cells[0].evaluations),
            "truth": truth,
            "cut_share": {"smollm2/18": 0.012},
            "unknown_share": {"wordllama": 0.07},
        },
        cells=tuple(cells),
        quality=quality_of(cells),
        forecasts=forecasts_of(cells, unit),
        findings=tuple(findings),
        notes=tuple(notes),
        failures=pd.DataFrame(more.pop("failures", []), columns=["job", "kind", "error"]),
        environment={"outgrow": "0.1.0", "python": "3.11", "threads": 1, "seconds": {"encode": 41.2, "fit": 6.1}},
        fingerprints={"task": "a" * 32, "study": "b" * 32, "views": {"smollm2/18": "c" * 32}},
        **more,
    )


@pytest.fixture(scope="session")
def binary():
    cells = class_cells(
        ["negative", "positive"],
        {"wordllama": 0.66, "tfidf": 0.62, "vader": 0.61},
        {"smollm2/18": (0.73, 0.83), "minilm/3": (0.70, 0.78)},
        ["naive", "confidence", "selective"],
        spent=("selective",),
    )
    notes = ["The ceiling of minilm/3 uses 1,990 of 2,000 transfer rows: ten had no truth."]
    details = pd.DataFrame(
        [
            {**{k: e.cell[k] for k in ("supervisor", "student", "method")}, "seed": e.seed, "penalty": 0.3}
            for cell in cells
            for e in cell.evaluations
        ]
    )
    failures = [{"job": "student vader naive", "kind": "student", "error": "LabelsError: one class only"}]
    return made("movies", cells, notes=notes, details=details, failures=failures, classes=["negative", "positive"])


@pytest.fixture(scope="session")
def three():
    cells = class_cells(["a", "b", "rare"], {"rules": 0.6}, {"x": (0.6, 0.8)}, ["naive"])
    return made("three", cells, classes=["a", "b", "rare"])


@pytest.fixture(scope="session")
def partial():
    cells = class_cells(["no", "yes"], {"rules": 0.62}, {"x": (0.6, 0.8)}, ["naive", "confidence"], ceiling=False)
    note = "There is no ceiling and no PGR: transfer rows have no truth."
    return made("partial", cells, truth="some", notes=[note], classes=["no", "yes"])


@pytest.fixture(scope="session")
def untold():
    cells = class_cells(["no", "yes"], {"rules": 0.62, "file": 0.7}, {"x": (0.6, 0.8)}, ["naive"], truth=False)
    note = "There are no scores: no row has truth. Supervisor 'probe' is left out because it needs truth."
    return made("untold", cells, truth="none", notes=[note], classes=["no", "yes"])


@pytest.fixture(scope="session")
def values():
    truth = np.random.default_rng(1).normal(-4, 3, 250)
    cells = []
    for method, noise in (("naive", 1.5), ("other", 2.3)):
        runs = []
        for seed in range(3):
            g = np.random.default_rng([seed, 5])
            outputs = {
                r: (truth + g.normal(0.2, sd, len(truth)))[:, None]
                for r, sd in {"floor": 2.2, "student": noise, "direct": 1.6, "ceiling": 1.0}.items()
            }
            by = {"task": "made up", "supervisor": "formula", "student": "glove", "method": method}
            runs.append(Evaluation.of(np.arange(len(truth)), outputs, truth, metric="mse", seed=seed, cell=by))
        cells.append(Cell(runs))
    return made("values", cells, kind="value", unit="mse")


@pytest.fixture(scope="session")
def hostile():
    return hostile_results()


def hostile_results():
    cells = class_cells(
        [HOSTILE["hebrew"], HOSTILE["quotes"]],
        {HOSTILE["arabic"]: 0.66, HOSTILE["script"]: 0.62, HOSTILE["long"]: 0.61},
        {HOSTILE["override"]: (0.73, 0.83), HOSTILE["pipe"]: (0.70, 0.78)},
        ["naive", HOSTILE["quotes"]],
    )
    failures = [{"job": HOSTILE["script"], "kind": "student", "error": HOSTILE["pipe"]}]
    made_up = made(HOSTILE["long"], cells, notes=list(HOSTILE.values()), failures=failures)
    made_up.task["classes"] = list(HOSTILE.values())
    made_up.task["licence"] = HOSTILE["script"]
    return made_up
