"""How often a training's state is written: after each epoch, a large one as rarely as costs little of the time."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SHARE = 0.03
"""Of a trial's time that may go into writing a large state."""
SMALL = 32 * 2**20
"""Bytes of a state that is written after each epoch, which waits for it: 0.2 s on a slow disk."""
_A_SECOND = 150e6
"""Bytes that are written, before it was measured."""
_LEAST = 1e-3
"""Seconds that writing takes at least: what a clock tells below is no measurement."""


class Pace:
    """Says when a state is to be written again.

    What was trained since is lost in a crash: an epoch of a small state, else at most what is trained in `1 / SHARE`
    times the seconds that writing takes.

    Parameters
    ----------
    clock
        Seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._rate = _A_SECOND
        self.restart()

    def restart(self) -> None:
        """Take it that a trial begins, or goes on from a state."""
        self._written = self._clock()

    def is_due(self, size: int) -> bool:
        """Whether a state of so many bytes is to be written."""
        return self.is_small(size) or self._clock() - self._written >= size / self._rate / SHARE

    @staticmethod
    def is_small(size: int) -> bool:
        """Whether a state of so many bytes is written after each epoch."""
        return size <= SMALL

    @contextmanager
    def writing(self, size: int) -> Iterator[None]:
        """Measure how long so many bytes take to write."""
        start = self._clock()
        yield
        self._written = self._clock()
        self._rate = size / max(self._written - start, _LEAST)
