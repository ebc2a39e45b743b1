"""Whether intervals hold the truth as often as they say, on simulated trainings; and the arithmetic behind them.

A simulated training's error on a photo is the photo's own, plus what its configuration makes of that photo, plus the
luck of its seed, plus noise; its metric is the mean over 100 photos. So what is true of a configuration is known.
"""

import math
from statistics import NormalDist

import numpy as np
import pytest

from results import intervals
from results.intervals import Runs, Spread, difference, mean, spreads

PHOTOS = 100
EQUAL = (0.3,) * 7
ONE_NOISY = (0.4, *(0.1,) * 6)
THREE_NOISY = (0.4, 0.1, 0.4, 0.1, 0.4, 0.1, 0.1)
OF_EQUALS = ((0, 1), (2, 3), (4, 5))


def experiments(count, seeds, deviations, *, interaction=0.3, noise=0.3, better=0.0, twice=False):
    """Yields [Runs] of configurations that are all 0 in truth, but for the first, which is lower by `better`."""
    rng = np.random.default_rng(7)
    weights = rng.multinomial(PHOTOS, np.full(PHOTOS, 1 / PHOTOS), size=400).T / PHOTOS
    for _ in range(count):
        photos = rng.normal(size=PHOTOS)
        tastes = interaction * rng.normal(size=(len(deviations), PHOTOS))
        if twice:
            tastes[1] = tastes[0]
        configurations = []
        for taste, deviation, level in zip(tastes, deviations, (-better, *(0,) * 6), strict=False):
            luck = deviation * rng.normal(size=(seeds, 1))
            errors = level + photos + taste + luck + noise * rng.normal(size=(seeds, PHOTOS))
            configurations.append(Runs(errors.mean(axis=1), errors @ weights))
        yield configurations


@pytest.fixture
def _fewer_draws(monkeypatch):
    # An end read from 2,000 draws is off by a twentieth of a half interval, to either side: shares do not notice.
    monkeypatch.setattr(intervals, "DRAWS", 2000)


def within_binomial(share, low, high, count):
    """Whether a share of `count` is from `low` to `high`, give or take two standard deviations of that bound."""
    below, above = (2 * math.sqrt(bound * (1 - bound) / count) for bound in (low, high))
    return low - below <= share <= high + above


@pytest.mark.usefixtures("_fewer_draws")
@pytest.mark.parametrize(
    ("seeds", "deviations", "pairs", "interaction", "noise"),
    [
        pytest.param(2, EQUAL, OF_EQUALS, 0.3, 0.3, id="2 seeds"),
        pytest.param(3, EQUAL, OF_EQUALS, 0.3, 0.3, id="3 seeds"),
        pytest.param(5, EQUAL, OF_EQUALS, 0.3, 0.3, id="5 seeds"),
        pytest.param(2, ONE_NOISY, [(0, 1)], 0.3, 0.3, id="one is noisy, 2 seeds"),
        pytest.param(3, ONE_NOISY, [(0, 1)], 0.3, 0.3, id="one is noisy, 3 seeds"),
        pytest.param(2, THREE_NOISY, [(0, 1), (2, 3), (0, 4)], 0.3, 0.3, id="three are noisy, 2 seeds"),
        pytest.param(3, THREE_NOISY, [(0, 1), (2, 3), (0, 4)], 0.3, 0.3, id="three are noisy, 3 seeds"),
        pytest.param(2, EQUAL[:2], [(0, 1)], 0.3, 0.3, id="two configurations, 2 seeds"),
        pytest.param(3, EQUAL[:2], [(0, 1)], 0.3, 0.3, id="two configurations, 3 seeds"),
        pytest.param(3, (0.03,) * 7, OF_EQUALS, 3.0, 0.3, id="photos dominate"),
        pytest.param(3, (0.03,) * 7, OF_EQUALS, 0.3, 3.0, id="photos that suit single seeds dominate"),
        pytest.param(3, EQUAL, OF_EQUALS, 0.0, 0.0, id="nothing but seeds"),
    ],
)
def test_95_percent_intervals_hold_the_truth_in_90_to_99_of_100(seeds, deviations, pairs, interaction, noise):
    rng = np.random.default_rng(0)
    held, means_held, probabilities = [], [], []
    for configurations in experiments(300, seeds, deviations, interaction=interaction, noise=noise, better=1):
        spread = spreads(configurations)
        for one, other in pairs:
            found = difference(configurations[one], configurations[other], spread[one], spread[other], rng)
            held.append(found.low <= -(one == 0) <= found.high)
            if one:
                probabilities.append(found.probability)
        last = mean(configurations[-1], spread[-1], rng)
        means_held.append(last.low <= 0 <= last.high)
    # 300 to 900 intervals: a standard deviation is at most 1.7 % at 90 % and 0.6 % at 99 %.
    assert within_binomial(np.mean(held), 0.90, 0.99, len(held))
    # That of a quiet configuration among noisy ones is too wide, which does no harm.
    assert within_binomial(np.mean(means_held), 0.90, 1.0, len(means_held))
    # Each is 0.5 give or take 0.3 by chance, so the mean of 300 or more is within 0.05 by three deviations.
    assert not probabilities or np.mean(probabilities) == pytest.approx(0.5, abs=0.05)


