"""One model's training: epochs, evaluation, pictures, and state in and out. What the two training loops share.

The losses and their updates are in `trainables.cnn` and `trainables.pix2pix`. Nothing here knows of Ray, of studies
or of when to stop.

The pack's images lie on the device as one uint8 tensor, and many steps run in one call of a graph, so that no step
waits for Python. An epoch's order and augmentation are functions of (seed, epoch, step), and dropout's seeds are
saved with the weights: a loop restored after an epoch goes on bitwise as if it had never stopped, given the same
number of threads and the same machine.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf

from trainables import checkpoint, color
from trainables.checkpoint import CheckpointError, Variable
from trainables.data.augment import augment
from trainables.data.pack import Pack
from trainables.features import feature_extractor
from trainables.generator import Generator
from trainables.metrics import Evaluator
from trainables.params import CnnParams, Params, params_of

_STEPS_PER_CALL = 16
"""Steps between two returns to Python: some seconds on a CPU, enough to make the return's cost vanish on a GPU."""

_PICTURES_PER_CALL = 64
_STATE, _MODEL = "training state", "model"


class DivergedError(RuntimeError):
    """A loss became NaN or infinite; the weights are lost."""

    def __init__(self, epoch: int, loss: str, value: float) -> None:
        # As they are, since an exception crosses processes as its class and these arguments.
        super().__init__(epoch, loss, value)
        self.epoch = epoch
        self.loss = loss
        self.value = value

    def __str__(self) -> str:
        return (
            f"{self.loss} became {self.value} in epoch {self.epoch}: the training diverged."
            " Lower the learning rates."
        )


