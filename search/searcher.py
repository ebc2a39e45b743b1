"""Optuna behind Tune's `Searcher` interface, with the study's journal as its only state.

Tune's own `OptunaSearch` tells the sampler that a stopped trial had finished and forgets its last value; this one
reports every epoch and ends each trial as COMPLETE, PRUNED or FAIL.
"""

import math
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from optuna.trial import FrozenTrial, TrialState
from ray.tune.search import Searcher

from search.journal import POINT, REFERENCE, Journal
from search.points import Point
from search.proposals import Proposals
from spaces import Value
from trainables.best import Values, values_of


class OptunaSearcher(Searcher):
    """Proposes trials as long as there is a free slot and a budget.

    Parameters
    ----------
    proposals
        The sampler and what it knows.
    journal
        Is told everything; None keeps it in memory, as the simulator does.
    objectives
        The metrics to minimise.
    epochs
        Of a trial that is not stopped: one that ends earlier is told as PRUNED.
    trials
        The study's budget, those of the journal included.
    may_start
        How many trials may run beside those that run already, as things are.
    affordable
        Whether the other budgets allow for one more trial.
    points
        What is tried first.
    unfinished
        Trials of the journal that are to go on; they come before all others.
    paused
        The numbers of those among them that wait at a rung: they need no slot yet.
    configure
        Gives, for a trial's number and parameters, what the trial is told beside them.
    """

    def __init__(
        self,
        proposals: Proposals,
        journal: Journal | None,
        *,
        objectives: Sequence[str],
        epochs: int,
        trials: int,
        may_start: Callable[[], int],
        affordable: Callable[[], bool] = lambda: True,
        points: Iterable[Point] = (),
        unfinished: Iterable[FrozenTrial] = (),
        paused: Collection[int] = (),
        configure: Callable[[int, dict[str, Value]], dict[str, Any]] = lambda *_: {},
    ) -> None:
        super().__init__(metric=list(objectives), mode=["min"] * len(objectives))
        self._proposals = proposals
        self._journal = journal
        self._objectives = tuple(objectives)
        self._epochs = epochs
        self._trials = trials
        self._may_start = may_start
        self._affordable = affordable
        self._configure = configure
        self._paused = set(paused)
        self._unfinished = deque(
            (trial.number, dict(trial.params), trial.user_attrs.get(REFERENCE))
            for trial in sorted(unfinished, key=lambda trial: trial.number not in paused)
        )
        """Trials to hand out before all others: their numbers, parameters and references."""
        begun = journal.trials() if journal is not None else []
        self._begun = len(begun)
        known = {trial.user_attrs.get(POINT) for trial in begun}
        self._points = deque(point for point in points if point.key not in known)
        self._numbers: dict[str, int] = {}
        """Of the trials that run or pause, by Tune's names for them."""
        self._reasons: dict[int, str] = {}

    @property
    def running(self) -> int:
        """How many trials have been handed out and have not ended; some may be paused."""
        return len(self._numbers)

    @property
    def is_exhausted(self) -> bool:
        """Whether no trial will be proposed any more."""
        return not self._unfinished and (self.all_begun or not self._affordable())

    @property
    def all_begun(self) -> bool:
        """Whether all trials of the budget have begun."""
        return self._begun >= self._trials

    def explain(self, number: int, reason: str) -> None:
        """Tell why a trial is about to end as failed."""
        self._reasons[number] = reason

    def take_back(self, trial_id: str, params: Mapping[str, Value], reference: str | None) -> None:
        """Have a trial that is about to end handed out again before all others: it has not failed."""
        number = self._numbers.pop(trial_id)
        self._paused.discard(number)
        self._unfinished.append((number, dict(params), reference))

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """Give the configuration of the next trial, or None for not now, or say that there will be none."""
        if self.is_exhausted:
            # Once told that the search is over, Tune keeps no process for a paused trial that is promoted later.
            return None if self._numbers else str(Searcher.FINISHED)
        waits = bool(self._unfinished) and self._unfinished[0][0] in self._paused
        if not waits and self._may_start() <= 0:
            return None
        if self._unfinished:
            number, params, reference = self._unfinished.popleft()
        else:
            number, params, reference = self._begin()
        self._numbers[trial_id] = number
        return {
            "number": number,
            "reference": reference,
            "params": params,
            "trial": self._configure(number, params),
        }

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Report an epoch; one that the journal has is left as it is."""
        number, epoch = self._numbers[trial_id], result["epoch"]
        if epoch not in self._proposals.epochs(number):
            values = self._values(result)
            self._proposals.report(number, epoch, values)
            if self._journal is not None:
                self._journal.report(number, epoch, values)

    def on_trial_complete(
        self,
        trial_id: str,
        result: dict[str, Any] | None = None,
        error: bool = False,
    ) -> None:
        """Tell the journal how the trial ended, unless it was taken back; a paused one ends without a result."""
        number = self._numbers.get(trial_id)
        if number is None:
            return
        if result is not None and not error:
            if all(map(math.isfinite, self._values(result))):
                self.on_trial_result(trial_id, result)
            else:
                error = True
                self._reasons[number] = f"after epoch {result['epoch']} not finite: {self._named(result)}"
        del self._numbers[trial_id]
        reported = self._proposals.epochs(number)
        if error or not reported:
            state = TrialState.FAIL
        else:
            state = TrialState.COMPLETE if max(reported) >= self._epochs else TrialState.PRUNED
        values = self._proposals.end(number, state)
        reason = self._reasons.pop(number, None)
        if self._journal is not None:
            self._journal.end(number, state, values, reason)

    def save(self, checkpoint_path: str) -> None:
        """Nothing to save: the journal is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to restore: the journal is the state."""

    def _begin(self) -> tuple[int, dict[str, Value], str | None]:
        point = self._points.popleft() if self._points else None
        proposed = self._proposals.propose(self._begun, None if point is None else point.params)
        if self._journal is not None:
            attributes = {} if point is None else {POINT: point.key}
            if point is not None and point.reference is not None:
                attributes[REFERENCE] = point.reference
            self._journal.begin(proposed.params, proposed.distributions, attributes, proposed.system_attrs)
        self._begun += 1
        return self._begun - 1, dict(proposed.params), None if point is None else point.reference

    def _values(self, result: dict[str, Any]) -> Values:
        return values_of(result, self._objectives)

    def _named(self, result: dict[str, Any]) -> str:
        values = zip(self._objectives, self._values(result), strict=True)
        return ", ".join(f"{name} {value}" for name, value in values)
