"""What Optuna's samplers know of a study, and what they propose next.

A sampler learns from a study in memory, which is built from the journal's trials (and earlier studies') and kept up
with what happens. Each proposal is made by a new sampler with a seed drawn from the study's and the trial's number,
so a study that was resumed proposes what it would have proposed without the interruption.

A stopped trial is told to the sampler as worth what it would have come to: its last values, changed by what the
trials that went on changed from there, epoch by epoch in the median. Optuna itself would order stopped trials behind
all that finished, good or bad, and leaves them out where there are several objectives; Tune's `OptunaSearch` takes
what a trial had when it was stopped for what it is worth.
"""

import math
import warnings
from bisect import insort
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from search.journal import epochs_of, outcome
from spaces import Space, Value, suggest
from spaces.grid import grid
from trainables.best import Values

Sampler = Literal["tpe", "random", "gp", "cmaes", "nsga2", "grid"]
KNOWN = 250
"""Ended trials that TPE looks at when there are very many: the 50 best, and of the others the newest. Optuna takes at
most 25 as good; the others only tell where they are dense. So a proposal costs the same after 10,000 trials."""
_BEST = 50
_RELATIVE = "tpe:relative_params"
"""Prefix of what TPE leaves with a trial for other processes, of which there are none."""


@dataclass
class Known:
    """A trial as a sampler is told of it."""

    params: dict[str, Any]
    distributions: dict[str, BaseDistribution]
    system_attrs: dict[str, Any]
    epochs: dict[int, Values] = field(default_factory=dict)
    state: TrialState = TrialState.RUNNING


