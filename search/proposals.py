"""What Optuna's samplers know of a study, and what they propose next.

A sampler learns from a study in memory, which is built from the journal's trials (and earlier studies') and kept up
with what happens. Each proposal is made by a new sampler with a seed drawn from the study's and the trial's number,
so a study that was resumed proposes what it would have proposed without the interruption.

TPE and GP are told of every trial that has reported as worth what it would come to, whether it was stopped, is paused
or still runs: its last values, changed by what the trials that went on changed from there, epoch by epoch in the
median. A failed one is told as bad as the worst, so that what cannot be trained is shunned. Optuna itself leaves
failed trials out, orders stopped ones behind all that finished, good or bad, leaves them out where there are several
objectives, and keeps TPE away from whatever runs, the paused and the most promising included; Tune's `OptunaSearch`
takes what a trial had when it was stopped for what it is worth.

A parameter that exists only under a condition is drawn together with all others, so that a sampler learns how it goes
with them: every trial is told with all parameters of the space, those that it has no use for drawn at random. Optuna
itself learns such parameters from those trials alone that have the same ones, apart from the rest.
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

from search.outcome import epochs_of, outcome
from search.points import point_of
from spaces import Space, Value, distributions_of, suggest
from spaces.grid import grid
from trainables.best import Values

Sampler = Literal["tpe", "random", "gp", "cmaes", "nsga2", "grid"]
_FITTED = frozenset({"tpe", "gp"})
"""Samplers that fit a model to all trials for every proposal, so what a trial is said to be worth may change."""
KNOWN, _BEST, _LYING = 250, 50, 100
"""Trials that TPE looks at when there are very many: of those that have reported the 50 best and the newest, 250
together, and of those that have not the 100 newest. Optuna takes at most 25 as good; the others only tell where they
are dense. So a proposal costs the same after 10,000 trials."""
_RELATIVE = "tpe:relative_params"
"""Prefix of what TPE leaves with a trial for other processes, of which there are none."""


@dataclass
class Known:
    """A trial as a sampler is told of it."""

    params: dict[str, Any]
    distributions: dict[str, BaseDistribution]
    idle: dict[str, Any]
    """What the sampler is told of those parameters of the space that it does not have."""
    system_attrs: dict[str, Any]
    epochs: dict[int, Values] = field(default_factory=dict)
    state: TrialState = TrialState.RUNNING
    values: Values | None = None
    """Of its last finite epoch, or once it has ended what `outcome` says."""
    lowest: float = math.inf
    """Of the first objective, over its epochs."""
    is_left_out: bool = False
    """Whether the sampler is not shown it, because there are so many."""
    confirms: bool = False
    """Whether it only trains another once more: then the search never learns of it."""

    def enter(self, epoch: int, values: Values) -> None:
        """Enter an epoch, later than those before."""
        self.epochs[epoch] = values
        if all(map(math.isfinite, values)):
            self.values = values
            self.lowest = min(self.lowest, values[0])

    def end(self, state: TrialState) -> None:
        """Enter how it ended."""
        self.state = state
        self.values = outcome(self.epochs, state)


class Proposals:
    """Proposes parameters, and is told what became of them.

    Parameters
    ----------
    sampler
        Each is Optuna's own: TPE of all parameters together, and away from what is running.
    space
        What is drawn from.
    objectives
        How many there are, all minimised.
    epochs
        Of a trial that is not stopped.
    seed
        Of all proposals.
    startup
        Trials that have reported (for CMA-ES ended) before a model has a say.
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
        self._alive: dict[int, Known] = {}
        """By number, the trials that run or pause."""
        self._members = [self._known(trial, at, 2) for at, trial in enumerate(earlier)]
        """All trials of the sampler's study, in its order."""
        self._changes: dict[int, list[list[float]]] = {}
        """By epoch and objective, what trials changed in that epoch, sorted."""
        for known in self._members:
            self._enter_changes(known)
        self._fill()

    def load(self, trials: Iterable[FrozenTrial]) -> None:
        """Make known what the journal holds."""
        for trial in trials:
            known = self._known(trial, trial.number, 1)
            if trial.state == TrialState.RUNNING:
                self._alive[trial.number] = known
            # Of one that was lost with the end of the journal nothing is known.
            if known.params and not known.confirms:
                self._enter_changes(known)
                self._members.append(known)
        self._fill()

    @property
    def size(self) -> int:
        """How many trials the sampler looks at."""
        return len(self._members)

    def propose(self, number: int, point: Mapping[str, Value] | None = None) -> Known:
        """Draw the parameters of the trial of this number; those of `point` are given."""
        if self._sampler == "random":
            # It looks at no other trial.
            self._members.clear()
            self._fill()
        elif self._sampler == "tpe" and len(self._members) >= 2 * KNOWN:
            self._shorten()
        self._refresh()
        self._study.sampler = _make_sampler(
            self._sampler, self._space, seed=_seed(self._seed, number), startup=self._startup
        )
        if point is not None:
            self._study.enqueue_trial(dict(point))
        trial = self._study.ask()
        params = suggest(trial, self._space)
        storage = self._study._storage
        attributes = storage.get_trial_system_attrs(trial._trial_id)
        idle = self._idle(params, number, 1)
        for name, distribution in distributions_of(self._space, idle).items():
            value = distribution.to_internal_repr(idle[name])
            storage.set_trial_param(trial._trial_id, name, value, distribution)
        known = Known(
            dict(params),
            distributions_of(self._space, params),
            idle,
            {name: value for name, value in attributes.items() if not name.startswith(_RELATIVE)},
        )
        self._alive[number] = known
        self._members.append(known)
        return known

    def follow(self, number: int, params: Mapping[str, Value]) -> Known:
        """Enter a trial of this number that nobody proposed, and that the sampler is not to be told of."""
        known = Known(dict(params), distributions_of(self._space, params), {}, {}, confirms=True)
        self._alive[number] = known
        return known

    def report(self, number: int, epoch: int, values: Values) -> None:
        """Enter an epoch of a running trial."""
        known = self._alive[number]
        known.enter(epoch, values)
        if not known.confirms:
            self._enter_change(known, epoch)

    def epochs(self, number: int) -> dict[int, Values]:
        """What a running trial has reported."""
        return self._alive[number].epochs

    def end(self, number: int, state: TrialState) -> Values | None:
        """Enter how a running trial ended, and give its values: of its best epoch, or its last if stopped."""
        known = self._alive.pop(number)
        known.end(state)
        if known.is_left_out:
            known.is_left_out = False
            self._members.append(known)
            self._study._storage.create_new_trial(self._study._study_id, self._frozen(known))
        return known.values

    def _refresh(self) -> None:
        """Tell what all trials are worth, by what is known of their curves now."""
        gains = self._gains()
        frozen = self._study._storage.get_all_trials(self._study._study_id, deepcopy=False)
        worths = [self._worth(known, gains) for known in self._members]
        told = [values for values in worths if values is not None]
        worst = tuple(map(max, zip(*told, strict=True))) if told else None
        for trial, known, worth in zip(frozen, self._members, worths, strict=True):
            values = worst if known.state == TrialState.FAIL else worth
            if values is not None:
                trial.state, trial.values = TrialState.COMPLETE, values
            elif known.state != TrialState.RUNNING:
                trial.state = TrialState.FAIL

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
        """What a trial is worth, or is going to be or would have been at its end; none if nothing can be said."""
        if known.values is None:
            return None
        if known.state == TrialState.RUNNING and self._sampler not in _FITTED:
            # The others learn from what they are told of a trial once, so they are told when it has ended.
            return None
        if known.state == TrialState.COMPLETE:
            return known.values
        gain = gains[min(max(known.epochs), self._epochs)]
        expected = tuple(value + more for value, more in zip(known.values, gain, strict=True))
        # As of a finished trial, the best of its epochs counts.
        return (min(expected[0], known.lowest),) if self._objectives == 1 else expected

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

    def _fill(self) -> None:
        """Build the sampler's study from its members."""
        self._study = optuna.create_study(directions=["minimize"] * self._objectives)
        for known in self._members:
            self._study._storage.create_new_trial(self._study._study_id, self._frozen(known))

    def _frozen(self, known: Known) -> FrozenTrial:
        """A trial as Optuna takes it, before it is told what it is worth."""
        return create_trial(
            state=TrialState.RUNNING,
            params={**known.params, **known.idle},
            distributions={**known.distributions, **distributions_of(self._space, known.idle)},
            system_attrs=known.system_attrs,
        )

    def _known(self, trial: FrozenTrial, *key: int) -> Known:
        known = Known(
            dict(trial.params),
            dict(trial.distributions),
            self._idle(trial.params, *key),
            dict(trial.system_attrs),
            confirms=point_of(trial).role == "confirmation",
        )
        for epoch, values in sorted(epochs_of(trial).items()):
            known.enter(epoch, values)
        if trial.state != TrialState.RUNNING:
            known.end(trial.state)
        return known

    def _idle(self, params: Mapping[str, Value], *key: int) -> dict[str, Value]:
        """Random values of the parameters that are not among these, the same for the same key."""
        absent = distributions_of(self._space, [name for name in self._space if name not in params])
        if not absent:
            return {}
        sampler = optuna.samplers.RandomSampler(seed=_seed(self._seed, *key))
        return optuna.create_study(sampler=sampler).ask(absent).params

    def _shorten(self) -> None:
        """Leave all trials out but the best and the newest."""
        candidates = [*(known for known in self._alive.values() if known.is_left_out), *self._members]
        gains = self._gains()
        merits = [self._merit(known, gains) for known in candidates]
        silent = [place for place, merit in enumerate(merits) if math.isnan(merit)]
        told = [place for place, merit in enumerate(merits) if not math.isnan(merit)]
        kept = {*silent[-_LYING:], *sorted(told, key=merits.__getitem__)[:_BEST]}
        kept.update([place for place in told if place not in kept][_BEST - KNOWN :])
        for place, known in enumerate(candidates):
            known.is_left_out = place not in kept
        self._members = [known for known in candidates if not known.is_left_out]
        self._fill()

    def _merit(self, known: Known, gains: Mapping[int, Values]) -> float:
        """Lower is better: with several objectives the sum of their logarithms, which needs no common scale.

        NaN for a trial that has not told anything yet.
        """
        values = self._worth(known, gains)
        if values is None:
            return math.nan if known.state == TrialState.RUNNING else math.inf
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
                multivariate=True, constant_liar=True, n_startup_trials=startup, seed=seed
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


def _seed(*key: int) -> int:
    return int(np.random.SeedSequence(key).generate_state(1)[0])
