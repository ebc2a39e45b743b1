"""A cluster that only exists as a clock: Tune's controller, in the order in which it calls searcher and scheduler.

The searcher and the scheduler are the real ones, behind Tune's interfaces, and cannot tell the difference. What is
simulated is what takes time: an event heap says when each running trial reports its next epoch. Starting, pausing and
going on cost nothing. A training that breaks down is told as an error, as `trainables.trainable` raises for a
value that is not finite.

The order of calls is that of `ray.tune.execution.tune_controller.TuneController.step` (Ray 2.60): ask the searcher
for trials, ask the scheduler which to run, start what is pending first come first served, handle one event. A trial's
last result goes to both as complete and not as a result; of a stopped trial's last result the searcher hears as
complete, and the scheduler twice.
"""

import heapq
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

from search.curves import Curve, Problem
from search.incumbent import Incumbent
from search.stopwatch import MeanCost, Stopwatch
from spaces import Value

_ENDED = frozenset({Trial.TERMINATED, Trial.ERROR})


class VirtualTrial:
    """What searchers and schedulers see of a trial of Tune's; it is told from others by identity."""

    def __init__(self, number: int, config: dict[str, Any], curve: Curve) -> None:
        self.number = number
        self.trial_id = f"{number:08d}"
        self.config = config
        self.status: str = Trial.PENDING
        self.last_result: dict[str, Any] = {}
        self.curve = curve
        self.epoch = 0
        self.busy = 0.0
        self.epoch_started = 0.0

    def is_finished(self) -> bool:
        """As Tune's."""
        return self.status in _ENDED


@dataclass(frozen=True)
class Run:
    """A simulated study.

    Attributes
    ----------
    incumbents
        `(seconds, regret)` at each change, by time.
    seconds
        When the study ended, or its budget.
    busy_seconds
        Of all workers together.
    trials, epochs
        How many were started and reported.
    costs
        Of the searcher's and the scheduler's calls.
    """

    incumbents: tuple[tuple[float, float], ...]
    seconds: float
    busy_seconds: float
    trials: int
    epochs: int
    costs: list[MeanCost]


