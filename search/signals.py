"""Signals that ask this process to end: Ctrl-C, a closed terminal, a stopped job, a scheduler's warning before it."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_ASKING = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1") if hasattr(signal, name)
]
_FAREWELL = 128
"""What shells add to the number of the signal that ended a process."""
INTERRUPTED = _FAREWELL + signal.SIGINT
"""The exit status after Ctrl-C."""


class Ending:
    """Which of them came."""

    def __init__(self) -> None:
        self.status = 0
        """The exit status that tells it, 0 as long as none came."""

    def come(self, number: int) -> None:
        """Take it that this signal came."""
        self.status = _FAREWELL + number


@contextmanager
def interrupting() -> Iterator[Ending]:
    """Within this context all of them interrupt what goes on, as Ctrl-C does."""
    ending = Ending()

    def interrupt(number: int) -> None:
        ending.come(number)
        raise KeyboardInterrupt

    with heeding(interrupt):
        yield ending


@contextmanager
def heeding(act: Callable[[int], None]) -> Iterator[Callable[[], None]]:
    """Within this context they call `act` with their number.

    What is given takes hold of them again, should somebody else have done so meanwhile. One that is ignored, as
    `nohup` has it, stays ignored, but for Ctrl-C, which shells let processes in the background ignore.
    """

    def handle(number: int, _: FrameType | None) -> None:
        act(number)

    def take_hold() -> None:
        for number in before:
            signal.signal(number, handle)

    before = {
        number: handler
        for number in _ASKING
        if (handler := signal.getsignal(number)) is not signal.SIG_IGN or number == signal.SIGINT
    }
    take_hold()
    try:
        yield take_hold
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
