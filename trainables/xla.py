"""Programs of XLA that later processes find again: where they lie, and what makes one the same as another.

Compiling a step takes longer than many an epoch. TensorFlow can keep what it compiled
(`tf_xla_persistent_cache_directory`), by the program and its name; but it numbers the names of all functions that a
process traces. So a name here says what the program depends on, and nothing else. Read in TensorFlow 2.21.
"""

import hashlib
import os
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from trainables.data.nearby import own_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    import tensorflow as tf

    Step = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]

MOST_BYTES = 4 * 2**30
"""Of programs on a machine's disk; the oldest go first."""


def keep_programs(device: str) -> None:
    """Let TensorFlow, before it starts, keep what it compiles for a kind of device, and find what others kept."""
    # A program knows neither for which device it is nor of which TensorFlow.
    folder = (
        own_folder()
        / "programs"
        / hashlib.sha256(f"{device} {version('tensorflow')}".encode()).hexdigest()[:16]
    )
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _forget_oldest(folder.parent, MOST_BYTES)
    given = os.environ.get("TF_XLA_FLAGS", "")
    if "persistent_cache_directory" not in given:
        os.environ["TF_XLA_FLAGS"] = f"{given} --tf_xla_persistent_cache_directory={folder}".strip()


def compiled(step: "Step", depends_on: str) -> "Step":
    """`step` as a program of XLA, found by its own name and all that its graph `depends_on`.

    Two steps of one name and of the same `depends_on` must be the same: within a process the name alone tells.
    """
    import tensorflow as tf
    from tensorflow.python.eager.polymorphic_function import concrete_function

    traced = tf.function(step, jit_compile=True, autograph=False)
    own = step.__name__
    key = hashlib.sha256(depends_on.encode()).hexdigest()[:16]

    def call(luma: tf.Tensor, rgb: tf.Tensor) -> tf.Tensor:
        given = concrete_function._inference_name
        concrete_function._inference_name = lambda name: (
            f"__inference_{name}_{key}" if name == own else given(name)
        )
        try:
            return traced(luma, rgb)
        finally:
            concrete_function._inference_name = given

    return call


def _forget_oldest(folder: Path, most: int) -> None:
    """Leave the newest files that are so many bytes together."""
    files = [(file.stat(), file) for file in folder.rglob("*") if file.is_file()]
    files.sort(key=lambda one: one[0].st_mtime, reverse=True)
    kept = 0
    for status, file in files:
        kept += status.st_size
        if kept > most:
            file.unlink(missing_ok=True)
