"""Colour science in TensorFlow graphs: luma and chroma, the gamut, CIE Lab and CIEDE2000.

What a model's output becomes, and how far one colour is from another. Not here: measuring whole sets of
pictures (`trainables.metrics`) and reading or resizing files.

Everywhere: float32, RGB in 0..1 (sRGB, gamma-encoded, as in the files), any leading dimensions.
"""

import math

import numpy as np
import tensorflow as tf

RED, BLUE = 0.299, 0.114
GREEN = 1 - RED - BLUE
_CR_TO_RED, _CB_TO_BLUE = 2 * (1 - RED), 2 * (1 - BLUE)

# IEC 61966-2-1, linear sRGB to XYZ. Dividing each row by its sum divides by the D65 white point.
_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
_XYZ_OVER_WHITE = (_XYZ / _XYZ.sum(axis=1, keepdims=True)).tolist()


def luma(rgb: tf.Tensor) -> tf.Tensor:
    """Luma Y of BT.601, `[..., 3]` to `[..., 1]`, 0..1 for RGB in 0..1.

    The weights are 0.299, 0.587 and 0.114, whose sum is 1, applied as `G + 0.299 (R-G) + 0.114 (B-G)`: a gray
    pixel's luma is its level to the last bit. `tf.image.rgb_to_grayscale` has 0.2989 for red, so its white is
    0.9999; the two differ by 0.0001 R, at most 0.026 of a uint8 level.
    """
    red, green, blue = _channels(rgb)
    return (green + RED * (red - green) + BLUE * (blue - green))[..., None]


def chroma(rgb: tf.Tensor) -> tf.Tensor:
    """Chroma (Cb, Cr) of BT.601, `[..., 3]` to `[..., 2]`, each -0.5..0.5 for RGB in 0..1; exactly 0 for gray."""
    y = luma(rgb)[..., 0]
    red, _, blue = _channels(rgb)
    return tf.stack([(blue - y) / _CB_TO_BLUE, (red - y) / _CR_TO_RED], axis=-1)


def from_luma_chroma(luma: tf.Tensor, chroma: tf.Tensor) -> tf.Tensor:
    """RGB `[..., 3]` of luma `[..., 1]` and chroma `[..., 2]`: linear, differentiable, not kept within 0..1."""
    return luma + _color_difference(chroma)


def picture(luma: tf.Tensor, chroma: tf.Tensor) -> tf.Tensor:
    """The picture a user gets: RGB `[..., 3]` within 0..1 whose luma is the given one.

    Where luma `[..., 1]` and chroma `[..., 2]` leave the gamut, the pixel's chroma is scaled by the largest
    factor in 0..1 that brings it back: hue and luma stay and saturation gives way. Clipping the channels would
    change the luma. A luma beyond 0..1 is taken as black or white; NaN stays NaN.
    """
    difference = _color_difference(chroma)
    # How many times each channel overshoots the room it has; the floor keeps 0/0 (white, no chroma) at 0.
    room = tf.maximum(tf.where(difference > 0, 1 - luma, luma), 1e-30)
    excess = tf.reduce_max(tf.abs(difference) / room, axis=-1, keepdims=True)
    # The factor is exact up to rounding: for a luma within 0..1 the clip takes away that last bit only.
    return tf.clip_by_value(luma + difference / tf.maximum(excess, 1.0), 0.0, 1.0)


def to_uint8(rgb: tf.Tensor) -> tf.Tensor:
    """RGB in 0..1 to uint8 0..255, rounded to nearest; values beyond 0..1 are clipped. NaN has no defined level."""
    return tf.cast(tf.round(tf.clip_by_value(rgb, 0.0, 1.0) * 255.0), tf.uint8)


