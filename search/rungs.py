"""What trials reported, and what of it counts at a rung."""

import math
from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Mapping, Sequence
from enum import Enum
from statistics import median

from search.fronts import Vector
from search.ranking import make_ranking


class Decision(Enum):
    """What becomes of a trial after an epoch."""

    GO_ON = "go on"
    STOP = "stop"
    PAUSE = "pause"
    """It gives up its place and waits to be promoted."""


def is_finite(values: Sequence[float]) -> bool:
    """Whether every value is finite."""
    return all(map(math.isfinite, values))


class Curves:
    """The values of every trial's epochs.

    Parameters
    ----------
    rungs
        Epochs at which trials are judged, ascending.
    window
        A trial is judged by the median, objective by objective, of its last so many recorded epochs up to the rung.
    """

    def __init__(self, rungs: Sequence[int], window: int) -> None:
        self._rungs = rungs
        self._window = window
        self._curves: defaultdict[int, dict[int, Vector]] = defaultdict(dict)
        self._last: dict[int, int] = {}

    def last(self, trial: int) -> int:
        """Give the latest epoch of a trial; 0 without any."""
        return self._last.get(trial, 0)

    def of(self, trial: int) -> Mapping[int, Vector]:
        """Give the values of a trial by epoch."""
        return self._curves[trial]

    def enter(self, trial: int, epoch: int, values: Vector) -> list[tuple[int, Vector]]:
        """Enter an epoch, and give each rung where the trial's value is new or another one, with that value.

        A trial has a value at a rung once the rung's own epoch is there.
        """
        curve = self._curves[trial]
        if curve.get(epoch) == values:
            return []
        curve[epoch] = values
        self._last[trial] = max(epoch, self.last(trial))
        return [(rung, self._judged(curve, rung)) for rung in self._rungs if rung >= epoch and rung in curve]

    def _judged(self, curve: Mapping[int, Vector], rung: int) -> Vector:
        if self._window == 1:
            return curve[rung]
        epochs = sorted(epoch for epoch in curve if epoch <= rung)[-self._window :]
        return tuple(map(median, zip(*(curve[epoch] for epoch in epochs), strict=True)))


class Rung:
    """The values of all trials that came to a rung."""

    def __init__(self, objectives: int) -> None:
        self._ranking = make_ranking(objectives)
        self._values: dict[int, Vector] = {}

    def __len__(self) -> int:
        return len(self._values)

    def enter(self, trial: int, values: Vector) -> None:
        """Enter a trial, or replace its values."""
        if trial in self._values:
            self._ranking.remove(self._values[trial])
        self._values[trial] = values
        self._ranking.add(values)

    def is_among_best(self, trial: int, places: int) -> bool:
        """Whether fewer than so many trials are strictly better than this one."""
        return self._ranking.is_among_best(self._values[trial], places)


class WaitingRung:
    """The same, where trials wait to be promoted.

    A trial that waits or was promoted is ranked; one that failed is not, but counts as one that came.
    """

    def __init__(self, objectives: int) -> None:
        self.objectives = objectives
        self._ranking = make_ranking(objectives)
        self._values: dict[int, Vector] = {}
        self._failed: set[int] = set()
        self._waiting: set[int] = set()
        self._by_values: defaultdict[Vector, list[int]] = defaultdict(list)
        self._answers: dict[int, int | None] = {}

    def __len__(self) -> int:
        """Number of trials that came, failed ones included."""
        return len(self._values)

    @property
    def values(self) -> Mapping[int, Vector]:
        """Values by trial, in the order in which the trials came."""
        return self._values

    def waits(self, trial: int) -> bool:
        """Whether a trial waits here."""
        return trial in self._waiting

    def enter(self, trial: int, values: Vector) -> None:
        """Enter a trial, which waits then, or replace its values, which leaves it waiting or not."""
        waits = trial not in self._values or self.waits(trial)
        self._withdraw(trial)
        self._values[trial] = values
        if trial in self._failed:
            return
        self._ranking.add(values)
        if waits:
            self._ranking.wait(values)
            self._waiting.add(trial)
            insort(self._by_values[values], trial)

    def promote(self, trial: int) -> None:
        """Let a trial wait no more; one that does not is left as it is."""
        if not self.waits(trial):
            return
        self._answers.clear()
        values = self._values[trial]
        self._ranking.take(values)
        self._waiting.remove(trial)
        equals = self._by_values[values]
        del equals[bisect_left(equals, trial)]
        if not equals:
            del self._by_values[values]

    def fail(self, trial: int) -> None:
        """Take a trial out of the ranking; one that never came is left out."""
        if trial in self._values:
            self._withdraw(trial)
            self._failed.add(trial)

    def next(self, places: int) -> int | None:
        """Give the best trial that waits, if it is among so many best.

        Of trials with equal values those that were promoted are before those that wait, and of these the lowest
        number is first.
        """
        if places not in self._answers:
            values = self._ranking.next(places)
            self._answers[places] = None if values is None else self._by_values[values][0]
        return self._answers[places]

    def _withdraw(self, trial: int) -> None:
        """Take a trial's values out of the ranking, if they are in it."""
        self._answers.clear()
        self.promote(trial)
        if trial in self._values and trial not in self._failed:
            self._ranking.remove(self._values[trial])
