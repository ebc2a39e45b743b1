"""How sure it is that one configuration is better than another, from a few fresh trainings of each.

A metric of a training (lower is better) varies with the *seed* and with the *photos* it was measured on. Photos are
resampled (bootstrap, Efron 1979), the same draws for all trainings, so that a difference between two configurations
is paired. Seeds are not resampled: two or three trainings have too few outcomes and too small a spread. Their part
is Student's t around the mean, with a standard deviation that also learns from the other configurations
(`spreads`). Nothing here trains, measures or reads files.

The share of 95 % intervals of a difference that held the true one, and in brackets that of the hierarchical
percentile bootstrap, which resamples seeds as well. The data are those of `tests/results/test_intervals.py`, 4,000
times; the last digit is uncertain by 3 or 4. A noisy configuration's seeds spread four times as far as a quiet one's.

====================================  =============  =============  =============
configurations                        2 seeds        3 seeds        5 seeds
====================================  =============  =============  =============
of 7 alike                            0.990 (0.707)  0.986 (0.820)  0.976 (0.891)
of 2 alike, and no others             0.960 (0.720)  0.966 (0.825)  0.968 (0.886)
noisy and quiet, and no others        0.943 (0.649)  0.938 (0.790)  0.954 (0.859)
the one noisy of 7, and a quiet one   0.914 (0.649)  0.924 (0.783)  0.943 (0.864)
two quiet beside one noisy of 7       0.997 (0.853)  0.995 (0.899)  0.991 (0.936)
noisy and quiet, of 3 noisy of 7      0.972 (0.650)  0.972 (0.784)  0.963 (0.865)
both noisy, of 3 noisy of 7           0.954 (0.700)  0.962 (0.822)  0.965 (0.890)
both quiet, of 3 noisy of 7           0.999 (0.848)  0.999 (0.903)  0.999 (0.933)
alike, photos dominate                0.947 (0.943)  0.944 (0.942)  0.948 (0.949)
alike, photos x seeds dominate        0.990 (0.989)  0.984 (0.994)  0.974 (0.998)
====================================  =============  =============  =============

So an interval errs on the wide side where all are alike, and far so for the quiet among noisy ones. The weakest spot
is the one noisy configuration with two seeds: the interval of its own mean holds the truth in 0.88. Each interval
speaks for one comparison; of many, some will mislead.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PRIOR = 2.0
"""Degrees of freedom that the other configurations' spread counts for at most, beside a configuration's own.

Chosen by simulation of two seeds where nothing but seeds matters. The interval of the difference between the one
noisy of seven configurations and a quiet one holds the truth in 0.904; with 2.5 in 0.888. That between two of seven
alike holds it in 0.989; with fewer than 2 the interval is too wide to tell them apart.
"""
DRAWS = 20_000
"""Draws an interval is read from."""


@dataclass(frozen=True, eq=False)
class Runs:
    """The trainings of one configuration, which differ in their seeds alone, measured by one metric.

    Attributes
    ----------
    values
        Float64 [s], of all photos; two or more.
    resampled
        Float64 [s, b], of b resamples of the photos. The draws are the same for all runs and configurations.
    """

    values: Floats
    resampled: Floats


@dataclass(frozen=True)
class Spread:
    """How much trainings of a configuration differ by their seeds.

    Attributes
    ----------
    deviation
        Standard deviation of one training's value.
    freedom
        Degrees of freedom it is known with.
    """

    deviation: float
    freedom: float


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Difference(Estimate):
    """The expected value of one configuration less that of another.

    Attributes
    ----------
    probability
        That a new training of the one is lower than a new training of the other.
    """

    probability: float


def spreads(configurations: Sequence[Runs]) -> list[Spread]:
    """How much trainings of each configuration differ, with the others' spread as prior knowledge.

    A moderated variance, Smyth 2004, "Linear models and empirical Bayes methods for assessing differential expression
    in microarray experiments": the mean of a prior variance and the configuration's own, weighted by their degrees of
    freedom, which add up. Apart from that paper, the prior is the pooled variance of the other configurations and its
    weight is fixed, as a handful of configurations cannot tell either; and the prior is not lower than the
    configuration's own variance, since one that seems noisier than the others may well be (a GAN among CNNs).

    Configurations that are known beforehand to be of one kind are best passed without the others. One alone is left
    with its own variance.
    """
    freedom = np.array([len(runs.values) - 1 for runs in configurations], float)
    variances = np.array([runs.values.var(ddof=1) for runs in configurations])
    result = []
    for place, (own, degrees) in enumerate(zip(variances, freedom, strict=True)):
        others = np.delete(freedom, place)
        pooled = np.delete(variances, place) @ others / max(others.sum(), 1.0)
        weight = min(PRIOR, others.sum())
        variance = (weight * max(pooled, own) + degrees * own) / (weight + degrees)
        result.append(Spread(float(np.sqrt(variance)), float(weight + degrees)))
    return result


def mean(runs: Runs, spread: Spread, rng: np.random.Generator) -> Estimate:
    """A configuration's expected value over seeds and photos."""
    photos = _photos(runs.resampled.mean(axis=0), _of_single_runs(runs), rng)
    seeds = _seeds(spread, rng) / np.sqrt(len(runs.values))
    return _estimate(float(runs.values.mean()), photos + seeds)


