"""Colouring photos of any shape with an exported model. No training, and no files of pictures: arrays in and out."""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from PIL import Image

from trainables import checkpoint, color
from trainables.checkpoint import CheckpointError
from trainables.footprint import state_bytes
from trainables.generator import Generator, build_generator
from trainables.params import params_of

_MOST_TIMES = 100
_STRIP = 2**19
"""Pixels of a photo that are coloured at once: a large one in floating point would take a hundred bytes a pixel."""


class PhotoError(ValueError):
    """An array that is no photo."""


def load_generator(path: Path) -> tuple[Generator, dict[str, Any]]:
    """Rebuild the generator that `Loop.export` wrote, and give what was written with it: model, params, and so on.

    Raises
    ------
    CheckpointError
        The file is damaged or no exported model.
    """
    arrays, metadata = checkpoint.load(path)
    if metadata.get("kind") != "model":
        raise CheckpointError(
            f"{path} is a {metadata.get('kind')}, but must be a model: take a file that was exported."
        )
    held = sum(array.nbytes for array in arrays.values())
    if not all(np.isfinite(array).all() for array in arrays.values()):
        raise CheckpointError(
            f"{path} holds values that are not finite and would colour nothing: take another file."
        )
    try:
        params = params_of(metadata["model"], metadata["params"])
        # Of a training's state the exported weights are a tenth at least; a network is not built to find that out.
        if state_bytes(metadata["model"], metadata["params"]) > _MOST_TIMES * held:
            raise ValueError(f"one much larger than the {held:,} bytes of weights that are there")
        generator = build_generator(params, metadata["image_size"], seed=0)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path} describes no model that this program builds ({error}): take the version of the program that"
            " wrote it, or another file."
        ) from error
    checkpoint.assign({"generator": generator.network.weights}, arrays, path)
    return generator, metadata


class Colorizer:
    """An exported generator, ready to colour photos.

    The photo keeps its luma at full resolution; its chroma is predicted at the model's size and enlarged, which the
    eye hardly notices: it sees colour less sharply than light, as JPEG and video have always used.
    """

    def __init__(self, generator: Generator, metadata: dict[str, Any]) -> None:
        self._generator = generator
        self.metadata = metadata
        """What `Loop.export` wrote: model, params, image_size, epoch, data."""
        self._luma = tf.function(
            lambda photo: color.luma(tf.cast(photo, tf.float32) / 255),
            input_signature=[tf.TensorSpec([None, None, 3], tf.uint8)],
            autograph=False,
        )
        self._picture = tf.function(
            lambda luma, chroma: color.to_uint8(color.picture(luma, chroma)),
            input_signature=[tf.TensorSpec([None, None, 1]), tf.TensorSpec([None, None, 2])],
            autograph=False,
        )

    @classmethod
    def load(cls, path: Path) -> "Colorizer":
        """Make one of what `Loop.export` wrote.

        Raises
        ------
        CheckpointError
            The file is damaged or no exported model.
        """
        return cls(*load_generator(path))

    def colorize(self, photo: np.ndarray) -> np.ndarray:
        """Colour one photo, whatever its size.

        Parameters
        ----------
        photo
            uint8 `[h, w]` (gray) or `[h, w, 3]` (RGB, whose colours are not looked at).

        Returns
        -------
        np.ndarray
            uint8 `[h, w, 3]` with the photo's luma.

        Raises
        ------
        PhotoError
            An array of another type or shape.
        """
        gray = photo.ndim == 2
        if photo.dtype != np.uint8 or not (gray or photo.shape[2:] == (3,)) or not photo.size:
            raise PhotoError(
                f"the photo is {photo.dtype} {list(photo.shape)}, but must be uint8 [h, w] or [h, w, 3]: convert it."
            )
        height, width = photo.shape[:2]
        rows = max(1, _STRIP // width)
        strips = [slice(start, start + rows) for start in range(0, height, rows)]
        luma = np.empty((height, width, 1), np.float32)
        for strip in strips:
            luma[strip] = photo[strip, :, None] / np.float32(255) if gray else self._luma(photo[strip])
        across, down = self._chroma(luma[..., 0])
        picture = np.empty((height, width, 3), np.uint8)
        for strip in strips:
            picture[strip] = self._picture(luma[strip], np.tensordot(down[strip], across, 1))
        return picture

    def _chroma(self, luma: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The photo's chroma, as wide as the photo [size, width, 2], and what enlarges its columns [height, size]."""
        size = self.metadata["image_size"]
        # Lanczos, as the photos of a pack are shrunk: the network gets what it was trained on.
        small = _resized(luma, size, size, Image.Resampling.LANCZOS).clip(0, 1)
        chroma = self._generator.chroma(tf.constant(small[np.newaxis, ..., np.newaxis]))[0].numpy()
        bicubic, (height, width) = Image.Resampling.BICUBIC, luma.shape
        across = [_resized(chroma[..., channel], width, size, bicubic) for channel in range(2)]
        # The enlarging is linear, column by column: as a matrix it makes any rows without the others.
        return np.stack(across, axis=-1), _resized(np.eye(size, dtype=np.float32), size, height, bicubic)


def _resized(values: np.ndarray, width: int, height: int, resampling: Image.Resampling) -> np.ndarray:
    return np.asarray(Image.fromarray(values).resize((width, height), resampling))
