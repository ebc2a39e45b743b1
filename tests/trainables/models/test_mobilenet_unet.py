"""The U-Net on MobileNetV2: what it takes from the encoder, what of it trains, and what real weights know."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from trainables.models.layers import ArchitectureError
from trainables.models.mobilenet_unet import (
    ENCODER_KERNELS,
    build_encoder,
    build_mobilenet_unet,
    unfrozen_names,
    unfrozen_parameters,
)
from trainables.models.pretrained import WeightsError

CONSUMED = (
    "block_16_project",
    "block_13_expand_relu",
    "block_6_expand_relu",
    "block_3_expand_relu",
    "block_1_expand_relu",
)

LAST_TWENTY = [
    "block_10_depthwise",
    "block_10_project",
    *(f"block_{block}_{part}" for block in range(11, 17) for part in ("expand", "depthwise", "project")),
]


def small(image_size: int = 32, **changed: object) -> keras.Model:
    params = {
        "channels": 3,
        "width": 8,
        "dropout": 0.0,
        "norm": "batch",
        "upsampling": "transposed",
        "unfrozen_layers": 0,
        "weights": None,
        "seed": 0,
    } | changed
    return build_mobilenet_unet(image_size, **params)  # type: ignore[arg-type]


def gray(count: int = 2, image_size: int = 32) -> np.ndarray:
    shape = (count, image_size, image_size, 1)
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)


def consumed(model: keras.Model) -> list[keras.KerasTensor]:
    """What enters the decoder of a built model, from the bottleneck up to the gray image."""
    skips = [model.get_layer(f"up_{stage}_skip").input[1] for stage in range(1, 6)]
    return [model.get_layer("up_1_conv").input, *skips]


def names_with_kernel(model: keras.Model) -> list[str]:
    return [w.path.split("/")[0] for w in model.weights if w.name == "kernel"]


@pytest.mark.parametrize(("image_size", "channels"), [(32, 2), (64, 3), (128, 2), (128, 3)])
def test_gray_becomes_a_picture_of_the_same_size_within_minus_one_and_one(
    image_size: int, channels: int
) -> None:
    model = small(image_size, channels=channels)
    model.get_layer("head").kernel.assign(model.get_layer("head").kernel * 1e4)

    colour = model(gray(2, image_size), training=False).numpy()

    assert colour.shape == (2, image_size, image_size, channels)
    assert colour.dtype == np.float32
    assert colour.min() == pytest.approx(-1)
    assert colour.max() == pytest.approx(1)


def test_the_decoder_consumes_the_five_named_activations_of_the_unscaled_gray_and_the_gray_itself(
    mobilenet: keras.Model, weights_file: Path
) -> None:
    model = small(weights=weights_file)
    encoder = keras.Model(mobilenet.input, [mobilenet.get_layer(name).output for name in CONSUMED])
    expected = [*encoder(np.repeat(gray(), 3, axis=-1), training=False), tf.constant(gray())]

    entering = keras.Model(model.input, consumed(model))(gray(), training=False)
    for feature, features in zip(expected, entering, strict=True):
        assert np.std(feature) > 0.05
        np.testing.assert_allclose(features, feature, atol=1e-4)

    decoder = keras.Model(consumed(model), model.output)
    with tf.GradientTape() as tape:
        tape.watch(expected)
        loss = tf.reduce_mean(decoder(expected, training=False) ** 2)
    assert all(np.abs(gradient).max() > 0 for gradient in tape.gradient(loss, expected))


def test_the_decoder_has_the_stated_filters() -> None:
    kernels = {w.path: w.shape for w in small(width=16).weights if w.name == "kernel"}

    assert [kernels[f"up_{stage}_conv/kernel"][2:] for stage in range(1, 6)] == [
        (128, 320),
        (64, 128 + 576),
        (32, 64 + 192),
        (16, 32 + 144),
        (8, 16 + 96),
    ]
    assert kernels["head/kernel"] == (3, 3, 8 + 1, 3)


def test_both_file_formats_give_the_same_encoder(
    mobilenet: keras.Model, weights_file: Path, legacy_file: Path
) -> None:
    for path in (weights_file, legacy_file):
        encoder = build_encoder(64, weights=path, seed=0)
        assert encoder.weights
        for weight in encoder.weights:
            layer, name = weight.path.split("/")
            np.testing.assert_array_equal(weight, getattr(mobilenet.get_layer(layer), name))


def test_weights_that_do_not_fit_are_refused_by_the_builder(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="is not a file"):
        small(weights=tmp_path / "absent.h5")


def test_a_random_encoder_passes_the_signal_on_to_its_bottleneck() -> None:
    for feature in build_encoder(64, weights=None, seed=0)(np.repeat(gray(4, 64), 3, axis=-1)):
        assert 0.1 < np.std(feature) < 10


@pytest.mark.parametrize(
    ("count", "parameters"), [(0, 0), (1, 307_200), (20, 1_525_632), (ENCODER_KERNELS, 1_780_160)]
)
def test_unfreezing_n_trains_exactly_the_last_n_kernels_and_no_normalisation(
    count: int, parameters: int
) -> None:
    model = small(unfrozen_layers=count)
    encoder = model.get_layer("encoder")
    kernels = names_with_kernel(encoder)
    last = kernels[len(kernels) - count :]

    assert len(kernels) == ENCODER_KERNELS
    assert list(unfrozen_names(model)) == last
    assert last[-20:] == LAST_TWENTY[20 - min(count, 20) :]
    assert [w.path for w in encoder.trainable_weights] == [f"{name}/kernel" for name in last]
    assert unfrozen_parameters(model) == parameters
    # All of the decoder trains: the statistics of its five normalisations are what is left.
    assert len(model.non_trainable_weights) - len(encoder.non_trainable_weights) == 2 * 5


@pytest.mark.parametrize("count", [-1, ENCODER_KERNELS + 1])
def test_more_unfrozen_layers_than_there_are_is_an_error_that_names_the_number(count: int) -> None:
    with pytest.raises(ArchitectureError) as error:
        small(unfrozen_layers=count)

    assert str(error.value) == (
        f"unfrozen_layers is {count}, but must be from 0 to 51, the number of layers with a kernel in the encoder: "
        f"take {0 if count < 0 else 51}."
    )


@pytest.mark.parametrize("count", [0, 20, ENCODER_KERNELS])
def test_training_moves_the_unfrozen_kernels_and_not_one_bit_of_anything_else_in_the_encoder(
    count: int, weights_file: Path
) -> None:
    model = small(unfrozen_layers=count, weights=weights_file, dropout=0.5)
    encoder = model.get_layer("encoder")
    before = {w.path: w.numpy() for w in encoder.weights}
    optimizer = keras.optimizers.Adam(1e-2)

    head = model.get_layer("head").kernel.numpy()
    for _ in range(2):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.abs(model(gray(4), training=True) - 0.5))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)

    assert not np.array_equal(head, model.get_layer("head").kernel)
    moved = [w.path for w in encoder.weights if before[w.path].tobytes() != w.numpy().tobytes()]
    assert moved == [f"{name}/kernel" for name in unfrozen_names(model)]


def _birds(folder: Path, per_species: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Gray photos in -1..1, and their species, ordered so that every species is spread evenly."""
    photos, species = [], []
    for code, kind in enumerate(sorted((folder / "withBackground").iterdir())):
        for path in sorted(kind.iterdir())[:per_species]:
            with Image.open(path) as image:
                photos.append(np.asarray(image.convert("L").resize((size, size)), np.float32) / 127.5 - 1)
            species.append(code)
    order = np.random.default_rng(0).permutation(len(species))
    return np.stack(photos)[order, ..., None], np.asarray(species)[order]


