"""Pictures to build data sets of: smooth random colours, so that no two look alike to a difference hash."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

MakePicture = Callable[..., Image.Image]


@pytest.fixture(scope="session")
def make_picture() -> MakePicture:
    """`make_picture(number, size=(48, 40))`: the same number, the same RGB picture."""

    def make(number: int, size: tuple[int, int] = (48, 40)) -> Image.Image:
        coarse = np.random.default_rng(number).integers(0, 256, (9, 9, 3), dtype=np.uint8)
        return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)

    return make


@pytest.fixture
def birds_folder(tmp_path: Path, make_picture: MakePicture) -> Path:
    """A folder of three classes with 8, 10 and 12 pictures in several formats."""
    root = tmp_path / "birds"
    number = 0
    for name, count in (("Wren", 8), ("Robin", 10), ("House Sparrow", 12)):
        (root / name).mkdir(parents=True)
        for index in range(1, count + 1):
            suffix = ("png", "JPG", "webp", "bmp", "gif", "tiff")[index % 6]
            make_picture(number).save(root / name / f"({index}).{suffix}")
            number += 1
    return root
