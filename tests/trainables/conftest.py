"""A pack small enough to train on in a test, and the weights of a MobileNetV2 that no download is needed for."""

from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import numpy as np
import pytest

from trainables.data.pack import Pack
from trainables.loop import forget_loops

MakePack = Callable[..., Pack]
SaveWeights = Callable[[keras.Model, Path], Path]


@pytest.fixture(scope="module", autouse=True)
def _forget_loops() -> Iterator[None]:
    """Each module's networks would otherwise stay to the end, and the collector look through all of them."""
    yield
    forget_loops()


@pytest.fixture(scope="session")
def make_pack() -> MakePack:
    """Build a pack in memory of uint8 images `[n, s, s, 3]`; the last eight validate, the eight before them test."""

    def make(images: np.ndarray) -> Pack:
        n = len(images)
        split = np.zeros(n, np.int8)
        split[-8:], split[-16:-8] = 1, 2
        return Pack(
            path=Path("memory.arrow"),
            fingerprint=f"{images.astype(np.int64).sum():x}",
            source="shaded colours",
            seed=0,
            images=images,
            labels=np.zeros(n, np.int64),
            classes=("shade",),
            names=tuple(f"shade/{i}.png" for i in range(n)),
            split=split,
        )

    return make


@pytest.fixture(scope="session")
def pack(make_pack: MakePack) -> Pack:
    """64 images of 32 pixels: dark blue on the left to light yellow on the right, noisy; 48 of them train."""
    rng = np.random.default_rng(0)
    shade = np.linspace(0.2, 0.8, 32)[:, None] * np.array([1.2, 1.0, -0.5]) + np.array([0.0, 0.0, 0.7])
    images = shade[None, None] * rng.uniform(0.7, 1.0, (64, 32, 32, 1))
    return make_pack((images.clip(0, 1) * 255).astype(np.uint8))


@pytest.fixture(scope="session")
def plain_pack(make_pack: MakePack) -> Pack:
    """32 images of a single colour each, which augmentation leaves as they are; 16 of them train."""
    colours = np.random.default_rng(1).integers(0, 256, (32, 1, 1, 3), np.uint8)
    return make_pack(np.broadcast_to(colours, (32, 32, 32, 3)).copy())


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
def weights_file(
    mobilenet: keras.Model, save_weights: SaveWeights, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    return save_weights(mobilenet, tmp_path_factory.mktemp("weights") / "mobilenet.weights.h5")
