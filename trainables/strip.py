"""A strip of pictures that a person judges a model by: gray, what it made of it, and the truth, one column a photo.

It only lays pictures side by side; which photos, and when, the caller knows.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from trainables.data.pack import Pack
from trainables.data.split import Part

PHOTOS = 8
GAP = 4
"""Pixels of white between pictures."""


def strip_photos(pack: Pack, part: Part = "validation") -> np.ndarray:
    """Rows of the pack that every trial shows: photos of a part, of as many classes as there are, int64 [k], k <= 8.

    The first of each class comes before the second of any, so that the same data set gives the same photos.
    """
    rows = pack.indices(part)
    labels = pack.labels[rows]
    rank = np.array([np.count_nonzero(labels[:place] == label) for place, label in enumerate(labels)])
    by_turn = rows[np.lexsort((labels, rank))]
    classes = int(np.count_nonzero(rank == 0))
    if classes <= PHOTOS:
        return by_turn[:PHOTOS]
    # Evenly over the classes rather than the first ones of the alphabet.
    return by_turn[np.linspace(0, classes - 1, PHOTOS).round().astype(int)]


def strip(outputs: np.ndarray, truths: np.ndarray) -> Image.Image:
    """Lay out three rows: the input in gray, the model's picture, the photo.

    Parameters
    ----------
    outputs, truths
        uint8 [k, s, s, 3], the same photos in the same order.
    """
    grays = np.stack([np.asarray(Image.fromarray(truth).convert("L").convert("RGB")) for truth in truths])
    count, size = truths.shape[:2]
    step = size + GAP
    sheet = Image.new("RGB", (count * step - GAP, 3 * step - GAP), "white")
    for row, pictures in enumerate((grays, outputs, truths)):
        for column, picture in enumerate(pictures):
            sheet.paste(Image.fromarray(picture), (column * step, row * step))
    return sheet


def rows_of(sheet: Image.Image) -> list[Image.Image]:
    """The three rows of a strip: gray, the model's pictures, the photos."""
    size = (sheet.height - 2 * GAP) // 3
    return [sheet.crop((0, top, sheet.width, top + size)) for top in (0, size + GAP, 2 * (size + GAP))]


def save_strip(sheet: Image.Image, path: Path) -> None:
    """Write a PNG whole or not at all, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    sheet.save(temporary, format="PNG", optimize=True)
    temporary.replace(path)
