from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from outgrow.errors import InputError
from outgrow.forecasts.combined import TAU, Combined, combined, fit, quantile
from outgrow.forecasts.statistics import STATISTICS

READ = ("blind gain", "stability", "disagreement")


def cells(
    tasks: int = 8, each: int = 12, noise: float = 0.02, seed: int = 0
) -> tuple[list[dict[str, float]], Any, list[str]]:
    """Cells whose gain is half of their blind gain, plus noise; stability says nothing."""
    rng = np.random.default_rng(seed)
    made: list[dict[str, float]] = []
    gains, names = [], []
    for task in range(tasks):
        for _ in range(each):
            cell = dict.fromkeys(STATISTICS, 0.0)
            cell |= {"blind gain": rng.uniform(-0.1, 0.3), "stability": rng.uniform(0.5, 1), "disagreement": 0.2}
            made.append(cell)
            gains.append(0.5 * cell["blind gain"] + noise * rng.normal())
            names.append(f"task {task}")
    return made, np.array(gains), names


def test_it_learns_what_carries_over_and_covers_new_tasks() -> None:
    made, gains, names = cells()
    model = fit(made, gains, names, name="gain", features=READ)
    slope = np.array(model.weights) / np.array(model.spread)
    assert slope[0] == pytest.approx(0.5, abs=0.05)
    assert abs(slope[1]) < 0.05
    fresh, truth, _ = cells(tasks=40, seed=1)
    told = [model.expect(c) for c in fresh]
    inside = np.mean([e.low <= g <= e.high for e, g in zip(told, truth, strict=True)])
    assert 0.84 < inside < 0.96
    assert all(e.told for e in told)
    assert next(iter(told[0].parts)) in READ
    assert told[0].value == pytest.approx(model.intercept + sum(told[0].parts.values()))


def test_room_to_disagree_widens_the_interval() -> None:
    made, gains, names = cells()
    model = fit(made, gains, names, name="gain", features=READ)
    narrow, wide = ({**made[0], "disagreement": d} for d in (0.05, 0.35))
    ratio = np.subtract(*(model.expect(wide).high, model.expect(wide).low)) / np.subtract(
        *(model.expect(narrow).high, model.expect(narrow).low)
    )
    assert ratio == pytest.approx((TAU + 0.35) / (TAU + 0.05))


def test_it_cannot_tell_outside_what_was_seen_nor_where_nothing_helps() -> None:
    made, gains, names = cells()
    model = fit(made, gains, names, name="gain", features=READ)
    far = model.expect({**made[0], "blind gain": 2.0})
    assert not far.told
    assert "its blind gain of 2 lies outside what was seen" in far.why
    shuffled = np.random.default_rng(3).permutation(gains)
    useless = fit(made, shuffled, names, name="gain", features=READ)
    answers = [useless.expect(c) for c in made]
    assert np.mean([not e.told for e in answers]) > 0.9
    assert "no narrower" in answers[0].why


def test_what_does_not_exist_counts_as_usual() -> None:
    made, gains, names = cells()
    model = fit(made, gains, names, name="gain", features=READ)
    usual = model.expect({**made[0], "blind gain": model.centre[0]})
    missing = model.expect({**made[0], "blind gain": float("nan")})
    assert missing.value == pytest.approx(usual.value)
    with pytest.raises(InputError, match="needs the statistic 'blind gain'"):
        model.expect({k: v for k, v in made[0].items() if k != "blind gain"})


def test_tasks_count_alike() -> None:
    made, gains, names = cells(tasks=4, noise=0.0)
    double = fit(
        [*made, *made[:12] * 5],
        np.concatenate([gains, *[gains[:12]] * 5]),
        [*names, *names[:12] * 5],
        name="gain",
        features=READ,
    )
    once = fit(made, gains, names, name="gain", features=READ)
    np.testing.assert_allclose(double.centre, once.centre)
    with pytest.raises(InputError, match="at least three tasks"):
        fit(made[:20], gains[:20], names[:20], name="gain")


def test_the_file_of_the_package_is_whole(tmp_path: Path) -> None:
    found = combined()
    assert set(found) == {"gain", "gain alone", "pgr", "pgr alone", "rank", "rank alone"}
    for name, model in found.items():
        assert set(model.features) <= set(STATISTICS)
        assert not (
            "alone" in name
            and any(f.startswith(("witness", "consensus", "others", "supervisors")) for f in model.features)
        )
        assert model.width > 0
        assert model.nothing[0] < model.nothing[1]
        assert Combined.from_dict(json.loads(json.dumps(model.as_dict()))) == model
    broken = tmp_path / "combined.json"
    broken.write_text("{")
    with pytest.raises(InputError, match=r"combined\.json cannot be read"):
        combined(broken)


def test_quantile_by_hand() -> None:
    assert quantile([3.0, 1.0, 2.0], [1, 1, 1], 0.5) == 2
    assert quantile([3.0, 1.0, 2.0], [8, 1, 1], 0.5) == 3
    assert quantile([1.0, 2.0], [1, 1], 1.0) == 2
