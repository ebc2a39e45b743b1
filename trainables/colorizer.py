"""Colouring photos of any size with an exported model. No training, and no files of pictures: arrays in and out."""

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from trainables import checkpoint, color
from trainables.checkpoint import CheckpointError
from trainables.footprint import state_bytes
from trainables.generator import Generator, build_generator
from trainables.params import params_of

_MOST_TIMES = 100


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
        self._colour = tf.function(
            self._run, input_signature=[tf.TensorSpec([None, None, 3], tf.uint8)], autograph=False
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
        return self._colour(np.repeat(photo[..., np.newaxis], 3, axis=-1) if gray else photo).numpy()

    def _run(self, photo: tf.Tensor) -> tf.Tensor:
        luma = color.luma(tf.cast(photo, tf.float32)[tf.newaxis] / 255)
        size = self.metadata["image_size"]
        # Lanczos, as the photos of a pack are shrunk: the network gets what it was trained on.
        small = tf.clip_by_value(tf.image.resize(luma, (size, size), "lanczos3", antialias=True), 0.0, 1.0)
        chroma = tf.image.resize(
            self._generator.chroma(small), tf.shape(photo)[:2], "bicubic", antialias=True
        )
        return color.to_uint8(color.picture(luma, chroma))[0]
