"""Every verdict on a made-up table, the order of headlines, and the flags."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgrow.scores.intervals import Interval, Undefined
from outgrow.scores.verdict import CODES, FLAGS, Numbers, verdict


def about(mean: float, half: float = 0.015, seeds: int = 5) -> Interval:
    return Interval(mean, round(mean - half, 6), round(mean + half, 6), 0.95, 1500, seeds, 8.0)


BETTER = Numbers(
    metric="accuracy",
    n_rows=1500,
    n_seeds=5,
    floor=about(0.660),
    student=about(0.736),
    direct=about(0.740),
    ceiling=about(0.829),
    gain=about(0.076),
    gap=about(0.169),
    pgr=about(0.45, 0.1),
    direct_minus_student=about(0.004),
    chance=0.5,
    agreement=0.66,
    named={"negative": 0.48, "positive": 0.52},
    expected={"negative": 0.5, "positive": 0.5},
    detectable=0.021,
    rows_needed=180.0,
    direct_rows=500,
)
UNSURE = replace(
    BETTER, student=about(0.664), gain=about(0.004), rows_needed=21345.0, direct_minus_student=None, direct=None
)


def codes(found):
    return [f.code for f in found.flags]


def test_better():
    found = verdict(BETTER)
    assert found.code == "better"
    assert found.flags == ()
    assert found.sentence == (
        "The student is better than its supervisor: accuracy .736 against .660, gain +.076 [+.061, +.091] "
        "over 5 seeds and 1,500 test rows."
    )
    assert found.short == "better than the supervisor"


def test_worse():
    found = verdict(replace(BETTER, student=about(0.6), gain=about(-0.06), direct_minus_student=None))
    assert found.code == "worse"
    assert found.sentence.startswith(
        "The student is worse than its supervisor: accuracy .600 against .660, gain -.060 [-.075, -.045]"
    )


def test_cannot_tell_says_what_could_be_seen_and_how_many_rows_it_takes():
    found = verdict(UNSURE)
    assert found.code == "cannot_tell"
    assert found.sentence == (
        "It cannot be told whether the student is better than its supervisor: accuracy .664 against .660, gain +.004 [-.011, +.019] "
        "over 5 seeds and 1,500 test rows; the smallest gain this test could see is .021, "
        "and one of .004 would need about 22,000 test rows."
    )


def test_cannot_tell_when_rows_alone_do_not_help():
    assert (
        "more test rows alone would not show one of .004: add seeds."
        in verdict(replace(UNSURE, rows_needed=math.inf)).sentence
    )


def test_cannot_tell_when_all_rows_are_alike():
    alike = Undefined("Every test row has the same score, so the spread over new rows cannot be seen.", 0.0)
    found = verdict(replace(UNSURE, gain=alike, detectable=None, rows_needed=None))
    assert found.code == "cannot_tell"
    assert found.sentence.endswith(alike.reason)


def test_use_truth_names_the_difference_with_its_interval():
    found = verdict(replace(BETTER, direct=about(0.792), direct_minus_student=about(0.056)))
    assert found.code == "use_truth"
    assert found.sentence == (
        "Use the truth directly: 500 rows of truth train the same model to accuracy .792 against the student's .736, "
        "direct - student +.056 [+.041, +.071] over 5 seeds and 1,500 test rows; the student is better than its supervisor (.660)."
    )


def test_a_rival_below_the_supervisor_is_no_advice():
    table = replace(BETTER, student=about(0.5), gain=about(-0.16), direct=about(0.6), direct_minus_student=about(0.1))
    assert verdict(table).code == "worse"
    above = verdict(replace(table, direct=about(0.7), direct_minus_student=about(0.2)))
    assert above.code == "use_truth"
    assert codes(above) == ["worse"]
    assert "the student is worse than its supervisor (.660)" in above.sentence


def test_pgr_undefined_leads_only_where_the_gain_is_not_known_either():
    small = replace(UNSURE, gap=about(0.005), pgr=Undefined("The 95 % interval of the gap touches 0."))
    found = verdict(small)
    assert found.code == "pgr_undefined"
    assert "gap is too small (ceiling - floor +.005 [-.010, +.020])" in found.sentence
    beside = verdict(replace(BETTER, gap=about(0.005), pgr=small.pgr))
    assert beside.code == "better"
    assert codes(beside) == ["pgr_undefined"]


def test_no_ceiling_is_not_called_a_small_gap():
    found = verdict(replace(BETTER, ceiling=None, gap=None, pgr=None))
    assert (found.code, found.flags) == ("better", ())


def test_below_chance():
    table = replace(BETTER, floor=about(0.41), student=about(0.44), gain=about(0.03), chance=0.5)
    found = verdict(table)
    assert found.code == "below_chance"
    assert found.sentence == (
        "The supervisor is below chance: accuracy .410 [.395, .425] against .500 by chance; "
        "labels drawn at random would do better, so check that no classes are swapped."
    )
    lifted = verdict(replace(table, student=about(0.6), gain=about(0.19)))
    assert lifted.code == "better"
    assert codes(lifted) == ["below_chance"]
    assert verdict(replace(table, floor=about(0.49))).code == "better"


def test_one_class():
    table = replace(UNSURE, named={"negative": 0.001, "positive": 0.999})
    found = verdict(table)
    assert found.code == "one_class"
    assert "The supervisor names one class: 'positive' on 99.9 % of test rows" in found.sentence
    beside = verdict(replace(BETTER, named=table.named))
    assert beside.code == "better"
    assert codes(beside) == ["one_class"]


def test_near_truth_leads():
    found = verdict(replace(BETTER, agreement=0.985))
    assert found.code == "near_truth"
    assert "it agrees on 98.5 % of test rows" in found.sentence
    assert verdict(replace(BETTER, agreement=0.979)).code == "better"
    value = verdict(replace(BETTER, metric="mse", kind="value", agreement=0.99))
    assert "of the variance of the truth" in value.sentence


def test_no_truth():
    found = verdict(Numbers("accuracy", named={"a": 0.5, "b": 0.5}, rows_to_label=943))
    assert found.code == "no_truth"
    assert found.sentence == (
        "There are no scores without truth: no test row has any; about 943 labelled test rows would show a gain of .050 in accuracy."
    )
    assert verdict(Numbers("mse", kind="value")).sentence == "There are no scores without truth: no test row has any."
    one = verdict(Numbers("accuracy", named={"a": 1.0, "b": 0.0}, unlearnable=("b",)))
    assert codes(one) == ["one_class", "unlearnable"]


def test_a_leaning_supervisor_is_flagged_against_the_truth():
    found = verdict(replace(BETTER, named={"negative": 0.32, "positive": 0.68}))
    assert codes(found) == ["biased"]
    expected = "The supervisor leans to class 'positive': it names it on 68 % of rows, where the truth has 50 %."
    assert found.flags[0].sentence == expected
    assert codes(verdict(replace(BETTER, named={"negative": 0.41, "positive": 0.59}))) == []


def test_a_lean_on_few_rows_is_luck():
    named = {"negative": 0.3, "positive": 0.7}
    assert codes(verdict(replace(BETTER, named=named, n_rows=30))) == []
    assert codes(verdict(replace(BETTER, named=named, n_rows=300))) == ["biased"]


def test_a_leaning_supervisor_is_flagged_against_the_others_without_truth():
    table = Numbers("accuracy", named={"n": 0.32, "p": 0.68}, expected={"n": 0.5, "p": 0.5}, expected_from="others")
    assert "the other supervisors name it on 50 %." in verdict(table).flags[0].sentence
    assert "is expected" in verdict(replace(table, expected_from="prior")).flags[0].sentence
    assert verdict(replace(table, expected=None)).flags == ()


def test_a_class_that_nobody_names_is_named():
    found = verdict(replace(BETTER, unlearnable=("rare",)))
    assert codes(found) == ["unlearnable"]
    assert found.flags[0].sentence == "Class 'rare' cannot be learned from these labels: no supervisor names it."
    two = verdict(replace(BETTER, unlearnable=("a", "b"))).flags[0].sentence
    assert two == "Classes 'a' and 'b' cannot be learned from these labels: no supervisor names them."
    assert "and 3 more" in verdict(replace(BETTER, unlearnable=tuple("abcdefgh"))).flags[0].sentence


def test_one_seed_is_said():
    assert (
        "1,500 test rows and one seed (other seeds may differ by more)" in verdict(replace(BETTER, n_seeds=1)).sentence
    )


def test_a_loss_is_written_as_a_loss():
    table = replace(
        BETTER,
        metric="mse",
        kind="value",
        floor=about(-1.6),
        student=about(-1.2),
        gain=about(0.4),
        chance=-3.0,
        named={},
        agreement=0.4,
    )
    sentence = verdict(table).sentence
    assert "mean squared error (lower is better) 1.200 against 1.600, gain +.400 [" in sentence
    low = verdict(replace(table, chance=-1.0, student=about(-1.5), gain=about(0.1)))
    assert low.code == "below_chance"
    assert (
        "mean squared error (lower is better) 1.600 [1.585, 1.615] against 1.000 by chance; it does worse than always answering the mean"
        in low.sentence
    )


def test_a_metric_of_somebody_else():
    assert (
        "mean reward .736 against .660"
        in verdict(replace(BETTER, metric="mean_reward", kind="other", named={})).sentence
    )


maybe = st.one_of(st.none(), st.just(Undefined("No.", 0.0)), st.builds(about, st.floats(-1, 1), st.floats(0.001, 0.5)))


@given(
    maybe, maybe, maybe, maybe, maybe, st.sampled_from(["accuracy", "mse", "reward"]), st.floats(0, 1), st.floats(0, 1)
)
def test_any_numbers_have_one_headline_and_sentences_without_nan(
    floor, student, gain, rival, pgr, metric, share, agreement
):
    found = verdict(
        Numbers(
            metric,
            n_rows=100,
            n_seeds=3,
            floor=floor,
            student=student,
            direct=rival,
            gain=gain,
            gap=gain,
            pgr=pgr,
            direct_minus_student=rival,
            chance=0.5,
            agreement=agreement,
            named={"a": share, "b": 1 - share},
            expected={"a": 0.5, "b": 0.5},
        )
    )
    assert found.code in CODES
    assert found.code not in codes(found)
    assert len(set(codes(found))) == len(found.flags)
    assert set(codes(found)) <= set(FLAGS)
    for sentence in (found.sentence, *(f.sentence for f in found.flags)):
        assert sentence.endswith(".")
        assert "nan" not in sentence.lower().split()
        assert "inf" not in sentence.split()
        assert "None" not in sentence


@pytest.mark.parametrize("code", [c for c in CODES if c != "cannot_tell"])
def test_the_stated_order(code):
    """Where several hold, the first of CODES leads: each is checked against all later ones at once."""
    everything = replace(
        BETTER,
        floor=about(0.41),
        student=about(0.35),
        direct=about(0.45),
        gain=about(-0.06),
        direct_minus_student=about(0.1),
        pgr=Undefined("No."),
        named={"negative": 1.0, "positive": 0.0},
        agreement=0.99,
    )
    without = {
        "no_truth": {"n_rows": 0},
        "near_truth": {},
        "use_truth": {"agreement": 0.41},
        "below_chance": {"agreement": 0.41, "direct_minus_student": None},
        "one_class": {"agreement": 0.41, "direct_minus_student": None, "chance": 0.3},
        "worse": {"agreement": 0.41, "direct_minus_student": None, "chance": 0.3, "named": {}},
        "better": {"agreement": 0.41, "direct_minus_student": None, "chance": 0.3, "named": {}, "gain": about(0.06)},
        "pgr_undefined": {
            "agreement": 0.41,
            "direct_minus_student": None,
            "chance": 0.3,
            "named": {},
            "gain": about(0.0),
        },
    }
    assert verdict(replace(everything, **without[code])).code == code