def test_of_one_configuration_entered_twice_neither_is_found_better():
    rng = np.random.default_rng(0)
    apart = 0
    for configurations in experiments(100, 3, EQUAL, twice=True):
        spread = spreads(configurations)
        found = difference(*configurations[:2], *spread[:2], rng)
        apart += not found.low <= 0 <= found.high
    # On average it is 1.3 in 100 (4,000 repetitions); 6 would be four standard deviations from that.
    assert apart <= 5


@pytest.mark.parametrize("seeds", [2, 3])
def test_a_clearly_better_configuration_is_found_to_be_better(seeds):
    rng = np.random.default_rng(0)
    found = []
    for configurations in experiments(100, seeds, EQUAL, better=3):
        spread = spreads(configurations)
        found.append(difference(*configurations[:2], *spread[:2], rng))
    # Ten standard deviations of a training. With two seeds, seven are told apart in 97 of 100 and three in 46.
    assert np.mean([one.high < 0 for one in found]) >= 0.95
    assert np.mean([one.probability for one in found]) > 0.95
    assert np.mean([one.value for one in found]) == pytest.approx(-3, abs=0.1)


def test_the_opposite_comparison_is_the_mirror_image():
    (configurations,) = experiments(1, 3, EQUAL, better=0.2)
    one, other, *_ = configurations
    spread_one, spread_other, *_ = spreads(configurations)
    rng = np.random.default_rng(0)
    there = difference(one, other, spread_one, spread_other, rng)
    back = difference(other, one, spread_other, spread_one, rng)
    # Of 20,000 draws a share has a standard deviation of 0.0035, an end one of about 2 % of its distance.
    assert there.probability + back.probability == pytest.approx(1, abs=0.02)
    assert there.value == -back.value
    assert [there.low, there.high] == pytest.approx(
        [-back.high, -back.low], abs=0.1 * (there.high - there.low)
    )


def test_the_same_generator_gives_the_same_interval():
    (configurations,) = experiments(1, 2, EQUAL)
    spread = spreads(configurations)
    first, second = (
        (
            difference(*configurations[:2], *spread[:2], np.random.default_rng(seed)),
            mean(configurations[0], spread[0], np.random.default_rng(seed)),
        )
        for seed in (3, 3)
    )
    assert first == second


def constant(*values):
    """Trainings whose values do not depend on the photos."""
    return Runs(np.array(values, float), np.tile(np.array(values, float)[:, None], 50))


def test_a_spread_is_weighed_with_that_of_the_other_configurations_and_never_below_its_own():
    # Variances 2, 8, 3 with 1, 1 and 3 degrees of freedom. The others of each have (8 + 3 x 3) / 4 = 4.25,
    # (2 + 3 x 3) / 4 = 2.75 and (2 + 8) / 2 = 5, with a weight of two degrees.
    found = spreads([constant(0, 2), constant(1, 5), constant(0, 0, 3, 3)])
    assert [one.freedom for one in found] == [3, 3, 5]
    assert [one.deviation**2 for one in found] == pytest.approx([(2 * 4.25 + 2) / 3, 8, (2 * 5 + 3 * 3) / 5])


