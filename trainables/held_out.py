"""How good finished models are on photos that nothing has looked at: the test split, as validation was measured.

It is read for this alone, after all is chosen: no epoch, no trial and no winner is chosen by what is found here.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from trainables import color
from trainables.colorizer import load_generator
from trainables.data.pack import Pack
from trainables.features import feature_extractor
from trainables.loop import forget_loops
from trainables.metrics import Evaluator, baselines
from trainables.strip import save_strip, strip, strip_photos

RESAMPLES = 400
"""Of the photos, by which intervals are told."""
_PHOTOS_PER_CALL = 64


Scores = dict[str, float]
"""Metrics on the test split, by `test_NAME`."""
Resampled = dict[str, list[float]]
"""The objectives on each resample of its photos, by `test_NAME`."""


class HeldOut:
    """Measures models on a pack's test split.

    Parameters
    ----------
    pack
        Its seed draws the resamples, the same for all models, and where pictures are measured.
    encoder_weights
        File of MobileNetV2's weights, for `test_kid`.
    """

    def __init__(self, pack: Pack, encoder_weights: Path | None) -> None:
        rows = pack.indices("test")
        self._pack = pack
        self._photos = pack.images[rows]
        self._shown = pack.images[strip_photos(pack, "test")]
        self._features = None if encoder_weights is None else feature_extractor(encoder_weights)
        self._evaluator = Evaluator(self._photos, seed=pack.seed, features=self._features)
        even = np.full(len(rows), 1 / len(rows))
        draws = np.random.default_rng(pack.seed).multinomial(len(rows), even, size=RESAMPLES)
        # Of the photos as they are first: so pictures are reduced once to what is measured.
        self._draws = np.concatenate([np.ones_like(draws[:1]), draws])

    def baselines(self) -> dict[str, Scores]:
        """What `trainables.metrics.baselines` gives for these photos, as `test_NAME`."""
        found = baselines(self._photos, seed=self._pack.seed, features=self._features)
        return {name: _named(scores) for name, scores in found.items()}

    def score(self, weights: Path, objectives: Sequence[str], sheet: Path) -> tuple[Scores, Resampled]:
        """Measure the model that `Loop.export` wrote, and save a strip of the photos that every model shows.

        Raises
        ------
        trainables.checkpoint.CheckpointError
            The file is damaged or no exported model.
        """
        forget_loops()
        generator, _ = load_generator(weights)
        shape = [None, *self._photos.shape[1:]]

        @tf.function(input_signature=[tf.TensorSpec(shape, tf.uint8)], autograph=False)
        def colour(photos: tf.Tensor) -> tf.Tensor:
            return generator.picture(color.luma(tf.cast(photos, tf.float32) / 255))

        def pictures(photos: np.ndarray) -> np.ndarray:
            starts = range(0, len(photos), _PHOTOS_PER_CALL)
            return np.concatenate([colour(photos[at : at + _PHOTOS_PER_CALL]).numpy() for at in starts])

        save_strip(strip(pictures(self._shown), self._shown), sheet)
        measured = self._evaluator.resampled(pictures(self._photos), self._draws)
        scores = {metric: float(values[0]) for metric, values in measured.items()}
        return _named(scores), {_name(one): measured[one][1:].tolist() for one in objectives}


def _named(scores: Scores) -> Scores:
    return {_name(metric): value for metric, value in scores.items()}


def _name(metric: str) -> str:
    return metric.replace("val_", "test_", 1)
