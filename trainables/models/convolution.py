"""Convolutions whose gradients suit a CPU; everywhere else, and in what they compute, they are Keras' own layers.

A convolution's gradient with respect to its kernel is, at each tap of the kernel, a matrix product over all places of
all pictures. oneDNN's primitive for it falls to a tenth of the processor's matrix rate where maps are small and
channels are many, which is where pix2pix has most of its weights; the products themselves keep a half and more.
`tests/benchmarks/kernel_gradients.py` measures both.
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from trainables.hardware import uses_gpu

_LARGEST_SIDE = {tf.bfloat16: 16, tf.float32: 4}
"""Side of the map of output gradients up to which the products are faster, by type; other types are for GPUs."""
_FEWEST_CHANNELS = 16


class Convolution(keras.layers.Conv2D):
    """Conv2D, channels last, with a square kernel and equal strides that divide it."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Convolve float `[n, s, s, c]` with `[k, k, c, f]`."""
        (stride, _), padding = self.strides, self.padding.upper()

        @tf.custom_gradient
        def convolve(x: tf.Tensor, w: tf.Tensor) -> tuple[tf.Tensor, Callable[..., Any]]:
            def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
                return (
                    tf.raw_ops.Conv2DBackpropInput(
                        input_sizes=tf.shape(x),
                        filter=w,
                        out_backprop=upstream,
                        strides=[1, stride, stride, 1],
                        padding=padding,
                    ),
                    _kernel_gradient(x, upstream, w.shape, stride, padding),
                )

            return tf.nn.conv2d(x, w, stride, padding), gradient

        return _finish(self, convolve(inputs, tf.convert_to_tensor(self.kernel)))


class TransposedConvolution(keras.layers.Conv2DTranspose):
    """Conv2DTranspose, channels last, padding "same", with a square kernel, equal strides and a bias or none."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Enlarge float `[n, s, s, c]` to `[n, s * stride, s * stride, f]`."""
        stride = self.strides[0]
        strides = [1, stride, stride, 1]

        @tf.custom_gradient
        def convolve(x: tf.Tensor, w: tf.Tensor) -> tuple[tf.Tensor, Callable[..., Any]]:
            def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
                # The transpose of a convolution: its output takes the place of the input, and the other way round.
                return (
                    tf.nn.conv2d(upstream, w, stride, "SAME"),
                    _kernel_gradient(upstream, x, w.shape, stride, "SAME"),
                )

            count, height, width, _ = tf.unstack(tf.shape(x))
            size = tf.stack([count, height * stride, width * stride, w.shape[2]])
            enlarged = tf.raw_ops.Conv2DBackpropInput(
                input_sizes=size, filter=w, out_backprop=x, strides=strides, padding="SAME"
            )
            return tf.ensure_shape(
                enlarged, [x.shape[0], *(side * stride for side in x.shape[1:3]), w.shape[2]]
            ), gradient

        return _finish(self, convolve(inputs, tf.convert_to_tensor(self.kernel)))


def _finish(layer: keras.Layer, outputs: tf.Tensor) -> tf.Tensor:
    if layer.use_bias:
        outputs = tf.nn.bias_add(outputs, tf.convert_to_tensor(layer.bias))
    return outputs if layer.activation is None else layer.activation(outputs)


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
        border = max((side - 1) * stride + kernel - x.shape[1], 0)
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
