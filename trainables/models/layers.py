"""What the networks share: seeds for their layers, size checks, normalisation, and the two stages of pix2pix.

Not a network; those are in `unet`, `mobilenet_unet`, `patchgan` and `autoencoder`. Its convolutions are in
`convolution`.

Every layer has a name of its own, so that a weight's path is the same in each process and checkpoints can go by
it. Under a mixed precision policy the stages follow the policy; the heads of the networks stay in float32.
"""

import zlib
from collections.abc import Iterator
from contextlib import contextmanager

import keras
import numpy as np
import tensorflow as tf

from trainables.models.convolution import Convolution, ResizedConvolution, TransposedConvolution
from trainables.params import Normalisation, Precision, Upsampling

KERNEL = 4
"""Side of every convolution of pix2pix (Isola et al. 2017, appendix 6.1)."""
_GROUPS = 32
"""Of group normalisation, where there are as many channels (Wu and He 2018)."""


class ArchitectureError(ValueError):
    """A network was asked for that cannot be built."""


class Seeds:
    """Seeds for the layers of a network, by the layer's name: each its own, the same in every process.

    Networks that are built from one `seed` (a generator and its discriminator) get seeds of their own.
    """

    def __init__(self, seed: int, network: str) -> None:
        self._entropy = [seed, zlib.crc32(network.encode())]

    def __call__(self, layer: str) -> int:
        """The seed, 0..2^31 - 1."""
        entropy = [*self._entropy, zlib.crc32(layer.encode())]
        return int(np.random.SeedSequence(entropy).generate_state(1)[0]) >> 1


def redraw(network: keras.Model, seed: int) -> None:
    """Give all that a network's layers hold its first value again, as if it had been built from `seed`.

    A network within the network is left as it is: those are pretrained, and their builder knows with what.
    """
    seeds = Seeds(seed, network.name)
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            continue
        if isinstance(layer, Dropout):
            layer.reseed(seeds(layer.name))
        for variable in layer.weights:
            initializer = getattr(layer, f"{variable.name}_initializer")
            config = initializer.get_config()
            if "seed" in config:
                initializer = type(initializer).from_config(config | {"seed": seeds(layer.name)})
            variable.assign(initializer(variable.shape, dtype=variable.dtype))


def policy(name: Precision) -> str:
    """What Keras calls a precision: the compute type over float32 weights."""
    return "float32" if name == "float32" else f"mixed_{name}"


@contextmanager
def precision(name: Precision) -> Iterator[None]:
    """Within this context, networks are built to compute in "float32", "bfloat16" or "float16".

    Weights, statistics and heads are float32 in any case.
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy(name))
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def check_image_size(image_size: int) -> None:
    """Raise `ArchitectureError` unless `image_size` is a power of two of at least 32."""
    if image_size >= 32 and image_size.bit_count() == 1:
        return
    if image_size < 32:
        remedy = "take 32"
    else:
        below = 1 << (image_size.bit_length() - 1)
        remedy = f"take {below} or {2 * below}"
    raise ArchitectureError(
        f"image_size is {image_size}, but must be a power of two of at least 32: {remedy}."
    )


def check_depth(depth: int, image_size: int, *, least: int) -> None:
    """Raise `ArchitectureError` unless each of `depth` halvings of `image_size` leaves whole pixels."""
    most = image_size.bit_length() - 1
    if not least <= depth <= most:
        nearest = min(max(depth, least), most)
        raise ArchitectureError(
            f"depth is {depth}, but must be from {least} to {most} at image_size {image_size}, "
            f"since each level halves the image: take {nearest}."
        )


def normal(seed: int, mean: float = 0.0) -> keras.Initializer:
    """N(mean, 0.02), from which pix2pix draws kernels (mean 0) and the gammas of normalisations (mean 1)."""
    return keras.initializers.RandomNormal(mean, 0.02, seed=seed)


class BatchNormalization(keras.layers.BatchNormalization):
    """Batch normalisation of maps in TensorFlow's one fused kernel, where Keras' own passes over them eight times.

    Statistics are float32 and the variance that is kept is the unbiased one, as in the paper's Torch code.
    """

    def call(self, inputs: tf.Tensor, training: bool = False, mask: None = None) -> tf.Tensor:
        """Normalise float `[n, h, w, c]` by its own statistics while training, else by the kept ones."""
        learning = bool(training and self.trainable)
        kept = ([], []) if learning else (self.moving_mean.value, self.moving_variance.value)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=self.gamma.value,
            offset=self.beta.value,
            mean=kept[0],
            variance=kept[1],
            epsilon=self.epsilon,
            is_training=learning,
        )
        if learning:
            for variable, latest in ((self.moving_mean, mean), (self.moving_variance, variance)):
                variable.assign(variable.value * self.momentum + latest * (1 - self.momentum))
        return outputs


def of_fast_layers(network: keras.Model) -> keras.Model:
    """The same network and weights, with the layers here and in `convolution` in place of Keras' own."""

    def fast(layer: keras.Layer) -> keras.Layer:
        kind = type(layer)
        if kind is keras.layers.BatchNormalization:
            kind = BatchNormalization
        elif kind is keras.layers.Conv2D and layer.kernel_size == (1, 1):
            kind = Convolution
        return kind.from_config(layer.get_config())

    clone = keras.models.clone_model(network, clone_function=fast)
    clone.set_weights(network.get_weights())
    return clone


