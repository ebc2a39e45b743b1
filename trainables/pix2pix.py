"""Pix2Pix's training (Isola et al. 2017): a conditional GAN, `L = L_cGAN + lambda L1`, on RGB in -1..1.

Where `perceptual_weight` is above 0, that times `trainables.perceptual` is added.

Train one alone, on birds drawn in code:

    python -m trainables.pix2pix --epochs 7 --image-size 64 --width 32 --out build/pix2pix

A step runs the generator once and the discriminator once on real and once on fake; both updates are taken from these
passes and the same weights, as TensorFlow's tutorial and the paper's Lua code do.
"""

import sys

from trainables.train import Pix2PixRun, main

if __name__ == "__main__":
    # Before the imports below: --help and a bad flag must not wait 5 s for TensorFlow.
    sys.exit(main(Pix2PixRun, "python -m trainables.pix2pix"))

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import keras
import tensorflow as tf

from trainables.checkpoint import Variable
from trainables.data.pack import Pack
from trainables.generator import Generator, build_generator
from trainables.loop import Loop
from trainables.models.mobilenet_unet import unfrozen_names, unfrozen_parameters
from trainables.models.patchgan import build_patchgan
from trainables.params import ParamsError, Pix2PixParams
from trainables.perceptual import perceptual_loss

_BETA_1 = 0.5
_log = logging.getLogger(__name__)


class Pix2PixLoop(Loop):
    """Generator and discriminator in training, and the average of the generator's weights if that is wanted.

    The average holds batch normalisation's moving statistics as well as the weights, at the same pace: statistics of
    the latest weights would not fit weights that lag behind them.
    """

    params: Pix2PixParams
    losses = (
        "train_generator_loss",
        "train_adversarial_loss",
        "train_l1_loss",
        "train_discriminator_loss",
    )

    def __init__(
        self,
        params: Pix2PixParams,
        pack: Pack,
        *,
        batch_size: int,
        seed: int,
        encoder_weights: Path | None,
        perceptual_weights: Path | None,
    ) -> None:
        if params.perceptual_weight and perceptual_weights is None:
            raise ParamsError(
                f"perceptual_weight is {params.perceptual_weight}, but the perceptual loss needs VGG's weights:"
                " name their file, or set it to 0."
            )
        super().__init__(params, pack, batch_size=batch_size, seed=seed, encoder_weights=encoder_weights)
        self._generator = build_generator(params, pack.image_size, seed=seed, encoder_weights=encoder_weights)
        self._discriminator = build_patchgan(
            pack.image_size, width=params.width, batch_norm=params.batch_norm, seed=seed
        )
        self._lambda = tf.Variable(params.lambda_, trainable=False)
        self._perceptual_weight = tf.Variable(params.perceptual_weight, trainable=False)
        self._perceptual = None
        if params.perceptual_weight and perceptual_weights:
            self._perceptual = perceptual_loss(perceptual_weights, keras.config.dtype_policy().name)
        self._generator_optimizer = _adam(params.generator_learning_rate, self._generator.network)
        self._discriminator_optimizer = _adam(params.discriminator_learning_rate, self._discriminator)
        self._average = None
        if params.ema_decay > 0:
            self._average = build_generator(params, pack.image_size, seed=seed)
            self._average.network.set_weights(self._generator.network.get_weights())
        if params.encoder == "mobilenetv2":
            names = unfrozen_names(self._generator.network)
            count = self.trainable_encoder_parameters
            _log.info(
                "The encoder trains %d parameters in %d layers: %s", count, len(names), ", ".join(names)
            )

    @property
    def generator(self) -> Generator:
        """The average of the generator's weights where `ema_decay` is above 0, else the generator in training."""
        return self._average or self._generator

    @property
    def trainable_encoder_parameters(self) -> int | None:
        """Numbers of the MobileNetV2 encoder that train."""
        if self.params.encoder != "mobilenetv2":
            return None
        return unfrozen_parameters(self._generator.network)

    def _step(self, luma: tf.Tensor, rgb: tf.Tensor) -> tf.Tensor:
        gray, real = 2 * luma - 1, 2 * rgb - 1
        weights = self._generator.network.trainable_variables
        judges = self._discriminator.trainable_variables
        with tf.GradientTape() as generating:
            fake = 2 * self._generator.rgb(luma, training=True) - 1
        # Two tapes that meet at the fake: the chain rule joins them, and no update runs through the other's network.
        with tf.GradientTape(persistent=True) as judging:
            judging.watch(fake)
            on_real = self._discriminator([gray, real], training=True)
            on_fake = self._discriminator([gray, fake], training=True)
            adversarial = _cross_entropy(on_fake, real=True)
            l1 = tf.reduce_mean(tf.abs(real - fake))
            generator_loss = adversarial + self._lambda * l1
            if self._perceptual:
                generator_loss += self._perceptual_weight * self._perceptual(rgb, (fake + 1) / 2)
            discriminator_loss = (
                _cross_entropy(on_real, real=True) + _cross_entropy(on_fake, real=False)
            ) / 2
        wanted = judging.gradient(generator_loss, fake)
        judged = judging.gradient(discriminator_loss, judges)
        del judging
        self._generator_optimizer.apply(generating.gradient(fake, weights, output_gradients=wanted), weights)
        self._discriminator_optimizer.apply(judged, judges)
        if self._average:
            self._follow(self._average.network.weights)
        return tf.stack([generator_loss, adversarial, l1, discriminator_loss])

    def _follow(self, average: Sequence[keras.Variable]) -> None:
        """Move the average toward the generator; it starts fast, or the initial weights would linger in it."""
        step = tf.cast(self._generator_optimizer.iterations, tf.float32)
        pace = 1 - tf.minimum(self.params.ema_decay, (1 + step) / (10 + step))
        for mean, latest in zip(average, self._generator.network.weights, strict=True):
            mean.assign_add(pace * (latest - mean))

    def _variables(self) -> Mapping[str, Sequence[Variable]]:
        return {
            "generator": self._generator.network.variables,
            "discriminator": self._discriminator.variables,
            "generator_optimizer": self._generator_optimizer.variables,
            "discriminator_optimizer": self._discriminator_optimizer.variables,
            "average": self._average.network.weights if self._average else (),
        }


def _adam(learning_rate: float, network: keras.Model) -> keras.optimizers.Optimizer:
    optimizer = keras.optimizers.Adam(learning_rate, beta_1=_BETA_1)
    optimizer.build(network.trainable_variables)
    return optimizer


def _cross_entropy(logits: tf.Tensor, *, real: bool) -> tf.Tensor:
    """Mean binary cross-entropy of logits against one label for all."""
    return tf.reduce_mean(tf.math.softplus(-logits if real else logits))
