"""Convolutions that suit a CPU; everywhere else, and in what they compute, they are Keras' own layers.

A convolution's gradient with respect to its kernel is, at each tap of the kernel, a matrix product over all places of
all pictures; that with respect to its input, which is also what a transposed convolution computes, is one product for
all taps, whose parts then overlap. oneDNN's primitives for them fall to a tenth of the processor's matrix rate where
maps are small and channels are many, which is where pix2pix has most of its weights; the products themselves keep a
half and more. `tests/benchmarks/convolutions.py` measures both.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainables.hardware import uses_gpu

_LARGEST_SIDE = {tf.bfloat16: 16, tf.float32: 4}
"""Side of the map of output gradients up to which a kernel's products are faster, by type; others are for GPUs."""
_FEWEST_CHANNELS = 16
_FILTERS_A_PIXEL = 16
"""How many filters for each pixel of that map's side make an input's product faster, in float32."""
_SMALLEST_SIDE = 4
"""Side of the map from which doubling it is faster as a transposed convolution, in float32."""
_ROWS = np.array([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]], np.float32)
"""Which rows of a 3 x 3 kernel see one pixel of a map before its doubling, by the four rows that it reaches."""
_TAPS = np.kron(_ROWS, _ROWS)


class Convolution(keras.layers.Conv2D):
    """Conv2D, channels last, with a square kernel and equal strides that divide it."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Convolve float `[n, s, s, c]` with `[k, k, c, f]`."""
        kernel = tf.convert_to_tensor(self.kernel)
        return _finish(self, _convolved(inputs, kernel, self.strides[0], self.padding.upper()))


class TransposedConvolution(keras.layers.Conv2DTranspose):
    """Conv2DTranspose, channels last, padding "same", with a square kernel, equal strides and a bias or none."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Enlarge float `[n, s, s, c]` to `[n, s * stride, s * stride, f]`."""
        return _finish(self, _transposed(inputs, tf.convert_to_tensor(self.kernel), self.strides[0]))


