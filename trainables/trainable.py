"""A training loop as Ray Tune runs it: one epoch a step, the state on the study's storage after each or now and then.

The only module here that knows Ray. TensorFlow is imported where a trial starts, in the trial's process, so that
the process which runs the search can name this class without loading it.
"""

import math
import re
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray import tune

from trainables.background import Background
from trainables.best import best_epoch
from trainables.data.nearby import SharedFile, nearby
from trainables.pace import Pace

if TYPE_CHECKING:
    import numpy as np

    from trainables.data.pack import Pack
    from trainables.loop import Loop, Training
    from trainables.params import Precision


class OutOfMemoryError(RuntimeError):
    """A trial needs more memory than the device, or the trial's share of it, has."""

    def __init__(self, batch_size: int) -> None:
        super().__init__(batch_size)
        self.batch_size = batch_size

    def __str__(self) -> str:
        return (
            f"out of memory with batches of {self.batch_size} pictures: take a smaller --batch-size or --image-size,"
            " or let fewer trials share a GPU (--gpus-per-trial)"
        )


MOST_BUILT = 24
"""Networks that are built in one process: XLA keeps the programs of each for the life of a process, some 80 MB of the
machine's memory (measured on a processor, Pix2Pix of width 16 at 32 pixels)."""


class WornOutError(RuntimeError):
    """A process has built so many networks that the trial had better begin in a new one."""

    def __str__(self) -> str:
        return f"its process had built {MOST_BUILT} networks, whose programs stay in memory, and another is started"


@dataclass(frozen=True)
class TrialConfig:
    """What a trial needs to know, as plain values that travel through Ray.

    `last`, `previous`, `best` and `samples` are the files of the training state, of the one written before it and of
    the inference weights, and the folder of the picture strips. `rungs` are the epochs after which the trial may be
    paused: then the state is written and a strip made, as after the last epoch, and a strip after each epoch that is
    the best so far. `gpu_share` is 0 to 1, of one GPU; a fraction caps its memory at that share, less the MiB that
    the process takes beside what TensorFlow allocates. `owner` is a file in the folder of `last` that names the
    process which trains the trial.
    """

    number: int
    model: str
    params: dict[str, Any]
    pack: SharedFile
    epochs: int
    batch_size: int
    seed: int
    objectives: tuple[str, ...]
    encoder_weights: SharedFile | None
    perceptual_weights: SharedFile | None
    precision: "Precision"
    xla: bool
    threads: int
    gpu_share: float
    gpu_beside_mb: float
    deterministic: bool
    last: str
    previous: str
    best: str
    samples: str
    rungs: tuple[int, ...]
    owner: str

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> "TrialConfig":
        """Back from what `dataclasses.asdict` made of it."""
        files = {
            name: None if values[name] is None else SharedFile(**values[name])
            for name in ("pack", "encoder_weights", "perceptual_weights")
        }
        return cls(**{**values, **files})


