"""What a trial will come to, told from what it has shown so far: a linear model of all that it reports.

A trial's early values say little of its end where training is noisy, as a GAN's is. Its losses, gradients and other
metrics say more, and so do its parameters. At an epoch the forecast is the mean of the trial's last values and what
trials that are further changed by from there, as a function of what they had reported then. The function is linear,
of logarithms, and a ridge regression's: with few trials to learn from, a trial is worth its own values.

What recorded studies showed counts as further trials at the same share of their epochs, each study about its own
mean: values of other data and sizes are never compared with this study's, only how differences come out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from search.coordinates import coordinate_names, coordinates
from search.ranking import Vector
from search.ridge import Floats, Ridge, column_means
from spaces import Space, Value

_LINEAR = 0.02
"""Below which a value is compared as it is, above which by its logarithm."""


class Trainings:
    """Trainings that can be compared with each other: a study's, or recorded ones.

    Parameters
    ----------
    space
        What their parameters are from.
    metrics
        What they report, in order; the objectives first.
    objectives
        How many of them are objectives.
    epochs
        Of a complete training.
    """

    def __init__(self, space: Space, metrics: Sequence[str], objectives: int, epochs: int) -> None:
        self.metrics, self.objectives, self.epochs = tuple(metrics), objectives, epochs
        self._space = space
        self.names = (*coordinate_names(space), *metrics)
        """Of what is known of a training at an epoch."""
        self._places: dict[int, Floats] = {}
        self._values: dict[int, Floats] = {}
        self._shown: dict[int, dict[int, Floats]] = {}
        self.version = 0
        """Another one whenever anything has changed."""

    def begin(self, trial: int, params: Mapping[str, Value]) -> None:
        """Enter a training; one that is there stays as it is."""
        if trial not in self._places:
            self._places[trial] = coordinates(self._space, params)
            self._values[trial] = np.empty((0, len(self.metrics)))

    def enter(self, trial: int, epoch: int, values: Sequence[float]) -> None:
        """Enter an epoch of a training, from 1; what it lacks is NaN."""
        held = self._values[trial]
        if epoch > len(held):
            held = np.concatenate([held, np.full((epoch - len(held), held.shape[1]), np.nan)])
        else:
            self._shown.pop(trial, None)
        held[epoch - 1] = np.arcsinh(np.array(values, float) / _LINEAR)
        self._values[trial] = held
        self.version += 1

    def last(self, trial: int) -> int:
        """The latest epoch of a training."""
        return len(self._values[trial])

    def at(self, epoch: int) -> list[int]:
        """The trainings that have come to an epoch."""
        return [trial for trial, values in self._values.items() if len(values) >= epoch]

    def shown(self, trial: int, epoch: int) -> Floats:
        """What is known of a training at an epoch, by name; NaN where there is nothing.

        Of a metric it is the mean of the last quarter of epochs, of `arcsinh` of the values.
        """
        cache = self._shown.setdefault(trial, {})
        if epoch not in cache:
            values = self._values[trial][epoch - max(1, epoch // 4) : epoch]
            cache[epoch] = np.concatenate([self._places[trial], column_means(values)])
        return cache[epoch]

    def levels(self, shown: Floats) -> Floats:
        """Of what is known of n trainings `[n, names]`, the objectives' last quarter: float64 [n, objectives]."""
        first = len(self.names) - len(self.metrics)
        return shown[:, first : first + self.objectives]


