"""What a study may cost beside its number of trials: time, GPU-hours and patience, over all its runs."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any

import numpy as np
from optuna.trial import FrozenTrial, TrialState

from results.pareto import levels

_TIME = "the time budget"
_GPU_HOURS = "the budget of GPU-hours"


class Budget:
    """Says whether there is enough for another trial, and when all is used up.

    Parameters
    ----------
    seconds, gpu_seconds
        Of the study, all its runs together; None for any.
    gpus
        Of a trial.
    rows
        The study's epochs so far, as rows of its table; what was spent is read from them.
    clock
        Seconds.
    """

    def __init__(
        self,
        *,
        seconds: float | None,
        gpu_seconds: float | None,
        gpus: float,
        rows: Iterable[Mapping[str, Any]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        recorded = list(rows)
        self._seconds = seconds
        self._gpu_seconds = gpu_seconds
        self._gpus = gpus
        self._clock = clock
        self._start = clock() - busy_seconds(recorded)
        self._gpu_seconds_spent = 0.0
        self._epoch_seconds = 0.0
        self._epochs = 0
        for row in recorded:
            self.enter(row)

    def enter(self, row: Mapping[str, Any]) -> None:
        """Count an epoch."""
        self._epochs += 1
        self._epoch_seconds += row["epoch_seconds"]
        self._gpu_seconds_spent += row["gpu_seconds"] or 0.0

    def shortage(self, epochs: int, running: int, kept: int = 0, slots: int = 1) -> str | None:
        """Which budget is too small for one more trial to train so many epochs.

        Parameters
        ----------
        epochs
            Of the trial: to where it can be judged first, or of one that is never judged all.
        running
            Trials beside it.
        kept
            Epochs that there must be enough for afterwards.
        slots
            Trials at once.
        """
        epoch = self._epoch_seconds / max(self._epochs, 1)
        needed = epoch * (epochs + kept / max(slots, 1))
        if self._seconds is not None and self._spent() + needed > self._seconds:
            return _TIME
        # While the new trial trains so far, all of them use their GPUs.
        gpu_seconds = self._gpu_seconds_spent + epoch * self._gpus * (epochs * (running + 1) + kept)
        if self._gpu_seconds is not None and gpu_seconds > self._gpu_seconds:
            return _GPU_HOURS
        return None

    @property
    def used_up(self) -> str | None:
        """Which budget is used up, for a person; None while there is some left."""
        if self._seconds is not None and self._spent() >= self._seconds:
            return _TIME
        if self._gpu_seconds is not None and self._gpu_seconds_spent >= self._gpu_seconds:
            return _GPU_HOURS
        return None

    def _spent(self) -> float:
        return self._clock() - self._start


def is_stalled(trials: Sequence[FrozenTrial], patience: int) -> bool:
    """Whether so many of a search's trials were begun since the last one came to its end that was among the best.

    Among the best is what nothing dominated that had ended before. Until a trial has come to its end, nothing stalls.
    """
    ends = [
        (trial.datetime_complete, trial.values)
        for trial in trials
        if trial.state == TrialState.COMPLETE and trial.datetime_complete
    ]
    ends.sort(key=itemgetter(0))
    values = np.array([worth for _, worth in ends])
    for at, (since, _) in reversed([*enumerate(ends)]):
        if levels(values[: at + 1])[at] == 0:
            begun = [trial for trial in trials if trial.datetime_start and trial.datetime_start > since]
            return len(begun) >= patience
    return False


def busy_seconds(rows: Iterable[Mapping[str, Any]]) -> float:
    """Seconds in which at least one of the epochs was trained, by when each was recorded and how long it took."""
    busy, until = 0.0, -float("inf")
    spans = []
    for row in rows:
        end = row["timestamp"].timestamp()
        spans.append((end - row["epoch_seconds"], end))
    for start, end in sorted(spans):
        busy += max(0.0, end - max(start, until))
        until = max(until, end)
    return busy
