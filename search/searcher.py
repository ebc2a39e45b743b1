"""Optuna behind Tune's `Searcher` interface, with the study's journal as its only state.

Tune's own `OptunaSearch` tells the sampler that a stopped trial had finished and forgets its last value; this one
reports every epoch and ends each trial as COMPLETE, PRUNED or FAIL.
"""

import math
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from typing import Any

from optuna.trial import FrozenTrial, TrialState
from ray.tune.search import Searcher

from results.store import Role
from search.journal import Journal
from search.points import Point, point_of
from search.proposals import Proposals
from trainables.best import Values, values_of


class OptunaSearcher(Searcher):
    """Proposes trials as long as there is a free slot and a budget, and hands out what is trained beside them.

    Reference points come first, then what was enqueued, then proposals. Confirmations come when no trial of the
    search is left to begin: the reference points' at once, since they do not depend on how the search ends, the
    finalists' when it has ended.

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
        The search's budget, those of the journal included; reference points and confirmations are not of the search.
    may_start
        How many trials may run beside those that run already, as things are.
    affordable
        Whether the other budgets allow for one more trial of a role.
    points
        What is tried first.
    unfinished
        Trials of the journal that are to go on; they come before all others.
    paused
        The numbers of those among them that wait at a rung: they need no slot yet.
    configure
        Gives, for a trial's number and point, what the trial is told beside them.
    confirmations
        Gives what is to be confirmed, as far as it is known; told whether the search has ended, which it is once.
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
        affordable: Callable[[Role], bool] = lambda _: True,
        points: Iterable[Point] = (),
        unfinished: Iterable[FrozenTrial] = (),
        paused: Collection[int] = (),
        configure: Callable[[int, Point], dict[str, Any]] = lambda *_: {},
        confirmations: Callable[[bool], Iterable[Point]] = lambda _: (),
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
        self._confirmations = confirmations
        self._paused = set(paused)
        self._unfinished = deque(
            (trial.number, point_of(trial))
            for trial in sorted(unfinished, key=lambda trial: trial.number not in paused)
        )
        """Trials to hand out before all others."""
        begun = [point_of(trial) for trial in journal.trials()] if journal is not None else []
        self._count = len(begun)
        self._begun = sum(point.role == "search" for point in begun)
        self._known = {point.key for point in begun}
        self._points = deque(point for point in points if point.key not in self._known)
        self._to_confirm: deque[Point] = deque()
        self._asked: set[bool] = set()
        """Whether the search had ended when confirmations were asked for, each time."""
        self._running: dict[str, tuple[int, Point]] = {}
        """The trials that run or pause, by Tune's names for them."""
        self._reasons: dict[int, str] = {}

    @property
    def running(self) -> int:
        """How many trials have been handed out and have not ended; some may be paused."""
        return len(self._running)

    @property
    def is_exhausted(self) -> bool:
        """Whether no trial of the search will be handed out any more."""
        # Once finalists are chosen, the search stays ended, even if the budgets turn out to allow for more.
        if not self.all_begun and True not in self._asked and self._affordable("search"):
            return False
        return all(point.role != "search" for _, point in self._unfinished)

    @property
    def all_begun(self) -> bool:
        """Whether all trials of the search's budget have begun."""
        return self._begun >= self._trials

    def explain(self, number: int, reason: str) -> None:
        """Tell why a trial is about to end as failed."""
        self._reasons[number] = reason

    def take_back(self, trial_id: str) -> None:
        """Have a trial that is about to end handed out again before all others: it has not failed."""
        number, point = self._running.pop(trial_id)
        self._paused.discard(number)
        self._unfinished.append((number, point))

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:
        """Give the configuration of the next trial, or None for not now, or say that there will be none."""
        if self._is_over:
            return str(Searcher.FINISHED)
        waits = bool(self._unfinished) and self._unfinished[0][0] in self._paused
        # Once told that the search is over, Tune keeps no process for a paused trial that is promoted later.
        begun = self._next() if waits or self._may_start() > 0 else None
        if begun is None:
            return None
        number, point = self._running[trial_id] = begun
        return {
            "number": number,
            "role": point.role,
            "params": dict(point.params),
            "point": point.plain(),
            "trial": self._configure(number, point),
        }

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Report an epoch; one that the journal has is left as it is."""
        (number, _), epoch = self._running[trial_id], result["epoch"]
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
        if trial_id not in self._running:
            return
        number, _ = self._running[trial_id]
        if result is not None and not error:
            if all(map(math.isfinite, self._values(result))):
                self.on_trial_result(trial_id, result)
            else:
                error = True
                self._reasons[number] = f"after epoch {result['epoch']} not finite: {self._named(result)}"
        del self._running[trial_id]
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

    @property
    def _is_over(self) -> bool:
        """Whether nothing runs and nothing will be handed out any more."""
        if self._running or self._unfinished:
            return False
        if self._has_reference or not self.is_exhausted:
            return False
        if not self._affordable("confirmation"):
            return True
        self._ask(has_ended=True)
        return not self._to_confirm

    @property
    def _has_reference(self) -> bool:
        """Whether a reference point is to be handed out, and can be."""
        return bool(self._points) and self._points[0].role == "reference" and self._affordable("reference")

    def _next(self) -> tuple[int, Point] | None:
        """Number and point of the trial that comes next, if there is one now."""
        if self._unfinished:
            return self._unfinished.popleft()
        if self._has_reference:
            return self._begin(self._points.popleft())
        if not self.is_exhausted:
            enqueued = self._points and self._points[0].role == "search"
            return self._begin(self._points.popleft() if enqueued else Point("", {}))
        if not self._affordable("confirmation"):
            return None
        self._ask(has_ended=all(point.role != "search" for _, point in self._running.values()))
        return self._begin(self._to_confirm.popleft()) if self._to_confirm else None

    def _ask(self, *, has_ended: bool) -> None:
        """Ask once what is to be confirmed before the search has ended, and once after that."""
        if has_ended in self._asked:
            return
        self._asked.add(has_ended)
        new = [point for point in self._confirmations(has_ended) if point.key not in self._known]
        self._known.update(point.key for point in new)
        self._to_confirm.extend(new)

    def _begin(self, point: Point) -> tuple[int, Point]:
        number = self._count
        if point.role == "confirmation":
            proposed = self._proposals.follow(number, point.params)
        else:
            proposed = self._proposals.propose(number, point.params or None)
            self._begun += point.role == "search"
        if self._journal is not None:
            self._journal.begin(
                proposed.params, proposed.distributions, point.attributes, proposed.system_attrs
            )
        self._count += 1
        return number, replace(point, params=dict(proposed.params))

    def _values(self, result: dict[str, Any]) -> Values:
        return values_of(result, self._objectives)

    def _named(self, result: dict[str, Any]) -> str:
        values = zip(self._objectives, self._values(result), strict=True)
        return ", ".join(f"{name} {value}" for name, value in values)
