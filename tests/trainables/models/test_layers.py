"""What holds for every network."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator

import keras
import numpy as np
import pytest

from trainables.models.autoencoder import build_autoencoder
from trainables.models.layers import (
    ArchitectureError,
    BatchNormalization,
    Dropout,
    Seeds,
    enlarge,
    normalisation,
    precision,
    redraw,
)
from trainables.models.mobilenet_unet import build_mobilenet_unet, redraw_mobilenet_unet
from trainables.models.patchgan import build_patchgan
from trainables.models.unet import build_unet
from trainables.params import Normalisation, Upsampling

Builder = Callable[[int, int], keras.Model]


def unet(image_size: int, seed: int) -> keras.Model:
    return build_unet(
        image_size,
        channels=3,
        width=8,
        depth=5,
        dropout=0.5,
        norm="batch",
        upsampling="transposed",
        seed=seed,
    )


def mobilenet_unet(image_size: int, seed: int) -> keras.Model:
    return build_mobilenet_unet(
        image_size,
        channels=3,
        width=8,
        dropout=0.5,
        norm="batch",
        upsampling="transposed",
        unfrozen_layers=0,
        weights=None,
        seed=seed,
    )


def autoencoder(image_size: int, seed: int) -> keras.Model:
    return build_autoencoder(
        image_size, channels=3, width=8, depth=3, dropout=0.5, batch_norm=True, seed=seed
    )


def patchgan(image_size: int, seed: int) -> keras.Model:
    return build_patchgan(image_size, width=8, norm="batch", seed=seed)


every_network = pytest.mark.parametrize("build", [unet, mobilenet_unet, autoencoder, patchgan])


def some_input(model: keras.Model) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.uniform(0, 1, (2, *tensor.shape[1:])).astype(np.float32) for tensor in model.inputs]


def called(model: keras.Model, *, training: bool) -> np.ndarray:
    inputs = some_input(model)
    return model(inputs if len(inputs) > 1 else inputs[0], training=training).numpy()


def digest(model: keras.Model) -> str:
    """Of all values: weights, statistics, and the states of the dropouts."""
    return hashlib.sha256(b"".join(v.numpy().tobytes() for v in model.variables)).hexdigest()


@every_network
def test_the_same_seed_gives_the_same_network_and_dropout(build: Builder) -> None:
    first, second = build(32, 3), build(32, 3)

    assert digest(first) == digest(second)
    np.testing.assert_array_equal(called(first, training=True), called(second, training=True))
    assert [w.path for w in first.weights] == [w.path for w in second.weights]
    assert len({w.path for w in first.weights}) == len(first.weights)


@every_network
def test_another_seed_gives_another_network(build: Builder) -> None:
    first, second = build(32, 3), build(32, 4)

    kernels = [(a, b) for a, b in zip(first.weights, second.weights, strict=True) if a.name == "kernel"]
    assert not any(np.array_equal(a, b) for a, b in kernels)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_networks_in_another_process() -> None:
    builders = (unet, mobilenet_unet, autoencoder, patchgan)
    code = f"import runpy; names = runpy.run_path({__file__!r})\n" + "".join(
        f"print(names['digest'](names[{build.__name__!r}](32, 7)))\n" for build in builders
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    output = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    ).stdout

    assert output.split() == [digest(build(32, 7)) for build in builders]


def test_no_two_layers_draw_the_same_numbers_not_even_of_a_generator_and_its_discriminator() -> None:
    drawn = [
        weight.numpy().ravel()[:8].tobytes()
        for model in (unet(32, 0), patchgan(32, 0), autoencoder(32, 0))
        for weight in model.weights
        if weight.name == "kernel"
    ]

    assert len(set(drawn)) == len(drawn)


def test_a_seed_depends_on_seed_network_and_layer_and_on_nothing_else() -> None:
    names = [f"down_{level}_conv" for level in range(100)]
    rows = [[Seeds(*of)(name) for name in names] for of in ((0, "unet"), (1, "unet"), (0, "patchgan"))]

    assert len({seed for row in rows for seed in row}) == 300
    assert rows[0] == [Seeds(0, "unet")(name) for name in reversed(names)][::-1]
    assert all(0 <= seed < 2**31 for row in rows for seed in row)


@pytest.mark.parametrize("build", [unet, mobilenet_unet, autoencoder])
def test_dropout_acts_in_training_only(build: Builder) -> None:
    model = build(32, 0)

    np.testing.assert_array_equal(called(model, training=False), called(model, training=False))
    assert not np.array_equal(called(model, training=True), called(model, training=True))


@pytest.fixture
def mixed_bfloat16() -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy(before)


@every_network
@pytest.mark.usefixtures("mixed_bfloat16")
def test_the_head_computes_in_float32_under_mixed_precision(build: Builder) -> None:
    model = build(32, 0)

    assert called(model, training=False).dtype == np.float32
    assert model.get_layer("head").compute_dtype == "float32"
    assert model.get_layer("head").input.dtype == "bfloat16"
    assert {w.dtype for w in model.trainable_weights} == {"float32"}


@every_network
@pytest.mark.parametrize(
    ("image_size", "remedy"),
    [(48, "take 32 or 64"), (1000, "take 512 or 1024"), (16, "take 32"), (0, "take 32"), (-64, "take 32")],
)
def test_an_image_size_that_is_no_power_of_two_of_at_least_32_is_refused(
    build: Builder, image_size: int, remedy: str
) -> None:
    with pytest.raises(ArchitectureError) as error:
        build(image_size, 0)

    assert (
        str(error.value)
        == f"image_size is {image_size}, but must be a power of two of at least 32: {remedy}."
    )


@every_network
def test_redrawn_a_network_is_as_if_built_from_that_seed(build: Builder) -> None:
    network, expected = build(32, 3), build(32, 4)
    called(network, training=True)  # moves statistics and dropouts on
    for variable in network.trainable_variables:
        variable.assign_add(np.ones(variable.shape))
    if build is mobilenet_unet:
        redraw_mobilenet_unet(network, None, 4)
    else:
        redraw(network, 4)

    assert digest(network) == digest(expected)
    np.testing.assert_array_equal(called(network, training=True), called(expected, training=True))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_batch_normalisation_is_keras_own_with_the_unbiased_variance_kept(dtype: str) -> None:
    x = np.random.default_rng(0).normal(3, 2, (4, 5, 5, 6)).astype(np.float32)
    with precision(dtype):
        ours = BatchNormalization(momentum=0.9, epsilon=1e-5)
        expected = keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)
    # bfloat16 has 8 bits: what is near 3 comes rounded to a sixty-fourth.
    close = {"rtol": 1e-4, "atol": 1e-4} if dtype == "float32" else {"rtol": 0.02, "atol": 0.03}

    np.testing.assert_allclose(ours(x, training=True), expected(x, training=True), **close)
    np.testing.assert_allclose(ours.moving_mean, expected.moving_mean, **close)
    own = (ours.moving_variance - 0.9) / 0.1
    np.testing.assert_allclose(own, x.var(axis=(0, 1, 2), ddof=1), rtol=close["rtol"] * 10)
    expected.set_weights(ours.get_weights())
    np.testing.assert_allclose(ours(x, training=False), expected(x, training=False), **close)


def test_a_frozen_batch_normalisation_keeps_its_statistics_and_uses_them() -> None:
    x = np.random.default_rng(0).normal(3, 2, (4, 5, 5, 6)).astype(np.float32)
    layer = BatchNormalization()
    layer(x)
    layer.trainable = False

    np.testing.assert_array_equal(layer(x, training=True), layer(x, training=False))
    assert not layer.moving_mean.numpy().any()


def test_dropout_drops_its_rate_and_keeps_the_mean_at_whatever_rate_it_is_set_to() -> None:
    layer = Dropout(0.5, seed=1, name="dropout")
    ones = np.ones((100, 1000), np.float32)
    for rate in (0.5, 0.1):
        layer.rate.assign(rate)
        dropped = layer(ones, training=True).numpy()
        # 100,000 draws: four standard deviations of the share are 0.0064 at most.
        assert (dropped == 0).mean() == pytest.approx(rate, abs=0.0064)
        assert dropped.max() == pytest.approx(1 / (1 - rate))


@pytest.mark.parametrize(("kind", "axes"), [("batch", (0, 1, 2)), ("instance", (1, 2)), ("group", (1, 2, 4))])
def test_each_normalisation_normalises_over_its_own_axes(kind: Normalisation, axes: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).normal(3, 2, (4, 5, 5, 64)).astype(np.float32)
    layer = normalisation(kind, 64, seed=0, name="norm")
    layer.build(x.shape)
    layer.gamma.assign(np.ones(64))
    found = layer(x, training=True).numpy()
    if kind == "group":  # 32 groups of 2 channels
        found = found.reshape(4, 5, 5, 32, 2)

    np.testing.assert_allclose(found.mean(axis=axes), 0, atol=1e-5)
    np.testing.assert_allclose(found.std(axis=axes), 1, atol=1e-3)


@pytest.mark.parametrize("upsampling", ["transposed", "resize"])
def test_either_way_a_map_is_doubled(upsampling: Upsampling) -> None:
    x = keras.Input((4, 4, 8))
    larger = enlarge(x, 3, upsampling, use_bias=True, seeds=Seeds(0, "net"), name="up")
    assert larger.shape == (None, 8, 8, 3)


def test_a_resize_convolution_leaves_no_checkerboard() -> None:
    def roughness(upsampling: Upsampling) -> float:
        x = keras.Input((8, 8, 8))
        model = keras.Model(x, enlarge(x, 4, upsampling, use_bias=False, seeds=Seeds(0, "net"), name="up"))
        inner = model(np.ones((1, 8, 8, 8), np.float32)).numpy()[:, 2:-2, 2:-2]
        return float(inner.std(axis=(1, 2)).max())

    # A flat map stays flat but for rounding; the kernel of a transposed convolution shows through.
    assert roughness("resize") < 1e-6 < 1e-3 < roughness("transposed")
