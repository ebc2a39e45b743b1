"""The U-Net against the paper: sizes, slopes, normalisations and dropouts, measured on the network."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainables.models.layers import ArchitectureError
from trainables.models.unet import build_unet


def small(image_size: int = 32, **changed: object) -> keras.Model:
    params = {
        "channels": 3,
        "width": 8,
        "depth": 5,
        "dropout": 0.0,
        "norm": "batch",
        "upsampling": "transposed",
        "seed": 0,
    } | changed
    return build_unet(image_size, **params)  # type: ignore[arg-type]


def gray(count: int = 2, image_size: int = 32) -> np.ndarray:
    shape = (count, image_size, image_size, 1)
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)


def inside(model: keras.Model, name: str) -> keras.Model:
    return keras.Model(model.input, model.get_layer(name).output)


def unrectified(activation: np.ndarray) -> np.ndarray:
    return np.where(activation > 0, activation, activation / 0.2)


def test_the_full_size_is_the_papers() -> None:
    model = build_unet(
        128, channels=3, width=64, depth=7, dropout=0.5, norm="batch", upsampling="transposed", seed=0
    )

    down = [(1, 64), (64, 128), (128, 256), (256, 512), (512, 512), (512, 512), (512, 512)]
    up = [(512, 512), (1024, 512), (1024, 512), (1024, 256), (512, 128), (256, 64), (128, 3)]
    kernels = sum(16 * before * after for before, after in down + up)
    normalised = sum(after for _, after in down[1:-1] + up[:-1])
    biases = 64 + 512 + 3
    assert sum(w.numpy().size for w in model.trainable_weights) == kernels + 2 * normalised + biases
    assert model.count_params() == kernels + 4 * normalised + biases == 41_835_331


@pytest.mark.parametrize("channels", [2, 3])
@pytest.mark.parametrize(("image_size", "depth"), [(32, 3), (64, 6), (128, 7)])
def test_gray_becomes_a_picture_of_the_same_size_within_minus_one_and_one(
    image_size: int, depth: int, channels: int
) -> None:
    model = small(image_size, depth=depth, channels=channels)
    model.get_layer("head").kernel.assign(model.get_layer("head").kernel * 1e4)

    colour = model(gray(2, image_size), training=False).numpy()

    assert colour.shape == (2, image_size, image_size, channels)
    assert colour.dtype == np.float32
    assert colour.min() == pytest.approx(-1)
    assert colour.max() == pytest.approx(1)
    assert abs(colour).max() <= 1


def test_kernels_and_gammas_are_drawn_as_in_the_paper() -> None:
    model = small(width=16)
    kernels = np.concatenate([w.numpy().ravel() for w in model.weights if w.name == "kernel"])
    gammas = np.concatenate([w.numpy().ravel() for w in model.weights if w.name == "gamma"])

    # Five standard errors of a mean and of a standard deviation.
    for drawn, mean in ((kernels, 0.0), (gammas, 1.0)):
        assert abs(drawn.mean() - mean) < 5 * 0.02 / drawn.size**0.5
        assert abs(drawn.std() - 0.02) < 5 * 0.02 / (2 * drawn.size) ** 0.5


def test_rectifiers_are_leaky_by_a_fifth_on_the_way_down_and_not_at_all_on_the_way_up() -> None:
    model = small(norm="none")
    first = inside(model, "down_1_relu")
    bright, dark = first(gray()).numpy(), first(-gray()).numpy()

    lit = bright > 0
    assert lit.any()
    np.testing.assert_allclose(dark[lit], -0.2 * bright[lit], rtol=1e-5)
    for stage in range(1, 5):
        raised = inside(model, f"up_{stage}_relu")(gray()).numpy()
        assert raised.min() == 0
        assert raised.max() > 0


def test_the_first_layer_is_not_normalised() -> None:
    first = inside(small(), "down_1_relu")

    np.testing.assert_allclose(first(2 * gray(), training=True), 2 * first(gray(), training=True), rtol=1e-5)


@pytest.mark.parametrize("level", [2, 3, 4])
def test_the_levels_between_are_normalised(level: int) -> None:
    maps = unrectified(inside(small(), f"down_{level}_relu")(gray(8), training=True).numpy())

    np.testing.assert_allclose(maps.mean((0, 1, 2)), 0, atol=1e-3)
    np.testing.assert_allclose(maps.std((0, 1, 2)), 1, atol=0.2)


def test_a_bottleneck_of_one_pixel_is_not_normalised_so_that_a_batch_of_one_learns() -> None:
    model = small(depth=5)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(model(gray(1), training=True) ** 2)
    gradient = tape.gradient(loss, model.get_layer("down_5_conv").kernel.value)

    assert model.get_layer("down_5_relu").output.shape[1:3] == (1, 1)
    assert np.abs(gradient).max() > 0
    maps = unrectified(inside(model, "down_5_relu")(gray(8), training=True).numpy())
    assert maps.std((0, 1, 2)).max() < 0.8  # a normalised one has about 1


def test_a_larger_bottleneck_is_normalised() -> None:
    model = small(depth=3)
    maps = unrectified(inside(model, "down_3_relu")(gray(8), training=True).numpy())

    assert maps.shape[1:3] == (4, 4)
    np.testing.assert_allclose(maps.mean((0, 1, 2)), 0, atol=1e-3)
    np.testing.assert_allclose(maps.std((0, 1, 2)), 1, atol=0.2)


def test_normalisation_keeps_nine_tenths_of_its_statistics_a_step() -> None:
    model = small()
    inputs = inside(model, "down_2_conv")(gray(), training=True).numpy()
    model(gray(), training=True)

    np.testing.assert_allclose(
        model.get_layer("down_2_norm").moving_mean, 0.1 * inputs.mean((0, 1, 2)), rtol=1e-3, atol=1e-6
    )


def test_without_normalisation_and_dropout_training_and_inference_agree() -> None:
    model = small(norm="none", dropout=0.0)

    assert not model.non_trainable_variables
    np.testing.assert_array_equal(model(gray(), training=True), model(gray(), training=False))


@pytest.mark.parametrize(
    ("image_size", "depth", "dropping"),
    [
        (32, 3, [True, False]),
        (32, 4, [True, True, False]),
        (32, 5, [True] * 3 + [False]),
        (64, 6, [True] * 3 + [False] * 2),
    ],
)
def test_the_first_three_up_stages_drop_out_but_never_the_last(
    image_size: int, depth: int, dropping: list[bool]
) -> None:
    model = small(image_size, depth=depth, dropout=0.9)
    zeros = []
    for stage in range(1, depth):
        raised = inside(model, f"up_{stage}_relu")(gray(4, image_size), training=True).numpy()
        zeros.append((raised == 0).mean())

    # A rectifier alone zeroes about a half, with dropout in front of it 95 %.
    assert [share > 0.85 for share in zeros] == dropping


def test_every_level_reaches_the_picture_through_its_skip() -> None:
    model = small()
    for level in range(1, 5):
        skip = model.get_layer(f"up_{5 - level}_skip")
        assert skip.input[1] is model.get_layer(f"down_{level}_relu").output


@pytest.mark.parametrize(
    ("image_size", "depth", "most", "nearest"), [(32, 2, 5, 3), (32, 6, 5, 5), (64, 0, 6, 3)]
)
def test_a_depth_that_the_size_does_not_allow_is_refused(
    image_size: int, depth: int, most: int, nearest: int
) -> None:
    with pytest.raises(ArchitectureError) as error:
        small(image_size, depth=depth)

    assert str(error.value) == (
        f"depth is {depth}, but must be from 3 to {most} at image_size {image_size}, "
        f"since each level halves the image: take {nearest}."
    )
