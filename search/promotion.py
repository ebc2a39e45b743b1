"""Early stopping that pauses trials at the rungs and promotes the best: ASHA as published.

The rules are in `search.stopping`.
"""

from collections.abc import Sequence

from search.rungs import Curves, Decision, Judge, Rung, is_finite


class Promotion:
    """ASHA (Li et al. 2020, algorithm 2), with several objectives MO-ASHA (Schmucker et al. 2021)."""

    def __init__(self, rungs: Sequence[int], eta: int, judge: Judge | None) -> None:
        self._eta = eta
        self._curves = Curves()
        self._rungs = {epoch: Rung(epoch, judge or self._curves) for epoch in rungs}
        self._failed: set[int] = set()

    @property
    def rungs(self) -> tuple[int, ...]:
        """Epochs at which a trial may be paused."""
        return tuple(self._rungs)

    def report(self, trial: int, epoch: int, values: Sequence[float]) -> Decision:
        """Enter an epoch and decide."""
        self.record(trial, epoch, values)
        if not is_finite(values):
            return Decision.STOP
        if epoch not in self._rungs:
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
        self._curves.enter(trial, epoch, tuple(values))
        if epoch in self._rungs:
            self._rungs[epoch].enter(trial)
            if trial in self._failed:
                self._rungs[epoch].fail(trial)
        for passed, rung in self._rungs.items():
            if passed < self._curves.last(trial):
                rung.promote(trial)

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

    def _next(self, *, last: bool) -> int | None:
        for rung in reversed(self._rungs.values()):
            trial = rung.next(-(-len(rung) // self._eta) if last else len(rung) // self._eta)
            if trial is not None:
                return trial
        return None
