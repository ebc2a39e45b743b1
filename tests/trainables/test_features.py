"""Features of MobileNetV2 from a file of weights."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from trainables.features import FeatureExtractor
from trainables.models.pretrained import WeightsError


@pytest.fixture(scope="module")
def extractor(mobilenet_weights: Path) -> FeatureExtractor:
    return FeatureExtractor(mobilenet_weights)


def pictures(size: int) -> tf.Tensor:
    return tf.random.Generator.from_seed(0).uniform((3, size, size, 3))


@pytest.mark.parametrize("size", [32, 64, 200])
def test_pictures_of_any_size_have_576_features(extractor: FeatureExtractor, size: int) -> None:
    features = extractor(pictures(size)).numpy()
    assert features.shape == (3, 576)
    assert features.dtype == np.float32
    assert features.min() >= 0
    assert features.max() > 0


def test_features_are_those_of_keras_own_network_for_its_own_input(
    extractor: FeatureExtractor, mobilenet_weights: Path
) -> None:
    import keras

    network = keras.applications.MobileNetV2(input_shape=(128, 128, 3), include_top=False, weights=None)
    network.load_weights(mobilenet_weights)
    layer = keras.Model(network.input, network.get_layer("block_13_expand_relu").output)
    expected = tf.reduce_mean(
        layer(keras.applications.mobilenet_v2.preprocess_input(255 * pictures(128)), training=False),
        axis=(1, 2),
    )
    assert extractor(pictures(128)).numpy() == pytest.approx(expected.numpy(), abs=1e-4)


def test_a_picture_has_the_same_features_in_any_company(extractor: FeatureExtractor) -> None:
    together = extractor(pictures(64)).numpy()
    alone = extractor(pictures(64)[1:2]).numpy()
    assert alone[0] == pytest.approx(together[1], abs=1e-4)


def test_an_enlarged_picture_keeps_its_features(extractor: FeatureExtractor) -> None:
    small = tf.image.resize(pictures(8), (64, 64), method="bicubic")
    large = tf.image.resize(small, (128, 128), method="bicubic", antialias=True)
    assert extractor(small).numpy() == pytest.approx(extractor(large).numpy(), abs=1e-4)


def test_a_file_without_weights_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "notes.weights.h5"
    file.write_text("not weights")
    with pytest.raises(WeightsError, match=r"notes\.weights\.h5"):
        FeatureExtractor(file)
