"""The GPUs that CUDA offers, and what is in use of one, asked of NVIDIA's driver library without TensorFlow.

CUDA itself reads `CUDA_VISIBLE_DEVICES`, be its cards named by number, UUID or MIG instance, so what it lists is what
TensorFlow can get. Functions and constants are those of the CUDA driver API, "Initialization", "Version Management",
"Device Management", "Primary Context Management" and "Memory Management".
"""

import ctypes
import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from typing import Any

LIBRARY = "libcuda.so.1"
ANSWERS_WITHIN = 30.0
"""Seconds; a card that fell off its bus can keep the driver waiting for ever."""
_MAJOR, _MINOR = 75, 76
"""CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR."""
_NO_DEVICE = 100
"""CUDA_ERROR_NO_DEVICE: none is there, or all are hidden."""


@dataclass(frozen=True)
class Gpu:
    """An NVIDIA GPU, or an instance of one."""

    name: str
    memory_mb: int
    compute_capability: tuple[int, int]


@dataclass(frozen=True)
class Cuda:
    """What the driver says.

    Attributes
    ----------
    version
        The newest CUDA that it can run; None without a driver.
    gpus
        Those that this process may use, in the order in which CUDA numbers them.
    fault
        Why it does not answer, or None.
    """

    version: tuple[int, int] | None
    gpus: tuple[Gpu, ...]
    fault: str | None


def ask() -> Cuda:
    """Ask the driver, in a process of its own: what CUDA once saw, a process sees to its end."""
    try:
        ctypes.CDLL(LIBRARY)
    except OSError:
        return Cuda(None, (), f"there is no {LIBRARY}")
    try:
        asked = subprocess.run(
            [sys.executable, "-m", __name__],
            capture_output=True,
            text=True,
            check=False,
            timeout=ANSWERS_WITHIN,
            env={**os.environ, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"},
        )
    except subprocess.TimeoutExpired:
        return Cuda(None, (), f"it did not answer within {ANSWERS_WITHIN:.0f} s")
    if asked.returncode:
        return Cuda(None, (), f"asking it ended with status {asked.returncode}")
    told = json.loads(asked.stdout)
    return Cuda(
        told["version"] and tuple(told["version"]),
        tuple(Gpu(gpu["name"], gpu["memory_mb"], tuple(gpu["compute_capability"])) for gpu in told["gpus"]),
        told["fault"],
    )


def used_mb() -> int:
    """MiB in use, by whatever, of the first GPU of this process, which computes on it.

    Raises
    ------
    OSError, RuntimeError
        There is no driver, or it does not answer.
    """
    library = ctypes.CDLL(LIBRARY)
    _checked(library.cuInit(0))
    device = _number(library.cuDeviceGet, 0)
    context, free, total = ctypes.c_void_p(), ctypes.c_size_t(), ctypes.c_size_t()
    _checked(library.cuDevicePrimaryCtxRetain(ctypes.byref(context), device))
    try:
        _checked(library.cuCtxPushCurrent_v2(context))
        _checked(library.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total)))
        _checked(library.cuCtxPopCurrent_v2(ctypes.byref(context)))
    finally:
        library.cuDevicePrimaryCtxRelease_v2(device)
    return (total.value - free.value) >> 20


def _ask_here() -> Cuda:
    library = ctypes.CDLL(LIBRARY)
    version = _number(library.cuDriverGetVersion)
    supports = version // 1000, version % 1000 // 10
    status = library.cuInit(0)
    if status:
        return Cuda(supports, (), None if status == _NO_DEVICE else f"CUDA does not start (error {status})")
    return Cuda(supports, tuple(_gpu(library, at) for at in range(_number(library.cuDeviceGetCount))), None)


def _gpu(library: Any, at: int) -> Gpu:
    device = _number(library.cuDeviceGet, at)
    name, memory = ctypes.create_string_buffer(256), ctypes.c_size_t()
    _checked(library.cuDeviceGetName(name, len(name), device))
    _checked(library.cuDeviceTotalMem_v2(ctypes.byref(memory), device))
    major, minor = (_number(library.cuDeviceGetAttribute, what, device) for what in (_MAJOR, _MINOR))
    return Gpu(name.value.decode(errors="replace"), memory.value >> 20, (major, minor))


def _number(function: Any, *arguments: int) -> int:
    answer = ctypes.c_int()
    _checked(function(ctypes.byref(answer), *arguments))
    return answer.value


def _checked(status: int) -> None:
    if status:
        raise RuntimeError(f"the driver answers with error {status}")


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(_ask_here())))
