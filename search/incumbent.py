"""What a search would hand over if it ended now, and how good that truly is."""

import numpy as np

from search.curves import Curve, Floats, Problem


class Incumbent:
    """The best by what was observed: with one objective a configuration, with several a front of them.

    It is chosen by the values that the trials have reported, early and noisy ones too, and judged by what the chosen
    configurations are worth when trained to their end, which the search does not know. So its regret may rise.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._values: Floats = np.empty((0, len(problem.objectives)))
        self._finals: Floats = np.empty((0, len(problem.objectives)))
        self.changes: list[tuple[float, float]] = []
        """`(seconds, regret)` at each change of the regret."""

    def observe(self, seconds: float, curve: Curve, values: Floats) -> None:
        """Enter what a trial with this curve reports after an epoch: finite values, float64 [objectives]."""
        if np.any(np.all(self._values <= values, axis=1)):
            return
        kept = ~np.all(values <= self._values, axis=1)
        self._values = np.vstack([self._values[kept], values])
        self._finals = np.vstack([self._finals[kept], curve.final])
        regret = self._problem.regret(self._finals)
        if not self.changes or self.changes[-1][1] != regret:
            self.changes.append((seconds, regret))
