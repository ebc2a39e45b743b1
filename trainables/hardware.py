"""What of the machine a trial's TensorFlow may use, and what the devices at hand ask for.

`configure` is to be called before anything else of TensorFlow is. Which of several suitable precisions is the fastest
is measured by `trainables.precision`.
"""

import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trainables.backend import import_backend, silent_stderr
from trainables.params import Precision

CONTEXT_MB = 512
"""MiB of a GPU that a process takes beside what TensorFlow allocates: CUDA's context, and the kernels of cuDNN,
cuBLAS and XLA that are loaded into it. An estimate with room to spare, since it differs between GPUs and drivers:
PyTorch's developers put it at about 300 MB since CUDA 11.7 loads kernels when they are needed
(https://github.com/pytorch/pytorch/issues/107667)."""


class ShareError(ValueError):
    """A share of a GPU that holds no trial; the message names it, the rule and the remedy."""


@dataclass(frozen=True)
class Gpu:
    """An NVIDIA GPU as its driver lists it."""

    name: str
    memory_mb: int
    compute_capability: tuple[int, int]


def nvidia_gpus() -> tuple[Gpu, ...]:
    """The GPUs that this process may use, asked of the driver: TensorFlow tells only once it has started."""
    query = ["nvidia-smi", "--query-gpu=index,memory.total,compute_cap,name", "--format=csv,noheader,nounits"]
    try:
        listing = subprocess.run(query, capture_output=True, text=True, check=True).stdout
    except (FileNotFoundError, subprocess.CalledProcessError):
        return ()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    gpus = []
    for line in listing.splitlines():
        index, memory, capability, name = (part.strip() for part in line.split(",", 3))
        if visible is None or index in visible.split(","):
            major, _, minor = capability.partition(".")
            gpus.append(Gpu(name, int(memory), (int(major), int(minor))))
    return tuple(gpus)


def processor_flags() -> frozenset[str]:
    """The instruction sets that Linux lists for the first processor; none elsewhere."""
    return frozenset(_of_first_processor("flags").split())


def device_name(gpu_share: float) -> str:
    """What a trial with this share of a GPU computes on: the GPU's name as its driver gives it, or the processor's.

    Where Linux lists no model of processor, as on ARM, it is the architecture.
    """
    gpus = nvidia_gpus() if gpu_share else ()
    return gpus[0].name if gpus else _of_first_processor("model name") or platform.machine()


def _of_first_processor(key: str) -> str:
    """What Linux lists under `key` for the first processor; nothing elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line for line in lines if line.startswith(key)), "").partition(":")[2].strip()


def suitable_precisions(gpus: Sequence[Gpu], flags: frozenset[str]) -> tuple[Precision, ...]:
    """What networks may compute in on these devices; of several, which is faster has to be measured.

    GPUs from Ampere on (compute capability 8.0) have tensor cores for bfloat16, whose range is float32's; Volta and
    Turing (7.0) have them for float16 alone. A processor gains from bfloat16 only with instructions for it, and
    not for every size of network.
    """
    if gpus:
        oldest = min(gpu.compute_capability for gpu in gpus)
        if oldest >= (8, 0):
            return ("bfloat16",)
        return ("float16",) if oldest >= (7, 0) else ("float32",)
    return ("float32", "bfloat16") if flags & {"avx512_bf16", "amx_bf16"} else ("float32",)


def gpu_memory_cap(share: float, gpus: Sequence[Gpu]) -> int | None:
    """MiB that TensorFlow may allocate for a trial with this share of a GPU; None for a whole one or none.

    From the share goes what the process takes beside that, `CONTEXT_MB`. Every GPU of a machine is taken to have as
    much as the smallest.

    Raises
    ------
    ShareError
        Nothing is left.
    """
    if not 0 < share < 1 or not gpus:
        return None
    memory = min(gpu.memory_mb for gpu in gpus)
    cap = int(share * memory) - CONTEXT_MB
    if cap <= 0:
        raise ShareError(
            f"--gpus-per-trial is {share:g}, which is {share * memory:.0f} MiB of a GPU, but a process takes"
            f" {CONTEXT_MB} before it allocates anything: take a larger share, such as {1536 / memory:.2f}."
        )
    return cap


def configure(threads: int, gpu_share: float) -> None:
    """Hold TensorFlow to a number of threads and a share of a GPU's memory, and silence its log.

    Parameters
    ----------
    threads
        Threads within an operation and operations at a time. On a CPU several trials of one thread each do more
        work together than one trial with several.
    gpu_share
        Of each visible GPU, 0..1. A fraction is enforced by a logical device of `gpu_memory_cap`: Ray counts
        fractions of a GPU but enforces none. With 1 TensorFlow takes all memory. With 0 the GPUs are hidden: Ray
        leaves them visible to a process that asked for none.

    Raises
    ------
    RuntimeError
        TensorFlow has already started in this process.
    ShareError
        The share is too small.
    """
    import_backend()
    import tensorflow as tf

    with silent_stderr():
        gpus = tf.config.list_physical_devices("GPU")
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    if not gpu_share:
        tf.config.set_visible_devices([], "GPU")
    cap = gpu_memory_cap(gpu_share, nvidia_gpus())
    if cap is not None:
        limit = tf.config.LogicalDeviceConfiguration(memory_limit=cap)
        for gpu in gpus:
            tf.config.set_logical_device_configuration(gpu, [limit])


def uses_gpu() -> bool:
    """Whether TensorFlow computes on a GPU in this process; asking starts it."""
    import tensorflow as tf

    return bool(tf.config.list_logical_devices("GPU"))
