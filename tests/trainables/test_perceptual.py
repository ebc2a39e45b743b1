"""The perceptual loss, on random weights of VGG: such features tell textures and colours apart as well."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainables import color
from trainables.data.birds import SPECIES, draw_bird
from trainables.models.pretrained import WeightsError
from trainables.perceptual import PerceptualLoss, perceptual_loss

POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")


@pytest.fixture(scope="module")
def loss(vgg16_weights: Path) -> PerceptualLoss:
    return PerceptualLoss(vgg16_weights, "float32")


def birds(size: int = 32) -> tf.Tensor:
    drawn = [draw_bird(species, size, np.random.default_rng(0)) for species in SPECIES[:3]]
    return tf.constant(np.stack(drawn) / np.float32(255))


def gray(pictures: tf.Tensor) -> tf.Tensor:
    return tf.repeat(color.luma(pictures), 3, axis=-1)


def gradient(loss: PerceptualLoss, truth: tf.Tensor, picture: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    with tf.GradientTape() as tape:
        tape.watch([truth, picture])
        value = loss(truth, picture)
    return tape.gradient(value, [truth, picture])


@pytest.mark.parametrize("size", [32, 64])
@pytest.mark.parametrize("policy", POLICIES)
def test_a_picture_does_not_differ_from_itself(policy: str, size: int, vgg16_weights: Path) -> None:
    value = perceptual_loss(vgg16_weights, policy)(birds(size), birds(size))
    assert value.dtype == tf.float32
    assert value.shape == ()
    assert value.numpy() == 0


@pytest.mark.parametrize(
    ("weights", "layers"),
    [
        ("vgg16_weights", ("block1_conv2", "block2_conv2", "block3_conv3", "block4_conv3")),
        ("vgg19_weights", ("block1_conv2", "block2_conv2", "block3_conv4", "block4_conv4")),
    ],
)
def test_features_are_those_of_keras_own_network_for_its_own_input(
    weights: str, layers: tuple[str, ...], request: pytest.FixtureRequest
) -> None:
    path: Path = request.getfixturevalue(weights)
    architecture = weights.removesuffix("_weights")
    network = getattr(keras.applications, architecture.upper())(
        input_shape=(32, 32, 3), include_top=False, weights=None
    )
    network.load_weights(path)
    own = keras.Model(network.input, [network.get_layer(name).output for name in layers])
    preprocess = getattr(keras.applications, architecture).preprocess_input
    expected = own(preprocess(255 * birds().numpy()), training=False)

    found = PerceptualLoss(path, "float32").features(birds())

    assert [f.shape[-1] for f in found] == [64, 128, 256, 512]
    for feature, reference in zip(found, expected, strict=True):
        np.testing.assert_allclose(feature, reference, rtol=1e-4, atol=1e-4 * float(tf.reduce_max(reference)))


def test_every_layer_counts_the_same_however_large_its_activations(loss: PerceptualLoss) -> None:
    truth, picture = birds(), gray(birds())
    differences = [
        np.mean(np.abs(f - g), axis=(1, 2, 3)) / np.mean(f, axis=(1, 2, 3))
        for f, g in zip(loss.features(truth), loss.features(picture), strict=True)
    ]
    assert float(loss(truth, picture)) == pytest.approx(np.mean(differences), rel=1e-5)


def test_a_pictures_loss_does_not_depend_on_its_company(loss: PerceptualLoss) -> None:
    truth, picture = birds(), gray(birds())
    alone = [float(loss(truth[i : i + 1], picture[i : i + 1])) for i in range(3)]
    assert float(loss(truth, picture)) == pytest.approx(np.mean(alone), rel=1e-5)


def test_another_hue_differs_more_than_a_tiny_noise(loss: PerceptualLoss) -> None:
    noise = np.random.default_rng(0).normal(0, 1 / 255, birds().shape).astype(np.float32)
    turned = color.from_luma_chroma(color.luma(birds()), -color.chroma(birds()))
    # Measured: 0.018 and 0.57.
    assert float(loss(birds(), birds() + noise)) < 0.05 < 0.2 < float(loss(birds(), turned))


def test_the_gradient_reaches_the_picture_and_never_the_truth(loss: PerceptualLoss) -> None:
    to_truth, to_picture = gradient(loss, birds(), gray(birds()))
    assert to_truth is None
    assert np.abs(to_picture).max(axis=(1, 2, 3)).min() > 0


def test_the_gradient_is_the_losss_own_slope(loss: PerceptualLoss) -> None:
    truth, picture = birds(), gray(birds())
    _, slope = gradient(loss, truth, picture)
    step = 1e-3 * slope / tf.norm(slope)
    rise = float(loss(truth, picture + step) - loss(truth, picture - step))
    assert rise == pytest.approx(2e-3 * float(tf.norm(slope)), rel=0.05)


@pytest.mark.parametrize(
    ("policy", "compute"), [("mixed_bfloat16", "bfloat16"), ("mixed_float16", "float16")]
)
def test_features_are_computed_in_the_policys_dtype_and_given_in_float32(
    policy: str, compute: str, vgg16_weights: Path
) -> None:
    for feature in perceptual_loss(vgg16_weights, policy).features(birds()):
        assert feature.dtype == tf.float32
        assert np.array_equal(feature, tf.cast(tf.cast(feature, compute), tf.float32))


@pytest.mark.parametrize(("policy", "direction"), [("mixed_bfloat16", 0.9), ("mixed_float16", 0.98)])
def test_half_precision_gives_the_same_loss_and_a_gradient_of_the_same_direction(
    policy: str, direction: float, loss: PerceptualLoss, vgg16_weights: Path
) -> None:
    truth, picture = birds(64), gray(birds(64))
    half = perceptual_loss(vgg16_weights, policy)
    assert float(half(truth, picture)) == pytest.approx(float(loss(truth, picture)), rel=0.01)
    _, rough = gradient(half, truth, picture)
    _, exact = gradient(loss, truth, picture)
    # Where features are nearly equal, rounding decides a difference's sign. Measured cosines: 0.97 and 0.996.
    cosine = tf.reduce_sum(rough * exact) / (tf.norm(rough) * tf.norm(exact))
    assert float(cosine) > direction
    assert float(tf.norm(rough)) == pytest.approx(float(tf.norm(exact)), rel=0.1)


def test_it_runs_in_a_graph(loss: PerceptualLoss) -> None:
    in_graph = tf.function(loss, autograph=False)
    assert float(in_graph(birds(), gray(birds()))) == pytest.approx(
        float(loss(birds(), gray(birds()))), rel=1e-5
    )


def test_a_process_loads_the_same_weights_once_for_each_policy(vgg16_weights: Path) -> None:
    assert perceptual_loss(vgg16_weights, "float32") is perceptual_loss(vgg16_weights, "float32")
    assert perceptual_loss(vgg16_weights, "float32") is not perceptual_loss(vgg16_weights, "mixed_bfloat16")


def test_a_file_of_another_network_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "notes.weights.h5"
    file.write_text("not weights")
    with pytest.raises(WeightsError, match=r"notes\.weights\.h5"):
        perceptual_loss(file, "float32")
