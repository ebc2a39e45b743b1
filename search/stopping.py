"""Early stopping: which trials go on at the rungs, the epochs at which trials are compared.

Every policy is a function of what was reported. A study's record, entered in the order of time, brings it to where it
was; there is nothing else to save. All objectives are minimised.

Rungs are `grace`, `grace * eta`, `grace * eta ** 2`, and so on below a trial's last epoch. At a rung a trial is worth
what it reported there.

`none`
    Trials end early by failing alone.
`asha`
    Asynchronous successive halving (Li et al. 2020, "A system for massively parallel hyperparameter tuning") that
    stops instead of promoting, as Tune has it: a trial goes on when fewer than n / eta, rounded up, of the n values
    that came to the rung so far, its own included, are strictly better. So the first to come goes on, and what ties
    with a trial that goes on does too.
`asha-promote`
    The same as published (algorithm 2): a trial pauses at a rung. When a place is free, the highest rung is
    looked at first; its best trial that waits is promoted if it is among the best n / eta, rounded down, of the n
    that came. Trials that tie get no more places than there are: those promoted come first, then lower numbers. A
    trial that would be promoted at once does not pause. When no new trials come (`last`), n / eta is rounded up, so
    that a trial of every study reaches the end.

With several objectives "better" means a lower Pareto level. Within the level that the last place falls into, trials
are in an order that spreads the places over the level (Schmucker et al. 2021, "Multi-objective asynchronous
successive halving").

What all policies share:

- A value that is not finite stops its trial, at any epoch, and counts nowhere.
- An epoch that is reported again has its value replaced. What was decided before stands.
- An epoch that comes late, at or below a rung that the trial has passed, is entered, and the trial goes on.
- A trial has passed a rung when it has a later epoch; it is paused where its latest epoch is a rung. So a trial
  that was promoted and whose process died before the next epoch is paused again after a replay, and in line as
  before.
- A trial that failed, with a value that is not finite or otherwise (`forget`), keeps counting in n, and where trials
  are stopped its values go on being compared: they were true observations. Where trials are promoted its place goes
  to the next best, or one failure at the top of a rung could leave a study without a trial that reaches the end.
"""

import math
from collections.abc import Sequence
from typing import Protocol

from search.config import Scheduler
from search.promotion import Promotion
from search.rungs import Curves, Decision, Judge, Rung, is_finite

__all__ = ["Decision", "Stopper", "make_stopper"]


class Stopper(Protocol):
    """A policy of early stopping."""

    @property
    def rungs(self) -> tuple[int, ...]:
        """Epochs at which anything may be decided, ascending."""

    def report(self, trial: int, epoch: int, values: Sequence[float]) -> Decision:
        """Enter an epoch's values, one an objective, and decide what becomes of the trial."""

    def record(self, trial: int, epoch: int, values: Sequence[float]) -> None:
        """Enter an epoch's values without a decision: for a study's record, in the order of time."""

    def promote(self, *, last: bool) -> int | None:
        """Choose a paused trial that goes on now, and take it that it does; none if none may.

        `last` says that no new trials will come.
        """

    def is_paused(self, trial: int) -> bool:
        """Whether a trial waits at a rung to be promoted."""

    def forget(self, trial: int) -> None:
        """Never promote a trial any more, for it failed; its place goes to the next best."""

    def retire(self, trial: int) -> None:
        """Never promote a trial any more, for it ended where it was paused; its place stays taken.

        The trial's epochs must have been entered before.
        """


def make_stopper(
    kind: Scheduler, *, epochs: int, eta: int, grace: int, judge: Judge | None = None
) -> Stopper:
    """Make a policy.

    Parameters
    ----------
    kind
        See the module.
    epochs
        Of a trial that is not stopped.
    eta
        One trial in so many goes on at a rung; at least 2.
    grace
        The lowest rung; at least 1.
    judge
        Says what trials are worth at a rung; by default the value there.
    """
    rungs = []
    epoch = grace
    while epoch < epochs and kind != "none":
        rungs.append(epoch)
        epoch *= eta
    return (Promotion if kind == "asha-promote" else Halving)(rungs, eta, judge)


def default_grace(epochs: int) -> int:
    """The lowest rung of trials of so many epochs: before an eighth of them most curves say little."""
    return max(1, epochs // 8)


class Halving:
    """Successive halving that stops trials."""

    def __init__(self, rungs: Sequence[int], eta: int, judge: Judge | None) -> None:
        self._eta = eta
        self._curves = Curves()
        self._rungs = {epoch: Rung(epoch, judge or self._curves) for epoch in rungs}

    @property
    def rungs(self) -> tuple[int, ...]:
        """Epochs at which a trial may be stopped."""
        return tuple(self._rungs)

    def report(self, trial: int, epoch: int, values: Sequence[float]) -> Decision:
        """Enter an epoch and decide."""
        self.record(trial, epoch, values)
        if not is_finite(values):
            return Decision.STOP
        rung = self._rungs.get(epoch)
        if rung is None or epoch < self._curves.last(trial):
            return Decision.GO_ON
        goes_on = rung.is_among_best(trial, math.ceil(len(rung) / self._eta))
        return Decision.GO_ON if goes_on else Decision.STOP

    def record(self, trial: int, epoch: int, values: Sequence[float]) -> None:
        """Enter an epoch without deciding."""
        if not is_finite(values):
            return
        self._curves.enter(trial, epoch, tuple(values))
        if epoch in self._rungs:
            self._rungs[epoch].enter(trial)

    def promote(self, *, last: bool) -> int | None:
        """Choose no trial: none is paused."""
        return None

    def is_paused(self, trial: int) -> bool:
        """Say no: none is paused."""
        return False

    def forget(self, trial: int) -> None:
        """Do nothing: what a trial reported goes on being compared."""

    def retire(self, trial: int) -> None:
        """Do nothing: none is paused."""