class Loop(ABC):
    """A model in training on a pack.

    A step takes `batch_size` images of the training split. The images left over at the end of an epoch's shuffled
    order are dropped; with fewer training images than `batch_size`, a batch is all of them.
    """

    losses: ClassVar[tuple[str, ...]]
    """Names of the training losses, in the order that `_step` gives them."""

    epoch: int
    """Epochs finished."""

    def __init__(
        self, params: Params, pack: Pack, *, batch_size: int, seed: int, encoder_weights: Path | None
    ) -> None:
        self.params = params
        self.pack = pack
        self.epoch = 0
        self._seed = seed
        self._train = pack.indices("train")
        self._validation = pack.indices("validation")
        self._batch_size = min(batch_size, len(self._train))
        # 31 bits of the seed's own, for what in TensorFlow takes int32; the epochs' orders use other ones.
        self._augmentation = int(np.random.SeedSequence([seed]).generate_state(1)[0]) >> 1
        self._images = tf.constant(pack.images)
        features = None if encoder_weights is None else feature_extractor(encoder_weights)
        self._evaluator = Evaluator(pack.images[self._validation], seed=seed, features=features)
        # Without autograph, which reads the source when first called, and so whatever an edit since has left there.
        self._steps = tf.function(
            self._run_steps,
            input_signature=[
                tf.TensorSpec([None, self._batch_size], tf.int64),
                tf.TensorSpec([], tf.int32),
            ],
            autograph=False,
        )
        self._picture = tf.function(
            self._colour_rows, input_signature=[tf.TensorSpec([None], tf.int64)], autograph=False
        )

    @property
    @abstractmethod
    def generator(self) -> Generator:
        """What is evaluated and exported: the network in training, or the average of its weights."""

    @abstractmethod
    def _step(self, luma: tf.Tensor, rgb: tf.Tensor) -> tf.Tensor:
        """Update all weights once, in the graph, and give `losses`, float32 `[k]`.

        Takes luma `[n, s, s, 1]` and the true RGB `[n, s, s, 3]`, float32 in 0..1.
        """

    @abstractmethod
    def _variables(self) -> Mapping[str, Sequence[Variable]]:
        """All that a step reads and changes, in named groups."""

    @property
    def trainable_encoder_parameters(self) -> int | None:
        """Numbers of a pretrained encoder that train; None for a model without one."""
        return None

    @property
    def images_per_epoch(self) -> int:
        """Images that a call of `train_epoch` trains on."""
        return len(self._train) // self._batch_size * self._batch_size

    def train_epoch(self, progress: Callable[[int], None] | None = None) -> dict[str, float]:
        """Train for one epoch and return the means of `losses` over its steps.

        `progress` is called now and then with the number of images done.

        Raises
        ------
        DivergedError
            A loss is NaN or infinite.
        """
        count = self.images_per_epoch // self._batch_size
        order = np.random.default_rng([self._seed, self.epoch]).permutation(self._train)
        rows = order[: self.images_per_epoch].reshape(count, self._batch_size)
        total = np.zeros(len(self.losses))
        for start in range(0, count, _STEPS_PER_CALL):
            chunk = rows[start : start + _STEPS_PER_CALL]
            total += self._steps(chunk, self.epoch * count + start).numpy()
            self._check_finite(total)
            if progress:
                progress((start + len(chunk)) * self._batch_size)
        self.epoch += 1
        return dict(zip(self.losses, (total / count).tolist(), strict=True))

    def evaluate(self) -> dict[str, float]:
        """`trainables.metrics` of the validation split's pictures, val_kid only where encoder weights were given."""
        return self._evaluator(tf.constant(self.pictures(self._validation)))

    def pictures(self, indices: Sequence[int] | np.ndarray) -> np.ndarray:
        """The pictures a user would get for these rows of the pack, uint8 `[k, s, s, 3]`."""
        rows = np.asarray(indices, np.int64)
        chunks = [rows[i : i + _PICTURES_PER_CALL] for i in range(0, len(rows), _PICTURES_PER_CALL)]
        return np.concatenate([self._picture(chunk).numpy() for chunk in chunks])

    def save(self, path: Path, note: Mapping[str, Any] | None = None) -> None:
        """Write all that a bitwise continuation needs to one file, atomically.

        `note` holds JSON types of the caller's, which `restore` gives back.
        """
        metadata = self._identity() | {"epoch": self.epoch, "note": dict(note or {})}
        checkpoint.save(path, checkpoint.gather(self._variables()), metadata)

    def restore(self, path: Path) -> dict[str, Any]:
        """Go back to what `save` wrote, and return its note; this loop must have been made with the same arguments.

        Raises
        ------
        CheckpointError
            The file is damaged or no training state, or belongs to a loop of other arguments. Nothing changes then.
        """
        arrays, metadata = checkpoint.load(path)
        if metadata.get("kind") != _STATE:
            raise CheckpointError(
                f"{path} is no training state but a {metadata.get('kind')}: take a file of save()."
            )
        checkpoint.refuse_difference(path, self._identity(), metadata)
        checkpoint.assign(self._variables(), arrays, path)
        self.epoch = metadata["epoch"]
        return metadata["note"]

    def export(self, path: Path) -> None:
        """Write the evaluated generator to one file, atomically: what `trainables.colorizer` reads."""
        metadata = {
            "kind": _MODEL,
            "model": self.params.model,
            "params": self.params.to_mapping(),
            "image_size": self.pack.image_size,
            "epoch": self.epoch,
            "data": self.pack.source,
        }
        checkpoint.save(path, checkpoint.gather({"generator": self.generator.network.weights}), metadata)

    def _identity(self) -> dict[str, Any]:
        return {
            "kind": _STATE,
            "model": self.params.model,
            "params": self.params.to_mapping(),
            "image_size": self.pack.image_size,
            "batch_size": self._batch_size,
            "seed": self._seed,
            "data": self.pack.fingerprint,
        }

    def _run_steps(self, rows: tf.Tensor, first_step: tf.Tensor) -> tf.Tensor:
        """Sums of the losses over the steps of `rows`, int64 `[steps, batch]`."""

        def step(i: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            images = augment(tf.gather(self._images, rows[i]), tf.stack([self._augmentation, first_step + i]))
            rgb = tf.cast(images, tf.float32) / 255
            return i + 1, total + self._step(color.luma(rgb), rgb)

        start = (tf.constant(0), tf.zeros([len(self.losses)]))
        return tf.while_loop(lambda i, _: i < tf.shape(rows)[0], step, start)[1]

    def _colour_rows(self, rows: tf.Tensor) -> tf.Tensor:
        rgb = tf.cast(tf.gather(self._images, rows), tf.float32) / 255
        return self.generator.picture(color.luma(rgb))

    def _check_finite(self, total: np.ndarray) -> None:
        for loss, value in zip(self.losses, total.tolist(), strict=True):
            if not np.isfinite(value):
                raise DivergedError(self.epoch + 1, loss, value)


def make_loop(
    model: str,
    params: Mapping[str, object],
    pack: Pack,
    *,
    batch_size: int,
    seed: int,
    encoder_weights: Path | None,
    perceptual_weights: Path | None = None,
) -> Loop:
    """Build the training loop of `model`, "cnn" or "pix2pix", with fresh weights.

    The same arguments give the same loop. `encoder_weights` is the file of a pretrained MobileNetV2, for that
    encoder, which starts from random weights without, and for val_kid; `perceptual_weights` that of a VGG, for
    Pix2Pix with a `perceptual_weight` above 0.

    Raises
    ------
    ParamsError
        An unknown model or parameter, a value out of range, or a perceptual weight without VGG's weights.
    ValueError
        A network cannot be built: its depth does not fit the image size, or the weights do not fit it.
    """
    # The two loops derive from this module's class.
    from trainables.cnn import CnnLoop
    from trainables.pix2pix import Pix2PixLoop

    checked = params_of(model, params)
    if isinstance(checked, CnnParams):
        return CnnLoop(checked, pack, batch_size=batch_size, seed=seed, encoder_weights=encoder_weights)
    return Pix2PixLoop(
        checked,
        pack,
        batch_size=batch_size,
        seed=seed,
        encoder_weights=encoder_weights,
        perceptual_weights=perceptual_weights,
    )
