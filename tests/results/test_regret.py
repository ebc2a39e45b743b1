"""What is said of simulated searches: regret over time, times until near the best, intervals, the figure."""

import math

import numpy as np
import pytest

from results.regret import NEAR, Trace, mean_regret, median_within, verdicts
from results.regret_plot import regret_figure


def trace(changes, *, method="asha", workers=2, seed=0, seconds=100.0, busy=100.0, table="birds"):
    return Trace(
        table=table,
        method=method,
        workers=workers,
        seed=seed,
        surrogate=False,
        changes=tuple(changes),
        seconds=seconds,
        busy_seconds=busy,
        trials=10,
        epochs=40,
    )


def test_the_regret_is_that_of_the_last_change_and_infinite_before_the_first():
    one = trace([(10, 0.5), (20, 0.1)])
    assert one.regret_at(np.array([9.9, 10, 19.9, 20, 1000])).tolist() == [math.inf, 0.5, 0.5, 0.1, 0.1]


def test_a_search_is_near_from_when_it_stays_near():
    changes = [(10, 0.5), (20, 0.04), (30, 0.2), (40, 0.03), (50, 0.05), (60, 0.01)]
    assert trace(changes).within(NEAR) == 40
    assert trace(changes).within(0.01) == 60
    assert trace(changes).within(0.001) == math.inf
    assert trace([]).within(NEAR) == math.inf


def test_workers_that_wait_are_idle():
    assert trace([], workers=4, seconds=100, busy=300).idle == 0.25


def test_the_median_counts_a_search_that_never_came_near_as_the_latest():
    traces = [trace([(at, 0.0)], seed=at) for at in (10, 20)] + [
        trace([(5, 1.0)], seed=seed) for seed in (3, 4, 5)
    ]
    assert median_within(traces[:3], NEAR).value == 20
    assert median_within(traces, NEAR).value == math.inf
    assert median_within(traces[:3], NEAR).low == 10
    assert median_within(traces[:3], NEAR).high == math.inf


def test_the_mean_begins_when_every_seed_has_something_to_hand_over():
    mean, low, high = mean_regret([trace([(10, 0.4)]), trace([(30, 0.2)], seed=1)], np.array([20.0, 40.0]))
    assert math.isnan(mean[0])
    assert (mean[1], low[1], high[1]) == pytest.approx((0.3, 0.2, 0.4))


def test_a_difference_is_paired_by_seed():
    # The seeds differ by far more than the methods, each by 0.1 in the second's favour.
    source = np.random.default_rng(0)
    ends = source.uniform(1, 100, 20)
    traces = [trace([(1, end)], seed=seed) for seed, end in enumerate(ends)]
    traces += [trace([(1, end - 0.1)], method="none", seed=seed) for seed, end in enumerate(ends)]
    first, second = verdicts(traces)
    assert first.difference is None
    assert second.difference.value == pytest.approx(-0.1)
    assert second.difference.low == pytest.approx(-0.1)
    assert second.difference.high == pytest.approx(-0.1)
    assert first.regret.low < first.regret.value < first.regret.high


def test_intervals_cover_the_mean_about_as_often_as_they_say():
    # 300 means of 30 draws; 95 % intervals of a bootstrap cover a little less than that, here 0.92 +- 0.016 (1 s.d.).
    source = np.random.default_rng(0)
    covered = 0
    for _ in range(300):
        (verdict,) = verdicts(
            [trace([(1, value)], seed=seed) for seed, value in enumerate(source.exponential(1, 30))]
        )
        covered += verdict.regret.low <= 1 <= verdict.regret.high
    assert 0.86 <= covered / 300 <= 0.98


def test_each_method_has_a_verdict_for_each_table_and_number_of_workers():
    traces = [
        trace([(1, 0.5), (20, 0.02)], table=table, workers=workers, method=method, seed=seed)
        for table in ("birds", "hartmann3")
        for workers in (1, 8)
        for method in ("asha", "none")
        for seed in range(3)
    ]
    found = verdicts(traces)
    assert [(one.table, one.workers, one.method) for one in found] == [
        (table, workers, method)
        for table in ("birds", "hartmann3")
        for workers in (1, 8)
        for method in ("asha", "none")
    ]
    assert all((one.seeds, one.reached_near, one.reached_nearer) == (3, 3, 0) for one in found)
    assert found[2].worker_seconds == 800


def test_the_figure_names_every_method_once_a_table_and_shows_where_a_search_came_near(tmp_path):
    traces = [
        trace([(5, 0.8), (40 / workers + seed, 0.02 * nearness)], workers=workers, method=method, seed=seed)
        for workers in (1, 8, 64)
        for method, nearness in (("asha", 1), ("none", 10))
        for seed in range(4)
    ]
    figure = regret_figure(traces, {"birds": "birds (surrogate)"})
    figure.savefig(tmp_path / "regret.png")
    texts = [text.get_text() for axes in figure.axes for text in axes.texts]
    assert texts.count("asha") == texts.count("none") == texts.count("birds (surrogate)") == 1
    assert [axes.get_title() for axes in figure.axes] == [
        "1 worker",
        "8 workers",
        "64 workers",
        "until within 5 % of the best",
    ]
    (line,) = [line for line in figure.axes[-1].get_lines() if len(line.get_xdata()) == 3]
    # The upper median of four seeds, in hours.
    assert line.get_ydata() * 3600 == pytest.approx([42, 7, 2.625])


def test_one_number_of_workers_has_no_panel_of_its_own_for_scaling():
    figure = regret_figure([trace([(5, 0.8), (20, 0.0)])], {"birds": "birds"})
    assert len(figure.axes) == 1
