"""What of the machine a trial's TensorFlow may use. To be called before anything else of TensorFlow is."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def configure(threads: int, gpu_memory_mb: int | None) -> None:
    """Hold TensorFlow to a number of threads and a share of a GPU's memory, and silence its log.

    Parameters
    ----------
    threads
        Threads within an operation and operations at a time. On a CPU several trials of one thread each do more
        work together than one trial with several.
    gpu_memory_mb
        Memory of each visible GPU that this process may take, in MiB, reserved as a logical device: Ray counts
        fractions of a GPU but enforces none. None leaves it to TensorFlow, which takes it all.

    Raises
    ------
    RuntimeError
        TensorFlow has already started in this process.
    """
    # Not even errors: the graph optimiser logs one for each shortcut that it cannot take, and what matters is raised.
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    with silent_stderr():
        import tensorflow as tf

        gpus = tf.config.list_physical_devices("GPU")
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    if gpu_memory_mb is not None:
        limit = tf.config.LogicalDeviceConfiguration(memory_limit=gpu_memory_mb)
        for gpu in gpus:
            tf.config.set_logical_device_configuration(gpu, [limit])


@contextmanager
def silent_stderr() -> Iterator[None]:
    """Keep the process's stderr shut: on import, TensorFlow's C++ code writes to it before it reads its log level."""
    sys.stderr.flush()
    kept = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)


def gpu_memory_share(share: float) -> int | None:
    """The memory, in MiB, that a trial with this share of a GPU may take; None for a whole one, several or none.

    What a GPU has is asked of NVIDIA's driver, since TensorFlow tells only once it has started. Every visible
    GPU of a machine is taken to have as much as the smallest.
    """
    if not 0 < share < 1:
        return None
    query = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    listing = subprocess.run(query, capture_output=True, text=True, check=True)
    return int(share * min(int(line) for line in listing.stdout.split()))
