"""One model's training: epochs, evaluation, pictures, and state in and out. What the two training loops share.

The losses and their updates are in `trainables.cnn` and `trainables.pix2pix`. Nothing here knows of Ray, of studies
or of when to stop.

The pack's images lie on the device as one uint8 tensor, and many steps run in one call of a graph, so that no step
waits for Python. An epoch's order and augmentation are functions of (seed, epoch, step), and dropout's seeds are
saved with the weights: a loop restored after an epoch goes on bitwise as if it had never stopped, given the same
number of threads and the same machine.

Building networks and tracing their step takes seconds, and a process never gives all of their memory back. So a loop
can be restarted for another training of the same graph: what differs between such trainings is held in variables.
"""

import gc
import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.framework import ops

from trainables import checkpoint, color, hardware
from trainables.checkpoint import CheckpointError, Variable
from trainables.data.augment import augment
from trainables.data.pack import Pack
from trainables.features import feature_extractor
from trainables.generator import Generator
from trainables.metrics import Evaluator
from trainables.params import CnnParams, Params, Precision
from trainables.xla import compiled

_STEPS_PER_CALL = 16
"""Steps between two returns to Python: some seconds on a CPU, enough to make the return's cost vanish on a GPU."""

_PICTURES_PER_CALL = 64
_STATE, _MODEL = "training state", "model"


class DivergedError(RuntimeError):
    """A loss or a gradient's norm became NaN or infinite; the weights are lost."""

    def __init__(self, epoch: int, step: int, name: str, value: float) -> None:
        # As they are, since an exception crosses processes as its class and these arguments.
        super().__init__(epoch, step, name, value)
        self.epoch = epoch
        self.step = step
        self.name = name
        self.value = value

    def __str__(self) -> str:
        return (
            f"{self.name} became {self.value} in step {self.step} of epoch {self.epoch}: the training diverged."
            " Lower the learning rates."
        )


@dataclass(frozen=True)
class Training:
    """What a loop is made for, beside its data."""

    params: Params
    batch_size: int
    seed: int
    epochs: int
    """Epochs of the whole training, by which learning rates decay; training may stop before."""
    encoder_weights: Path | None = None
    """File of a pretrained MobileNetV2: for that encoder, which starts from random weights without, and val_kid."""
    perceptual_weights: Path | None = None
    """File of VGG16 or VGG19, without which Pix2Pix has no perceptual loss."""
    precision: Precision = "float32"
    xla: bool = True
    """Whether a step on a GPU is one program of XLA; operations are started one by one without."""


def _graph(training: Training) -> Training:
    """The training with everything at a default that the traced graph of a step reads from a variable."""
    return replace(training, params=training.params.graph(), seed=0, epochs=0)


