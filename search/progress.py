"""How far a study is: what the live screen and the plain lines show, kept apart from how they show it."""

import math
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from results.pareto import levels, order
from search.points import Point
from trainables.best import Values, best_epoch, values_of


@dataclass
class Running:
    """A trial that trains or waits at a rung; `values` are its epochs' so far."""

    number: int
    point: Point
    values: list[Values] = field(default_factory=list)
    epoch: int = 0
    images_per_second: float = math.nan


@dataclass(frozen=True)
class Leader:
    """A trial that was trained to its end, at the epoch that counts; `in_front` where no other one dominates it."""

    number: int
    label: str | None
    values: Values
    epoch: int
    in_front: bool


class Progress:
    """Counts of a study.

    `expected` are the epochs of all its trials together, where that can be told beforehand; `clock` gives seconds.
    """

    def __init__(
        self,
        *,
        trials: int,
        epochs: int,
        slots: int,
        objectives: Sequence[str],
        expected: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.trials = trials
        self.epochs = epochs
        self.slots = slots
        self.objectives = tuple(objectives)
        self.running: dict[int, Running] = {}
        self.paused: dict[int, Running] = {}
        self.ended: dict[str, int] = {"COMPLETE": 0, "PRUNED": 0, "FAIL": 0}
        self._curves: defaultdict[int, list[tuple[int, Values]]] = defaultdict(list)
        self._points: dict[int, Point] = {}
        self._complete: list[int] = []
        """Those that are compared, in the order in which they ended."""
        self._leaders: list[Leader] | None = None
        self._expected = expected
        self._clock = clock
        self._start = clock()
        self._epochs_now = 0
        self._epochs_ever = 0
        self._epochs_of_ended = 0

    def begin(self, number: int, point: Point) -> Running:
        """Enter a trial that starts, or goes on with the history that it had."""
        waited = self.paused.pop(number, None)
        self.running[number] = Running(number, point) if waited is None else waited
        return self.running[number]

    def epoch(self, number: int, row: Mapping[str, Any]) -> None:
        """Enter an epoch of a running trial: `epoch`, `images_per_second` and the objectives."""
        trial = self.running[number]
        trial.values.append(self._values(row))
        trial.epoch = row["epoch"]
        trial.images_per_second = row["images_per_second"]
        self._epochs_now += 1
        self.consider(number, trial.point, row)

    def consider(self, number: int, point: Point, row: Mapping[str, Any]) -> None:
        """Enter an epoch without its trial running, such as one from before a resume."""
        self._epochs_ever += 1
        self._points[number] = point
        self._curves[number].append((row["epoch"], self._values(row)))

    def pause(self, number: int) -> None:
        """Enter that a running trial waits at a rung."""
        self.paused[number] = self.running.pop(number)

    def end(self, number: int, state: str) -> None:
        """Enter the end of a trial, one of COMPLETE, PRUNED, FAIL."""
        self.ended[state] += 1
        trial = self.running.pop(number, None) or self.paused.pop(number, None)
        if trial is not None:
            self._epochs_of_ended += trial.epoch
        if state == "COMPLETE" and self._curves[number] and self._points[number].role != "confirmation":
            self._complete.append(number)
            self._leaders = None

    def expect(self, trials: int) -> None:
        """Enter how many trials it will be in all, once that is known: what has not begun is trained to the end."""
        self.trials = trials
        if self._expected is not None:
            running = sum(self.epochs - trial.epoch for trial in self.running.values())
            waiting = max(trials - self.trials_ended - len(self.running) - len(self.paused), 0)
            self._expected = self._epochs_ever + running + waiting * self.epochs

    @property
    def seconds(self) -> float:
        """Since the study started or was resumed."""
        return self._clock() - self._start

    @property
    def trials_ended(self) -> int:
        """Trials that will train no more."""
        return sum(self.ended.values())

    @property
    def images_per_second(self) -> float:
        """Training images a second of all running trials together, as of their last epochs."""
        rates = [trial.images_per_second for trial in self.running.values()]
        return sum(rate for rate in rates if math.isfinite(rate))

    def leaders(self, count: int) -> list[Leader]:
        """The best of the trials that were trained to their end, best first.

        By value, or by Pareto level with the knee of the front first. Confirmations are left out: what they train is
        there already.
        """
        if self._leaders is None:
            counted = {number: self._counted(self._curves[number]) for number in sorted(self._complete)}
            numbers = [number for number, (_, own) in counted.items() if all(map(math.isfinite, own))]
            values = np.array([counted[number][1] for number in numbers], float)
            values = values.reshape(len(numbers), len(self.objectives))
            front = levels(values) == 0
            self._leaders = [
                Leader(
                    number=numbers[place],
                    label=self._points[numbers[place]].label,
                    values=counted[numbers[place]][1],
                    epoch=counted[numbers[place]][0],
                    in_front=bool(front[place]),
                )
                for place in order(values)
            ]
        return self._leaders[:count]

    @staticmethod
    def _counted(curve: Sequence[tuple[int, Values]]) -> tuple[int, Values]:
        return curve[best_epoch([values for _, values in curve])]

    @property
    def done(self) -> float:
        """Share of the work that is done, 0..1, in epochs as far as one can tell."""
        left = self._epochs_left()
        return self._epochs_now / (self._epochs_now + left) if self._epochs_now + left else 1.0

    @property
    def seconds_left(self) -> float | None:
        """What remains at the pace so far; None before there is a pace."""
        if self._epochs_now < self.slots or not self.seconds:
            return None
        return self._epochs_left() * self.seconds / self._epochs_now

    def _epochs_left(self) -> float:
        # Of the trials that wait at a rung most will not go on: they count as if they had ended there.
        settled = self.trials_ended + len(self.paused)
        if self._expected is not None and self.trials_ended < self.trials:
            # Each of the others has an epoch to go, however many were trained.
            return max(self._expected - self._epochs_ever, self.trials - settled)
        epochs = self._epochs_of_ended + sum(trial.epoch for trial in self.paused.values())
        # Until trials have ended, half of the full length is as good a guess as any.
        usual = epochs / settled if epochs else self.epochs / 2
        running = sum(max(usual - trial.epoch, 1) for trial in self.running.values())
        waiting = max(self.trials - settled - len(self.running), 0)
        return float(running + waiting * usual)

    def _values(self, row: Mapping[str, Any]) -> Values:
        return values_of(row, self.objectives)