class Dropout(keras.layers.Layer):
    """Dropout whose rate is no part of the traced graph, so that a network can be trained again at another one."""

    def __init__(self, rate: float, *, seed: int, name: str) -> None:
        super().__init__(name=name)
        self.rate = tf.Variable(rate, trainable=False, dtype=tf.float32)
        """Share of activations dropped while training, 0 and up, below 1."""
        self._seeds = keras.random.SeedGenerator(seed)

    def reseed(self, seed: int) -> None:
        """Begin the row of random numbers that `seed` stands for."""
        self._seeds.state.assign(keras.random.SeedGenerator(seed).state)

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Zero a share of float `[...]` and raise the rest to the same mean; nothing at inference."""
        if not training:
            return inputs
        chance = tf.random.stateless_uniform(
            tf.shape(inputs), tf.cast(self._seeds.next(), tf.int32), alg="philox"
        )
        kept = tf.where(chance < self.rate, 0.0, 1 / (1 - self.rate))
        return inputs * tf.cast(kept, inputs.dtype)


def normalisation(kind: Normalisation, channels: int, *, seed: int, name: str) -> keras.Layer:
    """The layer that normalises maps of `channels`; `kind` is not "none". Gammas are drawn from N(1, 0.02).

    Batch normalisation has the constants of the paper's Torch code, momentum 0.9 and epsilon 1e-5: Keras' own
    momentum of 0.99 (which TensorFlow's tutorial keeps) still holds a fifth of its initial statistics after an epoch
    of 150 steps, and evaluation reads these statistics from the first epoch on.
    """
    gammas = normal(seed, mean=1.0)
    if kind == "batch":
        return BatchNormalization(momentum=0.9, epsilon=1e-5, gamma_initializer=gammas, name=name)
    groups = channels if kind == "instance" else min(_GROUPS, channels)
    return keras.layers.GroupNormalization(groups, epsilon=1e-5, gamma_initializer=gammas, name=name)


def down_stage(
    x: keras.KerasTensor, filters: int, *, norm: Normalisation, seeds: Seeds, name: str
) -> keras.KerasTensor:
    """Halve the map: strided convolution, normalisation if wanted, LeakyReLU of slope 0.2."""
    x = Convolution(
        filters,
        KERNEL,
        strides=2,
        padding="same",
        use_bias=norm == "none",
        kernel_initializer=normal(seeds(f"{name}_conv")),
        name=f"{name}_conv",
    )(x)
    if norm != "none":
        x = normalisation(norm, filters, seed=seeds(f"{name}_norm"), name=f"{name}_norm")(x)
    return keras.layers.LeakyReLU(negative_slope=0.2, name=f"{name}_relu")(x)


def up_stage(
    x: keras.KerasTensor,
    skip: keras.KerasTensor,
    filters: int,
    *,
    norm: Normalisation,
    upsampling: Upsampling,
    dropout: float,
    seeds: Seeds,
    name: str,
) -> keras.KerasTensor:
    """Double the map (`enlarge`, normalisation, dropout, ReLU) and lay `skip` beside it."""
    x = enlarge(x, filters, upsampling, use_bias=norm == "none", seeds=seeds, name=f"{name}_conv")
    if norm != "none":
        x = normalisation(norm, filters, seed=seeds(f"{name}_norm"), name=f"{name}_norm")(x)
    if dropout > 0:
        x = Dropout(dropout, seed=seeds(f"{name}_dropout"), name=f"{name}_dropout")(x)
    x = keras.layers.ReLU(name=f"{name}_relu")(x)
    return keras.layers.Concatenate(name=f"{name}_skip")([x, skip])


def enlarge(
    x: keras.KerasTensor,
    filters: int,
    upsampling: Upsampling,
    *,
    use_bias: bool,
    seeds: Seeds,
    name: str,
    activation: str | None = None,
    dtype: str | None = None,
) -> keras.KerasTensor:
    """Double the map: by a transposed convolution as in the paper, or by nearest neighbours and a 3 x 3 convolution.

    The second leaves no checkerboard (Odena et al. 2016, "Deconvolution and checkerboard artifacts").
    """
    common = {
        "padding": "same",
        "use_bias": use_bias,
        "kernel_initializer": normal(seeds(name)),
        "activation": activation,
        "dtype": dtype,
        "name": name,
    }
    if upsampling == "transposed":
        return TransposedConvolution(filters, KERNEL, strides=2, **common)(x)
    return ResizedConvolution(filters, 3, **common)(x)


def stage_dropout(stage: int, stages: int, rate: float) -> float:
    """Rate of up stage `stage` (from 0, the innermost) of `stages`: the paper drops out in the first three.

    The last stage before the head never drops out: with so few stages that it is among the first three, half of
    the finest features would be missing from every picture that a loss sees.
    """
    return rate if stage < min(3, stages - 1) else 0.0