class Loop(ABC):
    """A model in training on a pack.

    A step takes `batch_size` images of the training split. The images left over at the end of an epoch's shuffled
    order are dropped; with fewer training images than `batch_size`, a batch is all of them.
    """

    losses: ClassVar[tuple[str, ...]]
    """Names of the training losses, in the order that `step` gives them."""
    measures: ClassVar[tuple[str, ...]]
    """Names of what else `step` gives, behind the losses."""

    epoch: int
    """Epochs finished."""
    start_seconds: float = 0.0
    """Of the last epoch, what went into tracing and compiling a graph that was new."""

    def __init__(self, training: Training, pack: Pack) -> None:
        self.training = training
        self.pack = pack
        self.epoch = 0
        self._train = pack.indices("train")
        self._validation = pack.indices("validation")
        self._batch_size = min(training.batch_size, len(self._train))
        self._images = _on_device(pack)
        self._evaluator = _evaluator(pack, training.encoder_weights)
        self._steps = self._many(self.step)
        self._started: set[Callable[..., tf.Tensor]] = set()
        self._picture = tf.function(
            self._colour_rows, input_signature=[tf.TensorSpec([None], tf.int64)], autograph=False
        )

    def fits(self, training: Training, pack: Pack) -> bool:
        """Whether `restart` can take this loop to that training."""
        return _graph(self.training) == _graph(training) and pack.fingerprint == self.pack.fingerprint

    def restart(self, training: Training) -> None:
        """Begin a training that `fits`, with the networks and traced functions of this one.

        What it then trains is bitwise what a new loop would.
        """
        self.training = training
        self.epoch = 0
        self._reset()

    @abstractmethod
    def _reset(self) -> None:
        """Give all of `_variables`, and what else the graph reads, the values of a new loop for `self.training`."""

    @property
    @abstractmethod
    def generator(self) -> Generator:
        """What is evaluated and exported: the network in training, or the average of its weights."""

    @abstractmethod
    def step(self, luma: tf.Tensor, rgb: tf.Tensor) -> tf.Tensor:
        """Update all weights once, in the graph, and give `losses` and `measures`, float32 `[k]`.

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
        """Train for one epoch and return the means of `losses` and `measures` over its steps.

        An epoch that needs fewer of them gives fewer. `progress` is called now and then with the number of images
        done.

        Raises
        ------
        DivergedError
            One of them is NaN or infinite in a step.
        """
        count = self.images_per_epoch // self._batch_size
        order = np.random.default_rng([self.training.seed, self.epoch]).permutation(self._train)
        rows = order[: self.images_per_epoch].reshape(count, self._batch_size)
        steps, names = self._phase()
        # 31 bits of the seed's own, for what in TensorFlow takes int32; the epochs' orders use other ones.
        augmentation = int(np.random.SeedSequence([self.training.seed]).generate_state(1)[0]) >> 1
        told: list[np.ndarray] = []
        is_new = steps not in self._started
        # A new graph's first step is taken alone, to know how much longer than others it takes.
        edges = [0, *range(1 if is_new else _STEPS_PER_CALL, count, _STEPS_PER_CALL), count]
        ends = [time.perf_counter()]
        for start, end in pairwise(edges):
            values = steps(rows[start:end], self.epoch * count + start, augmentation).numpy()
            ends.append(time.perf_counter())
            self._check_finite(names, values, start)
            told.append(values)
            if progress:
                progress(end * self._batch_size)
        self.epoch += 1
        self._started.add(steps)
        usual = (ends[-1] - ends[1]) / max(1, count - 1)
        self.start_seconds = max(0.0, ends[1] - ends[0] - usual) if is_new and count > 1 else 0.0
        # Not call by call: the last bits of the sum would tell where the calls began.
        means = np.concatenate(told).mean(axis=0, dtype=float)
        return dict(zip(names, means.tolist(), strict=True))

    def _phase(self) -> tuple[Callable[..., tf.Tensor], tuple[str, ...]]:
        """What trains the coming epoch, and the names of what it gives, losses first."""
        return self._steps, self.losses + self.measures

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
        checkpoint.save(path, *self.state(note))

    def state(self, note: Mapping[str, Any] | None = None) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """What `save` writes, which training on does not change: arrays, and what is to be known of them."""
        metadata = self._identity() | {"epoch": self.epoch, "note": dict(note or {})}
        return checkpoint.gather(self._variables()), metadata

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

    @property
    def state_size(self) -> int:
        """Bytes that `save` writes, but for the names."""
        variables = [variable for group in self._variables().values() for variable in group]
        return sum(math.prod(variable.shape) * tf.as_dtype(variable.dtype).size for variable in variables)

    def export(self, path: Path) -> None:
        """Write the evaluated generator to one file, atomically: what `trainables.colorizer` reads."""
        checkpoint.save(path, *self.exported())

    def exported(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """What `export` writes, which training on does not change: arrays, and what is to be known of them."""
        metadata = {
            "kind": _MODEL,
            "model": self.training.params.model,
            "params": self.training.params.to_mapping(),
            "image_size": self.pack.image_size,
            "epoch": self.epoch,
            "data": self.pack.source,
        }
        return checkpoint.gather({"generator": self.generator.network.weights}), metadata

    def _identity(self) -> dict[str, Any]:
        return {
            "kind": _STATE,
            "model": self.training.params.model,
            "params": self.training.params.to_mapping(),
            "image_size": self.pack.image_size,
            "batch_size": self._batch_size,
            "seed": self.training.seed,
            "precision": self.training.precision,
            "data": self.pack.fingerprint,
        }

    def _many(self, step: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]) -> Callable[..., tf.Tensor]:
        """A graph that runs `step` for each row of `rows`, int64 `[steps, batch]`, and stacks what it gives."""
        depends_on = f"{_graph(self.training)} {self.pack.image_size}"
        one = compiled(step, depends_on) if self.training.xla and hardware.uses_gpu() else step

        def run(rows: tf.Tensor, first_step: tf.Tensor, augmentation: tf.Tensor) -> tf.Tensor:
            def body(i: tf.Tensor, values: tf.TensorArray) -> tuple[tf.Tensor, tf.TensorArray]:
                images = augment(tf.gather(self._images, rows[i]), tf.stack([augmentation, first_step + i]))
                rgb = tf.cast(images, tf.float32) / 255
                return i + 1, values.write(i, one(color.luma(rgb), rgb))

            count = tf.shape(rows)[0]
            start = (tf.constant(0), tf.TensorArray(tf.float32, count))
            return tf.while_loop(lambda i, _: i < count, body, start)[1].stack()

        # Without autograph, which reads the source when first called, and so whatever an edit since has left there.
        return tf.function(
            run,
            input_signature=[
                tf.TensorSpec([None, self._batch_size], tf.int64),
                tf.TensorSpec([], tf.int32),
                tf.TensorSpec([], tf.int32),
            ],
            autograph=False,
        )

    def _colour_rows(self, rows: tf.Tensor) -> tf.Tensor:
        rgb = tf.cast(tf.gather(self._images, rows), tf.float32) / 255
        return self.generator.picture(color.luma(rgb))

    def _check_finite(self, names: Sequence[str], values: np.ndarray, before: int) -> None:
        """Look for the first step with a number that is not finite; `before` steps of the epoch precede `values`.

        Not losses alone: on a CPU a rectifier makes 0 of NaN, so that a network of NaN can have a finite loss, but
        its gradients cannot.
        """
        for step, row in enumerate(values.tolist(), before + 1):
            for name, value in zip(names, row, strict=True):
                if not math.isfinite(value):
                    raise DivergedError(self.epoch + 1, step, name, value)


@lru_cache(maxsize=1)
def _on_device(pack: Pack) -> tf.Variable:
    """A pack's images, uint8; the process's loops share one copy.

    A GPU has a kernel to gather uint8 from a variable, but none from a constant, which would go to the processor.
    """
    return tf.Variable(pack.images, trainable=False)


@lru_cache(maxsize=1)
def _evaluator(pack: Pack, encoder_weights: Path | None) -> Evaluator:
    """Measuring a split takes a second to prepare, the same for every loop on it."""
    features = None if encoder_weights is None else feature_extractor(encoder_weights)
    return Evaluator(pack.images[pack.indices("validation")], seed=pack.seed, features=features)


def forget_loops() -> None:
    """Give back the memory of the loops that nobody holds any more; no other graph may be in the making.

    TensorFlow registers the gradient of every custom gradient that it traces, Keras' optimizers' among them, for the
    life of the process, and with it the graph and all variables that the graph has seen.
    """
    keras.utils.clear_session()
    registry = ops.gradient_registry._registry
    for name in [name for name in registry if name.startswith("CustomGradient-")]:
        del registry[name]
    # Networks and traced functions refer to one another: only the collector frees them.
    gc.collect()


def make_loop(training: Training, pack: Pack) -> Loop:
    """Make the loop of a training, with fresh weights. The same arguments give the same loop.

    Raises
    ------
    ValueError
        A network cannot be built: its depth does not fit the image size, or the weights do not fit it.
    """
    # The two loops derive from this module's class.
    from trainables.cnn import CnnLoop
    from trainables.pix2pix import Pix2PixLoop

    return (CnnLoop if isinstance(training.params, CnnParams) else Pix2PixLoop)(training, pack)