class Forecast:
    """Tells what the trainings of a study will come to.

    Parameters
    ----------
    own
        The study's.
    recorded
        Of other studies.
    """

    def __init__(self, own: Trainings, recorded: Sequence[Trainings] = ()) -> None:
        self._own = own
        self._recorded = recorded
        self._models: dict[int, tuple[int, _Model]] = {}
        self._prior: dict[int, list[_Group]] = {}

    @property
    def version(self) -> int:
        """Another one whenever any answer may have changed."""
        return self._own.version

    def expected(self, trials: Sequence[int], epoch: int) -> list[Vector]:
        """The objectives' values that trainings are expected to end with, by what they had shown at an epoch."""
        epoch = min(epoch, self._own.epochs)
        shown = np.array([self._own.shown(trial, epoch) for trial in trials])
        levels = self._own.levels(shown)
        if epoch < self._own.epochs:
            version, model = self._models.get(epoch, (-1, None))
            if model is None or version != self._own.version:
                model = self._fit(epoch)
                self._models[epoch] = self._own.version, model
            levels = levels + model.changes(shown)
        return list(map(tuple, (np.sinh(levels) * _LINEAR).tolist()))

    def _fit(self, epoch: int) -> "_Model":
        if epoch not in self._prior:
            self._prior[epoch] = [
                _group(task, self._same_share(epoch, task)).named(task.names, self._own.names)
                for task in self._recorded
            ]
        own = _group(self._own, epoch)
        typical = column_means(np.array([self._own.shown(trial, epoch) for trial in self._own.at(epoch)]))
        return _Model(own, self._prior[epoch], typical)

    def _same_share(self, epoch: int, task: Trainings) -> int:
        """The epoch of another task at which as much of a training is done, before its end."""
        return max(1, min(task.epochs - 1, round(epoch / self._own.epochs * task.epochs)))


@dataclass(frozen=True)
class _Group:
    """What n trainings of one study had shown at an epoch, and what their objectives changed by from there.

    Float64 [n, names], [n, objectives] and [n].
    """

    shown: Floats
    changes: Floats
    weights: Floats

    def named(self, own: Sequence[str], others: Sequence[str]) -> "_Group":
        """The same with other names' columns; NaN where a name is not known."""
        place = {name: at for at, name in enumerate(own)}
        padded = np.pad(self.shown, ((0, 0), (0, 1)), constant_values=np.nan)
        return replace(self, shown=padded[:, [place.get(name, -1) for name in others]])


def _group(task: Trainings, epoch: int) -> _Group:
    further = task.at(epoch + 1)
    ends = [min(task.last(trial), task.epochs) for trial in further]
    shape = len(further), len(task.names)
    shown = np.array([task.shown(trial, epoch) for trial in further]).reshape(shape)
    later = np.array([task.shown(trial, end) for trial, end in zip(further, ends, strict=True)]).reshape(
        shape
    )
    return _Group(
        shown,
        task.levels(later) - task.levels(shown),
        # One that is not at its end yet tells as much of it as it has come nearer.
        (np.array(ends, float) - epoch) / (task.epochs - epoch),
    )


class _Model:
    """A ridge regression of changes on what was shown, each group about its own means.

    Where none of the study is further, its mean is what is `typical` of all that have come so far.
    """

    def __init__(self, own: _Group, others: Sequence[_Group], typical: Floats) -> None:
        groups = [group for group in (own, *others) if len(group.weights)]
        self._slopes: Floats | None = None
        if not groups:
            return
        means = [column_means(group.shown, group.weights) for group in groups]
        offsets = [column_means(group.changes, group.weights) for group in groups]
        sums = np.array([group.weights.sum() for group in groups])
        root = np.sqrt(np.concatenate([group.weights for group in groups]))[:, None]
        rows = [np.nan_to_num(group.shown - mean) for group, mean in zip(groups, means, strict=True)]
        targets = [group.changes - offset for group, offset in zip(groups, offsets, strict=True)]
        matrix, target = np.concatenate(rows) * root, np.concatenate(targets) * root
        self._mean = means[0] if len(own.weights) else typical
        self._offset = sums @ np.array(offsets) / sums.sum()
        self._slopes = Ridge(matrix, target).slopes

    def changes(self, shown: Floats) -> Floats | float:
        """What the objectives of n trainings are expected to change by, float64 [n, objectives]."""
        if self._slopes is None:
            return 0.0
        return np.asarray(self._offset + np.nan_to_num(shown - self._mean) @ self._slopes)