def test_other_configurations_weigh_no_more_than_they_have_degrees_of_freedom():
    pair = spreads([constant(0, 2), constant(1, 5)])
    assert [one.freedom for one in pair] == [2, 2]
    assert [one.deviation**2 for one in pair] == pytest.approx([(8 + 2) / 2, 8])
    assert spreads([constant(0, 2)]) == [Spread(math.sqrt(2), 1)]


def test_without_photos_and_with_a_known_spread_the_interval_and_the_probability_are_the_normal_ones():
    one, other = constant(1, 2), constant(2, 2, 2.9)
    known = Spread(0.6, 1e9), Spread(0.3, 1e9)
    found = difference(one, other, *known, np.random.default_rng(0))
    value, deviation = 1.5 - 2.3, math.sqrt(0.36 / 2 + 0.09 / 3)
    # Of 20,000 draws an end has a standard deviation of 1.9 % of `deviation`, a share one of 0.0035 at most.
    ends = [value - 1.96 * deviation, value + 1.96 * deviation]
    assert [found.low, found.high] == pytest.approx(ends, abs=0.08 * deviation)
    new = math.sqrt(0.36 * (1 + 1 / 2) + 0.09 * (1 + 1 / 3))
    assert found.probability == pytest.approx(NormalDist(value, new).cdf(0), abs=0.014)
    alone = mean(one, known[0], np.random.default_rng(0))
    half = 1.96 * 0.6 / math.sqrt(2)
    assert [alone.value, alone.low, alone.high] == pytest.approx([1.5, 1.5 - half, 1.5 + half], abs=0.04)


def test_few_degrees_of_freedom_widen_the_interval():
    found = mean(constant(0, 1), Spread(1, 3), np.random.default_rng(0))
    # Student's t with 3 degrees of freedom has 95 % within 3.182; a draw's end is off by 3 %.
    assert [found.low, found.high] == pytest.approx(
        [0.5 - 3.182 / math.sqrt(2), 0.5 + 3.182 / math.sqrt(2)], rel=0.15
    )


def test_a_bias_of_resampled_values_does_not_move_the_interval():
    (configurations,) = experiments(1, 3, EQUAL)
    spread = spreads(configurations)
    biased = Runs(configurations[0].values, configurations[0].resampled + 5)
    for statistic in (
        lambda runs: difference(runs, configurations[1], spread[0], spread[1], np.random.default_rng(0)),
        lambda runs: mean(runs, spread[0], np.random.default_rng(0)),
    ):
        fair, found = statistic(configurations[0]), statistic(biased)
        assert [found.low, found.high] == pytest.approx([fair.low, fair.high])


def test_what_photos_do_to_single_runs_is_left_to_the_spread_over_seeds():
    rng = np.random.default_rng(0)
    shared, apart = rng.normal(size=(2, 400))
    shared, apart = (shared - shared.mean()) / shared.std(), (apart - apart.mean()) / apart.std()
    exact = Spread(0, 5)
    # With all runs alike, the interval holds the middle 95 % of the resamples. The runs' own part of the variance
    # of a mean of two is apart's: of 1 it takes 0.36, then all.
    low, high = np.percentile(shared, [2.5, 97.5])
    for size, share in ((0, 1), (0.6, 0.8), (1, 0)):
        runs = Runs(np.zeros(2), np.stack([shared + size * apart, shared - size * apart]))
        found = mean(runs, exact, np.random.default_rng(0))
        assert [found.low, found.high] == pytest.approx([share * low, share * high], abs=0.1)
        fixed = Runs(np.zeros(2), np.zeros((2, 400)))
        found = difference(fixed, runs, exact, exact, np.random.default_rng(0))
        assert [found.low, found.high] == pytest.approx([-share * high, -share * low], abs=0.1)
        # Paired: what photos do to both configurations alike is no difference.
        found = difference(runs, runs, exact, exact, np.random.default_rng(0))
        assert [found.low, found.high] == [0, 0]
