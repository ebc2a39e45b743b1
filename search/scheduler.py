"""Early stopping behind Tune's interface: `search.stopping` decides, and this module carries it out.

Tune starts what is PENDING by itself. It asks a scheduler which trial to run, and there this one names a PAUSED trial
that was promoted. A trial that pauses leaves its actor to others; its state is on the storage since its last epoch.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from search.stopping import Decision, Stopper
from trainables.best import values_of

_LOOKED_AT = 16
"""Active trials looked at whenever Tune asks what to run, which it does many times a second."""


class StudyScheduler(FIFOScheduler):
    """A policy of early stopping as Tune's scheduler; trials carry their number and role in their configuration.

    The policy is of the search's trials alone: references and confirmations are trained to the end whatever the
    others do, and take nobody's place at a rung.

    A trial that is added and, by the record, paused is added as PAUSED. Trials of the record that ended in an earlier
    run of the study must be made known to the stopper (`forget`, `retire`), or they would be waited for.

    Parameters
    ----------
    stopper
        Decides; it knows the epochs that the study has recorded.
    objectives
        Names of the metrics that are judged, in the order of the stopper's values.
    concurrency
        Says how many trials may run at the same time, as things are.
    is_exhausted
        Whether no more trials of the search will be added.
    on_failure
        Is called with a trial that failed, before the searcher hears of it, and says whether it is to go on.
    """

    def __init__(
        self,
        stopper: Stopper,
        objectives: Sequence[str],
        *,
        concurrency: Callable[[], int],
        is_exhausted: Callable[[], bool],
        on_failure: Callable[[Trial], bool] = lambda _: False,
    ) -> None:
        super().__init__()
        self._stopper = stopper
        self._objectives = tuple(objectives)
        self._concurrency = concurrency
        self._is_exhausted = is_exhausted
        self._on_failure = on_failure
        # By the study's number. Those that run or wait for Tune to start them are few; the paused may be thousands.
        self._active: OrderedDict[int, Trial] = OrderedDict()
        self._paused: dict[int, Trial] = {}
        self._promoted: int | None = None

    @property
    def paused(self) -> int:
        """Number of trials that are paused and hold no slot."""
        return len(self._paused)

    @property
    def active(self) -> int:
        """Number of trials that run or are about to."""
        return len(self._active)

    @property
    def free_slots(self) -> int:
        """Number of new trials that may start now; none while a paused one is to go on before them."""
        return 0 if self._next_promoted() in self._paused else self._concurrency() - self.active

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        """Take up a trial: one that the study left paused stays so."""
        number = trial.config["number"]
        if self._stopper.is_paused(number):
            trial.set_status(Trial.PAUSED)
            self._paused[number] = trial
        else:
            self._active[number] = trial

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Let the trial go on, pause it or stop it."""
        if not _is_searched(trial):
            return str(TrialScheduler.CONTINUE)
        number = trial.config["number"]
        decision = self._stopper.report(number, result["epoch"], self._values(result))
        if decision is Decision.GO_ON:
            return str(TrialScheduler.CONTINUE)
        if decision is Decision.STOP:
            return str(TrialScheduler.STOP)
        del self._active[number]
        self._paused[number] = trial
        if self._next_promoted() == number:
            # No new trials come, so more are promoted than the stopper knew of.
            self._start(number)
            return str(TrialScheduler.CONTINUE)
        # Tune's own PAUSE would have the actor save a checkpoint.
        tune_controller.pause_trial(trial, should_checkpoint=False)
        return str(TrialScheduler.NOOP)

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        """Enter the last epoch of a trial, which Tune shows to no other method."""
        self._end(trial)
        if "epoch" not in result:
            return
        if _is_searched(trial):
            self._stopper.record(trial.config["number"], result["epoch"], self._values(result))

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        """Never promote a trial that failed, unless it is to go on: then it is added again."""
        goes_on = self._on_failure(trial)
        self._end(trial)
        if not goes_on and _is_searched(trial):
            self._stopper.forget(trial.config["number"])

    def on_trial_remove(self, tune_controller: Any, trial: Trial) -> None:
        """Never promote a trial that ended while it was paused or not started yet."""
        self._end(trial)
        if _is_searched(trial):
            self._stopper.retire(trial.config["number"])

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """Give the promoted trial, if a slot is free; end what is left paused once nothing can promote it."""
        self._drop_ended()
        if self.active >= self._concurrency():
            return None
        number = self._next_promoted()
        if number in self._paused:
            return self._start(number)
        if number is None and not any(map(_is_searched, self._active.values())) and self._is_exhausted():
            for trial in list(self._paused.values()):
                tune_controller.stop_trial(trial)
        return None

    def debug_string(self) -> str:
        """Say how many trials are paused."""
        return f"{self.paused} trials paused"

    def _drop_ended(self) -> None:
        """Look at a few active trials, in turn: Tune ends some without a word, as when an actor is not reset."""
        for _ in range(min(_LOOKED_AT, len(self._active))):
            number, trial = self._active.popitem(last=False)
            if not trial.is_finished():
                self._active[number] = trial

    def _next_promoted(self) -> int | None:
        """Give the trial that was promoted and has not started since; it may not have been added yet."""
        exhausted = self._is_exhausted()
        while self._promoted not in self._paused:
            if self._promoted is not None and self._promoted not in self._active and not exhausted:
                break
            self._promoted = self._stopper.promote(last=exhausted)
            if self._promoted is None:
                break
        return self._promoted

    def _start(self, number: int) -> Trial:
        self._promoted = None
        self._active[number] = self._paused.pop(number)
        return self._active[number]

    def _values(self, result: dict[str, Any]) -> tuple[float, ...]:
        return values_of(result, self._objectives)

    def _end(self, trial: Trial) -> None:
        number = trial.config["number"]
        self._active.pop(number, None)
        self._paused.pop(number, None)
        if self._promoted == number:
            self._promoted = None


def _is_searched(trial: Trial) -> bool:
    return bool(trial.config["role"] == "search")
