"""What training a configuration would show, judged by the recorded ones: an ensemble of trees and its own errors.

The expected curve is the mean of 100 extremely randomised trees (Geurts et al. 2006, "Extremely randomized trees").
On top come curves of errors that trees make on one of the recorded configurations, drawn at random, when they have
not seen it (10-fold cross-validation): one that is the configuration's own, whatever the seed, and one that is the
training's luck, as large as trainings of one configuration were seen to differ on another seed. The errors are scaled
so that all together vary as much as the record does. So early epochs tell as much of the last as they did, many
configurations are near the best, and a search finds them by their parameters as far as trees can. What a
configuration is worth is free of luck.

Objectives are answered together; those that are above 0 throughout are compared as logarithms. A configuration fails
with the trees' probability, as one of the recorded ones did; failed ones count as the highest of each epoch that they
did not reach.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from search.coordinates import coordinates
from search.curves import Curve, Floats, final_of
from spaces import Space, Value

_TREES, _FOLDS = 100, 10
_LUCK = 0.5
"""Share of the errors' variance that is taken for luck where no configuration was trained twice."""


class Surrogate:
    """Answers any configuration of a space.

    Parameters
    ----------
    space
        What configurations are drawn from.
    epochs
        Of a full curve.
    configurations, curves
        The recorded ones, n of each; some may fail, not all.
    repeats
        Places of configurations that were trained once more, and those trainings' curves.

    Raises
    ------
    ImportError
        scikit-learn is not installed.
    """

    def __init__(
        self,
        space: Space,
        epochs: int,
        configurations: Sequence[Mapping[str, Value]],
        curves: Sequence[Curve],
        repeats: Sequence[tuple[int, Curve]] = (),
    ) -> None:
        self._space = space
        places = np.array([self._place(params) for params in configurations])
        fails = np.array([[float(curve.fails)] for curve in curves])
        self._failed = [curve for curve in curves if curve.fails]
        values = _filled(curves, epochs)
        self._logarithmic = (values > 0).all(axis=(0, 1))
        values = self._compared(values)
        self._center = values.mean(axis=0)
        self._scale = np.maximum(values.std(axis=0), np.finfo(np.float32).tiny)
        targets = np.hstack([((values - self._center) / self._scale).reshape(len(curves), -1), fails])
        self._expect = _Trees(places, targets)
        self._pace = _Trees(places, np.log([curve.seconds.mean() for curve in curves]))
        unseen = self._values(_unseen(places, targets))
        errors = (values - unseen)[~fails[:, 0].astype(bool)]
        # By objective, over all epochs together: a curve of errors keeps its shape.
        recorded, explained, missed = (part.var(axis=0).sum(axis=0) for part in (values, unseen, errors))
        share = np.sqrt(np.clip((recorded - explained) / np.maximum(missed, np.finfo(np.float32).tiny), 0, 1))
        self._errors = share * (errors - errors.mean(axis=0))
        self._luck = self._share_of_luck(values, epochs, repeats)
        self.unseen = self._plain(unseen)
        """float64 [n, epochs, objectives], the expected curves of the recorded configurations, by trees that have not
        seen them."""

    def curve(
        self, params: Mapping[str, Value], own: np.random.Generator, source: np.random.Generator
    ) -> Curve:
        """A curve of a configuration; what is its own is drawn from `own`, what it owes to luck from `source`."""
        place = self._place(params)
        expected = self._expect(place)
        error, luck = (self._errors[draws.integers(len(self._errors))] for draws in (own, source))
        if source.random() < expected[-1]:
            return self._failed[source.integers(len(self._failed))]
        worth = self._values(expected[None])[0] + np.sqrt(1 - self._luck) * error
        values, seconds = self._plain(worth + np.sqrt(self._luck) * luck), np.exp(self._pace(place)[0])
        final = final_of(self._plain(worth))
        return Curve(values, np.full(len(values), seconds), final)

    def _place(self, params: Mapping[str, Value]) -> NDArray[np.float32]:
        """The numbers that trees split by: -1 for what is lacking."""
        return np.nan_to_num(coordinates(self._space, params), nan=-1.0).astype(np.float32)

    def _share_of_luck(self, values: Floats, epochs: int, repeats: Sequence[tuple[int, Curve]]) -> Floats:
        """By objective, of the errors' variance at the end what another seed changes: float64 [objectives]."""
        pairs = [(at, curve) for at, curve in repeats if len(curve.values) == epochs]
        if not pairs:
            return np.full(values.shape[2], _LUCK)
        end = slice(-max(1, epochs // 4), None)
        again = self._compared(np.array([curve.values for _, curve in pairs]))
        between = (again - values[[at for at, _ in pairs]])[:, end].mean(axis=1)
        missed = self._errors[:, end].mean(axis=1).var(axis=0)
        changed: Floats = (between**2).mean(axis=0) / 2
        return np.clip(changed / np.maximum(missed, np.finfo(np.float32).tiny), 0.0, 1.0)

    def _compared(self, values: Floats) -> Floats:
        """Values `[n, epochs, objectives]` as they are compared."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(self._logarithmic, np.log(values), values)

    def _values(self, targets: Floats) -> Floats:
        """What the trees answer `[n, targets]` as values `[n, epochs, objectives]`."""
        return self._center + self._scale * targets[:, :-1].reshape(-1, *self._center.shape)

    def _plain(self, values: Floats) -> Floats:
        return np.where(self._logarithmic, np.exp(np.where(self._logarithmic, values, 0.0)), values)


class _Trees:
    """Fitted trees as plain arrays: asked of one place at a time, they answer a hundred times as fast.

    Targets are float64 [n, targets], or [n] for one.
    """

    def __init__(self, places: NDArray[np.float32], targets: Floats) -> None:
        trees = [tree.tree_ for tree in _fitted(places, targets).estimators_]
        counts = [tree.node_count for tree in trees]
        self._roots = np.cumsum([0, *counts[:-1]])
        self._feature = np.concatenate([tree.feature for tree in trees])
        self._threshold = np.concatenate([tree.threshold for tree in trees])
        # A leaf's children are itself.
        own, offset = np.arange(len(self._feature)), np.repeat(self._roots, counts)
        self._children = np.array(
            [
                np.where(
                    self._feature < 0, own, offset + np.concatenate([getattr(tree, side) for tree in trees])
                )
                for side in ("children_left", "children_right")
            ]
        )
        self._depth = max(tree.max_depth for tree in trees)
        self._answers = np.concatenate([tree.value[:, :, 0] for tree in trees])

    def __call__(self, place: NDArray[np.float32]) -> Floats:
        """The mean of the trees' answers, float64 [targets]."""
        nodes = self._roots
        for _ in range(self._depth):
            right = place[self._feature[nodes]] > self._threshold[nodes]
            nodes = self._children[right.astype(np.intp), nodes]
        return np.asarray(self._answers[nodes].mean(axis=0))


def _filled(curves: Sequence[Curve], epochs: int) -> Floats:
    """The values, float64 [n, epochs, objectives], without a gap."""
    filled = np.full((len(curves), epochs, curves[0].values.shape[1]), np.nan)
    for place, curve in enumerate(curves):
        filled[place, : len(curve.values)] = curve.values
    return np.where(np.isnan(filled), np.nanmax(filled, axis=0), filled)


def _fitted(places: NDArray[np.float32], targets: Floats) -> Any:
    # Here, because it takes a second to load.
    from sklearn.ensemble import ExtraTreesRegressor

    return ExtraTreesRegressor(_TREES, random_state=0).fit(places, targets)


def _unseen(places: NDArray[np.float32], targets: Floats) -> Floats:
    """What trees that have not seen a configuration say of it, of all configurations, float64 [n, targets]."""
    predicted = np.empty_like(targets)
    order = np.random.default_rng(0).permutation(len(places))
    for fold in np.array_split(order, min(_FOLDS, len(places))):
        rest = np.setdiff1d(order, fold)
        predicted[fold] = _fitted(places[rest], targets[rest]).predict(places[fold])
    return predicted
