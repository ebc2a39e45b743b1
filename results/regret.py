"""How fast simulated searches came near the best: statistics over seeds. Draws nothing (see `results.regret_plot`).

*Regret* is how far what a search would hand over at a moment is from the best there is, as a share: 0.05 is 5 % off.
A search is *within* a share from the moment after which its regret never again exceeds it; one that is not within
when its time is up counts as later than any time, so medians over seeds stay right while most get there.

Intervals are 95 % bootstrap percentile intervals over seeds (Efron 1979). All methods on a table are resampled
together, so a difference between two is paired: they met the same seeds.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from results.intervals import Estimate

Floats = NDArray[np.float64]

NEAR, NEARER = 0.05, 0.01
"""Shares that a search is asked to come within."""
_RESAMPLES = 2000


@dataclass(frozen=True)
class Trace:
    """One simulated study.

    Attributes
    ----------
    table, method, workers, seed
        What was simulated.
    surrogate
        Whether configurations were tried whose curves were not recorded.
    changes
        `(seconds of wall clock, regret)` at each change, by time.
    seconds
        Wall clock when it ended.
    busy_seconds
        Of all workers together.
    trials, epochs
        Started and reported.
    """

    table: str
    method: str
    workers: int
    seed: int
    surrogate: bool
    changes: tuple[tuple[float, float], ...]
    seconds: float
    busy_seconds: float
    trials: int
    epochs: int

    def regret_at(self, seconds: Floats) -> Floats:
        """The regret at times, float64 [n]; infinite before there is anything to hand over."""
        times = np.array([at for at, _ in self.changes])
        regrets = np.array([math.inf, *(regret for _, regret in self.changes)])
        return regrets[np.searchsorted(times, seconds, side="right")]

    def within(self, share: float) -> float:
        """Seconds until it is within a share for good; infinite where it is not when it ends."""
        since = math.inf
        for at, regret in self.changes:
            since = math.inf if regret > share else min(since, at)
        return since

    @property
    def idle(self) -> float:
        """The share of the workers' time in which they had nothing to do."""
        paid = self.workers * self.seconds
        return max(0.0, 1 - self.busy_seconds / paid) if paid else 0.0


@dataclass(frozen=True)
class Verdict:
    """How a method did on a table with a number of workers.

    Attributes
    ----------
    regret
        Mean at the end.
    difference
        Of that mean to the first method's, paired by seed; below 0 is better. None for the first method.
    near, nearer
        Median seconds until within 5 % and 1 %, infinite where most seeds never are.
    reached_near, reached_nearer
        Seeds that are.
    idle, trials, worker_seconds
        Means: the idle share, trials started, wall clock times workers.
    """

    table: str
    workers: int
    method: str
    surrogate: bool
    seeds: int
    regret: Estimate
    difference: Estimate | None
    near: Estimate
    reached_near: int
    nearer: Estimate
    reached_nearer: int
    idle: float
    trials: float
    worker_seconds: float


def verdicts(traces: Sequence[Trace]) -> list[Verdict]:
    """One for each table, number of workers and method, in the order in which they first occur."""
    return [
        _verdict(group, first)
        for groups in _panels(traces)
        for group, first in ((group, groups[0]) for group in groups)
    ]


def mean_regret(traces: Sequence[Trace], seconds: Floats) -> tuple[Floats, Floats, Floats]:
    """The mean over seeds at times, with the ends of its interval, each float64 [n].

    It is NaN before every seed has something to hand over.
    """
    regrets = np.array([trace.regret_at(seconds) for trace in traces])
    regrets[:, np.isinf(regrets).any(axis=0)] = np.nan
    means = regrets[_resamples(len(traces))].mean(axis=1)
    low, high = np.quantile(means, (0.025, 0.975), axis=0)
    return regrets.mean(axis=0), low, high


def median_within(traces: Sequence[Trace], share: float) -> Estimate:
    """The median over seeds of the seconds until within a share."""
    return _estimate(np.array([trace.within(share) for trace in traces]), _median)


def grouped(traces: Iterable[Trace]) -> dict[tuple[str, int, str], list[Trace]]:
    """By table, number of workers and method, each by seed."""
    groups: dict[tuple[str, int, str], list[Trace]] = {}
    for trace in traces:
        groups.setdefault((trace.table, trace.workers, trace.method), []).append(trace)
    return {key: sorted(group, key=lambda trace: trace.seed) for key, group in groups.items()}


def _panels(traces: Sequence[Trace]) -> list[list[list[Trace]]]:
    """The groups of each table and number of workers."""
    panels: dict[tuple[str, int], list[list[Trace]]] = {}
    for (table, workers, _), group in grouped(traces).items():
        panels.setdefault((table, workers), []).append(group)
    return list(panels.values())


def _verdict(group: Sequence[Trace], first: Sequence[Trace]) -> Verdict:
    ends = np.array([_end(trace) for trace in group])
    differences = ends - np.array([_end(trace) for trace in first])
    return Verdict(
        table=group[0].table,
        workers=group[0].workers,
        method=group[0].method,
        surrogate=any(trace.surrogate for trace in group),
        seeds=len(group),
        regret=_estimate(ends, _mean),
        difference=None if group is first else _estimate(differences, _mean),
        near=median_within(group, NEAR),
        reached_near=sum(math.isfinite(trace.within(NEAR)) for trace in group),
        nearer=median_within(group, NEARER),
        reached_nearer=sum(math.isfinite(trace.within(NEARER)) for trace in group),
        idle=float(np.mean([trace.idle for trace in group])),
        trials=float(np.mean([trace.trials for trace in group])),
        worker_seconds=float(np.mean([trace.workers * trace.seconds for trace in group])),
    )


def _end(trace: Trace) -> float:
    return trace.changes[-1][1] if trace.changes else math.inf


def _resamples(seeds: int) -> NDArray[np.int64]:
    # Always the same, which is what pairs the methods.
    return np.random.default_rng(0).integers(seeds, size=(_RESAMPLES, seeds))


def _estimate(values: Floats, statistic: Callable[[Floats], Floats]) -> Estimate:
    resampled = statistic(values[_resamples(len(values))])
    low, high = np.quantile(resampled, (0.025, 0.975), method="inverted_cdf")
    return Estimate(float(statistic(values[None])[0]), float(low), float(high))


def _mean(values: Floats) -> Floats:
    return np.asarray(values.mean(axis=1))


def _median(values: Floats) -> Floats:
    """The upper median, since a mean of two is not defined where one of them is infinite."""
    return np.asarray(np.sort(values, axis=1)[:, values.shape[1] // 2])
