"""Weights of a whole MobileNetV2 that no download is needed for, in both formats that Keras writes."""

import warnings
from collections.abc import Callable
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest


@pytest.fixture(scope="session")
def mobilenet() -> keras.Model:
    """MobileNetV2 without top for 32 x 32 pixels, drawn so that each layer keeps its input's variance.

    Keras' own draw lets the signal fade, and features that are all but zero prove nothing.
    """
    model = keras.applications.MobileNetV2((32, 32, 3), include_top=False, weights=None)
    rng = np.random.default_rng(1)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma, beta, mean, variance = (rng.normal(size=w.shape) for w in layer.weights)
            layer.set_weights([1 + 0.1 * gamma, 0.1 * beta, 0.1 * mean, 1 + 0.1 * abs(variance)])
        elif layer.weights:
            shape = layer.kernel.shape
            inputs = (
                shape[0] * shape[1] * (1 if isinstance(layer, keras.layers.DepthwiseConv2D) else shape[2])
            )
            layer.set_weights([rng.normal(0, (1.5 / inputs) ** 0.5, shape)])
    return model


@pytest.fixture(scope="session")
def weights_file(mobilenet: keras.Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "mobilenet.weights.h5"
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "__array__ implementation", DeprecationWarning
        )  # Keras 3.15 on NumPy 2
        mobilenet.save_weights(path)
    return path


@pytest.fixture(scope="session")
def write_legacy() -> Callable[[keras.Model, Path], Path]:
    """Write a network's weights as Keras' downloads hold them: a group a layer, named in attributes."""

    def write(model: keras.Model, path: Path) -> Path:
        with h5py.File(path, "w") as file:
            file.attrs["layer_names"] = [layer.name.encode() for layer in model.layers]
            file.attrs["keras_version"] = b"2.1.6"
            file.attrs["backend"] = b"tensorflow"
            for layer in model.layers:
                group = file.create_group(layer.name)
                names = [f"{layer.name}/{weight.name}:0" for weight in layer.weights]
                group.attrs["weight_names"] = [name.encode() for name in names]
                for name, weight in zip(names, layer.weights, strict=True):
                    group.create_dataset(name, data=weight.numpy())
        return path

    return write


@pytest.fixture(scope="session")
def legacy_file(
    mobilenet: keras.Model,
    write_legacy: Callable[[keras.Model, Path], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The same weights as `weights_file`, in the older format."""
    return write_legacy(mobilenet, tmp_path_factory.mktemp("weights") / "mobilenet_no_top.h5")
