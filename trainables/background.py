"""A piece of work that goes on beside the training, in a thread."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor


class Background:
    """Does one piece of work at a time; what that raises is told by whoever asks for it next."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._work: Future[None] | None = None

    def begin(self, work: Callable[[], None]) -> None:
        """Begin a piece of work, once the one before is done; raises what that one did."""
        self.finish()
        self._work = self._thread.submit(work)

    def finish(self) -> None:
        """Wait for the work that was begun; raises what it did, once."""
        work, self._work = self._work, None
        if work is not None:
            work.result()
