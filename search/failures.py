"""Why a trial ended with an error, and whether it goes on: what a machine does to it is none of its failures."""

import errno
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ray import cloudpickle
from ray.exceptions import ActorUnavailableError, RayActorError
from ray.tune.experiment import Trial

from trainables.trainable import WornOutError

_FULL = {errno.ENOSPC, errno.EDQUOT}
MOST_LOST = 3
"""Workers that a trial may lose in a row: by the last one it is likely that the trial is what kills them."""


@dataclass(frozen=True)
class Failure:
    """One line that says what ended a trial, and whether it is to go on from its last epoch.

    Where the storage is full, the study can go on no more than the trial. An error `in_setup` came before the trial's
    process had built anything.
    """

    reason: str
    goes_on: bool
    is_full: bool = False
    in_setup: bool = False


class Failures:
    """Judges each error of a study's trials once.

    An exception of its own ends a trial for good: started again, it would come to the same, unless there was no room
    for its state. A trial that lost its worker, be it the process or the machine that it ran in, goes on, unless that
    happens `MOST_LOST` times without a new epoch in between. Machines that leave after a notice, as spot machines do,
    are not counted, nor are processes that have built enough.
    """

    def __init__(self) -> None:
        self._lost: Counter[int] = Counter()
        self._judged: dict[str, Failure] = {}

    def reported(self, number: int) -> None:
        """Enter that a trial, by the study's number, reported an epoch that was not known."""
        self._lost.pop(number, None)

    def judge(self, trial: Trial) -> Failure:
        """Say what became of a trial that Tune gives up with an error; asked again, the same."""
        if trial.trial_id not in self._judged:
            self._judged[trial.trial_id] = self._judge(trial.config["number"], _error(trial))
        return self._judged[trial.trial_id]

    def _judge(self, number: int, error: BaseException | None) -> Failure:
        if isinstance(error, RayActorError) and error.actor_init_failed:
            return Failure(_last_line(error), goes_on=False, in_setup=True)
        if not isinstance(error, RayActorError):
            cause = getattr(error, "cause", error)
            if isinstance(cause, WornOutError):
                return Failure(str(cause), goes_on=True)
            full = getattr(cause, "errno", None) in _FULL
            return Failure(_reason(error), goes_on=full, is_full=full)
        reason = "its machine was lost" if _lost_machine(error) else _reason(error)
        self._lost[number] += not error.preempted
        if self._lost[number] < MOST_LOST:
            return Failure(reason, goes_on=True)
        del self._lost[number]
        return Failure(
            f"set aside because it lost {MOST_LOST} workers in a row, the last one so: {reason}",
            goes_on=False,
        )


def _last_line(error: BaseException) -> str:
    """Of the traceback in colours that Ray makes of an error in a process's set-up, the error itself."""
    lines = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip().splitlines()
    return lines[-1].strip() if lines else type(error).__name__


def _lost_machine(error: RayActorError) -> bool:
    # Ray has no type for it. Before the cluster knows of a death, the actor's connections are seen to end.
    return isinstance(error, ActorUnavailableError) or "its node has died" in str(error)


def _error(trial: Trial) -> BaseException | None:
    """What ended a trial; Tune's own way to it asks the storage, where the file arrives later."""
    file = trial.pickled_error_file
    if file is None or not Path(file).exists():
        return None
    error: BaseException = cloudpickle.loads(Path(file).read_bytes())
    return error


def _reason(error: BaseException | None) -> str:
    if error is None:
        return "the trial's process ended without a word"
    cause = getattr(error, "cause", None) or error
    text = str(cause).strip()
    if not text:
        return type(cause).__name__
    # Of a dead process Ray tells the same long story each time; what the system said stands in the middle.
    _, died, story = text.partition("Worker exit detail:")
    if died:
        detail = story.partition("Some common causes")[0].strip()
        return f"the trial's process died, was killed or ran out of memory ({detail})"
    first = text.splitlines()[0]
    return first if isinstance(cause, ArithmeticError) else f"{type(cause).__name__}: {first}"
