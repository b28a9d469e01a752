from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from outgrow.errors import InputError
from outgrow.papers import Claim, Measurement
from outgrow.papers.claim import seed_interval
from outgrow.scores.intervals import Undefined, paired_interval


def planted(effect: float, seeds: int = 20) -> Measurement:
    draws = np.random.default_rng(5).normal(effect, 0.1, seeds)
    return Measurement.over_seeds(draws, "effect", table=[{"seed": i, "effect": v} for i, v in enumerate(draws)])


def grows(seeds: Sequence[int], quick: bool = False) -> Measurement:
    return planted(1.0, len(seeds))


def test_a_planted_effect_is_judged_by_its_interval() -> None:
    assert planted(0.5).verdict() == "holds"
    assert planted(-0.5).verdict() == "fails"
    tiny = planted(0.01)
    assert tiny.verdict() == "undecided"
    assert "times the data" in tiny.decider()
    assert planted(0.5).decider() == ""


def test_direction_turns_the_verdict() -> None:
    assert Measurement("q", 0.5, 0.4, 0.6, threshold=0.7, direction="below").verdict() == "holds"
    assert Measurement("q", 0.5, 0.4, 0.6, threshold=0.3, direction="below").verdict() == "fails"
    assert Measurement("q", 0.5, 0.4, 0.6, threshold=0.55, direction="below").verdict() == "undecided"
    with pytest.raises(InputError, match="sideways"):
        Measurement("q", 0.5, 0.4, 0.6, direction="sideways")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="not inside"):
        Measurement("q", 0.5, 0.6, 0.7)


def test_what_decides_is_enough_data() -> None:
    few = Measurement.over_seeds(np.tile([0.2, -0.1, 0.08], 4), "q")
    assert few.verdict() == "undecided"
    times = int(few.decider().split()[1])
    more = Measurement.over_seeds(np.tile([0.2, -0.1, 0.08], 4 * times), "q")
    assert more.verdict() == "holds"


def test_counts_and_identities_are_decided_by_the_figure() -> None:
    assert Measurement.count(19, 20, 19, "signs").verdict() == "holds"
    assert Measurement.count(18, 20, 19, "signs").verdict() == "fails"
    assert Measurement.count(20, 20, 19, "signs").high == 1.0
    assert Measurement.count(0, 20, 19, "signs").low == 0.0
    assert Measurement.exact(0.0, "difference").verdict() == "holds"
    assert Measurement.exact(1e-9, "difference").verdict() == "fails"
    assert Measurement.exact(1e-9, "difference", tolerance=1e-8).verdict() == "holds"
    with pytest.raises(InputError):
        Measurement.count(21, 20, 19, "signs")


def test_an_interval_over_seeds_is_students() -> None:
    from scipy.stats import t, ttest_1samp

    values = np.random.default_rng(0).normal(size=8)
    got, want = seed_interval(values), ttest_1samp(values, 0).confidence_interval(0.95)
    np.testing.assert_allclose(got[1:], [want.low, want.high])
    assert t.ppf(0.975, 7) > 2
    with pytest.raises(InputError, match="two finite"):
        seed_interval([1.0])
    with pytest.raises(InputError, match="two finite"):
        seed_interval([1.0, np.nan])


def test_intervals_of_scores_are_taken_as_they_are() -> None:
    random = np.random.default_rng(1)
    a = random.random((3, 200)) < 0.8
    b = random.random((3, 200)) < 0.6
    interval = paired_interval(a, b)
    got = Measurement.of(interval, "gain", threshold=-0.005)
    assert (got.estimate, got.low, got.high) == (interval.value, interval.low, interval.high)  # type: ignore[union-attr]
    assert got.verdict() == "holds"
    assert got.spread == "200 test rows and 3 seeds"
    none = Measurement.of(Undefined("All alike."), "gain")
    assert none.verdict() == "undecided"
    assert none.note == "All alike."
    assert none.decider() == "nothing was measured"


def test_a_measurement_survives_json() -> None:
    import json

    for one in (planted(0.2), Measurement.of(Undefined("All alike."), "gain"), Measurement.exact(0.0, "d")):
        back = Measurement.from_dict(json.loads(json.dumps(one.as_dict(), allow_nan=False)))
        assert back.verdict() == one.verdict()
        assert back.text() == one.text()
        assert math.isnan(back.estimate) == math.isnan(one.estimate)
        assert list(back.table) == list(one.table)


def test_a_claim_uses_fresh_seeds_only() -> None:
    claim = Claim("grows", "us2026", "naive", "It grows.", "interval above 0", grows, range(20, 30), range(10))
    assert claim.measured().spread == "10 seeds"
    assert claim.measured(quick=True).spread == "3 seeds"
    assert claim.key() != claim.key(quick=True)
    other = Claim("grows", "us2026", "naive", "It grows.", "interval above 0", grows, range(30, 40), range(10))
    assert claim.key() != other.key()
    with pytest.raises(InputError, match="developed on seed 9"):
        Claim("grows", "us2026", "naive", "It grows.", "above 0", grows, range(9, 19), range(10))
    with pytest.raises(InputError, match="no seeds"):
        Claim("grows", "us2026", "naive", "It grows.", "above 0", grows, ())
    with pytest.raises(InputError, match="snake case"):
        Claim("It grows", "us2026", "naive", "It grows.", "above 0", grows, (1,))