class ResizedConvolution(keras.layers.Conv2D):
    """Nearest neighbours that double the map, then Conv2D, channels last, 3 x 3, stride 1, padding "same"."""

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """`[n, 2 s, 2 s, f]` for `[n, s, s, c]`."""
        count, height, width, channels = input_shape
        doubled = (count, height and 2 * height, width and 2 * width, channels)
        return super().compute_output_shape(doubled)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Enlarge float `[n, s, s, c]` to `[n, 2 s, 2 s, f]`."""
        kernel = tf.convert_to_tensor(self.kernel)
        if kernel.dtype == tf.float32 and inputs.shape[1] >= _SMALLEST_SIDE and not uses_gpu():
            # Each pixel is seen by two rows and columns of the kernel at once, so a 4 x 4 kernel of their sums can
            # take it from the small map: less than half of the products, and no large map of c channels.
            channels = kernel.shape[2]
            sums = tf.matmul(_TAPS, tf.reshape(kernel, [9, -1]))
            transposed = tf.transpose(tf.reshape(sums, [4, 4, channels, self.filters]), [0, 1, 3, 2])
            return _finish(self, _transposed(inputs, transposed, 2))
        resized = tf.repeat(tf.repeat(inputs, 2, axis=1), 2, axis=2)
        return _finish(self, _convolved(resized, kernel, 1, "SAME"))


def _convolved(inputs: tf.Tensor, kernel: tf.Tensor, stride: int, padding: str) -> tf.Tensor:
    """Convolve `[n, s, s, c]` with `[k, k, c, f]`."""

    @tf.custom_gradient
    def convolve(x: tf.Tensor, w: tf.Tensor) -> tuple[tf.Tensor, Callable[..., Any]]:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return (
                _input_gradient(upstream, w, x.shape[1], stride, padding),
                _kernel_gradient(x, upstream, w.shape, stride, padding),
            )

        return tf.nn.conv2d(x, w, stride, padding), gradient

    return convolve(inputs, kernel)


def _transposed(inputs: tf.Tensor, kernel: tf.Tensor, stride: int) -> tf.Tensor:
    """Enlarge `[n, s, s, c]` to `[n, s * stride, s * stride, f]` with `[k, k, f, c]`, padding "same"."""

    @tf.custom_gradient
    def enlarge(x: tf.Tensor, w: tf.Tensor) -> tuple[tf.Tensor, Callable[..., Any]]:
        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            # The transpose of a convolution: its output takes the place of the input, and the other way round.
            return (
                tf.nn.conv2d(upstream, w, stride, "SAME"),
                _kernel_gradient(upstream, x, w.shape, stride, "SAME"),
            )

        return _input_gradient(x, w, x.shape[1] * stride, stride, "SAME"), gradient

    return enlarge(inputs, kernel)


def _finish(layer: keras.Layer, outputs: tf.Tensor) -> tf.Tensor:
    if layer.use_bias:
        outputs = tf.nn.bias_add(outputs, tf.convert_to_tensor(layer.bias))
    return outputs if layer.activation is None else layer.activation(outputs)


def _input_gradient(upstream: tf.Tensor, w: tf.Tensor, size: int, stride: int, padding: str) -> tf.Tensor:
    """Gradient `[n, size, size, c]` of a convolution's input from its kernel `[k, k, c, f]` and output's gradient."""
    kernel, _, channels, filters = w.shape
    side, count = upstream.shape[1], tf.shape(upstream)[0]
    if w.dtype != tf.float32 or side * _FILTERS_A_PIXEL > filters or uses_gpu():
        gradient = tf.raw_ops.Conv2DBackpropInput(
            input_sizes=tf.stack([count, size, size, channels]),
            filter=w,
            out_backprop=upstream,
            strides=[1, stride, stride, 1],
            padding=padding,
        )
        return tf.ensure_shape(gradient, [upstream.shape[0], size, size, channels])
    taps = kernel // stride
    product = tf.matmul(tf.reshape(upstream, [-1, filters]), tf.reshape(w, [-1, filters]), transpose_b=True)
    parts = tf.reshape(product, [-1, side, side, taps, stride, taps, stride, channels])
    overlaid = tf.add_n(
        [
            tf.pad(
                parts[:, :, :, i, :, j],
                [[0, 0], [i, taps - 1 - i], [j, taps - 1 - j], [0, 0], [0, 0], [0, 0]],
            )
            for i in range(taps)
            for j in range(taps)
        ]
    )
    full = (side + taps - 1) * stride
    whole = tf.reshape(tf.transpose(overlaid, [0, 1, 3, 2, 4, 5]), [-1, full, full, channels])
    before = _border(size, side, kernel, stride) // 2 if padding == "SAME" else 0
    inside = whole[:, before : before + size, before : before + size]
    beyond = max(size - full, 0)
    return tf.pad(inside, [[0, 0], [0, beyond], [0, beyond], [0, 0]]) if beyond else inside


def _border(size: int, side: int, kernel: int, stride: int) -> int:
    """Rows of zeros that padding "same" lays around an input of so many, for an output of `side`."""
    return max((side - 1) * stride + kernel - size, 0)


def _kernel_gradient(
    x: tf.Tensor, upstream: tf.Tensor, shape: tf.TensorShape, stride: int, padding: str
) -> tf.Tensor:
    """Gradient `[k, k, c, f]` of a convolution's kernel from its input `[n, s, s, c]` and output's gradient."""
    kernel, _, channels, filters = shape.as_list()
    side = upstream.shape[1]
    if min(channels, filters) < _FEWEST_CHANNELS or side > _LARGEST_SIDE.get(x.dtype, 0) or uses_gpu():
        return tf.raw_ops.Conv2DBackpropFilter(
            input=x,
            filter_sizes=shape.as_list(),
            out_backprop=upstream,
            strides=[1, stride, stride, 1],
            padding=padding,
        )
    if padding == "SAME":
        border = _border(x.shape[1], side, kernel, stride)
        before = border // 2
        x = tf.pad(x, [[0, 0], [before, border - before], [before, border - before], [0, 0]])
    taps = kernel // stride
    used = (side - 1 + taps) * stride
    x = x[:, :used, :used]
    if stride > 1:
        # A stride then moves by one, and a tap by `stride` pixels each way at once.
        x = tf.nn.space_to_depth(x, stride)
    flat = tf.reshape(upstream, [-1, filters])
    products = [
        tf.matmul(
            tf.reshape(x[:, i : i + side, j : j + side], [-1, stride**2 * channels]), flat, transpose_a=True
        )
        for i in range(taps)
        for j in range(taps)
    ]
    split = tf.reshape(tf.stack(products), [taps, taps, stride, stride, channels, filters])
    return tf.reshape(tf.transpose(split, [0, 2, 1, 3, 4, 5]), [kernel, kernel, channels, filters])
