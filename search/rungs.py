"""What trials reported, and how they stand at a rung."""

import math
from collections import defaultdict
from collections.abc import Sequence
from enum import Enum
from typing import Protocol

import numpy as np

from search.ranking import Vector, is_among_best, next_waiting


class Decision(Enum):
    """What becomes of a trial after an epoch."""

    GO_ON = "go on"
    STOP = "stop"
    PAUSE = "pause"
    """It gives up its place and waits to be promoted."""


def is_finite(values: Sequence[float]) -> bool:
    """Whether every value is finite."""
    return all(map(math.isfinite, values))


class Judge(Protocol):
    """Says what trials are worth at the rungs."""

    @property
    def version(self) -> int:
        """Another one whenever any answer may have changed."""

    def expected(self, trials: Sequence[int], epoch: int) -> Sequence[Vector]:
        """What trials are worth by what they had shown at an epoch, which is there."""


class Curves:
    """The values of every trial's epochs; by themselves, a `Judge`."""

    def __init__(self) -> None:
        self._curves: defaultdict[int, dict[int, Vector]] = defaultdict(dict)
        self._last: dict[int, int] = {}
        self.version = 0
        """Another one whenever anything has changed."""

    def last(self, trial: int) -> int:
        """Give the latest epoch of a trial; 0 without any."""
        return self._last.get(trial, 0)

    def enter(self, trial: int, epoch: int, values: Vector) -> None:
        """Enter an epoch, or replace its values."""
        self._curves[trial][epoch] = values
        self._last[trial] = max(epoch, self.last(trial))
        self.version += 1

    def expected(self, trials: Sequence[int], epoch: int) -> list[Vector]:
        """Their values at the epoch."""
        return [self._curves[trial][epoch] for trial in trials]


class Rung:
    """The trials that came to a rung, in order when it is asked for.

    One that waits to be promoted is ranked, and so is one that was; one that failed is not, but counts as one that
    came.

    Parameters
    ----------
    epoch
        At which it is.
    judge
        Says what a trial is worth here.
    """

    def __init__(self, epoch: int, judge: Judge) -> None:
        self._epoch = epoch
        self._judge = judge
        self._waits: dict[int, bool] = {}
        """Of all that came and did not fail."""
        self._failed: set[int] = set()
        self._answers: dict[int, int | None] = {}
        self._answered = -1

    def __len__(self) -> int:
        """Number of trials that came, failed ones included."""
        return len(self._waits) + len(self._failed)

    def enter(self, trial: int) -> None:
        """Enter a trial, which waits then; one that is there stays as it is."""
        if trial not in self._waits and trial not in self._failed:
            self._waits[trial] = True
            self._change()

    def waits(self, trial: int) -> bool:
        """Whether a trial waits here."""
        return self._waits.get(trial, False)

    def promote(self, trial: int) -> None:
        """Let a trial wait no more; one that does not is left as it is."""
        if self.waits(trial):
            self._waits[trial] = False
            self._change()

    def fail(self, trial: int) -> None:
        """Take a trial out of the order; one that never came is left out."""
        if self._waits.pop(trial, None) is not None:
            self._failed.add(trial)
            self._change()

    def is_among_best(self, trial: int, places: int) -> bool:
        """Whether fewer than so many trials are strictly better than this one."""
        trials = sorted(self._waits)
        return is_among_best(self._judge.expected(trials, self._epoch), trials.index(trial), places)

    def next(self, places: int) -> int | None:
        """Give the best trial that waits, if it is among so many best.

        Of trials with equal values those that were promoted are before those that wait, and of these the lowest
        number is first.
        """
        if self._answered != self._judge.version:
            self._change()
            self._answered = self._judge.version
        if places not in self._answers:
            self._answers[places] = self._next(places)
        return self._answers[places]

    def _next(self, places: int) -> int | None:
        if not any(self._waits.values()):
            return None
        trials = sorted(self._waits)
        waits = np.array([self._waits[trial] for trial in trials])
        place = next_waiting(self._judge.expected(trials, self._epoch), waits, places)
        return None if place is None else trials[place]

    def _change(self) -> None:
        self._answers.clear()
