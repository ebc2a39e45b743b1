"""What may vary in Pix2Pix: the conditional GAN with a U-Net or a MobileNetV2 encoder."""

from collections.abc import Sequence

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from spaces.parameter import Parameter

ENCODER_KERNELS = 51
"""Layers with a kernel in MobileNetV2 up to `block_16_project`, the encoder's bottleneck."""


PERCEPTUAL_WEIGHTS = (0.0, 1.0, 10.0, 100.0)
"""Weight 1 pulls at a pixel about as hard as lambda 3 (measured on drawn birds, with features of random weights), so
these reach from below the lowest lambda to as far as a high one. Choices, since a log range has no 0, which is the
original loss and needs no second network, and a switch for it would be a parameter that no model takes."""


def pix2pix(image_size: int, encoders: Sequence[str], *, perceptual: bool) -> dict[str, Parameter]:
    """The space at an image size (pixels, a power of two) with the encoders that this study can use.

    A perceptual loss may be taken where the study has the weights for it.

    The original project tried lambda 80, 100 and 120; the log scale around them lets a study find out whether
    less (freer colours) or more (safer ones) is better. `depth` counts U-Net levels: the deepest ends in a
    1x1 bottleneck.
    """
    levels = image_size.bit_length() - 1
    weight = {"perceptual_weight": Parameter(CategoricalDistribution(PERCEPTUAL_WEIGHTS))}
    return {
        "encoder": Parameter(CategoricalDistribution(tuple(encoders))),
        "lambda": Parameter(FloatDistribution(10.0, 1000.0, log=True)),
        **(weight if perceptual else {}),
        "depth": Parameter(IntDistribution(3, levels), when=("encoder", "unet")),
        "unfrozen_layers": Parameter(IntDistribution(0, ENCODER_KERNELS), when=("encoder", "mobilenetv2")),
        "width": Parameter(CategoricalDistribution((16, 32, 64))),
        "dropout": Parameter(FloatDistribution(0.0, 0.7)),
        "normalisation": Parameter(CategoricalDistribution(("batch", "instance", "group", "none"))),
        "upsampling": Parameter(CategoricalDistribution(("transposed", "resize"))),
        "head": Parameter(CategoricalDistribution(("rgb", "chroma"))),
        "generator_learning_rate": Parameter(FloatDistribution(5e-5, 2e-3, log=True)),
        "discriminator_learning_rate": Parameter(FloatDistribution(2e-5, 1e-3, log=True)),
        "learning_rate_decay": Parameter(CategoricalDistribution((False, True))),
        "warm_up_epochs": Parameter(IntDistribution(0, 2)),
        "ema_decay": Parameter(CategoricalDistribution((0.0, 0.99, 0.999))),
    }
