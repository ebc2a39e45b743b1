from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainables import checkpoint, color
from trainables.checkpoint import CheckpointError
from trainables.colorizer import Colorizer, PhotoError
from trainables.data.pack import Pack
from trainables.loop import Loop, Training, make_loop
from trainables.params import params_of

CNN: dict[str, Any] = {"width": 8, "depth": 2, "batch_norm": True, "learning_rate": 3e-3}


@pytest.fixture(scope="module")
def loop(pack: Pack) -> Loop:
    loop = make_loop(Training(params_of("cnn", CNN), batch_size=16, seed=0, epochs=1), pack)
    loop.train_epoch()
    return loop


@pytest.fixture(scope="module")
def model(loop: Loop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "best.safetensors"
    loop.export(path)
    return path


def photo(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, (height, width, 3), np.uint8)


def luma(picture: np.ndarray) -> np.ndarray:
    return color.luma(picture / np.float32(255)).numpy() * 255


@pytest.mark.parametrize(("height", "width"), [(32, 32), (101, 57), (64, 199), (1, 1), (7, 300), (20, 20)])
def test_a_photo_of_any_size_keeps_its_size_and_luma(model: Path, height: int, width: int) -> None:
    given = photo(height, width)
    coloured = Colorizer.load(model).colorize(given)
    assert coloured.shape == given.shape
    assert coloured.dtype == np.uint8
    assert np.abs(luma(coloured) - luma(given)).max() <= 1


def test_a_photo_of_the_models_size_is_coloured_as_in_training(model: Path, loop: Loop, pack: Pack) -> None:
    rows = pack.indices("validation")
    colorizer = Colorizer.load(model)
    coloured = np.stack([colorizer.colorize(pack.images[row]) for row in rows]).astype(int)
    assert np.abs(coloured - loop.pictures(rows)).max() <= 1


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("cnn", CNN | {"head": "chroma", "batch_norm": False}),
        ("pix2pix", {"width": 8, "depth": 3, "head": "chroma", "ema_decay": 0.9}),
        ("pix2pix", {"width": 8, "encoder": "mobilenetv2"}),
    ],
)
def test_every_kind_of_generator_comes_back_from_its_file(
    pack: Pack, tmp_path: Path, name: str, params: dict[str, Any]
) -> None:
    loop = make_loop(Training(params_of(name, params), batch_size=16, seed=3, epochs=1), pack)
    loop.export(tmp_path / "model.safetensors")
    row = pack.indices("validation")[0]
    coloured = Colorizer.load(tmp_path / "model.safetensors").colorize(pack.images[row]).astype(int)
    assert np.abs(coloured - loop.pictures([row])[0]).max() <= 1


def test_a_gray_photo_is_coloured_like_its_rgb(model: Path) -> None:
    gray = photo(40, 50)[..., 0]
    colorizer = Colorizer.load(model)
    np.testing.assert_array_equal(colorizer.colorize(gray), colorizer.colorize(np.stack([gray] * 3, axis=-1)))


def test_only_the_luma_of_the_photo_is_looked_at(model: Path) -> None:
    gray = np.full((40, 40), 120, np.uint8)
    red = np.broadcast_to(np.array([230, 77, 53], np.uint8), (40, 40, 3))
    assert abs(luma(red).mean() - 120) < 0.1
    colorizer = Colorizer.load(model)
    assert np.abs(colorizer.colorize(red).astype(int) - colorizer.colorize(gray)).max() <= 1


def test_what_was_trained_can_be_read_off_the_model(model: Path) -> None:
    metadata = Colorizer.load(model).metadata
    assert metadata["model"] == "cnn"
    assert metadata["params"]["width"] == 8
    assert metadata["image_size"] == 32
    assert metadata["epoch"] == 1


def test_a_training_state_is_no_model(loop: Loop, tmp_path: Path) -> None:
    loop.save(tmp_path / "last.safetensors")
    with pytest.raises(CheckpointError, match=r"last\.safetensors is a training state, but must be a model"):
        Colorizer.load(tmp_path / "last.safetensors")


@pytest.mark.parametrize(
    "change",
    [
        {"params": {"glitter": 1}},
        {"params": None},
        {"model": "gan"},
        {"image_size": "large"},
        {"image_size": 31},
    ],
)
def test_a_model_that_cannot_be_built_is_refused(model: Path, tmp_path: Path, change: dict[str, Any]) -> None:
    arrays, metadata = checkpoint.load(model)
    checkpoint.save(tmp_path / "forged.safetensors", arrays, metadata | change)
    with pytest.raises(
        CheckpointError, match=r"forged\.safetensors describes no model that this program builds"
    ):
        Colorizer.load(tmp_path / "forged.safetensors")


def test_a_few_weights_of_a_giant_are_refused_without_building_it(model: Path, tmp_path: Path) -> None:
    arrays, metadata = checkpoint.load(model)
    giant = metadata["params"] | {"width": 100_000}
    checkpoint.save(tmp_path / "giant.safetensors", arrays, metadata | {"params": giant})
    with pytest.raises(
        CheckpointError, match=r"giant\.safetensors describes no model .* much larger than the"
    ):
        Colorizer.load(tmp_path / "giant.safetensors")


def test_weights_that_are_no_numbers_are_refused(model: Path, tmp_path: Path) -> None:
    arrays, metadata = checkpoint.load(model)
    name = next(iter(arrays))
    checkpoint.save(
        tmp_path / "nan.safetensors", {**arrays, name: np.full_like(arrays[name], np.nan)}, metadata
    )
    with pytest.raises(CheckpointError, match=r"nan\.safetensors holds values that are not finite"):
        Colorizer.load(tmp_path / "nan.safetensors")


@pytest.mark.parametrize(
    "array",
    [np.zeros((4, 4, 3)), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4), np.uint8), np.zeros(4, np.uint8)],
)
def test_what_is_no_photo_is_refused_with_its_shape(model: Path, array: np.ndarray) -> None:
    with pytest.raises(PhotoError, match=r"the photo is .*must be uint8 \[h, w\]"):
        Colorizer.load(model).colorize(array)
