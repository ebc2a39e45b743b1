"""How far a study is: what the live screen and the plain lines show, kept apart from how they show it."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Running:
    """A trial that trains; `values` are the objective's, an epoch each."""

    number: int
    reference: str | None
    params: dict[str, object]
    values: list[float] = field(default_factory=list)
    epoch: int = 0
    images_per_second: float = math.nan


@dataclass(frozen=True)
class Leader:
    """A trial's best value so far."""

    number: int
    reference: str | None
    value: float
    epoch: int


class Progress:
    """Counts of a study; `clock` gives seconds."""

    def __init__(
        self, *, trials: int, epochs: int, slots: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.trials = trials
        self.epochs = epochs
        self.slots = slots
        self.running: dict[int, Running] = {}
        self.ended: dict[str, int] = {"COMPLETE": 0, "PRUNED": 0, "FAIL": 0}
        self._best: dict[int, Leader] = {}
        self._clock = clock
        self._start = clock()
        self._first_epoch: float | None = None
        self._epochs_now = 0
        self._epochs_of_ended = 0

    def begin(self, number: int, reference: str | None, params: dict[str, object]) -> Running:
        """Enter a trial that starts or goes on."""
        self.running[number] = Running(number, reference, params)
        return self.running[number]

    def epoch(self, number: int, epoch: int, value: float, images_per_second: float) -> None:
        """Enter an epoch of a running trial."""
        trial = self.running[number]
        trial.values.append(value)
        trial.epoch = epoch
        trial.images_per_second = images_per_second
        self._epochs_now += 1
        self.consider(number, trial.reference, value, epoch)

    def consider(self, number: int, reference: str | None, value: float, epoch: int) -> None:
        """Enter a value for the leaders alone, such as one from before a resume."""
        best = self._best.get(number)
        if math.isfinite(value) and (best is None or value < best.value):
            self._best[number] = Leader(number, reference, value, epoch)

    def end(self, number: int, state: str) -> None:
        """Enter the end of a trial, one of COMPLETE, PRUNED, FAIL."""
        self.ended[state] += 1
        trial = self.running.pop(number, None)
        if trial is not None:
            self._epochs_of_ended += trial.epoch

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
        """The trials with the lowest values, best first."""
        return sorted(self._best.values(), key=lambda leader: (leader.value, leader.number))[:count]

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
        ended = self.trials_ended
        # Until trials have ended, half of the full length is as good a guess as any.
        usual = self._epochs_of_ended / ended if self._epochs_of_ended else self.epochs / 2
        running = sum(max(usual - trial.epoch, 1) for trial in self.running.values())
        waiting = max(self.trials - ended - len(self.running), 0)
        return float(running + waiting * usual)
