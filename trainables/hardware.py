"""What of the machine a trial's TensorFlow may use, and what the devices at hand ask for.

`configure` is to be called before anything else of TensorFlow is. Which of several suitable precisions is the fastest
is measured by `trainables.precision`.
"""

import os
import platform
import re
import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from trainables import cuda
from trainables.backend import import_backend, silent_stderr
from trainables.cuda import Cuda, Gpu
from trainables.params import Precision
from trainables.xla import keep_programs

BESIDE_MB = 1024
"""MiB of a GPU that a process takes beside what TensorFlow allocates, where that was not measured: CUDA's context,
and the kernels of cuDNN, cuBLAS and XLA that are loaded into it. An estimate with room to spare, since it differs
between GPUs and drivers: PyTorch's developers put it at about 300 MB since CUDA 11.7 loads kernels when needed
(https://github.com/pytorch/pytorch/issues/107667)."""

_NEEDED, _DRIVER = (12, 0), "525.60.13"
"""The CUDA that TensorFlow's wheels need of a driver, and the first driver for Linux that has it (CUDA Toolkit's
release notes, minor version compatibility)."""
_INSTALL = "pip install -c cluster/constraints.txt -e '.[gpu]'"
_WITHOUT = "or do without it: --gpus-per-trial 0 for a study, CUDA_VISIBLE_DEVICES='' for all else"


class ShareError(ValueError):
    """A share of a GPU that holds no trial; the message names it, the rule and the remedy."""


class GpuError(ValueError):
    """A GPU that is there and cannot be used; the message says which, why, and the remedy."""