class Trial(tune.Trainable):
    """One trial; its actor is reused by the next, so that TensorFlow is imported once a process."""

    _trial: TrialConfig
    _pack: "Pack"
    _loop: "Loop"
    _photos: "np.ndarray"
    _pace: Pace
    _background: Background
    _built: int
    _values: list[list[float]]
    _weights: tuple[dict[str, "np.ndarray"], dict[str, Any]] | None
    """Of the best epoch, while they are not written."""
    _unreported: dict[str, Any] | None
    _notice: str | None
    _device: str
    _name: str | None

    def setup(self, config: dict[str, Any]) -> None:
        """Start TensorFlow in this process and build the trial."""
        from trainables import hardware

        trial = TrialConfig.from_plain(config["trial"])
        hardware.configure(
            trial.threads,
            trial.gpu_share,
            beside_mb=trial.gpu_beside_mb,
            deterministic=trial.deterministic,
        )
        self._device = hardware.device_name()
        self._pace = Pace()
        self._background = Background()
        self._built = 1
        from trainables.loop import make_loop

        with _names_want_of_memory(trial):
            self._open_pack(trial)
            self._loop = make_loop(_training(trial), self._pack)
            self._go_on(trial)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Build another trial in the same process, with the networks that are there if they fit.

        Raises
        ------
        WornOutError
            The trial needs new networks, and this process has built enough.
        """
        from trainables.loop import forget_loops, make_loop

        trial = TrialConfig.from_plain(new_config["trial"])
        training = _training(trial)
        with _names_want_of_memory(trial):
            if trial.pack != self._trial.pack:
                self._open_pack(trial)
            if self._loop.fits(training, self._pack):
                self._loop.restart(training)
            elif self._built >= MOST_BUILT:
                raise WornOutError
            else:
                self._built += 1
                del self._loop
                forget_loops()
                self._loop = make_loop(training, self._pack)
            self._go_on(trial)
        return True

    def step(self) -> dict[str, Any]:
        """Train and measure one epoch, and put its strip, and when it is time its state, on the storage."""
        if self._name is None:
            self._own()
        if self._unreported is not None:
            # The process before this one may have died between saving this epoch and reporting it.
            result, self._unreported = self._unreported, None
        else:
            with _names_want_of_memory(self._trial):
                result = self._epoch()
        notice, self._notice = self._notice, None
        # What was saved may be the last epoch of a study that has become longer since.
        return {**result, "notice": notice, "done": result["epoch"] >= self._trial.epochs}

    def _epoch(self) -> dict[str, Any]:
        trial, loop = self._trial, self._loop
        start = time.perf_counter()
        losses = loop.train_epoch()
        trained = time.perf_counter()
        metrics = loop.evaluate()
        values = [metrics[name] for name in trial.objectives]
        for name, value in zip(trial.objectives, values, strict=True):
            if not math.isfinite(value):
                raise ArithmeticError(f"{name} is {value} after epoch {loop.epoch}: the training diverged")
        self._check_owner()
        self._values.append(values)
        improved = best_epoch(self._values) == len(self._values) - 1
        kept = loop.epoch in trial.rungs or loop.epoch == trial.epochs
        if improved or kept:
            self._save_strip()
        if improved:
            self._weights = loop.exported()
        result = {
            "epoch": loop.epoch,
            **losses,
            **metrics,
            "images_per_second": loop.images_per_epoch / (trained - start - loop.start_seconds),
            "start_seconds": loop.start_seconds,
            "epoch_seconds": time.perf_counter() - start,
            "trainable_encoder_parameters": loop.trainable_encoder_parameters,
            "device": self._device,
        }
        if kept or self._pace.is_due(loop.state_size):
            self._save(result)
        return result

    def _save(self, result: dict[str, Any]) -> None:
        """Write the best epoch's weights, if they are not, and the state; what `_values` tells is there then.

        A large state is written beside what is trained next, be it this trial or another one: should the process die
        meanwhile, the trial goes on from the state before.
        """
        from trainables import checkpoint

        trial, name, size = self._trial, self._name, self._loop.state_size
        weights, state = self._weights, self._loop.state({"result": result, "values": [*self._values]})

        def write() -> None:
            best, last, previous = (Path(file) for file in (trial.best, trial.last, trial.previous))
            if _owner(trial) != name:
                return
            try:
                with self._pace.writing(size):
                    if weights is not None:
                        checkpoint.save(best, *weights)
                    if last.exists():
                        last.replace(previous)
                    checkpoint.save(last, *state)
            except OSError:
                if _owner(trial) is not None:
                    raise
            if _owner(trial) is None:
                # It was stopped meanwhile, and its folder deleted: nobody wants the state.
                shutil.rmtree(last.parent, ignore_errors=True)

        self._background.begin(write)
        self._weights = None
        if self._pace.is_small(size) or result["epoch"] >= trial.epochs:
            self._background.finish()

    def cleanup(self) -> None:
        """Let what is being written come to its end."""
        self._background.finish()

    def _open_pack(self, trial: TrialConfig) -> None:
        from trainables.data.pack import open_pack
        from trainables.strip import strip_photos

        self._pack = open_pack(nearby(trial.pack))
        self._photos = strip_photos(self._pack)

    def _go_on(self, trial: TrialConfig) -> None:
        """Take up the newest state that is whole; without any, the trial begins, and comes to the same numbers."""
        from trainables.checkpoint import DamagedError

        notices = []
        try:
            self._background.finish()
        except OSError as error:
            notices.append(
                f"The state of trial {self._trial.number} was not written ({error}): it goes on from the one before."
            )
        self._trial = trial
        self._name = None
        self._values = []
        self._weights = self._unreported = self._notice = None
        damages = []
        for state in (Path(trial.last), Path(trial.previous)):
            if not state.exists():
                continue
            try:
                note = self._loop.restore(state)
            except DamagedError as error:
                damages.append(str(error))
                continue
            self._values, self._unreported = note["values"], note["result"]
            break
        self._pace.restart()
        if damages:
            notices += [*damages, f"It goes on after epoch {self._loop.epoch}."]
        self._notice = " ".join(notices) or None

    def _own(self) -> None:
        """Take the trial over, not before its first epoch: Tune may build it in two processes and use one."""
        self._name = uuid.uuid4().hex
        owner = Path(self._trial.owner)
        owner.parent.mkdir(parents=True, exist_ok=True)
        owner.write_text(self._name, encoding="utf-8")

    def _check_owner(self) -> None:
        """Write no more when the trial goes on in another process: this machine may only have been cut off."""
        if _owner(self._trial) != self._name:
            raise RuntimeError("the trial goes on in another process")

    def _save_strip(self) -> None:
        from trainables.strip import save_strip, strip

        sheet = strip(self._loop.pictures(self._photos), self._pack.images[self._photos])
        save_strip(sheet, Path(self._trial.samples) / f"epoch-{self._loop.epoch:03d}.png")


def _owner(trial: TrialConfig) -> str | None:
    """Which process trains the trial; none where it has been stopped."""
    try:
        return Path(trial.owner).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


@contextmanager
def _names_want_of_memory(trial: TrialConfig) -> Iterator[None]:
    """Tell want of memory as such, in whatever form it comes: a copy to a full GPU fails as an internal error."""
    import tensorflow as tf

    try:
        yield
    except (tf.errors.ResourceExhaustedError, tf.errors.InternalError) as error:
        exhausted = isinstance(error, tf.errors.ResourceExhaustedError)
        if exhausted or re.search("Dst tensor is not initialized|out of memory", str(error), re.IGNORECASE):
            raise OutOfMemoryError(trial.batch_size) from error
        raise


def _training(trial: TrialConfig) -> "Training":
    from trainables.loop import Training
    from trainables.params import params_of

    return Training(
        params_of(trial.model, trial.params),
        batch_size=trial.batch_size,
        seed=trial.seed,
        epochs=trial.epochs,
        encoder_weights=None if trial.encoder_weights is None else nearby(trial.encoder_weights),
        perceptual_weights=None if trial.perceptual_weights is None else nearby(trial.perceptual_weights),
        precision=trial.precision,
        xla=trial.xla,
    )
