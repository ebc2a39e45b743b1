"""What a trial takes of a GPU's and the machine's memory, and loops to tell how fast several are on one GPU.

Who starts them, and what follows from it, is `search.packing`.
"""

import math
import resource
import sys
from contextlib import suppress
from dataclasses import dataclass, replace

import tensorflow as tf

from trainables import cuda
from trainables.data.pack import Pack
from trainables.hardware import BESIDE_MB
from trainables.loop import Loop, Training, forget_loops, make_loop

_STEPS = 16
"""In an epoch of a measured loop: as many as run in one call of the graph."""


@dataclass(frozen=True)
class Taken:
    """MiB that a process takes for a trial.

    Attributes
    ----------
    peak_mb
        Of the GPU, allocated by TensorFlow at most; infinite where the process has not that much.
    beside_mb
        Of the GPU beside what TensorFlow may allocate, with what others took before.
    host_mb
        Of the machine, at most.
    """

    peak_mb: float
    beside_mb: float
    host_mb: float


def taken(training: Training, pack: Pack) -> Taken:
    """What is taken while the training takes a few steps and is evaluated, in a process with a cap on its GPU.

    Raises
    ------
    ValueError
        TensorFlow sees no GPU.
    """
    # What TensorFlow uses, not what it has reserved, so it need not be told to reserve no more than it uses.
    tf.config.experimental.reset_memory_stats("GPU:0")
    peak = math.inf
    with suppress(tf.errors.ResourceExhaustedError):
        loop = make_loop(training, _few_steps(pack, training.batch_size))
        loop.train_epoch()
        loop.evaluate()
        peak = tf.config.experimental.get_memory_info("GPU:0")["peak"] / 2**20
        del loop
    forget_loops()
    return Taken(peak, _beside_mb(), _host_mb())


def _beside_mb() -> float:
    device = tf.config.list_physical_devices("GPU")[0]
    configured = tf.config.get_logical_device_configuration(device)
    # TensorFlow takes all that it may at once.
    cap = configured[0].memory_limit if configured else None
    try:
        return BESIDE_MB if cap is None else max(0.0, cuda.used_mb() - cap)
    except (OSError, RuntimeError):
        return BESIDE_MB


def _host_mb() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


def warm_loop(training: Training, pack: Pack) -> Loop:
    """A loop with epochs of a few steps that is traced and compiled, ready to have its images a second measured."""
    loop = make_loop(training, _few_steps(pack, training.batch_size))
    loop.train_epoch()
    return loop


def _few_steps(pack: Pack, batch_size: int) -> Pack:
    """The pack with all that it takes of memory, but few images to train on."""
    split = pack.split.copy()
    split[pack.indices("train")[_STEPS * batch_size :]] = 2
    return replace(pack, split=split)
