"""What trains a model fastest on the machine at hand, measured for a second each: a precision, XLA. Not what a
precision means: that is `trainables.hardware` (which are suitable) and `trainables.models.layers` (how a network is
built in one).
"""

import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import tensorflow as tf

from trainables.data.pack import Pack
from trainables.loop import Loop, Training, forget_loops, make_loop
from trainables.params import Precision

T = TypeVar("T", bound=Hashable)
_SECONDS = 1.0
_STEPS = 2
"""In an epoch of the measured loops: they take turns, so that whatever else the machine does slows all of them."""
_WORTH = 1.05
"""What a precision below float32 must gain to be chosen."""


@dataclass(frozen=True)
class Choice:
    """The precision chosen, and the images a second of each that was measured."""

    precision: Precision
    images_per_second: dict[str, float]


def choose(training: Training, image_size: int, suitable: Sequence[Precision]) -> Choice:
    """Measure the training step of `training` in each suitable precision; a single one is taken as it is."""
    if len(suitable) == 1:
        return Choice(suitable[0], {})
    pack = _noise(image_size, training.batch_size * _STEPS)
    loops: dict[Precision, Loop] = {
        name: make_loop(replace(training, precision=name, encoder_weights=None), pack) for name in suitable
    }
    for loop in loops.values():
        loop.train_epoch()
    rates = images_per_second(loops, _SECONDS)
    del loop, loops
    # What was measured is not trained on, and would be in the way.
    forget_loops()
    fastest = max(suitable, key=lambda name: rates[name])
    if rates[fastest] < _WORTH * rates.get("float32", 0.0):
        fastest = "float32"
    return Choice(fastest, {str(name): rate for name, rate in rates.items()})


def with_and_without_xla(training: Training, image_size: int) -> tuple[float, float]:
    """Images a second of the training's step as a program of XLA, 0 if it cannot be one, and without, on a GPU."""
    pack = _noise(image_size, training.batch_size * _STEPS)
    loops: dict[bool, Loop] = {}
    for xla in (True, False):
        loop = make_loop(replace(training, xla=xla, encoder_weights=None), pack)
        try:
            loop.train_epoch()
        except tf.errors.OpError:
            if not xla:
                raise
        else:
            loops[xla] = loop
    rates = images_per_second(loops, _SECONDS)
    del loop, loops
    forget_loops()
    return rates.get(True, 0.0), rates[False]


def images_per_second(loops: Mapping[T, Loop], least: float) -> dict[T, float]:
    """Train loops that are traced already in turns, each for at least so many seconds."""
    seconds = dict.fromkeys(loops, 0.0)
    epochs = dict.fromkeys(loops, 0)
    while min(seconds.values()) < least:
        for name, loop in loops.items():
            start = time.perf_counter()
            loop.train_epoch()
            seconds[name] += time.perf_counter() - start
            epochs[name] += 1
    return {name: epochs[name] * loop.images_per_epoch / seconds[name] for name, loop in loops.items()}


def _noise(image_size: int, train: int) -> Pack:
    held_out = 2
    count = train + held_out
    split = np.zeros(count, np.int8)
    split[train:] = 1
    return Pack(
        path=Path("noise"),
        fingerprint="noise",
        source="noise",
        seed=0,
        images=np.random.default_rng(0).integers(0, 256, (count, image_size, image_size, 3), np.uint8),
        labels=np.zeros(count, np.int64),
        classes=("noise",),
        names=("noise",) * count,
        split=split,
    )