def difference(
    one: Runs, other: Runs, spread_one: Spread, spread_other: Spread, rng: np.random.Generator
) -> Difference:
    """What separates two configurations, over seeds and photos: negative where `one` is better.

    The interval is of the expected values. The probability is predictive: to what is unknown of those it adds the
    seeds of the two new trainings.
    """
    photos = _photos(
        one.resampled.mean(axis=0) - other.resampled.mean(axis=0),
        _of_single_runs(one) + _of_single_runs(other),
        rng,
    )
    seeds_one, seeds_other = _seeds(spread_one, rng), _seeds(spread_other, rng)
    runs_one, runs_other = len(one.values), len(other.values)
    value = float(one.values.mean() - other.values.mean())
    of_means = photos + seeds_one / np.sqrt(runs_one) - seeds_other / np.sqrt(runs_other)
    of_trainings = photos + seeds_one * np.sqrt(1 + 1 / runs_one) - seeds_other * np.sqrt(1 + 1 / runs_other)
    interval = _estimate(value, of_means)
    return Difference(interval.value, interval.low, interval.high, float((value + of_trainings < 0).mean()))


def _estimate(value: float, errors: Floats) -> Estimate:
    low, high = np.percentile(errors, [2.5, 97.5])
    return Estimate(value, float(value + low), float(value + high))


def _seeds(spread: Spread, rng: np.random.Generator) -> Floats:
    """Draws [DRAWS] of what is not known of one training's value, because its seed is one of many."""
    return spread.deviation * rng.standard_t(spread.freedom, DRAWS)


def _photos(resampled: Floats, of_single_runs: float, rng: np.random.Generator) -> Floats:
    """Draws [DRAWS] from a statistic's resamples [b], less the variance `_of_single_runs`.

    They are centred, as a statistic of a set, such as a distance between distributions, is biased on resamples.
    """
    centred = resampled - resampled.mean()
    variance = centred.var()
    share = max(0.0, 1 - of_single_runs / variance) if variance > 0 else 0.0
    return np.sqrt(share) * rng.choice(centred, DRAWS)


def _of_single_runs(runs: Runs) -> float:
    """The variance over photos of the mean of runs that is theirs alone: some photos suit one seed, some another.

    The spread over seeds holds it already. To count it twice makes bootstraps of crossed effects conservative (Owen
    2007, "The pigeonhole bootstrap").
    """
    count = len(runs.values)
    apart = runs.resampled - runs.resampled.mean(axis=0)
    return float(apart.var(axis=1).sum() / (count - 1) / count)
