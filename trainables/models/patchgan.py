"""The 70 x 70 PatchGAN discriminator of pix2pix. Not its loss, which the training loop computes.

Source: Isola, Zhu, Zhou, Efros, "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017,
appendix 6.1.2.
"""

import keras

from trainables.models.convolution import Convolution
from trainables.models.layers import (
    KERNEL,
    Seeds,
    check_image_size,
    down_stage,
    normal,
    normalisation,
)
from trainables.params import Normalisation


def build_patchgan(image_size: int, *, width: int, norm: Normalisation, seed: int) -> keras.Model:
    """Build the discriminator: [gray [n, s, s, 1], colour [n, s, s, 3]] in -1..1 to logits [n, p, p, 1], float32.

    Each logit judges a patch of 70 x 70 pixels (what lies outside of the image is zero); p is image_size / 8 -
    2, that is 30 at 256 pixels, 14 at 128 and 2 at 32. A positive logit means real.

    Three 4 x 4 convolutions of stride 2 and one of stride 1 with `width` times 1, 2, 4 and 8 filters, LeakyReLU
    0.2, by `norm` normalised from the second on; then one of stride 1 to the logit. The two of stride 1
    see a border of one zero, as in the paper's Torch code. Kernels are drawn from N(0, 0.02), gammas from N(1,
    0.02).

    Raises `ArchitectureError` (a ValueError) unless `image_size` is a power of two of at least 32.
    """
    check_image_size(image_size)
    seeds = Seeds(seed, "patchgan")

    gray = keras.Input((image_size, image_size, 1), name="gray")
    colour = keras.Input((image_size, image_size, 3), name="colour")
    x = keras.layers.Concatenate(name="pair")([gray, colour])
    for level in range(3):
        x = down_stage(
            x, width * 2**level, norm=norm if level else "none", seeds=seeds, name=f"down_{level + 1}"
        )

    x = keras.layers.ZeroPadding2D(1, name="patch_border")(x)
    x = Convolution(
        width * 8,
        KERNEL,
        use_bias=norm == "none",
        kernel_initializer=normal(seeds("patch_conv")),
        name="patch_conv",
    )(x)
    if norm != "none":
        x = normalisation(norm, width * 8, seed=seeds("patch_norm"), name="patch_norm")(x)
    x = keras.layers.LeakyReLU(negative_slope=0.2, name="patch_relu")(x)

    x = keras.layers.ZeroPadding2D(1, name="head_border")(x)
    logits = Convolution(1, KERNEL, kernel_initializer=normal(seeds("head")), dtype="float32", name="head")(x)
    return keras.Model([gray, colour], logits, name="patchgan")
