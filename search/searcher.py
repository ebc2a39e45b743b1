"""Optuna behind Tune's `Searcher` interface, with the study's journal as its only state.

Tune's own `OptunaSearch` tells the sampler that a stopped trial had finished and forgets its last value; this one
reports every epoch and ends each trial as COMPLETE, PRUNED or FAIL.
"""

import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState
from ray.tune.search import Searcher

from spaces import Space, Value, suggest

STARTUP = 6
"""Trials before TPE has a say, the reference points among them; Optuna's ten would be most of a small study."""
REFERENCE = "reference"
"""User attribute of a trial that is a reference point: its name."""


def open_journal(path: Path, name: str, objective: str) -> optuna.Study:
    """Open the study of this name in a journal file, or create it there to minimise the objective."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = JournalStorage(JournalFileBackend(str(path)))
    study = optuna.create_study(storage=storage, study_name=name, direction="minimize", load_if_exists=True)
    if study.metric_names != [objective]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study.set_metric_names([objective])
    return study


def make_sampler(kind: Literal["tpe", "random"], seed: int) -> optuna.samplers.BaseSampler:
    """Make the sampler; TPE draws conditional parameters jointly and keeps away from what is running."""
    if kind == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(
            multivariate=True, group=True, constant_liar=True, n_startup_trials=STARTUP, seed=seed
        )


class OptunaSearcher(Searcher):
    """Proposes trials until the budget is used up.

    Parameters
    ----------
    study
        With its sampler; reference points are enqueued in it.
    space
        What is drawn from.
    objective
        The metric to minimise.
    epochs
        Of a trial that is not stopped: one that ends earlier is told as PRUNED.
    trials
        The study's budget, those of the journal included.
    unfinished
        Trials of the journal that are to go on; they come first.
    configure
        Gives, for a trial's number and parameters, what the trial is told beside them.
    """

    def __init__(
        self,
        study: optuna.Study,
        space: Space,
        *,
        objective: str,
        epochs: int,
        trials: int,
        unfinished: Iterable[FrozenTrial],
        configure: Callable[[int, dict[str, Value]], dict[str, Any]],
    ) -> None:
        super().__init__(metric=objective, mode="min")
        self._study = study
        self._space = space
        self._objective = objective
        self._epochs = epochs
        self._configure = configure
        self._unfinished = list(unfinished)
        started = [trial for trial in study.get_trials(deepcopy=False) if trial.state != TrialState.WAITING]
        self._left = trials - len(started)
        self._running: dict[str, Trial] = {}

    @property
    def is_done(self) -> bool:
        """Whether every trial of the budget has ended."""
        return not (self._left > 0 or self._unfinished or self._running)

    def suggest(self, trial_id: str) -> dict[str, Any] | str:
        """Give the configuration of the next trial, or say that there is none."""
        if self._unfinished:
            frozen = self._unfinished.pop(0)
            trial = Trial(self._study, frozen._trial_id)
            params: dict[str, Value] = dict(frozen.params)
        elif self._left > 0:
            self._left -= 1
            trial = self._study.ask()
            params = suggest(trial, self._space)
        else:
            return str(Searcher.FINISHED)
        self._running[trial_id] = trial
        return {
            "number": trial.number,
            "reference": trial.user_attrs.get(REFERENCE),
            "params": params,
            "trial": self._configure(trial.number, params),
        }

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Report an epoch; one that the journal has is left as it is."""
        trial = self._running[trial_id]
        reported = self._study.get_trials(deepcopy=False)[trial.number].intermediate_values
        if result["epoch"] not in reported:
            trial.report(result[self._objective], result["epoch"])

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tell the journal how the trial ended."""
        trial = self._running[trial_id]
        if error or result is None or not math.isfinite(result.get(self._objective, math.nan)):
            del self._running[trial_id]
            self._study.tell(trial, state=TrialState.FAIL)
            return
        self.on_trial_result(trial_id, result)
        del self._running[trial_id]
        if result["epoch"] < self._epochs:
            self._study.tell(trial, state=TrialState.PRUNED)
        else:
            # A trial is worth its best epoch, whose weights are kept, and not the chance of its last one.
            reported = self._study.get_trials(deepcopy=False)[trial.number].intermediate_values
            self._study.tell(trial, min(reported.values()))

    def save(self, checkpoint_path: str) -> None:
        """Nothing to save: the journal is the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing to restore: the journal is the state."""


def enqueue_references(study: optuna.Study, points: Sequence[tuple[str, dict[str, Value]]]) -> None:
    """Put the reference points that the study does not have yet first in line."""
    known = {trial.user_attrs.get(REFERENCE) for trial in study.get_trials(deepcopy=False)}
    for name, point in points:
        if name not in known:
            study.enqueue_trial(point, user_attrs={REFERENCE: name})
