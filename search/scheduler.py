"""Early stopping: asynchronous successive halving (Li et al. 2020) in its stopping form.

The state is the recorded values at the rungs and nothing else, so a scheduler is rebuilt from a study's record.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler


class Rungs:
    """Decides whether a trial goes on after an epoch, from what all trials reported at the same epoch.

    At a rung, an epoch of `epochs`, a trial goes on when fewer than n / eta of the n values reported there so far,
    rounded up, are strictly lower than its own. So the first to arrive goes on, and so does one that ties with the
    last that would. A value that is not finite never goes on, nor does it count as a value. Reporting an epoch
    again, as a resumed trial does, replaces its value. Epochs that are no rung decide nothing.
    """

    def __init__(self, epochs: Sequence[int], eta: int) -> None:
        self._epochs = frozenset(epochs)
        self._eta = eta
        self._values: dict[int, dict[int, float]] = defaultdict(dict)

    def record(self, trial: int, epoch: int, value: float) -> None:
        """Enter a value (lower is better) without asking for a decision."""
        if epoch in self._epochs and math.isfinite(value):
            self._values[epoch][trial] = value

    def goes_on(self, trial: int, epoch: int, value: float) -> bool:
        """Enter a value and decide."""
        if not math.isfinite(value):
            return False
        if epoch not in self._epochs:
            return True
        self.record(trial, epoch, value)
        values = self._values[epoch].values()
        return sum(other < value for other in values) < math.ceil(len(values) / self._eta)


class SuccessiveHalving(FIFOScheduler):
    """`Rungs` behind Tune's interface; trials carry their study's number in their configuration."""

    def __init__(self, rungs: Rungs, objective: str, recorded: Iterable[tuple[int, int, float]]) -> None:
        super().__init__()
        self._rungs = rungs
        self._objective = objective
        for trial, epoch, value in recorded:
            rungs.record(trial, epoch, value)

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Stop what is not among the best at a rung."""
        del tune_controller
        goes_on = self._rungs.goes_on(trial.config["number"], result["epoch"], result[self._objective])
        return str(TrialScheduler.CONTINUE if goes_on else TrialScheduler.STOP)
