from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainables.models.convolution import Convolution, ResizedConvolution, TransposedConvolution

SAME_BY_2: dict[str, Any] = {"kernel_size": 4, "strides": 2, "padding": "same"}
VALID_BY_2: dict[str, Any] = {"kernel_size": 4, "strides": 2}
VALID: dict[str, Any] = {"kernel_size": 4}
SAME_ODD: dict[str, Any] = {"kernel_size": 3, "padding": "same"}


class Resized(keras.layers.Conv2D):
    """`ResizedConvolution` of Keras' own layers."""

    def build(self, input_shape: tuple[int, ...]) -> None:
        self.resize = keras.layers.UpSampling2D(2, interpolation="nearest", dtype=self.dtype_policy)
        super().build(input_shape)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return super().call(self.resize(inputs))


def gradients(layer: keras.Layer, x: tf.Tensor) -> list[np.ndarray]:
    """Output, and gradients of a fixed function of it with respect to input and weights, computed in a graph."""

    def run(x: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.cast(layer(x), tf.float32)
            weights = tf.constant(np.cos(np.arange(np.prod(y.shape))).reshape(y.shape), tf.float32)
            total = tf.reduce_sum(y * weights)
        return [y, *tape.gradient(total, [x, *layer.trainable_variables])]

    return [value.numpy() for value in tf.function(run, autograph=False)(x)]


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("activation", [None, "tanh"])
@pytest.mark.parametrize(
    ("ours", "keras_own", "arguments", "side", "channels", "filters"),
    [
        (Convolution, keras.layers.Conv2D, SAME_BY_2, 8, 16, 24),
        (Convolution, keras.layers.Conv2D, SAME_BY_2, 2, 16, 16),
        (Convolution, keras.layers.Conv2D, SAME_BY_2, 64, 16, 16),  # too large for products
        (Convolution, keras.layers.Conv2D, SAME_BY_2, 8, 1, 16),  # too few channels for them
        (
            Convolution,
            keras.layers.Conv2D,
            SAME_BY_2,
            8,
            16,
            64,
        ),  # enough filters for the input's product too
        (Convolution, keras.layers.Conv2D, VALID, 7, 16, 16),
        (Convolution, keras.layers.Conv2D, VALID, 7, 16, 64),
        (Convolution, keras.layers.Conv2D, VALID_BY_2, 7, 16, 48),
        (Convolution, keras.layers.Conv2D, SAME_ODD, 4, 16, 16),
        (TransposedConvolution, keras.layers.Conv2DTranspose, SAME_BY_2, 4, 24, 16),
        (TransposedConvolution, keras.layers.Conv2DTranspose, SAME_BY_2, 1, 16, 16),
        (TransposedConvolution, keras.layers.Conv2DTranspose, SAME_BY_2, 16, 16, 3),
        (TransposedConvolution, keras.layers.Conv2DTranspose, SAME_BY_2, 2, 48, 5),
        (ResizedConvolution, Resized, SAME_ODD, 2, 64, 16),
        (ResizedConvolution, Resized, SAME_ODD, 8, 24, 5),
    ],
)
def test_output_and_gradients_are_those_of_keras_layers(
    ours: type[keras.Layer],
    keras_own: type[keras.Layer],
    arguments: dict[str, Any],
    side: int,
    channels: int,
    filters: int,
    activation: str | None,
    dtype: str,
) -> None:
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x = tf.constant(rng.normal(size=(3, side, side, channels)), tf.float32)
    layers = [kind(filters, activation=activation, dtype=dtype, **arguments) for kind in (ours, keras_own)]
    for layer in layers:
        layer.build(x.shape)
    layers[0].bias.assign(rng.normal(size=filters))
    layers[1].set_weights(layers[0].get_weights())

    # Sums of rounded products: by their order float32 differs in its last bits, bfloat16 (8 bits) by percents.
    tolerance = 1e-5 if dtype == "float32" else 4e-2
    for mine, expected in zip(*(gradients(layer, x) for layer in layers), strict=True):
        np.testing.assert_allclose(mine, expected, rtol=0, atol=tolerance * np.abs(expected).max())


def test_a_gradient_that_bfloat16_rounds_is_no_further_from_the_truth_than_keras_own() -> None:
    rng = np.random.default_rng(0)
    x = tf.constant(rng.normal(size=(16, 8, 8, 32)), tf.float32)
    exact, ours, keras_own = (
        kind(32, dtype=dtype, **SAME_BY_2)
        for kind, dtype in (
            (keras.layers.Conv2D, "float32"),
            (Convolution, "mixed_bfloat16"),
            (keras.layers.Conv2D, "mixed_bfloat16"),
        )
    )
    for layer in (exact, ours, keras_own):
        layer.build(x.shape)
        layer.set_weights(exact.get_weights())
    truth, mine, theirs = (gradients(layer, x)[2] for layer in (exact, ours, keras_own))
    assert np.abs(mine - truth).mean() <= 1.1 * np.abs(theirs - truth).mean()
