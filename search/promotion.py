"""Early stopping that pauses trials at the rungs and promotes the best: ASHA as published, and PASHA.

The rules are in `search.stopping`.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np

from search.fronts import Fronts, Vector
from search.rungs import Curves, Decision, WaitingRung, is_finite

_NEIGHBOURS = 100
"""With so many trials that came before it each new one is compared for criss-crossing: all pairs of thousands of
trials would be millions."""


class Promotion:
    """ASHA (Li et al. 2020, algorithm 2), with several objectives MO-ASHA (Schmucker et al. 2021)."""

    def __init__(self, rungs: Sequence[int], eta: int, smoothing: int) -> None:
        self._epochs = tuple(rungs)
        self._eta = eta
        self._curves = Curves(self._epochs, smoothing)
        self._rungs: dict[int, WaitingRung] = {}
        self._failed: set[int] = set()

    @property
    def rungs(self) -> tuple[int, ...]:
        """Epochs at which a trial may be paused."""
        return self._epochs

    def report(self, trial: int, epoch: int, values: Sequence[float]) -> Decision:
        """Enter an epoch and decide."""
        self.record(trial, epoch, values)
        if not is_finite(values):
            return Decision.STOP
        if epoch not in self._epochs:
            return Decision.GO_ON
        if trial in self._failed:
            return Decision.STOP
        rung = self._rungs[epoch]
        if rung.waits(trial) and self._next(last=False) != trial:
            return Decision.PAUSE
        rung.promote(trial)
        return Decision.GO_ON

    def record(self, trial: int, epoch: int, values: Sequence[float]) -> None:
        """Enter an epoch without deciding."""
        if not is_finite(values):
            self.forget(trial)
            return
        for rung, judged in self._curves.enter(trial, epoch, tuple(values)):
            self._rung(rung, len(judged)).enter(trial, judged)
            if trial in self._failed:
                self._rungs[rung].fail(trial)
            self._on_entered(trial, rung)
        for rung in self._epochs:
            if rung in self._rungs and rung < self._curves.last(trial):
                self._rungs[rung].promote(trial)

    def promote(self, *, last: bool) -> int | None:
        """Let the next trial go on, if one may."""
        trial = self._next(last=last)
        if trial is not None:
            self._rungs[self._curves.last(trial)].promote(trial)
        return trial

    def is_paused(self, trial: int) -> bool:
        """Whether a trial waits at a rung."""
        rung = self._rungs.get(self._curves.last(trial))
        return rung is not None and rung.waits(trial)

    def forget(self, trial: int) -> None:
        """Never promote a trial any more, and give its places to the next best."""
        self._failed.add(trial)
        for rung in self._rungs.values():
            rung.fail(trial)

    def retire(self, trial: int) -> None:
        """Never promote a trial any more, and leave its places taken."""
        for rung in self._rungs.values():
            rung.promote(trial)

    def _on_entered(self, trial: int, rung: int) -> None:
        """Take note of a value at a rung that is new or another one."""

    def _next(self, *, last: bool) -> int | None:
        for index in reversed(range(len(self._epochs))):
            trial = self._next_at(index, last=last)
            if trial is not None:
                return trial
        return None

    def _next_at(self, index: int, *, last: bool) -> int | None:
        rung = self._rungs.get(self._epochs[index])
        if rung is None:
            return None
        return rung.next(-(-len(rung) // self._eta) if last else len(rung) // self._eta)

    def _rung(self, epoch: int, objectives: int) -> WaitingRung:
        if epoch not in self._rungs:
            self._rungs[epoch] = WaitingRung(objectives)
        return self._rungs[epoch]


class ProgressivePromotion(Promotion):
    """PASHA (Bohdal et al. 2023): ASHA with a cap that rises while the ranking of the trials is unsettled."""

    def __init__(self, rungs: Sequence[int], eta: int, smoothing: int) -> None:
        super().__init__(rungs, eta, smoothing)
        # Index of the highest rung in use; the number of rungs where there is no cap any more.
        self._cap = min(1, len(self._epochs))
        self._agreement = _Agreement()

    def _on_entered(self, trial: int, rung: int) -> None:
        if self._cap == len(self._epochs) or rung not in self._epochs[self._cap - 1 : self._cap + 1]:
            return
        self._compare(trial)
        while self._agreement.is_broken():
            self._cap += 1
            self._agreement = _Agreement(self._agreement.noise)
            if self._cap == len(self._epochs):
                return
            top = self._rungs.get(self._epochs[self._cap])
            for other in top.values if top else ():
                self._compare(other)

    def _compare(self, trial: int) -> None:
        """Enter a trial among those that are compared, if it has come to both of the highest rungs in use."""
        lower, upper = (self._rungs.get(epoch) for epoch in self._epochs[self._cap - 1 : self._cap + 1])
        if lower and upper and trial in lower.values and trial in upper.values:
            curve = self._curves.of(trial)
            epochs = range(1, self._epochs[self._cap] + 1)
            self._agreement.enter(trial, lower.values[trial], upper.values[trial], curve, epochs)

    def _next(self, *, last: bool) -> int | None:
        trial = super()._next(last=last)
        if trial is None and last and self._cap < len(self._epochs):
            top = self._rungs.get(self._epochs[self._cap])
            # Of several objectives the extremes and one between them: there is no single best.
            trial = top.next(1 if top.objectives == 1 else top.objectives + 1) if top else None
        return trial

    def _next_at(self, index: int, *, last: bool) -> int | None:
        if index < self._cap:
            return super()._next_at(index, last=last)
        rung = self._rungs.get(self._epochs[index])
        # What is beyond the cap was promoted to the end.
        return rung.next(len(rung)) if rung and index > self._cap else None


class _Agreement:
    """Whether the trials that came to the two highest rungs in use are in the same order at both.

    Parameters
    ----------
    noise
        Values that are no farther apart are on a par (epsilon), until these trials' own curves tell.
    """

    def __init__(self, noise: float = 0.0) -> None:
        self.noise = noise
        self._rungs = (_Compared(), _Compared())
        self._curves: deque[np.ndarray] = deque(maxlen=_NEIGHBOURS)
        self._differences: deque[list[float]] = deque(maxlen=_NEIGHBOURS)

    def enter(
        self, trial: int, lower: Vector, upper: Vector, curve: Mapping[int, Vector], epochs: Sequence[int]
    ) -> None:
        """Enter a trial's values at both rungs, and its curve up to the upper."""
        is_new = trial not in self._rungs[0].values
        for rung, values in zip(self._rungs, (lower, upper), strict=True):
            rung.enter(trial, values)
        if is_new and len(lower) == 1:
            own = np.array([curve[epoch][0] if epoch in curve else np.nan for epoch in epochs])
            if self._curves:
                self._differences.append(_criss_crossing(own, np.array(self._curves)))
            self._curves.append(own)
            differences = list(chain.from_iterable(self._differences))
            if differences:
                self.noise = float(np.percentile(differences, 90))

    def is_broken(self) -> bool:
        """Whether the order differs.

        With one objective by soft ranking: at both rungs the same place of the order must be held by trials that
        were no farther apart than epsilon at the lower rung. With several objectives: two trials that are on
        different Pareto levels at both rungs must be in the same order.
        """
        lower, upper = (rung.ranks() for rung in self._rungs)
        # Where two are on a par at one rung, they are in the order that they have at the other.
        ordered = lower[np.lexsort((lower, upper))]
        return bool((np.abs(ordered - np.sort(lower)) > self.noise).any())


