"""What a trial takes of a GPU's memory, and loops to tell how fast several are on one.

Who starts them, and what follows from it, is `search.packing`.
"""

from dataclasses import replace

import tensorflow as tf

from trainables.data.pack import Pack
from trainables.loop import Loop, Training, forget_loops, make_loop

_STEPS = 16
"""In an epoch of a measured loop: as many as run in one call of the graph."""


def peak_mb(training: Training, pack: Pack) -> float:
    """MiB of the GPU that TensorFlow has allocated at most while the training takes a few steps and is evaluated.

    Raises
    ------
    ValueError
        TensorFlow sees no GPU.
    """
    # What TensorFlow uses, not what it has reserved, so it need not be told to reserve no more than it uses.
    tf.config.experimental.reset_memory_stats("GPU:0")
    loop = make_loop(training, _few_steps(pack, training.batch_size))
    loop.train_epoch()
    loop.evaluate()
    peak: int = tf.config.experimental.get_memory_info("GPU:0")["peak"]
    del loop
    forget_loops()
    return peak / 2**20


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
