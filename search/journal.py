"""The study's Optuna journal: the record of what was proposed, what each epoch brought and how each trial ended."""

import copy
import warnings
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from results.store import StudyError, writing
from search.mending import DamagedJournalError, is_sound, load, mend
from search.outcome import EPOCH, epochs_of, outcome
from trainables.best import Values

SCHEMA_VERSION = 2
"""Of what this module writes beside Optuna's own."""
REASON = "reason"
"""User attribute of a trial that failed: why."""
TEST = "test "
"""What the study's user attribute begins with that holds a trial's metrics on the test split; its number follows."""
_VERSION = "schema_version"


class Journal:
    """The trials of one study in a journal file. One process writes it; any number may read.

    Parameters
    ----------
    path
        The file, which is made where there is none. A damaged one is mended: see `search.mending.mend`.
    name
        The study's.
    objectives
        The metrics, all minimised.

    Raises
    ------
    StudyError
        The file holds another study, or other objectives, or was written by another version. Likewise from each
        method that writes, where the disk is full or the folder cannot be written; what is there is intact.
    """

    def __init__(self, path: Path, name: str, objectives: Sequence[str]) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._path, self._name, self._objectives = path, name, tuple(objectives)
        self._several = len(objectives) > 1
        self.loss = ""
        """What was lost by damage, for a person; empty where nothing was."""
        with self._writing():
            # There is one writer, so a lock that a killed one left holds nobody.
            path.with_name(path.name + ".lock").unlink(missing_ok=True)
            if not is_sound(path):
                self.loss = mend(path)
            try:
                self._open()
            except DamagedJournalError:
                self.loss = mend(path)
                self._open()

    def trials(self) -> list[FrozenTrial]:
        """All trials that have begun, in the order of their numbers."""
        return self._storage.get_all_trials(self._study_id, deepcopy=False)

    def begin(
        self,
        params: Mapping[str, Any],
        distributions: Mapping[str, BaseDistribution],
        user_attrs: Mapping[str, Any],
        system_attrs: Mapping[str, Any],
    ) -> int:
        """Enter a trial that is about to start, in one line, and give its number."""
        trial = create_trial(
            state=TrialState.RUNNING,
            params=dict(params),
            distributions=dict(distributions),
            user_attrs=dict(user_attrs),
            system_attrs=dict(system_attrs),
        )
        with self._writing():
            self._ids.append(self._storage.create_new_trial(self._study_id, trial))
        return len(self._ids) - 1

    def report(self, number: int, epoch: int, values: Values) -> None:
        """Enter an epoch's values."""
        with self._writing():
            if self._several:
                self._storage.set_trial_user_attr(self._ids[number], f"{EPOCH}{epoch}", list(values))
            else:
                self._storage.set_trial_intermediate_value(self._ids[number], epoch, values[0])

    def end(self, number: int, state: TrialState, values: Values | None, reason: str | None = None) -> None:
        """Enter how a trial ended: COMPLETE or PRUNED with values, or FAIL with a reason."""
        trial_id = self._ids[number]
        # Optuna gives a pruned trial of several objectives no values.
        kept = None if state == TrialState.PRUNED and self._several else values
        with self._writing():
            if reason is not None:
                self._storage.set_trial_user_attr(trial_id, REASON, reason)
            self._storage.set_trial_state_values(trial_id, state, kept)

    def finish(self, number: int, state: TrialState, reason: str | None = None) -> None:
        """Enter how a trial ended, with the values that its epochs in the journal give."""
        epochs = epochs_of(self._storage.get_trial(self._ids[number]))
        values = outcome(epochs, state)
        self.end(number, state if values is not None else TrialState.FAIL, values, reason)

    def measured(self) -> dict[int, dict[str, float]]:
        """What the test split told of each trial that it was read for, by its number."""
        attributes = self._storage.get_study_user_attrs(self._study_id)
        return {
            int(name.removeprefix(TEST)): values
            for name, values in attributes.items()
            if name.startswith(TEST)
        }

    def measure(self, number: int, metrics: Mapping[str, float]) -> None:
        """Enter what the test split told of a trial; Optuna lets nothing be added to a trial that has ended."""
        with self._writing():
            self._storage.set_study_user_attr(self._study_id, f"{TEST}{number}", dict(metrics))

    def reopen(self, epochs: int) -> None:
        """Let the trials that finished before `epochs` go on: their state becomes RUNNING again.

        What the test split told of them is forgotten. Optuna never changes a trial that has ended, so the journal is
        written anew and moved over the old one.
        """
        trials = copy.deepcopy(self.trials())
        short = [
            trial
            for trial in trials
            if trial.state == TrialState.COMPLETE and max(epochs_of(trial), default=0) < epochs
        ]
        if not short:
            return
        for trial in short:
            trial.state, trial.values, trial.datetime_complete = TrialState.RUNNING, None, None
        fresh = self._path.with_name(self._path.name + ".new")
        with self._writing():
            fresh.unlink(missing_ok=True)
            new = Journal(fresh, self._name, self._objectives)
            for trial in trials:
                new._storage.create_new_trial(new._study_id, trial)
            for number, metrics in self.measured().items():
                if trials[number] not in short:
                    new.measure(number, metrics)
            fresh.replace(self._path)
            self._open()

    def _writing(self) -> AbstractContextManager[None]:
        return writing(self._path.parent, self._path)

    def _open(self) -> None:
        self._storage = load(self._path)
        studies = self._storage.get_all_studies()
        if not studies:
            self._create(self._name, self._objectives)
            studies = self._storage.get_all_studies()
        self._study_id = studies[0]._study_id
        _check(self._path, studies, self._name, self._objectives)
        self._ids = [trial._trial_id for trial in self.trials()]

    def _create(self, name: str, objectives: Sequence[str]) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            study = optuna.create_study(
                storage=self._storage, study_name=name, directions=["minimize"] * len(objectives)
            )
            study.set_metric_names(list(objectives))
        study.set_user_attr(_VERSION, SCHEMA_VERSION)


def _check(path: Path, studies: Sequence[Any], name: str, objectives: Sequence[str]) -> None:
    study = studies[0]
    if len(studies) > 1 or study.study_name != name:
        found = ", ".join(one.study_name for one in studies)
        raise StudyError(
            f"{path} is the journal of {found}, not of {name} alone: two studies never share a journal; bring back"
            f" the one of {name}, or start a study of another name."
        )
    version = study.user_attrs.get(_VERSION)
    if version != SCHEMA_VERSION:
        raise StudyError(
            f"{path} has {_VERSION} {version}, but this program reads {SCHEMA_VERSION}: use the version of the"
            " program that wrote it (study.json names the git commit)."
        )
    recorded = study.system_attrs.get("study:metric_names", [])
    if list(recorded) != list(objectives):
        raise StudyError(
            f"{path} minimises {' and '.join(recorded)}, but the study's settings say {' and '.join(objectives)}:"
            " bring back the journal that belongs to them."
        )
