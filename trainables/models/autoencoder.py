"""The plain CNN autoencoder, the baseline that pix2pix is measured against. Not the loop that trains it."""

import keras

from trainables.models.convolution import Convolution, TransposedConvolution
from trainables.models.layers import KERNEL, BatchNormalization, Dropout, Seeds, check_depth, check_image_size


def build_autoencoder(
    image_size: int,
    *,
    channels: int,
    width: int,
    depth: int,
    dropout: float,
    batch_norm: bool,
    seed: int,
) -> keras.Model:
    """Build the autoencoder: gray float32 [n, s, s, 1] in 0..1 to float32 [n, s, s, channels] in 0..1 (sigmoid).

    `depth` 4 x 4 convolutions of stride 2 lead down, with `width` times 1, 2, 4, 8, 8, ... filters, and as many
    transposed ones up with the same filters in reverse, the last being the head. No skips: what the bottleneck
    does not keep is lost. The kernel's side is a multiple of the stride, so that no pixel is covered more often
    than its neighbour. A stage is convolution, batch normalisation (if wanted, but not over a bottleneck of 1 x
    1), ReLU, dropout (if the rate is above 0); the head is convolution and sigmoid. Kernels are drawn after He
    et al. 2015.

    Raises `ArchitectureError` (a ValueError) unless `image_size` is a power of two of at least 32 and `depth`
    is from 1 to log2(image_size).
    """
    check_image_size(image_size)
    check_depth(depth, image_size, least=1)
    seeds = Seeds(seed, "autoencoder")

    def stage(
        x: keras.KerasTensor, convolution: type[keras.Layer], filters: int, size: int, name: str
    ) -> keras.KerasTensor:
        normalise = batch_norm and size > 1
        x = convolution(
            filters,
            KERNEL,
            strides=2,
            padding="same",
            use_bias=not normalise,
            kernel_initializer=keras.initializers.HeNormal(seed=seeds(f"{name}_conv")),
            name=f"{name}_conv",
        )(x)
        if normalise:
            x = BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_norm")(x)
        x = keras.layers.ReLU(name=f"{name}_relu")(x)
        if dropout > 0:
            x = Dropout(dropout, seed=seeds(f"{name}_dropout"), name=f"{name}_dropout")(x)
        return x

    gray = keras.Input((image_size, image_size, 1), name="gray")
    filters = [width * min(2**level, 8) for level in range(depth)]
    x = gray
    for level in range(depth):
        x = stage(x, Convolution, filters[level], image_size >> (level + 1), f"down_{level + 1}")
    for step, level in enumerate(reversed(range(depth - 1)), start=1):
        x = stage(x, TransposedConvolution, filters[level], image_size >> (level + 1), f"up_{step}")
    colour = TransposedConvolution(
        channels,
        KERNEL,
        strides=2,
        padding="same",
        activation="sigmoid",
        kernel_initializer=keras.initializers.HeNormal(seed=seeds("head")),
        dtype="float32",
        name="head",
    )(x)
    return keras.Model(gray, colour, name="autoencoder")
