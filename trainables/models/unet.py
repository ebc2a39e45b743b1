"""The U-Net generator of pix2pix. Not its discriminator (`patchgan`), nor the loop that trains both.

Source: Isola, Zhu, Zhou, Efros, "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017,
appendix 6.1.1.
"""

import keras

from trainables.models.layers import (
    Seeds,
    check_depth,
    check_image_size,
    down_stage,
    enlarge,
    stage_dropout,
    up_stage,
)
from trainables.params import Normalisation, Upsampling


def build_unet(
    image_size: int,
    *,
    channels: int,
    width: int,
    depth: int,
    dropout: float,
    norm: Normalisation,
    upsampling: Upsampling,
    seed: int,
) -> keras.Model:
    """Build the generator: gray float32 [n, s, s, 1] in -1..1 to float32 [n, s, s, channels] in -1..1 (tanh).

    `depth` levels of 4 x 4 convolutions of stride 2 lead down, with `width` times 1, 2, 4, 8, 8, ... filters
    (64-128-256-512-512-512-512 at width 64 and depth 7), and as many transposed ones up (or what else `upsampling`
    says, see `layers.enlarge`), with a skip on every level. A stage is convolution, normalisation, dropout,
    activation, as in the paper's appendix; LeakyReLU 0.2 on the way down, ReLU on the way up. Kernels are drawn from
    N(0, 0.02), gammas from N(1, 0.02).

    All stages are normalised, by `norm`, but the first and a bottleneck of 1 x 1, which is there when `depth` is
    log2(image_size): over a single value, a batch of one would be normalised to zero. `dropout` is the rate in the
    first three up stages; at a depth of 3 and 4 in the first one and two, so that the last never drops out.

    Raises `ArchitectureError` (a ValueError) unless `image_size` is a power of two of at least 32 and `depth`
    is from 3 to log2(image_size).
    """
    check_image_size(image_size)
    check_depth(depth, image_size, least=3)
    seeds = Seeds(seed, "unet")
    filters = [width * min(2**level, 8) for level in range(depth)]

    gray = keras.Input((image_size, image_size, 1), name="gray")
    x = gray
    levels = []
    for level in range(depth):
        single_value = image_size >> (level + 1) == 1
        x = down_stage(
            x,
            filters[level],
            norm="none" if level == 0 or single_value else norm,
            seeds=seeds,
            name=f"down_{level + 1}",
        )
        levels.append(x)

    for stage in range(depth - 1):
        level = depth - 2 - stage
        x = up_stage(
            x,
            levels[level],
            filters[level],
            norm=norm,
            upsampling=upsampling,
            dropout=stage_dropout(stage, depth - 1, dropout),
            seeds=seeds,
            name=f"up_{stage + 1}",
        )

    colour = enlarge(
        x, channels, upsampling, use_bias=True, seeds=seeds, name="head", activation="tanh", dtype="float32"
    )
    return keras.Model(gray, colour, name="unet")