def rgb_to_lab(rgb: tf.Tensor) -> tf.Tensor:
    """CIE 1976 L*a*b* `[..., 3]` of sRGB `[..., 3]` under D65: L 0..100, a and b 0 for gray, about -110..100."""
    linear = tf.where(rgb <= 0.04045, rgb / 12.92, _power((tf.maximum(rgb, 0.04045) + 0.055) / 1.055, 2.4))
    red, green, blue = _channels(linear)
    # Written with differences, as in luma(), so that gray has X = Y = Z and thus a = b = 0 without rounding.
    x, y, z = (_lab_curve(green + r * (red - green) + b * (blue - green)) for r, _, b in _XYZ_OVER_WHITE)
    return tf.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def delta_e_2000(lab1: tf.Tensor, lab2: tf.Tensor) -> tf.Tensor:
    """CIEDE2000 colour difference of Lab `[..., 3]` and Lab `[..., 3]`, to `[...]`.

    Sharma, Wu and Dalal 2005, "The CIEDE2000 color-difference formula: implementation notes, supplementary test
    data, and mathematical observations", equations 2 to 22, with all three weights kL, kC, kH at 1. Symmetric,
    0 for equal colours. Its gradient is finite everywhere, 0 where a chroma or the whole difference is 0.
    """
    l1, a1, b1 = _channels(lab1)
    l2, a2, b2 = _channels(lab2)

    stretch = 1.5 - 0.5 * _seventh_power_ratio((_length(a1, b1) + _length(a2, b2)) / 2)
    a1, a2 = stretch * a1, stretch * a2
    c1, c2 = _length(a1, b1), _length(a2, b2)
    h1, h2 = _hue(a1, b1), _hue(a2, b2)

    # Opposite hues are where the formula jumps: what only rounding carries beyond 180 degrees stays below.
    across = tf.abs(h1 - h2) > math.pi + 2e-6
    colored = tf.logical_and(c1 > 0, c2 > 0)
    turn = tf.where(across, tf.where(h2 > h1, -math.tau, math.tau), 0.0)
    hue_step = tf.where(colored, h2 - h1 + turn, 0.0)
    hue = tf.where(colored, (h1 + h2 + tf.where(across, math.tau, 0.0)) / 2, h1 + h2)

    lightness, c = (l1 + l2) / 2, (c1 + c2) / 2
    t = (
        1
        - 0.17 * tf.cos(hue - math.radians(30))
        + 0.24 * tf.cos(2 * hue)
        + 0.32 * tf.cos(3 * hue + math.radians(6))
        - 0.20 * tf.cos(4 * hue - math.radians(63))
    )
    from_middle = tf.square(lightness - 50)
    delta_l = (l2 - l1) / (1 + 0.015 * from_middle / tf.sqrt(20 + from_middle))
    delta_c = (c2 - c1) / (1 + 0.045 * c)
    delta_h = 2 * _sqrt(c1 * c2) * tf.sin(hue_step / 2) / (1 + 0.015 * c * t)
    # Where hues straddle 360, the mean may reach beyond it; the blue region it is compared with lies below.
    from_blue = (tf.where(hue >= math.tau, hue - math.tau, hue) - math.radians(275)) / math.radians(25)
    rotation = -tf.sin(math.radians(60) * tf.exp(-tf.square(from_blue))) * 2 * _seventh_power_ratio(c)
    return _sqrt(tf.square(delta_l) + tf.square(delta_c) + tf.square(delta_h) + rotation * delta_c * delta_h)


def _channels(pixels: tf.Tensor) -> list[tf.Tensor]:
    return tf.unstack(pixels, num=3, axis=-1)


def _color_difference(chroma: tf.Tensor) -> tf.Tensor:
    """RGB minus luma, `[..., 2]` to `[..., 3]`; its luma is 0."""
    cb, cr = tf.unstack(chroma, num=2, axis=-1)
    red, blue = _CR_TO_RED * cr, _CB_TO_BLUE * cb
    return tf.stack([red, -(RED * red + BLUE * blue) / GREEN, blue], axis=-1)


def _lab_curve(ratio: tf.Tensor) -> tf.Tensor:
    """CIE 15's f(t): the cube root with its linear part below (6/29)^3."""
    knee = (6 / 29) ** 3
    return tf.where(ratio > knee, _power(tf.maximum(ratio, knee), 1 / 3), ratio * (29 / 6) ** 2 / 3 + 4 / 29)


def _power(base: tf.Tensor, exponent: float) -> tf.Tensor:
    """`base ** exponent` of a positive base: tf.pow is six times as slow on a CPU."""
    return tf.exp(exponent * tf.math.log(base))


def _sqrt(value: tf.Tensor) -> tf.Tensor:
    """Square root with value and gradient 0 at 0 and below; NaN stays NaN."""
    flat = value <= 0
    return tf.where(flat, 0.0, tf.sqrt(tf.where(flat, 1.0, value)))


def _length(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    return _sqrt(tf.square(a) + tf.square(b))


def _hue(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    """Angle of (a, b) in 0..2 pi, 0 for gray."""
    gray = tf.logical_and(a == 0, b == 0)
    angle = tf.atan2(b, tf.where(gray, 1.0, a))
    return tf.where(angle < 0, angle + math.tau, angle)


def _seventh_power_ratio(c: tf.Tensor) -> tf.Tensor:
    """`sqrt(c^7 / (c^7 + 25^7))`, computed from (c/25)^7 for float32's sake."""
    power = (c / 25) ** 3 * _sqrt(c / 25)
    return power / tf.sqrt(1 + tf.square(power))
