"""Augmentation in the graph: random left-right flips and small rotations.

Stateless: the same seed gives the same pictures. Runs in `tf.function` on CPU and GPU, but not under
`jit_compile=True`, for which TensorFlow has no kernel of the projective transform.
"""

import math

import tensorflow as tf

MAX_DEGREES = 10.0


def augment(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Flip each image left to right with probability 1/2, and rotate it by up to `MAX_DEGREES` either way.

    Both in one bilinear resampling; what a rotation uncovers at the borders is reflected. No value leaves the
    range of its image's values.

    Parameters
    ----------
    images : uint8, or a float type, [n, s, s, c]
    seed : int32 [2]
        Each image of the batch gets its own flip and angle from it, the same on every device.

    Returns
    -------
    Tensor of the type and shape of `images`.
    """
    count = tf.shape(images)[0]
    chance = tf.random.stateless_uniform([2, count], seed, alg="philox")
    flip = tf.where(chance[0] < 0.5, -1.0, 1.0)
    angle = (2.0 * chance[1] - 1.0) * math.radians(MAX_DEGREES)
    cos, sin = tf.cos(angle), tf.sin(angle)
    # Output pixel (x, y) is taken from centre + rotation @ diag(flip, 1) @ ((x, y) - centre).
    height, width = tf.shape(images)[1], tf.shape(images)[2]
    x, y = (tf.cast(width, tf.float32) - 1) / 2, (tf.cast(height, tf.float32) - 1) / 2
    a, b, c, d = flip * cos, -sin, flip * sin, cos
    zero = tf.zeros_like(angle)
    turned = tf.raw_ops.ImageProjectiveTransformV3(
        images=tf.cast(images, tf.float32),
        transforms=tf.stack([a, b, x - a * x - b * y, c, d, y - c * x - d * y, zero, zero], axis=1),
        output_shape=tf.stack([height, width]),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="REFLECT",
    )
    return (
        tf.cast(tf.round(turned), images.dtype) if images.dtype.is_integer else tf.cast(turned, images.dtype)
    )
