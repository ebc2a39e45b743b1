"""The autoencoder: its range, its bottleneck, and that nothing goes around it."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainables.models.autoencoder import build_autoencoder
from trainables.models.layers import ArchitectureError


def small(image_size: int = 32, **changed: object) -> keras.Model:
    params = {"channels": 3, "width": 8, "depth": 3, "dropout": 0.0, "batch_norm": False, "seed": 0} | changed
    return build_autoencoder(image_size, **params)  # type: ignore[arg-type]


def gray(count: int = 2, image_size: int = 32) -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 1, (count, image_size, image_size, 1)).astype(np.float32)


@pytest.mark.parametrize("channels", [2, 3])
@pytest.mark.parametrize(("image_size", "depth"), [(32, 1), (32, 5), (64, 3), (128, 7)])
def test_gray_becomes_a_picture_of_the_same_size_within_zero_and_one(
    image_size: int, depth: int, channels: int
) -> None:
    model = small(image_size, depth=depth, channels=channels)
    model.get_layer("head").kernel.assign(model.get_layer("head").kernel * 1e4)

    colour = model(gray(2, image_size), training=False).numpy()

    assert colour.shape == (2, image_size, image_size, channels)
    assert colour.dtype == np.float32
    assert colour.min() == pytest.approx(0, abs=1e-6)
    assert colour.max() == pytest.approx(1)


def test_depth_stages_down_and_as_many_up_have_the_stated_filters() -> None:
    model = small(64, depth=5, width=4)

    kernels = [w.shape for w in model.weights if w.name == "kernel"]
    down = [(4, 4, 1, 4), (4, 4, 4, 8), (4, 4, 8, 16), (4, 4, 16, 32), (4, 4, 32, 32)]
    up = [(4, 4, 32, 32), (4, 4, 16, 32), (4, 4, 8, 16), (4, 4, 4, 8), (4, 4, 3, 4)]
    assert kernels == down + up


def test_nothing_goes_around_the_bottleneck() -> None:
    model = small(depth=3)
    bottleneck = model.get_layer("down_3_conv")
    bottleneck.kernel.assign(0 * bottleneck.kernel)

    first, second = model(gray(2)).numpy()

    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_bottleneck_of_one_pixel_learns_from_a_batch_of_one(batch_norm: bool) -> None:
    model = small(depth=5, batch_norm=batch_norm)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(model(gray(1), training=True) ** 2)
    gradient = tape.gradient(loss, model.get_layer("down_5_conv").kernel.value)

    assert np.abs(gradient).max() > 0


def test_normalisation_is_there_only_when_asked_for() -> None:
    plain, normalised = small(), small(batch_norm=True)

    assert not plain.non_trainable_weights
    np.testing.assert_array_equal(plain(gray(), training=True), plain(gray(), training=False))
    first = keras.Model(normalised.input, normalised.get_layer("down_1_norm").output)
    maps = first(gray(), training=True).numpy()
    np.testing.assert_allclose(maps.mean((0, 1, 2)), 0, atol=1e-4)
    np.testing.assert_allclose(maps.std((0, 1, 2)), 1, atol=0.01)


@pytest.mark.parametrize(("depth", "nearest"), [(0, 1), (6, 5)])
def test_a_depth_that_the_size_does_not_allow_is_refused(depth: int, nearest: int) -> None:
    with pytest.raises(ArchitectureError, match=f"depth is {depth}, .* from 1 to 5 .*: take {nearest}."):
        small(32, depth=depth)
