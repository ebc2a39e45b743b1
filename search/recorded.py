"""The curves of a recorded study, and what stands in for the configurations that it did not train.

A recorded configuration is answered by its own curve, any other by `search.surrogate`, whose predictions are judged
by leaving out configurations in turn (`Recorded.rank_correlations`). Trials that were stopped early or had not ended
are left out; failed ones fail where they did.
"""

import math
import zlib
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from results.pareto import hypervolume
from search.config import ConfigError
from search.curves import Curve, Floats, final_of
from search.surrogate import Surrogate
from search.tables import Table
from spaces import Value

FEWEST = 8
"""Full curves below which there is nothing to search."""


class Recorded:
    """Recorded configurations as a `Problem`.

    Parameters
    ----------
    table
        Not all of its configurations fail.

    Raises
    ------
    ConfigError
        There are fewer than `FEWEST` full curves, or scikit-learn is lacking.
    """

    surrogate = True

    def __init__(self, table: Table) -> None:
        self.name, self.space, self.epochs = table.name, table.space, table.epochs
        self.objectives, self.table = table.objectives, table
        self.configurations = [dict(params) for params, _ in table.configurations]
        self.curves = [curve for _, curve in table.configurations]
        full = [float(curve.seconds.sum()) for curve in self.curves if not curve.fails]
        if len(full) < FEWEST:
            raise ConfigError(
                f"{self.name} holds {len(full)} trials that reported {' and '.join(self.objectives)} to the last"
                f" epoch, but a simulation needs {FEWEST} or more: record a study with --scheduler none, or take"
                " other objectives."
            )
        for place, again in table.repeats:
            mean = (self.curves[place].final + again.final) / 2
            self.curves[place] = replace(self.curves[place], final=mean)
        try:
            self._surrogate = Surrogate(
                self.space, self.epochs, self.configurations, self.curves, table.repeats
            )
        except ImportError:
            raise ConfigError(
                f"the table is {self.name}, and what it did not record is answered by scikit-learn, which is not"
                " installed: pip install -e '.[simulate]', or take a function such as hartmann6."
            ) from None
        self._places = {_key(params): place for place, params in enumerate(self.configurations)}
        finals = np.array([curve.final for curve in self.curves if not curve.fails])
        self._best, self._reference = finals.min(axis=0), np.quantile(finals, 0.9, axis=0)
        self._front = self._volume(finals) if len(self.objectives) > 1 else math.nan
        self.typical_seconds = sum(full) / len(full)
        correlations = ", ".join(
            f"{objective} {correlation:+.2f}"
            for objective, correlation in zip(self.objectives, self.rank_correlations(), strict=True)
        )
        self.note = (
            f"{len(full)} recorded configurations of {self.epochs} epochs"
            + (f", {len(self.curves) - len(full)} that failed" if len(full) < len(self.curves) else "")
            + (f", {table.left_out} stopped early and left out" if table.left_out else "")
            + "; others are answered by trees (surrogate; rank correlation of final values with what trees expect"
            f" that have not seen them: {correlations})"
        )

    def curve(self, params: Mapping[str, Value], seed: int) -> Curve:
        """As `Problem.curve`."""
        key = _key(params)
        if key in self._places:
            return self.curves[self._places[key]]
        # From the parameters: the same are answered the same, whichever way they were come to.
        own = zlib.crc32(repr(key).encode())
        return self._surrogate.curve(params, np.random.default_rng(own), np.random.default_rng([seed, own]))

    def regret(self, finals: Floats) -> float:
        """As `Problem.regret`; the best there is are the recorded ones, and below 0 what is better than they."""
        if len(self.objectives) > 1:
            return 1 - self._volume(finals) / self._front
        if not len(finals):
            return math.inf
        return float((finals.min() - self._best[0]) / (abs(self._best[0]) or 1.0))

    def rank_correlations(self) -> list[float]:
        """Spearman's, of each objective's final values with those that trees expect which have not seen them."""
        full = [place for place, curve in enumerate(self.curves) if not curve.fails]
        own = np.array([self.curves[place].final for place in full])
        predicted = np.array([final_of(curve) for curve in self._surrogate.unseen[full]])
        return [spearman(own[:, at], predicted[:, at]) for at in range(own.shape[1])]

    def _volume(self, finals: Floats) -> float:
        # Where all are alike in an objective, none is better in it than another.
        spread = self._reference - self._best
        scaled = (finals - self._best) / np.where(spread > 0, spread, 1.0)
        return float(hypervolume(scaled, np.ones(len(self._best))))


def spearman(one: Floats, other: Floats) -> float:
    """Spearman's rank correlation; ties share their mean rank. 0 where all are alike, which tells nothing."""

    def ranks(values: Floats) -> Floats:
        _, place, count = np.unique(values, return_inverse=True, return_counts=True)
        return (np.cumsum(count) - (count - 1) / 2)[place]

    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(np.corrcoef(ranks(one), ranks(other))[0, 1])


def _key(params: Mapping[str, Value]) -> tuple[tuple[str, Value], ...]:
    return tuple(sorted(params.items()))
