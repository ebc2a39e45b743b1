"""How different two pictures look to a VGG network: a loss beside L1, which sees each pixel for itself.

Johnson et al., "Perceptual Losses for Real-Time Style Transfer and Super-Resolution", ECCV 2016; Ledig et al.,
"Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial Network", CVPR 2017; Wang et al.,
"High-Resolution Image Synthesis and Semantic Manipulation with Conditional GANs", CVPR 2018. Not a metric
(`trainables.metrics`): no trial is judged by it.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import keras
import tensorflow as tf

from trainables.models.pretrained import VGG, load

LAYERS = {
    "vgg16": ("block1_conv2", "block2_conv2", "block3_conv3", "block4_conv3"),
    "vgg19": ("block1_conv2", "block2_conv2", "block3_conv4", "block4_conv4"),
}
"""Keras' names of relu1_2, relu2_2, relu3_3 and relu4_3 of VGG16, which Johnson et al. chose, and of the last ones of
the same blocks of VGG19: 64, 128, 256 and 512 channels at 1, 1/2, 1/4 and 1/8 of the picture's side."""

_MEAN_BGR = (103.939, 116.779, 123.68)  # of ImageNet, in 0..255, which VGG's first kernels are used to


@cache
def perceptual_loss(weights: Path, dtype: str) -> "PerceptualLoss":
    """The process's one loss of these weights and this dtype policy: loading it takes seconds, and memory.

    Raises `trainables.models.pretrained.WeightsError` as `PerceptualLoss` does.
    """
    return PerceptualLoss(weights, dtype)


class PerceptualLoss:
    """The mean over `LAYERS` of the relative difference of features.

    With the features f of the truth and g of the other picture, a layer's difference is mean |f - g| / mean |f|, the
    means over places and channels, for each picture of its own; the loss is their mean over layers and pictures.
    What it is divided by makes the layers count the same, whose activations differ by powers of ten, and makes a
    weight mean the same on VGG16 and VGG19 and for any size of picture or batch. The same picture gives 0, one
    whose features are all gone 1.

    The features are computed in the compute dtype of a policy and compared in float32. The network is constants: it
    never trains, and belongs to no checkpoint.

    Parameters
    ----------
    weights
        VGG16 or VGG19 without top, told apart by what the file holds: Keras' own `.h5` or what `save_weights` wrote
        as `.weights.h5`.
    dtype
        "float32", "mixed_bfloat16" or "mixed_float16".

    Raises
    ------
    trainables.models.pretrained.WeightsError
        When the file is missing or holds something else.
    """

    def __init__(self, weights: Path, dtype: str) -> None:
        self._dtype = keras.DTypePolicy(dtype).compute_dtype
        network = load(VGG, weights, side=32)
        names = LAYERS[network.name]
        self._layers: list[_Convolution | None] = []
        for layer in network.layers[1:]:
            if isinstance(layer, keras.layers.MaxPooling2D):
                self._layers.append(None)
                continue
            kernel, bias = (tf.constant(array, self._dtype) for array in layer.get_weights())
            self._layers.append(_Convolution(kernel, bias, compared=layer.name in names))
            if layer.name == names[-1]:
                break

    def __call__(self, truth: tf.Tensor, picture: tf.Tensor) -> tf.Tensor:
        """The loss, a float32 scalar, of RGB in 0..1, float32 `[n, s, s, 3]` each, with s of 8 or more.

        It is differentiable with respect to `picture`; `truth` gets no gradient.
        """
        # A mean over millions of features gives each a gradient below float16's least number; one over about as many
        # as the picture has values is in its range. float32 and bfloat16 have the range and lose nothing.
        scale = tf.cast(tf.size(picture), tf.float32)
        wanted = self.features(tf.stop_gradient(truth))
        found = self.features(_scale_gradient(picture, 1 / scale))
        differences = [
            tf.math.divide_no_nan(_mean(tf.abs(f - _scale_gradient(g, scale))), _mean(f))
            for f, g in zip(wanted, found, strict=True)
        ]
        return tf.reduce_mean(tf.stack(differences))

    def features(self, rgb: tf.Tensor) -> list[tf.Tensor]:
        """The activations that are compared, after ReLU, float32, of RGB in 0..1, float32 `[n, s, s, 3]`."""
        x = tf.cast(255 * tf.reverse(rgb, [-1]) - tf.constant(_MEAN_BGR), self._dtype)
        compared = []
        for layer in self._layers:
            if layer is None:
                x = tf.nn.max_pool2d(x, 2, 2, "VALID")
                continue
            x = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, layer.kernel, 1, "SAME"), layer.bias))
            if layer.compared:
                compared.append(tf.cast(x, tf.float32))
        return compared


@dataclass(frozen=True)
class _Convolution:
    """A convolution of VGG, 3 x 3 without stride, and whether its activations are compared."""

    kernel: tf.Tensor
    bias: tf.Tensor
    compared: bool


def _mean(features: tf.Tensor) -> tf.Tensor:
    """Mean over places and channels, `[n]`."""
    return tf.reduce_mean(features, axis=(1, 2, 3))


@tf.custom_gradient
def _scale_gradient(x: tf.Tensor, factor: tf.Tensor):  # type: ignore[no-untyped-def]
    """`x` itself; its gradient is multiplied."""
    return tf.identity(x), lambda upstream: (factor * upstream, None)
