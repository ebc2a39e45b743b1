"""What the networks share: seeds for their layers, size checks, and the two stages of pix2pix.

Not a network; those are in `unet`, `mobilenet_unet`, `patchgan` and `autoencoder`.

Every layer has a name of its own, so that a weight's path is the same in each process and checkpoints can go by
it. Under a mixed precision policy the stages follow the policy; the heads of the networks stay in float32.
"""

import zlib

import keras
import numpy as np

KERNEL = 4
"""Side of every convolution of pix2pix (Isola et al. 2017, appendix 6.1)."""


class ArchitectureError(ValueError):
    """A network was asked for that cannot be built."""


class Seeds:
    """Hands out a new seed at each call, so that no two layers of a network draw the same numbers.

    The same `seed` and `network` give the same row of seeds in every process; networks that are built from one
    `seed` (a generator and its discriminator) get rows of their own.
    """

    def __init__(self, seed: int, network: str) -> None:
        entropy = [seed, zlib.crc32(network.encode())]
        # Counting up from a drawn start cannot repeat a seed; 31 bits leave room below TensorFlow's 32.
        self._next = int(np.random.SeedSequence(entropy).generate_state(1)[0]) >> 1

    def __call__(self) -> int:
        """Return the next seed."""
        self._next += 1
        return self._next


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


def normal(seeds: Seeds, mean: float = 0.0) -> keras.Initializer:
    """N(mean, 0.02), from which pix2pix draws kernels (mean 0) and the gammas of normalisations (mean 1)."""
    return keras.initializers.RandomNormal(mean, 0.02, seed=seeds())


def normalisation(seeds: Seeds, name: str) -> keras.Layer:
    """Batch normalisation with the constants of the paper's Torch code: momentum 0.9 and epsilon 1e-5.

    Keras' own momentum of 0.99 (which TensorFlow's tutorial keeps) still holds a fifth of its initial
    statistics after an epoch of 150 steps, and evaluation reads these statistics from the first epoch on.
    """
    return keras.layers.BatchNormalization(
        momentum=0.9, epsilon=1e-5, gamma_initializer=normal(seeds, mean=1.0), name=name
    )


def down_stage(
    x: keras.KerasTensor, filters: int, *, normalise: bool, seeds: Seeds, name: str
) -> keras.KerasTensor:
    """Halve the map: strided convolution, normalisation if wanted, LeakyReLU of slope 0.2."""
    x = keras.layers.Conv2D(
        filters,
        KERNEL,
        strides=2,
        padding="same",
        use_bias=not normalise,
        kernel_initializer=normal(seeds),
        name=f"{name}_conv",
    )(x)
    if normalise:
        x = normalisation(seeds, f"{name}_norm")(x)
    return keras.layers.LeakyReLU(negative_slope=0.2, name=f"{name}_relu")(x)


def up_stage(
    x: keras.KerasTensor,
    skip: keras.KerasTensor,
    filters: int,
    *,
    normalise: bool,
    dropout: float,
    seeds: Seeds,
    name: str,
) -> keras.KerasTensor:
    """Double the map (transposed convolution, normalisation, dropout, ReLU) and lay `skip` beside it."""
    x = keras.layers.Conv2DTranspose(
        filters,
        KERNEL,
        strides=2,
        padding="same",
        use_bias=not normalise,
        kernel_initializer=normal(seeds),
        name=f"{name}_conv",
    )(x)
    if normalise:
        x = normalisation(seeds, f"{name}_norm")(x)
    if dropout > 0:
        x = keras.layers.Dropout(dropout, seed=seeds(), name=f"{name}_dropout")(x)
    x = keras.layers.ReLU(name=f"{name}_relu")(x)
    return keras.layers.Concatenate(name=f"{name}_skip")([x, skip])


def stage_dropout(stage: int, stages: int, rate: float) -> float:
    """Rate of up stage `stage` (from 0, the innermost) of `stages`: the paper drops out in the first three.

    The last stage before the head never drops out: with so few stages that it is among the first three, half of
    the finest features would be missing from every picture that a loss sees.
    """
    return rate if stage < min(3, stages - 1) else 0.0