def listed_gpus() -> tuple[str, ...]:
    """The names of the GPUs that NVIDIA's driver lists for this machine's users, be they of use to CUDA or not."""
    try:
        listing = subprocess.run(
            ["nvidia-smi", "-L"], capture_output=True, text=True, check=True, timeout=cuda.ANSWERS_WITHIN
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(re.findall(r"^GPU \d+: (.*?)(?: \(UUID.*)?$", listing, re.MULTILINE))


def gpu_trouble(
    seen: Sequence[Gpu], driver: Cuda, listed: Sequence[str], build: Mapping[str, Any], cudnn: str | None
) -> str | None:
    """Why a GPU that is there cannot be used, and the remedy; None where none is there, or all is well.

    Parameters
    ----------
    seen
        By TensorFlow.
    driver, listed
        By CUDA's driver, and by `nvidia-smi`.
    build
        As `tf.sysconfig.get_build_info` says it of the installed TensorFlow.
    cudnn
        The version of the Python package with cuDNN, which comes with CUDA's other libraries; None without it.
    """
    if seen:
        kernels = build.get("cuda_compute_capabilities", ())
        return next((said for gpu in seen if (said := _too_new(gpu, kernels) or _too_old(gpu, cudnn))), None)
    names = [gpu.name for gpu in driver.gpus] or ([] if _hides_gpus() else [*listed])
    if not names:
        return None
    if not build.get("is_cuda_build"):
        why = f"is built without CUDA for {platform.machine()}: take a machine with an x86-64 processor"
    elif driver.fault is not None:
        why = f"gets no answer of NVIDIA's driver ({driver.fault}): mend it, in a container with --gpus all"
    elif driver.version is not None and driver.version < _NEEDED:
        has, needs = (".".join(map(str, version)) for version in (driver.version, _NEEDED))
        why = f"needs CUDA {needs}, and the driver is one of CUDA {has}: install driver {_DRIVER} or newer"
    elif cudnn is None:
        why = f"finds no libraries of CUDA: {_INSTALL}"
    else:
        why = (
            "cannot load CUDA's libraries: TF_CPP_MIN_LOG_LEVEL=0 python -c"
            " 'import tensorflow as tf; tf.config.list_physical_devices()' says which"
        )
    return f"{' and '.join(dict.fromkeys(names))} cannot be used, for TensorFlow {why}, {_WITHOUT}."


def _too_new(gpu: Gpu, kernels: Sequence[str]) -> str | None:
    """Of a GPU beyond all that TensorFlow has kernels for: it would compile them anew, and fails at that.

    CUDA_ERROR_INVALID_PTX, https://github.com/tensorflow/tensorflow/issues/89272.
    """
    newest = max(
        (int(kernel.partition("_")[2]) // 10 for kernel in kernels), default=gpu.compute_capability[0]
    )
    if gpu.compute_capability[0] <= newest:
        return None
    return (
        f"{gpu.name} cannot be used, for its compute capability is {'.'.join(map(str, gpu.compute_capability))},"
        f" and this TensorFlow has kernels up to {newest}: take an older card or a newer"
        f" TensorFlow, {_WITHOUT}."
    )


def _too_old(gpu: Gpu, cudnn: str | None) -> str | None:
    """Of a GPU from before Turing, which cuDNN knows up to 9.10 (its support matrix)."""
    numbers = tuple(int(part) for part in (cudnn or "0.0").split(".")[:2])
    if gpu.compute_capability >= (7, 5) or numbers < (9, 11):
        return None
    return (
        f"{gpu.name} cannot be used, for cuDNN {cudnn} knows no card before Turing: {_INSTALL}, {_WITHOUT}."
    )


def _hides_gpus() -> bool:
    return os.environ.get("CUDA_VISIBLE_DEVICES", "0").partition(",")[0].strip() in ("", "-1", "NoDevFiles")


def processor_flags() -> frozenset[str]:
    """The instruction sets that Linux lists for the first processor; none elsewhere."""
    return frozenset(_of_first_processor("flags").split())


def device_name() -> str:
    """What this process computes on: the GPU as TensorFlow names it, or the processor as Linux does.

    Where Linux lists no model of processor, as on ARM, it is the architecture.
    """
    import tensorflow as tf

    gpus = tf.config.get_visible_devices("GPU")
    if gpus:
        return str(tf.config.experimental.get_device_details(gpus[0])["device_name"])
    return _of_first_processor("model name") or platform.machine()


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


def gpu_memory_cap(share: float, memory_mb: int, beside_mb: float) -> int | None:
    """MiB that TensorFlow may allocate for a trial with this share of a GPU of so many; None for a whole one.

    From the share goes what the process takes beside that.

    Raises
    ------
    ShareError
        Nothing is left.
    """
    if share == 1:
        return None
    cap = int(share * memory_mb - beside_mb)
    if cap <= 0:
        raise ShareError(
            f"--gpus-per-trial is {share:g}, which is {share * memory_mb:.0f} MiB of a GPU, but a process takes"
            f" {beside_mb:.0f} before it allocates anything: take a larger share, such as"
            f" {(beside_mb + 1024) / memory_mb:.2f}."
        )
    return cap


def configure(
    threads: int, gpu_share: float, *, beside_mb: float = BESIDE_MB, deterministic: bool = False
) -> Gpu | None:
    """Hold TensorFlow to a number of threads and a share of one GPU's memory, silence its log, and give the GPU.

    Parameters
    ----------
    threads
        Threads within an operation; on a processor, operations at a time as well: there several trials of one thread
        each do more work together than one trial with several. What a GPU computes is started by many small
        operations, as many at a time as TensorFlow likes.
    gpu_share
        Of the first visible GPU, 0..1. A fraction is enforced by a logical device of `gpu_memory_cap`: Ray counts
        fractions of a GPU but enforces none. With 1 TensorFlow takes all memory. With 0 the GPUs are hidden: Ray
        leaves them visible to a process that asked for none.
    beside_mb
        MiB of the GPU that the process takes beside what TensorFlow allocates.
    deterministic
        Choose kernels on a GPU that give the same bits each time, by what TensorFlow and XLA have for that; the
        fastest ones, chosen by timing, need not.

    Raises
    ------
    RuntimeError
        TensorFlow has already started in this process.
    GpuError
        There is a GPU, and TensorFlow cannot use it.
    ShareError
        The share is too small.
    """
    # As the driver and Ray number them; CUDA by itself begins with the fastest.
    os.environ["CUDA_DEVICE_ORDER"] = "PCI_BUS_ID"
    driver = cuda.ask() if gpu_share else None
    if driver is not None and driver.gpus:
        keep_programs(f"{driver.gpus[0].name}{' deterministic' * deterministic}")
    if deterministic:
        os.environ["XLA_FLAGS"] = (
            f"{os.environ.get('XLA_FLAGS', '')} --xla_gpu_deterministic_ops=true".strip()
        )
    import_backend()
    import tensorflow as tf

    with silent_stderr():
        devices = tf.config.list_physical_devices("GPU") if gpu_share else []
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    gpu = None if driver is None else _usable(devices, driver)
    tf.config.set_visible_devices(devices[:1], "GPU")
    if gpu is None:
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        return None
    cap = gpu_memory_cap(gpu_share, gpu.memory_mb, beside_mb)
    if cap is not None:
        limit = tf.config.LogicalDeviceConfiguration(memory_limit=cap)
        tf.config.set_logical_device_configuration(devices[0], [limit])
    return gpu


def _usable(devices: Sequence[Any], driver: Cuda) -> Gpu | None:
    """The first of the GPUs that TensorFlow sees; None where there is none for it to see."""
    import tensorflow as tf

    trouble = gpu_trouble(
        driver.gpus[: len(devices)],
        driver,
        () if devices else listed_gpus(),
        tf.sysconfig.get_build_info(),
        next((one.version for one in distributions(name="nvidia-cudnn-cu12")), None),
    )
    if trouble is not None:
        raise GpuError(trouble)
    return driver.gpus[0] if devices else None


def uses_gpu() -> bool:
    """Whether TensorFlow computes on a GPU in this process; asking starts it."""
    import tensorflow as tf

    return bool(tf.config.list_logical_devices("GPU"))
