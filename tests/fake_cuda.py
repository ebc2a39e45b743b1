"""A stand-in for NVIDIA's driver library: what CUDA would list, in C, for processes that load it by its name."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

SOURCE = """
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct gpu {{ const char *name, *uuid; size_t memory_mb; int major, minor; }};
static const struct gpu ALL[] = {{ {gpus} }};
enum {{ COUNT = sizeof ALL / sizeof *ALL }};
static int visible[COUNT], count;

int cuDriverGetVersion(int *version) {{ *version = {version}; return 0; }}

/* The first card by number or UUID that is not there ends the list. Unless asked otherwise, the last card is 0. */
int cuInit(unsigned flags) {{
    const char *order = getenv("CUDA_DEVICE_ORDER"), *wanted = getenv("CUDA_VISIBLE_DEVICES");
    int reversed = !order || strcmp(order, "PCI_BUS_ID");
    if ({fault} < 0) sleep(-({fault}));
    if ({fault} > 0) return {fault};
    for (int at = 0; !wanted && at < COUNT; at++) visible[count++] = reversed ? COUNT - 1 - at : at;
    for (char *next = wanted ? strdup(wanted) : 0; next && *next;) {{
        char *one = strsep(&next, ","), *end;
        long at = strtol(one, &end, 10);
        if (*one && !*end) at = reversed ? COUNT - 1 - at : at;
        else for (at = 0; at < COUNT && strncmp(ALL[at].uuid, one, strlen(one)); at++);
        if (at < 0 || at >= COUNT) break;
        visible[count++] = at;
    }}
    return count ? 0 : 100;
}}
int cuDeviceGetCount(int *found) {{ *found = count; return 0; }}
int cuDeviceGet(int *device, int ordinal) {{ *device = visible[ordinal]; return 0; }}
int cuDeviceGetName(char *name, int size, int device) {{ strncpy(name, ALL[device].name, size); return 0; }}
int cuDeviceTotalMem_v2(size_t *bytes, int device) {{ *bytes = ALL[device].memory_mb << 20; return 0; }}

/* An eighth of a card is in use; only a context that is current tells it, and all that was taken is given back. */
static int current = -1, retained;
int cuDevicePrimaryCtxRetain(void **context, int device) {{
    *context = (void *)(long)(device + 1);
    retained++;
    return 0;
}}
int cuDevicePrimaryCtxRelease_v2(int device) {{ return --retained; }}
int cuCtxPushCurrent_v2(void *context) {{ current = (int)(long)context - 1; return 0; }}
int cuCtxPopCurrent_v2(void **context) {{ current = -1; return 0; }}
int cuMemGetInfo_v2(size_t *free, size_t *total) {{
    if (current < 0) return 201;
    *total = ALL[current].memory_mb << 20;
    *free = *total - *total / 8;
    return 0;
}}
int cuDeviceGetAttribute(int *value, int attribute, int device) {{
    *value = attribute == 75 ? ALL[device].major : ALL[device].minor;
    return 0;
}}
"""


def install_fake_cuda(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    gpus: Sequence[tuple[str, str, int, int, int]],
    *,
    version: int = 12_040,
    fault: int = 0,
) -> None:
    """Let processes find a driver of these GPUs (name, UUID, MiB, compute capability's major and minor).

    `fault` is the error with which CUDA does not start, or less than 0 for so many seconds without an answer.
    """
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler, which makes the stand-in for NVIDIA's driver")
    rows = ", ".join(
        f'{{"{name}", "{uuid}", {memory}, {major}, {minor}}}' for name, uuid, memory, major, minor in gpus
    )
    source = folder / "fake_cuda.c"
    source.write_text(SOURCE.format(gpus=rows, version=version, fault=fault))
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-w", "-o", folder / "libcuda.so.1", source], check=True, timeout=60
    )
    monkeypatch.setenv("LD_LIBRARY_PATH", str(folder))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