class Proposals:
    """Proposes parameters, and is told what became of them.

    Parameters
    ----------
    sampler
        Each is Optuna's own: TPE with conditional parameters drawn jointly and away from what is running.
    space
        What is drawn from.
    objectives
        How many there are, all minimised.
    epochs
        Of a trial that is not stopped.
    seed
        Of all proposals.
    startup
        Ended trials before a model (TPE, GP, CMA-ES) has a say.
    earlier
        Trials of earlier studies, as `epochs_of` reads them; known to the sampler from the start.
    """

    def __init__(
        self,
        sampler: Sampler,
        space: Space,
        *,
        objectives: int,
        epochs: int,
        seed: int,
        startup: int,
        earlier: Sequence[FrozenTrial] = (),
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._sampler = sampler
        self._space = space
        self._objectives = objectives
        self._epochs = epochs
        self._seed = seed
        self._startup = startup
        self._ended: list[Known] = [_known(trial) for trial in earlier]
        self._running: dict[int, Known] = {}
        self._places: dict[int, int] = {}
        """Ids of the running trials in the sampler's study."""
        self._members: list[Known] = []
        """All trials of the sampler's study, in its order."""
        self._changes: dict[int, list[list[float]]] = {}
        """By epoch and objective, what trials changed in that epoch, sorted."""
        for known in self._ended:
            self._enter_changes(known)
        self._fill()

    def load(self, trials: Iterable[FrozenTrial]) -> None:
        """Make known what the journal holds."""
        for trial in trials:
            known = _known(trial)
            self._enter_changes(known)
            if trial.state == TrialState.RUNNING:
                self._running[trial.number] = known
            else:
                self._ended.append(known)
        self._fill()

    @property
    def size(self) -> int:
        """How many ended trials the sampler looks at."""
        return len(self._ended)

    def propose(self, number: int, point: Mapping[str, Value] | None = None) -> Known:
        """Draw the parameters of the trial of this number; those of `point` are given."""
        self._study.sampler = _make_sampler(
            self._sampler, self._space, seed=_seed(self._seed, number), startup=self._startup
        )
        self._refresh()
        if point is not None:
            self._study.enqueue_trial(dict(point))
        trial = self._study.ask()
        params = suggest(trial, self._space)
        attributes = self._study._storage.get_trial_system_attrs(trial._trial_id)
        known = Known(
            dict(params),
            trial.distributions,
            {name: value for name, value in attributes.items() if not name.startswith(_RELATIVE)},
        )
        self._running[number] = known
        self._places[number] = trial._trial_id
        self._members.append(known)
        return known

    def report(self, number: int, epoch: int, values: Values) -> None:
        """Enter an epoch of a running trial."""
        known = self._running[number]
        known.epochs[epoch] = values
        self._enter_change(known, epoch)

    def epochs(self, number: int) -> dict[int, Values]:
        """What a running trial has reported."""
        return self._running[number].epochs

    def end(self, number: int, state: TrialState) -> Values | None:
        """Enter how a running trial ended, and give its values: of its best epoch, or its last if stopped."""
        known = self._running.pop(number)
        known.state = state
        values = outcome(known.epochs, known.state)
        # A model learns nothing from a trial that failed, and a random draw nothing from any.
        if self._sampler != "random":
            self._ended.append(known)
        place = self._places.pop(number)
        if self._sampler == "tpe" and len(self._ended) >= 2 * KNOWN:
            self._shorten()
        elif self._sampler == "random":
            self._study._storage.set_trial_state_values(place, TrialState.FAIL)
            self._discarded += 1
            if self._discarded >= 2 * KNOWN:
                self._fill()
        else:
            self._tell(place, known)
        return values

    def _tell(self, place: int, known: Known) -> None:
        told = self._told(known, self._gains())
        self._study._storage.set_trial_state_values(place, told.state, told.values)

    def _told(self, known: Known, gains: Mapping[int, Values]) -> FrozenTrial:
        """A trial as Optuna takes it."""
        values = self._worth(known, gains)
        state = TrialState.RUNNING
        if known.state != TrialState.RUNNING:
            state = TrialState.FAIL if values is None else TrialState.COMPLETE
        return create_trial(
            state=state,
            values=values if state == TrialState.COMPLETE else None,
            params=known.params,
            distributions=known.distributions,
            system_attrs=known.system_attrs,
        )

    def _gains(self) -> dict[int, Values]:
        """By epoch, what a trial still changes from there to its end, as far as others have come."""
        gains = {self._epochs: (0.0,) * self._objectives}
        for epoch in range(self._epochs, 0, -1):
            changes = self._changes.get(epoch)
            gains[epoch - 1] = (
                (0.0,) * self._objectives
                if changes is None
                else tuple(
                    later + one[len(one) // 2] for later, one in zip(gains[epoch], changes, strict=True)
                )
            )
        return gains

    def _worth(self, known: Known, gains: Mapping[int, Values]) -> Values | None:
        """What a trial is worth, or would have been worth at its end."""
        values = outcome(known.epochs, known.state)
        if values is None or known.state != TrialState.PRUNED:
            return values
        gain = gains[max(known.epochs)]
        expected = tuple(value + more for value, more in zip(values, gain, strict=True))
        if self._objectives == 1:
            # As of a finished trial, the best of its epochs counts.
            return (min(expected[0], *(one[0] for one in known.epochs.values() if math.isfinite(one[0]))),)
        return expected

    def _enter_changes(self, known: Known) -> None:
        for epoch in known.epochs:
            self._enter_change(known, epoch)

    def _enter_change(self, known: Known, epoch: int) -> None:
        before, after = known.epochs.get(epoch - 1), known.epochs[epoch]
        if before is None or not all(map(math.isfinite, (*before, *after))):
            return
        changes = self._changes.setdefault(epoch, [[] for _ in after])
        for place, (old, new) in enumerate(zip(before, after, strict=True)):
            insort(changes[place], new - old)

    def _refresh(self) -> None:
        """Tell the stopped trials anew: what others have done since says more of what they would have come to."""
        gains = self._gains()
        frozen = self._study._storage.get_all_trials(self._study._study_id, deepcopy=False)
        for trial, known in zip(frozen, self._members, strict=True):
            if known.state == TrialState.PRUNED and trial.values is not None:
                trial.values = self._worth(known, gains)

    def _fill(self) -> None:
        """Build the sampler's study from what is known."""
        self._study = optuna.create_study(directions=["minimize"] * self._objectives)
        self._discarded = 0
        self._members = [*self._ended, *self._running.values()]
        storage, study_id, gains = self._study._storage, self._study._study_id, self._gains()
        for known in self._ended:
            storage.create_new_trial(study_id, self._told(known, gains))
        for number, known in self._running.items():
            self._places[number] = storage.create_new_trial(study_id, self._told(known, gains))

    def _shorten(self) -> None:
        """Keep the best and the newest of the ended trials."""
        gains = self._gains()
        places = sorted(range(len(self._ended)), key=lambda place: self._merit(self._ended[place], gains))
        kept = set(places[:_BEST])
        for place in reversed(range(len(self._ended))):
            if len(kept) == KNOWN:
                break
            kept.add(place)
        self._ended = [self._ended[place] for place in sorted(kept)]
        self._fill()

    def _merit(self, known: Known, gains: Mapping[int, Values]) -> float:
        """Lower is better: with several objectives the sum of their logarithms, which needs no common scale."""
        values = self._worth(known, gains)
        if values is None:
            return math.inf
        return values[0] if self._objectives == 1 else sum(math.log(abs(value) + 1e-9) for value in values)


def _make_sampler(sampler: Sampler, space: Space, *, seed: int, startup: int) -> optuna.samplers.BaseSampler:
    """Make one of Optuna's samplers.

    Raises
    ------
    ImportError
        GP and CMA-ES need packages that are not there.
    """
    samplers = optuna.samplers
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if sampler == "tpe":
            return samplers.TPESampler(
                multivariate=True, group=True, constant_liar=True, n_startup_trials=startup, seed=seed
            )
        if sampler == "gp":
            return samplers.GPSampler(n_startup_trials=startup, seed=seed)
        if sampler == "cmaes":
            return samplers.CmaEsSampler(
                n_startup_trials=startup,
                warn_independent_sampling=False,
                seed=seed,
            )
        if sampler == "nsga2":
            return samplers.NSGAIISampler(seed=seed)
        if sampler == "grid":
            # The order of the grid must be the same for all trials of a study, so its seed is not the trial's.
            return samplers.GridSampler(grid(space), seed=0)
        return samplers.RandomSampler(seed=seed)


def _seed(seed: int, number: int) -> int:
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


def _known(trial: FrozenTrial) -> Known:
    return Known(
        dict(trial.params), dict(trial.distributions), dict(trial.system_attrs), epochs_of(trial), trial.state
    )
