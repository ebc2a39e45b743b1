"""The weights of a whole MobileNetV2 in the older format that Keras writes."""

from collections.abc import Callable
from pathlib import Path

import h5py
import keras
import pytest


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
