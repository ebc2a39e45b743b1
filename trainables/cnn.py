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
from typing import cast

import tensorflow as tf

from trainables.checkpoint import Variable
from trainables.data.pack import Pack
from trainables.generator import Generator, build_generator
from trainables.loop import Loop, Training
from trainables.optimizer import apply, make_adam, restart, scaled
from trainables.params import CnnParams

_BETA_1 = 0.9


class CnnLoop(Loop):
    """The autoencoder in training."""

    losses = ("train_loss",)
    measures = ("train_generator_gradient_norm",)

    def __init__(self, training: Training, pack: Pack) -> None:
        super().__init__(training, pack)
        self._generator = build_generator(
            training.params, pack.image_size, seed=training.seed, dtype=training.precision
        )
        self._optimizer = make_adam(
            self._generator.network.trainable_variables, beta_1=_BETA_1, precision=training.precision
        )
        self._optimizer.learning_rate = self._params.learning_rate

    @property
    def generator(self) -> Generator:
        """The network in training."""
        return self._generator

    @property
    def _params(self) -> CnnParams:
        return cast("CnnParams", self.training.params)

    def _reset(self) -> None:
        self._generator.redraw(self._params, self.training.seed)
        restart(self._optimizer)
        self._optimizer.learning_rate = self._params.learning_rate

    def step(self, luma: tf.Tensor, rgb: tf.Tensor) -> tf.Tensor:
        """Take a step; see `Loop`."""
        weights = self._generator.network.trainable_variables
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(self._generator.rgb(luma, training=True) - rgb))
            target = scaled(self._optimizer, loss)
        norm = apply(self._optimizer, tape.gradient(target, weights), weights)
        return tf.stack([loss, norm])

    def _variables(self) -> Mapping[str, Sequence[Variable]]:
        return {"generator": self._generator.network.variables, "optimizer": self._optimizer.variables}
