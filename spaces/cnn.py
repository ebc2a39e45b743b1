"""What may vary in the CNN autoencoder."""

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from spaces.parameter import Parameter


def cnn(image_size: int) -> dict[str, Parameter]:
    """The space at an image size (pixels, a power of two); each of `depth` stages halves the side."""
    return {
        "depth": Parameter(IntDistribution(2, min(6, image_size.bit_length() - 2))),
        "width": Parameter(CategoricalDistribution((16, 32, 64))),
        "dropout": Parameter(FloatDistribution(0.0, 0.5)),
        "batch_norm": Parameter(CategoricalDistribution((True, False))),
        "head": Parameter(CategoricalDistribution(("rgb", "chroma"))),
        "learning_rate": Parameter(FloatDistribution(1e-4, 5e-3, log=True)),
    }