class _Compared:
    """The values at one rung of the trials that came to both."""

    def __init__(self) -> None:
        self.values: dict[int, Vector] = {}
        self._fronts: Fronts | None = None

    def enter(self, trial: int, values: Vector) -> None:
        """Enter a trial, or replace its values."""
        if len(values) > 1:
            self._fronts = self._fronts or Fronts(len(values))
            if trial in self.values:
                self._fronts.remove(self.values[trial])
            self._fronts.add(values)
        self.values[trial] = values

    def ranks(self) -> np.ndarray:
        """Give what the trials are ordered by `[n]`: the value of one objective, the Pareto level in several."""
        if self._fronts is None:
            return np.array([value for (value,) in self.values.values()])
        levels = {
            values: level
            for level in range(len(self._fronts.sizes))
            for values in self._fronts.members(level)
        }
        return np.array([levels[values] for values in self.values.values()])


def _criss_crossing(curve: np.ndarray, others: np.ndarray) -> list[float]:
    """Give the last differences between a curve `[epochs]` and those of the others `[n, epochs]` that criss-cross it.

    Two curves criss-cross when of three epochs, the last among them, the one is above at the first, below at the
    second and above again at the third. Missing epochs are NaN.
    """
    differences = others - curve
    same = differences * np.sign(differences[:, -1:])
    crossed_later = np.logical_or.accumulate(same[:, ::-1] < 0, axis=1)[:, ::-1]
    crossing = ((same > 0) & crossed_later).any(axis=1)
    return [float(value) for value in np.abs(differences[crossing, -1])]
