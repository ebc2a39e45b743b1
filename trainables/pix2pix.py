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
from collections.abc import Callable, Mapping, Sequence
from typing import cast

import tensorflow as tf

from trainables.checkpoint import Variable
from trainables.data.pack import Pack
from trainables.generator import Generator, build_generator
from trainables.loop import Loop, Training
from trainables.models.layers import policy, precision, redraw
from trainables.models.mobilenet_unet import unfrozen_names, unfrozen_parameters
from trainables.models.patchgan import build_patchgan
from trainables.optimizer import apply, make_adam, restart, scaled
from trainables.params import ParamsError, Pix2PixParams
from trainables.perceptual import perceptual_loss

_BETA_1 = 0.5
_log = logging.getLogger(__name__)


class Pix2PixLoop(Loop):
    """Generator and discriminator in training, and the average of the generator's weights if that is wanted.

    The average holds batch normalisation's moving statistics as well as the weights, at the same pace: statistics of
    the latest weights would not fit weights that lag behind them.
    """

    losses = (
        "train_generator_loss",
        "train_adversarial_loss",
        "train_l1_loss",
        "train_discriminator_loss",
    )
    measures = (
        "train_real_accuracy",
        "train_fake_accuracy",
        "train_generator_gradient_norm",
        "train_discriminator_gradient_norm",
    )

    def __init__(self, training: Training, pack: Pack) -> None:
        super().__init__(training, pack)
        params, dtype, seed = self._params, training.precision, training.seed
        self._perceptual = None
        if params.perceptual_weight:
            if training.perceptual_weights is None:
                raise ParamsError(
                    f"perceptual_weight is {params.perceptual_weight}, but the perceptual loss needs VGG's weights:"
                    " name their file, or set it to 0."
                )
            self._perceptual = perceptual_loss(training.perceptual_weights, policy(dtype))
        self._generator = build_generator(
            params, pack.image_size, seed=seed, encoder_weights=training.encoder_weights, dtype=dtype
        )
        with precision(dtype):
            self.discriminator = build_patchgan(
                pack.image_size, width=params.width, norm=params.normalisation, seed=seed
            )
        """In training; given (gray, colour) in -1..1."""
        self._generator_optimizer = make_adam(
            self._generator.network.trainable_variables, beta_1=_BETA_1, precision=dtype
        )
        self._discriminator_optimizer = make_adam(
            self.discriminator.trainable_variables, beta_1=_BETA_1, precision=dtype
        )
        self._lambda, self._perceptual_weight, self._ema_decay = (
            tf.Variable(0.0, trainable=False) for _ in range(3)
        )
        self._average = None
        if params.ema_decay > 0:
            self._average = build_generator(params, pack.image_size, seed=seed, dtype=dtype)
        self._set_out()
        self._warm_up_steps = self._many(self._warm_up_step)
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
        if self._params.encoder != "mobilenetv2":
            return None
        return unfrozen_parameters(self._generator.network)

    @property
    def _params(self) -> Pix2PixParams:
        return cast("Pix2PixParams", self.training.params)

    def _reset(self) -> None:
        params, seed = self._params, self.training.seed
        self._generator.redraw(params, seed)
        redraw(self.discriminator, seed)
        restart(self._generator_optimizer)
        restart(self._discriminator_optimizer)
        self._set_out()

    def _set_out(self) -> None:
        """With fresh networks and optimizers, set what else a training begins with."""
        params = self._params
        self._set_learning_rates()
        self._lambda.assign(params.lambda_)
        self._perceptual_weight.assign(params.perceptual_weight)
        self._ema_decay.assign(params.ema_decay)
        if self._average:
            for mean, latest in zip(
                self._average.network.weights, self._generator.network.weights, strict=True
            ):
                mean.assign(latest.value)

    def _set_learning_rates(self) -> None:
        params, epochs = self._params, self.training.epochs
        # Constant for the first half, then down in equal steps to what would be zero one epoch after the last.
        left = (epochs - self.epoch) / (epochs // 2 + 1) if params.learning_rate_decay else 1.0
        for optimizer, rate in (
            (self._generator_optimizer, params.generator_learning_rate),
            (self._discriminator_optimizer, params.discriminator_learning_rate),
        ):
            optimizer.learning_rate = rate * min(1.0, left)

    def _phase(self) -> tuple[Callable[..., tf.Tensor], tuple[str, ...]]:
        self._set_learning_rates()
        if self.epoch < self._params.warm_up_epochs:
            return self._warm_up_steps, (
                "train_generator_loss",
                "train_l1_loss",
                "train_generator_gradient_norm",
            )
        return super()._phase()

    def step(self, luma: tf.Tensor, rgb: tf.Tensor) -> tf.Tensor:
        """Take a step; see `Loop`."""
        gray, real = 2 * luma - 1, 2 * rgb - 1
        weights = self._generator.network.trainable_variables
        judges = self.discriminator.trainable_variables
        with tf.GradientTape() as generating:
            fake = 2 * self._generator.rgb(luma, training=True) - 1
        # Two tapes that meet at the fake: the chain rule joins them, and no update runs through the other's network.
        with tf.GradientTape(persistent=True) as judging:
            judging.watch(fake)
            on_real = self.discriminator([gray, real], training=True)
            on_fake = self.discriminator([gray, fake], training=True)
            adversarial = _cross_entropy(on_fake, real=True)
            l1 = tf.reduce_mean(tf.abs(real - fake))
            generator_loss = adversarial + self._lambda * l1
            if self._perceptual:
                generator_loss += self._perceptual_weight * self._perceptual(rgb, (fake + 1) / 2)
            discriminator_loss = (
                _cross_entropy(on_real, real=True) + _cross_entropy(on_fake, real=False)
            ) / 2
            generator_target = scaled(self._generator_optimizer, generator_loss)
            discriminator_target = scaled(self._discriminator_optimizer, discriminator_loss)
        wanted = judging.gradient(generator_target, fake)
        judged = judging.gradient(discriminator_target, judges)
        del judging
        gradients = generating.gradient(fake, weights, output_gradients=wanted)
        generator_norm = apply(self._generator_optimizer, gradients, weights)
        discriminator_norm = apply(self._discriminator_optimizer, judged, judges)
        self._follow()
        return tf.stack(
            [
                generator_loss,
                adversarial,
                l1,
                discriminator_loss,
                tf.reduce_mean(tf.cast(on_real > 0, tf.float32)),
                tf.reduce_mean(tf.cast(on_fake < 0, tf.float32)),
                generator_norm,
                discriminator_norm,
            ]
        )

    def _warm_up_step(self, luma: tf.Tensor, rgb: tf.Tensor) -> tf.Tensor:
        weights = self._generator.network.trainable_variables
        with tf.GradientTape() as tape:
            l1 = 2 * tf.reduce_mean(tf.abs(rgb - self._generator.rgb(luma, training=True)))
            loss = self._lambda * l1
            target = scaled(self._generator_optimizer, loss)
        norm = apply(self._generator_optimizer, tape.gradient(target, weights), weights)
        self._follow()
        return tf.stack([loss, l1, norm])

    def _follow(self) -> None:
        """Move the average toward the generator; it starts fast, or the initial weights would linger in it."""
        if not self._average:
            return
        step = tf.cast(self._generator_optimizer.iterations.value, tf.float32)
        pace = 1 - tf.minimum(self._ema_decay, (1 + step) / (10 + step))
        pairs = zip(self._average.network.weights, self._generator.network.weights, strict=True)
        for mean, latest in pairs:
            mean.value.assign_add(pace * (latest.value - mean.value))

    def _variables(self) -> Mapping[str, Sequence[Variable]]:
        return {
            "generator": self._generator.network.variables,
            "discriminator": self.discriminator.variables,
            "generator_optimizer": self._generator_optimizer.variables,
            "discriminator_optimizer": self._discriminator_optimizer.variables,
            "average": self._average.network.weights if self._average else (),
        }


def _cross_entropy(logits: tf.Tensor, *, real: bool) -> tf.Tensor:
    """Mean binary cross-entropy of logits against one label for all."""
    return tf.reduce_mean(tf.math.softplus(-logits if real else logits))