class VirtualCluster:
    """Runs one study on `workers` workers, a trial on each.

    Parameters
    ----------
    problem, seed
        Where the curves come from.
    workers
        How many trials run at once.
    limit
        Seconds of virtual time after which the study ends, or infinity.
    trials
        That may be started, as Tune's `num_samples`.
    """

    def __init__(
        self,
        problem: Problem,
        *,
        seed: int,
        workers: int,
        limit: float,
        trials: int,
    ) -> None:
        self._problem = problem
        self._seed = seed
        self._workers = workers
        self._limit = limit
        self._most = trials
        self._searcher: Searcher
        self._scheduler: TrialScheduler
        self._now = 0.0
        self._events: list[tuple[float, int, VirtualTrial]] = []
        self._order = 0
        self._trials: list[VirtualTrial] = []
        self._live: set[VirtualTrial] = set()
        self._running: set[VirtualTrial] = set()
        self._pending: deque[VirtualTrial] = deque()
        self._finished = False
        self._busy = 0.0
        self._epochs = 0
        self._incumbent = Incumbent(problem)
        self._watch = Stopwatch()

    @property
    def now(self) -> float:
        """Virtual seconds since the study began."""
        return self._now

    @property
    def workers(self) -> int:
        """How many trials run at once."""
        return self._workers

    def final(self, trial: int) -> tuple[float, ...]:
        """What the training of a trial of this number is worth at its end."""
        return tuple(self._trials[trial].curve.final.tolist())

    @property
    def free(self) -> int:
        """Workers that neither run a trial nor have one that waits for them."""
        return self._workers - len(self._running) - len(self._pending)

    def run(
        self,
        searcher: Searcher,
        scheduler: TrialScheduler,
        parameters: Callable[[Mapping[str, Any]], Mapping[str, Value]],
    ) -> Run:
        """Run the study to its end, or to the limit; `parameters` reads them in what the searcher suggests.

        Raises
        ------
        RuntimeError
            Scheduler and searcher leave trials waiting for ever.
        """
        self._searcher, self._scheduler, self._parameters = searcher, scheduler, parameters
        while True:
            while self._step():
                pass
            if not self._events:
                if self._live:
                    states = sorted(trial.status for trial in self._live)
                    raise RuntimeError(
                        f"the study stands still with trials {', '.join(states)}: the scheduler ends or resumes none."
                    )
                break
            if self._events[0][0] > self._limit:
                self._now = self._limit
                break
            self._now, _, trial = heapq.heappop(self._events)
            if trial.status == Trial.RUNNING:
                self._epoch_ends(trial)
        # Workers were paid for what they had begun when time was up.
        for trial in self._running:
            self._busy += self._now - trial.epoch_started
        return Run(
            incumbents=tuple(self._incumbent.changes),
            seconds=self._now,
            busy_seconds=self._busy,
            trials=len(self._trials),
            epochs=self._epochs,
            costs=self._watch.means(),
        )

    # What schedulers call, as on Tune's controller.

    def get_trials(self) -> list[VirtualTrial]:
        """All trials, in the order of their start."""
        return self._trials

    def get_live_trials(self) -> set[VirtualTrial]:
        """Those that have not ended."""
        return self._live

    def get_trial(self, tid: str) -> VirtualTrial | None:
        """The trial of this id."""
        return next((trial for trial in self._trials if trial.trial_id == tid), None)

    def pause_trial(self, trial: VirtualTrial, should_checkpoint: bool = True) -> None:
        """Take a running trial from its worker; it may go on later."""
        if trial.status == Trial.RUNNING:
            self._running.discard(trial)
            trial.status = Trial.PAUSED

    def stop_trial(self, trial: VirtualTrial) -> None:
        """End a trial, whatever it does; scheduler and searcher hear of it."""
        if trial.status in _ENDED:
            return
        if trial.status == Trial.RUNNING:
            result = dict(trial.last_result)
            self._decide(self._scheduler.on_trial_complete, trial, result)
            self._report(self._searcher.on_trial_complete, trial, result=result)
        else:
            self._decide(self._scheduler.on_trial_remove, trial)
            self._report(self._searcher.on_trial_complete, trial)
        self._end(trial, Trial.TERMINATED)

    # One step of Tune's, up to the events.

    def _step(self) -> bool:
        """Whether anything changed."""
        asked = self._ask()
        chosen = self._choose()
        return self._start() or asked or chosen

    def _ask(self) -> bool:
        asked = False
        while not self._finished and len(self._pending) < self._workers:
            if len(self._trials) >= self._most:
                self._finished = True
                break
            suggested = self._watch.time("propose", self._searcher.suggest, f"{len(self._trials):08d}")
            if suggested == Searcher.FINISHED:
                self._finished = asked = True
            elif suggested is None:
                break
            else:
                self._add(suggested)
                asked = True
        return asked

    def _add(self, suggested: dict[str, Any]) -> None:
        curve = self._problem.curve(self._parameters(suggested), self._seed)
        trial = VirtualTrial(len(self._trials), suggested, curve)
        self._trials.append(trial)
        self._live.add(trial)
        self._pending.append(trial)
        self._watch.started(len(self._trials))
        self._watch.add("proposals", 1)
        self._decide(self._scheduler.on_trial_add, trial)

    def _choose(self) -> bool:
        chosen = self._decide(self._scheduler.choose_trial_to_run)
        if chosen is None or chosen.status != Trial.PAUSED:
            return False
        chosen.status = Trial.PENDING
        self._pending.append(chosen)
        return True

    def _start(self) -> bool:
        started = False
        while self._pending and len(self._running) < self._workers:
            trial = self._pending.popleft()
            if trial.status != Trial.PENDING:
                continue
            trial.status = Trial.RUNNING
            self._running.add(trial)
            self._begin_epoch(trial)
            started = True
        return started

    def _begin_epoch(self, trial: VirtualTrial) -> None:
        trial.epoch_started = self._now
        self._order += 1
        at = self._now + float(trial.curve.seconds[trial.epoch])
        heapq.heappush(self._events, (at, self._order, trial))

    def _epoch_ends(self, trial: VirtualTrial) -> None:
        self._busy += self._now - trial.epoch_started
        trial.busy += self._now - trial.epoch_started
        if trial.epoch == len(trial.curve.values):
            self._decide(self._scheduler.on_trial_error, trial)
            self._report(self._searcher.on_trial_complete, trial, error=True)
            self._end(trial, Trial.ERROR)
            return
        values = trial.curve.values[trial.epoch]
        trial.epoch += 1
        self._epochs += 1
        self._watch.add("epochs", 1)
        self._incumbent.observe(self._now, trial.number, trial.curve, trial.epoch)
        result = {
            "trial_id": trial.trial_id,
            "epoch": trial.epoch,
            "training_iteration": trial.epoch,
            "time_total_s": trial.busy,
            "done": trial.epoch == self._problem.epochs,
            **dict(zip(self._problem.objectives, values.tolist(), strict=True)),
        }
        decision = (
            TrialScheduler.STOP
            if result["done"]
            else self._decide(self._scheduler.on_trial_result, trial, result)
        )
        if decision != TrialScheduler.STOP:
            self._report(self._searcher.on_trial_result, trial, result=result)
        trial.last_result = result
        if decision == TrialScheduler.STOP:
            result["done"] = True
            self.stop_trial(trial)
        elif decision == TrialScheduler.PAUSE:
            self.pause_trial(trial)
        elif trial.status == Trial.RUNNING:
            self._begin_epoch(trial)

    def _end(self, trial: VirtualTrial, status: str) -> None:
        self._running.discard(trial)
        self._live.discard(trial)
        trial.status = status

    def _decide(self, call: Callable[..., Any], *arguments: Any) -> Any:
        return self._watch.time("decide", call, self, *arguments)

    def _report(self, call: Callable[..., None], trial: VirtualTrial, **named: Any) -> None:
        self._watch.add("reports", 1)
        self._watch.time("report", call, trial.trial_id, **named)
