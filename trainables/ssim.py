"""Structural similarity, as two matrix products a map.

Wang, Bovik, Sheikh and Simoncelli 2004, "Image quality assessment: from error visibility to structural similarity".
"""

import numpy as np
import tensorflow as tf

_WINDOW, _DEVIATION = 11, 1.5
_LUMINANCE, _CONTRAST = 0.01**2, 0.03**2
"""C1 and C2 of the paper for values in 0..1."""


def ssim(one: tf.Tensor, other: tf.Tensor) -> tf.Tensor:
    """Similarity of each two pictures `[b, h, w, c]` in 0..1, float32: `[b]`, the channels' mean.

    It is what `tf.image.ssim` gives; that convolves with the window's two dimensions at once, which takes a processor
    ten to twenty times as long. Equal pictures have 1 but for rounding. Sides are 11 pixels or more.
    """
    rows, columns = (_averages(tf.shape(one)[axis]) for axis in (1, 2))

    def blurred(maps: tf.Tensor) -> tf.Tensor:
        return tf.einsum("yh,bhwc,xw->byxc", rows, maps, columns)

    mean, mean_other = blurred(one), blurred(other)
    product, squares = mean * mean_other, tf.square(mean) + tf.square(mean_other)
    luminance = (2 * product + _LUMINANCE) / (squares + _LUMINANCE)
    structure = (2 * (blurred(one * other) - product) + _CONTRAST) / (
        blurred(tf.square(one) + tf.square(other)) - squares + _CONTRAST
    )
    return tf.reduce_mean(luminance * structure, axis=(1, 2, 3))


def _averages(side: tf.Tensor) -> tf.Tensor:
    """Float32 `[side - 10, side]`: each row takes the Gaussian mean of the pixels about one that is whole inside."""
    window = np.exp(-(((np.arange(_WINDOW) - _WINDOW // 2) / _DEVIATION) ** 2) / 2)
    with tf.device("CPU:0"):
        place = tf.range(side) - tf.range(side - _WINDOW + 1)[:, tf.newaxis]
        weights = tf.gather(
            tf.constant(window / window.sum(), tf.float32), tf.clip_by_value(place, 0, _WINDOW - 1)
        )
        return tf.where((place >= 0) & (place < _WINDOW), weights, 0.0)
