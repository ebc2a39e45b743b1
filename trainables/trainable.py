"""A training loop as Ray Tune runs it: one epoch a step, the state on the study's storage after each.

The only module here that knows Ray. TensorFlow is imported where a trial starts, in the trial's process, so that
the process which runs the search can name this class without loading it.
"""

import gc
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray import tune

if TYPE_CHECKING:
    import numpy as np

    from trainables.data.pack import Pack
    from trainables.loop import Loop


@dataclass(frozen=True)
class TrialConfig:
    """What a trial needs to know, as plain values that travel through Ray.

    `last`, `best` and `samples` are the files of the training state and of the inference weights and the folder of
    the picture strips; `strip_epochs` are the epochs after which a strip is made, beside the last one and each that
    is the best so far. A `gpu_share` below 1 caps the GPU's memory at that share.
    """

    number: int
    model: str
    params: dict[str, Any]
    pack: str
    epochs: int
    batch_size: int
    seed: int
    objective: str
    encoder_weights: str | None
    perceptual_weights: str | None
    threads: int
    gpu_share: float
    last: str
    best: str
    samples: str
    strip_epochs: tuple[int, ...]


class Trial(tune.Trainable):
    """One trial; its actor is reused by the next, so that TensorFlow is imported once a process."""

    _trial: TrialConfig
    _pack: "Pack"
    _loop: "Loop"
    _photos: "np.ndarray"
    _best: float
    _unreported: dict[str, Any] | None

    def setup(self, config: dict[str, Any]) -> None:
        """Start TensorFlow in this process and build the trial."""
        from trainables import hardware

        trial = TrialConfig(**config["trial"])
        hardware.configure(trial.threads, hardware.gpu_memory_share(trial.gpu_share))
        self._open(trial)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Build another trial in the same process."""
        import keras

        del self._loop
        keras.utils.clear_session()
        # Networks and traced functions refer to one another: only the collector frees them.
        gc.collect()
        self._open(TrialConfig(**new_config["trial"]))
        return True

    def step(self) -> dict[str, Any]:
        """Train and measure one epoch, and put its state, weights and strip on the storage."""
        if self._unreported is not None:
            # The process before this one may have died between saving this epoch and reporting it.
            result, self._unreported = self._unreported, None
            return result
        trial, loop = self._trial, self._loop
        start = time.perf_counter()
        losses = loop.train_epoch()
        trained = time.perf_counter()
        metrics = loop.evaluate()
        objective = metrics[trial.objective]
        if not math.isfinite(objective):
            raise ArithmeticError(
                f"{trial.objective} is {objective} after epoch {loop.epoch}: the training diverged"
            )
        improved = objective < self._best
        if improved or loop.epoch in trial.strip_epochs or loop.epoch == trial.epochs:
            self._save_strip()
        if improved:
            self._best = objective
            loop.export(Path(trial.best))
        result = {
            "epoch": loop.epoch,
            **losses,
            **metrics,
            "images_per_second": loop.images_per_epoch / (trained - start),
            "epoch_seconds": time.perf_counter() - start,
            "trainable_encoder_parameters": loop.trainable_encoder_parameters,
            "done": loop.epoch >= trial.epochs,
        }
        loop.save(Path(trial.last), {"result": result, "best": self._best})
        return result

    def _open(self, trial: TrialConfig) -> None:
        from trainables.data.pack import open_pack
        from trainables.loop import make_loop
        from trainables.strip import strip_photos

        self._trial = trial
        self._pack = open_pack(Path(trial.pack))
        self._photos = strip_photos(self._pack)
        self._loop = make_loop(
            trial.model,
            trial.params,
            self._pack,
            batch_size=trial.batch_size,
            seed=trial.seed,
            encoder_weights=None if trial.encoder_weights is None else Path(trial.encoder_weights),
            perceptual_weights=None if trial.perceptual_weights is None else Path(trial.perceptual_weights),
        )
        self._best = math.inf
        self._unreported = None
        last = Path(trial.last)
        if last.exists():
            note = self._loop.restore(last)
            self._best, self._unreported = note["best"], note["result"]

    def _save_strip(self) -> None:
        from trainables.strip import save_strip, strip

        sheet = strip(self._loop.pictures(self._photos), self._pack.images[self._photos])
        save_strip(sheet, Path(self._trial.samples) / f"epoch-{self._loop.epoch:03d}.png")
