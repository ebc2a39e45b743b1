"""The CNN autoencoder's training: mean squared error between its RGB and the photo's, in 0..1, and Adam.

The plain baseline beside Pix2Pix. Train one alone, on birds drawn in code:

    python -m trainables.cnn --epochs 7 --image-size 64 --width 32 --out build/cnn
"""

import sys

from trainables.train import CnnRun, main

if __name__ == "__main__":
    # Before the imports below: --help and a bad flag must not wait 5 s for TensorFlow.
    sys.exit(main(CnnRun, "python -m trainables.cnn"))

from collections.abc import Mapping, Sequence
from pathlib import Path

import keras
import tensorflow as tf

from trainables.checkpoint import Variable
from trainables.data.pack import Pack
from trainables.generator import Generator, build_generator
from trainables.loop import Loop
from trainables.params import CnnParams


class CnnLoop(Loop):
    """The autoencoder in training."""

    params: CnnParams
    losses = ("train_loss",)

    def __init__(
        self, params: CnnParams, pack: Pack, *, batch_size: int, seed: int, encoder_weights: Path | None
    ) -> None:
        super().__init__(params, pack, batch_size=batch_size, seed=seed, encoder_weights=encoder_weights)
        self._generator = build_generator(params, pack.image_size, seed=seed)
        self._optimizer = keras.optimizers.Adam(params.learning_rate)
        self._optimizer.build(self._generator.network.trainable_variables)

    @property
    def generator(self) -> Generator:
        """The network in training."""
        return self._generator

    def _step(self, luma: tf.Tensor, rgb: tf.Tensor) -> tf.Tensor:
        weights = self._generator.network.trainable_variables
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(self._generator.rgb(luma, training=True) - rgb))
        self._optimizer.apply(tape.gradient(loss, weights), weights)
        return loss[tf.newaxis]

    def _variables(self) -> Mapping[str, Sequence[Variable]]:
        return {"generator": self._generator.network.variables, "optimizer": self._optimizer.variables}