def _probe(features: np.ndarray, species: np.ndarray) -> float:
    """Share of held-out photos whose species a ridge regression on the features names; a quarter is held out."""
    train = len(species) * 3 // 4
    features = (features - features[:train].mean(0)) / (features[:train].std(0) + 1e-6)
    x, y = features[:train], np.eye(20)[species[:train]] - 0.05
    dual = np.linalg.solve(x @ x.T + 0.3 * x.shape[1] * np.eye(train), y)
    return float(((features[train:] @ x.T @ dual).argmax(1) == species[train:]).mean())


@pytest.mark.slow
def test_real_weights_know_birds_by_their_gray_photos_and_random_ones_do_not(
    uk_garden_birds: Path, mobilenet_weights: Path
) -> None:
    photos, species = _birds(uk_garden_birds, 30, 64)
    named = {}
    for weights in (mobilenet_weights, None):
        model = small(64, weights=weights)
        features = keras.Model(model.input, consumed(model)[1])
        maps = [features(batch, training=False).numpy() for batch in np.array_split(photos, 10)]
        named[weights] = _probe(np.concatenate(maps).mean((1, 2)), species)

    # Chance is 5 %. Measured on these 150 photos: 57 % with the weights, 27 % with them but the gray scaled twice,
    # 9 % with random ones; a standard error is 4 %.
    assert named[mobilenet_weights] > 0.42
    assert named[None] < 0.2
