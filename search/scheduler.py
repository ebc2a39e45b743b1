"""Early stopping behind Tune's interface: `search.stopping` decides, this carries it out."""

from collections.abc import Callable, Collection, Sequence
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from search.stopping import Decision, Stopper


class StudyScheduler(FIFOScheduler):
    """Stops, pauses and promotes trials, which carry their study's number in their configuration.

    Parameters
    ----------
    stopper
        Decides; it knows the study's record already.
    objectives
        The metrics that trials report.
    concurrency
        Trials at the same time.
    is_exhausted
        Whether no new trials will come.
    paused
        Numbers of trials that were paused in an earlier run: they start so.
    on_failure
        Is called with a trial that failed, before the searcher hears of it.
    """

    def __init__(
        self,
        stopper: Stopper,
        objectives: Sequence[str],
        *,
        concurrency: int,
        is_exhausted: Callable[[], bool],
        paused: Collection[int] = (),
        on_failure: Callable[[Trial], None] = lambda _: None,
    ) -> None:
        super().__init__()
        self._stopper = stopper
        self._objectives = objectives
        self._concurrency = concurrency
        self._is_exhausted = is_exhausted
        self._from_before = frozenset(paused)
        self._on_failure = on_failure
        self._paused: dict[int, Trial] = {}
        self._active: set[int] = set()
        """Trials that run or are about to."""
        self._promoted: int | None = None
        """The paused trial that takes the next free slot."""

    @property
    def active(self) -> int:
        """How many trials run or are about to; paused ones do not."""
        return len(self._active)

    @property
    def free_slots(self) -> int:
        """How many new trials may start: a paused trial that is to be promoted comes before them."""
        return 0 if self._is_promotion_due() else self._concurrency - self.active

    def on_trial_add(self, tune_controller: Any, trial: Trial) -> None:
        """Let a trial that was paused in an earlier run wait on."""
        number = trial.config["number"]
        if number in self._from_before:
            trial.set_status(Trial.PAUSED)
            self._paused[number] = trial
        else:
            self._active.add(number)

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Say what becomes of a trial after an epoch."""
        number = trial.config["number"]
        decision = self._stopper.report(number, result["epoch"], self._values(result))
        if decision == Decision.PAUSE:
            self._paused[number] = trial
            self._active.discard(number)
            # Trials keep their own state after each epoch, so there is nothing to save.
            tune_controller.pause_trial(trial, should_checkpoint=False)
            return str(TrialScheduler.NOOP)
        return str(TrialScheduler.STOP if decision == Decision.STOP else TrialScheduler.CONTINUE)

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        """Enter a trial's last epoch: Tune asks for no decision after it."""
        number = trial.config["number"]
        self._active.discard(number)
        self._stopper.record(number, result["epoch"], self._values(result))

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        """Never promote a trial that failed."""
        number = trial.config["number"]
        self._on_failure(trial)
        self._leave(number)
        self._stopper.forget(number)

    def on_trial_remove(self, tune_controller: Any, trial: Trial) -> None:
        """Let go of a trial that ends while it is paused or has not started."""
        number = trial.config["number"]
        self._leave(number)
        self._stopper.forget(number)

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """Choose the trial that is promoted; those that have not started Tune starts itself.

        When nothing is left to do but paused trials that will never be promoted, they end.
        """
        if self._is_promotion_due() and self.active < self._concurrency:
            number, self._promoted = self._promoted, None
            trial = self._paused.pop(number)  # type: ignore[arg-type]
            self._active.add(trial.config["number"])
            return trial
        if self._paused and not self._active and self._is_exhausted():
            for trial in list(self._paused.values()):
                tune_controller.stop_trial(trial)
        return None

    def _is_promotion_due(self) -> bool:
        if self._promoted is None and self._paused:
            last = self._is_exhausted() and not self._active
            self._promoted = self._stopper.promote(last=last)
        return self._promoted is not None

    def _leave(self, number: int) -> None:
        self._paused.pop(number, None)
        self._active.discard(number)
        if self._promoted == number:
            self._promoted = None

    def _values(self, result: dict[str, Any]) -> tuple[float, ...]:
        return tuple(result[name] for name in self._objectives)
