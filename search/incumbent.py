"""What a search would hand over if it ended now, and how good that truly is."""

import numpy as np

from results.pareto import levels
from search.curves import Curve, Floats, Problem
from trainables.best import best_epoch


class Incumbent:
    """The best trials by what was observed: with one objective a single one, with several their front.

    A trial counts once it is trained to its end. It is chosen by the epoch that counts (`trainables.best`), as in a
    study's ranking, and judged by what its training is worth without that epoch's luck (`final_of`): regret may rise.
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._shown: Floats = np.empty((64, len(problem.objectives)))
        self._finals: Floats = np.empty((64, len(problem.objectives)))
        self._trials = 0
        self._front = np.empty(0, dtype=np.int64)
        self.changes: list[tuple[float, float]] = []
        """`(seconds, regret)` at each change of the regret."""

    def observe(self, seconds: float, trial: int, curve: Curve, epoch: int) -> None:
        """Enter that a trial has reported an epoch, from 1, of its curve; trials are numbered from 0 on."""
        if epoch < self._problem.epochs:
            return
        values = curve.values[:, : len(self._problem.objectives)]
        values = values[best_epoch(values.tolist())]
        self._enter(trial, curve.final, values)
        # Most trials are no better than the best, and were not before.
        if trial not in self._front and np.any(np.all(self._shown[self._front] <= values, axis=1)):
            return
        self._front = _front(self._shown[: self._trials])
        regret = self._problem.regret(self._finals[self._front])
        if not self.changes or self.changes[-1][1] != regret:
            self.changes.append((seconds, regret))

    def _enter(self, trial: int, final: Floats, values: Floats) -> None:
        if trial >= len(self._shown):
            rows = max(trial + 1, 2 * len(self._shown)) - len(self._shown)
            self._shown = np.pad(self._shown, ((0, rows), (0, 0)))
            self._finals = np.pad(self._finals, ((0, rows), (0, 0)))
        # Trials that started and have not reported yet are in between, and worse than any.
        self._shown[self._trials : trial] = np.inf
        self._trials = max(self._trials, trial + 1)
        self._shown[trial], self._finals[trial] = values, final


def _front(values: Floats) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    """The places of the first of the lowest, or with several objectives of all that nothing dominates."""
    if values.shape[1] == 1:
        return np.array([int(values.argmin())])
    finite = np.flatnonzero(np.isfinite(values[:, 0]))
    return finite[levels(values[finite]) == 0]
