"""What the code under test takes on a processor, by how large a study has become."""

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class MeanCost:
    """What a decision took, in seconds of the processor, when there were about so many trials.

    Attributes
    ----------
    trials
        Of `COUNTED`; the means are over what happened since there were four fifths as many.
    proposal
        A call of the searcher's `suggest` that gave a trial.
    reports
        The searcher's other calls, for each epoch or end that it was told.
    decision
        All calls of the scheduler, for each epoch that was reported.
    """

    trials: int
    proposal: float
    reports: float
    decision: float


COUNTED = (100, 1000, 10000)
"""Numbers of trials at which costs are told."""


class Stopwatch:
    """Sums up what searcher and scheduler take in the stretches of a study that `MeanCost` tells of."""

    def __init__(self) -> None:
        self._sums: dict[int, dict[str, float]] = {count: defaultdict(float) for count in COUNTED}
        self._stretch: dict[str, float] | None = None
        self._trials = 0

    def started(self, trials: int) -> None:
        """Enter how many trials there are now."""
        self._trials = trials
        self._stretch = next(
            (sums for count, sums in self._sums.items() if 0.8 * count < trials <= count), None
        )

    def add(self, what: str, amount: float) -> None:
        """Add to what is summed up now."""
        if self._stretch is not None:
            self._stretch[what] += amount

    def time(self, what: str, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Time a call, where it counts: asking for processor time may take longer than the call."""
        if self._stretch is None:
            return call(*arguments, **named)
        began = time.process_time()
        answer = call(*arguments, **named)
        self.add(what, time.process_time() - began)
        return answer

    def means(self) -> list[MeanCost]:
        """Of the stretches that the study came through."""
        return [
            MeanCost(
                count,
                sums["propose"] / max(sums["proposals"], 1),
                sums["report"] / max(sums["reports"], 1),
                sums["decide"] / max(sums["epochs"], 1),
            )
            for count, sums in self._sums.items()
            if self._trials >= count
        ]
