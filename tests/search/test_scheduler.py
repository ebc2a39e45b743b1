"""Successive halving: who goes on at a rung."""

import math
import random

import pytest

from search.scheduler import Rungs


def test_the_first_trial_at_a_rung_goes_on():
    assert Rungs((1,), 3).goes_on(0, 1, 99.0)


def test_epochs_that_are_no_rung_decide_nothing():
    rungs = Rungs((1, 3), 3)
    for trial in range(10):
        assert rungs.goes_on(trial, 2, float(trial))


def test_a_trial_in_the_best_third_goes_on_and_another_stops():
    rungs = Rungs((1,), 3)
    for trial in range(5):
        rungs.record(trial, 1, float(trial))
    assert not rungs.goes_on(5, 1, 2.5)
    assert rungs.goes_on(6, 1, 1.5)


def test_ties_go_on():
    rungs = Rungs((1,), 3)
    assert all(rungs.goes_on(trial, 1, 1.0) for trial in range(9))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_stops_a_trial_and_does_not_count(value):
    rungs = Rungs((1,), 3)
    assert not rungs.goes_on(0, 1, value)
    assert not rungs.goes_on(0, 2, value)
    assert rungs.goes_on(1, 1, 5.0)


def test_reporting_an_epoch_again_counts_once():
    rungs = Rungs((1,), 3)
    for _ in range(10):
        rungs.record(0, 1, 1.0)
    assert not rungs.goes_on(1, 1, 2.0)
    for trial in range(2, 4):
        rungs.record(trial, 1, 3.0)
    assert rungs.goes_on(1, 1, 2.0)


def test_rungs_rebuilt_from_the_record_decide_alike():
    # 20 seeds of 60 trials in random order: more than 1,000 decisions, every one compared.
    for seed in range(20):
        source = random.Random(seed)
        reports = [(trial, epoch, source.random()) for trial in range(60) for epoch in (1, 3)]
        source.shuffle(reports)
        half = len(reports) // 2
        live, rebuilt = Rungs((1, 3), 3), Rungs((1, 3), 3)
        for report in reports[:half]:
            live.goes_on(*report)
            rebuilt.record(*report)
        assert [live.goes_on(*report) for report in reports[half:]] == [
            rebuilt.goes_on(*report) for report in reports[half:]
        ]


def test_about_one_trial_in_three_goes_on():
    # Of 300 values in random order a third goes on, and some more while a rung is young: 100 + O(log 300).
    source = random.Random(1)
    rungs = Rungs((1,), 3)
    assert 90 <= sum(rungs.goes_on(trial, 1, source.random()) for trial in range(300)) <= 130
