import os
import subprocess
import sys
from pathlib import Path

import pytest

from trainables.hardware import (
    Gpu,
    ShareError,
    device_name,
    gpu_memory_cap,
    nvidia_gpus,
    processor_flags,
    suitable_precisions,
)

V100, T4 = Gpu("Tesla V100-SXM2-16GB", 16_384, (7, 0)), Gpu("Tesla T4", 15_360, (7, 5))
A100, L4 = Gpu("NVIDIA A100-SXM4-40GB", 40_960, (8, 0)), Gpu("NVIDIA L4", 23_034, (8, 9))
P100 = Gpu("Tesla P100-PCIE-16GB", 16_384, (6, 0))
NO_FLAGS: frozenset[str] = frozenset()

SCRIPT = """
from trainables import hardware
hardware.configure(1, {share})
import tensorflow as tf
print(tf.config.threading.get_intra_op_parallelism_threads(), float(tf.constant(2.0) + 1))
"""


def test_tensorflow_starts_with_that_many_threads_and_without_a_word() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TF_")}
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(share=0.5)],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    assert run.stdout == "1 3.0\n"
    assert run.stderr == ""


def test_a_process_whose_tensorflow_has_started_is_refused() -> None:
    import tensorflow as tf

    from trainables import hardware

    tf.constant(1.0)
    with pytest.raises(RuntimeError, match="cannot be modified after initialization"):
        hardware.configure(3, 1)


@pytest.mark.parametrize(
    ("gpus", "flags", "expected"),
    [
        ([A100], NO_FLAGS, ("bfloat16",)),
        ([L4, A100], NO_FLAGS, ("bfloat16",)),
        ([V100], NO_FLAGS, ("float16",)),
        ([T4], {"avx512_bf16"}, ("float16",)),
        ([A100, T4], NO_FLAGS, ("float16",)),  # a trial may get either
        ([P100], NO_FLAGS, ("float32",)),
        ([], {"avx2", "avx512f"}, ("float32",)),
        ([], {"avx512f", "avx512_bf16"}, ("float32", "bfloat16")),
        ([], {"amx_bf16"}, ("float32", "bfloat16")),
    ],
)
def test_the_devices_decide_which_precisions_suit(
    gpus: list[Gpu], flags: set[str], expected: tuple[str, ...]
) -> None:
    assert suitable_precisions(gpus, frozenset(flags)) == expected


@pytest.mark.parametrize(
    ("share", "gpus", "expected"),
    [
        (0.25, [A100], 10_240 - 512),
        (0.5, [A100, T4], 7_680 - 512),
        (1.0, [A100], None),
        (0.0, [A100], None),
        (0.25, [], None),
    ],
)
def test_a_share_of_a_gpu_caps_its_memory_and_leaves_room_for_what_lies_beside(
    share: float, gpus: list[Gpu], expected: int | None
) -> None:
    assert gpu_memory_cap(share, gpus) == expected


def test_a_share_without_room_for_a_process_is_refused() -> None:
    with pytest.raises(ShareError, match=r"--gpus-per-trial is 0.02, which is 307 MiB .* such as 0\.10\."):
        gpu_memory_cap(0.02, [T4])


HIDING = """
from trainables import hardware
import tensorflow as tf
tf.config.set_visible_devices = lambda devices, kind: print("visible:", devices, kind)
hardware.configure(1, {share})
"""


@pytest.mark.parametrize(("share", "said"), [(0.0, "visible: [] GPU\n"), (0.5, ""), (1.0, "")])
def test_a_process_without_a_share_of_a_gpu_is_kept_from_all_of_them(share: float, said: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", HIDING.format(share=share)], capture_output=True, text=True, check=True
    )
    assert run.stdout == said


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in for NVIDIA's driver, which lists an A100 and a T4."""
    program = tmp_path / "nvidia-smi"
    lines = ("0, 40960, 8.0, NVIDIA A100-SXM4-40GB", "1, 15360, 7.5, Tesla T4")
    program.write_text("#!/bin/sh\n" + "".join(f"echo '{line}'\n" for line in lines))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.mark.parametrize(
    ("visible", "expected"), [(None, (A100, T4)), ("1", (T4,)), ("0,1", (A100, T4)), ("", ())]
)
def test_gpus_are_what_the_driver_lists_and_the_process_may_use(
    driver: None, monkeypatch: pytest.MonkeyPatch, visible: str | None, expected: tuple[Gpu, ...]
) -> None:
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert nvidia_gpus() == expected


def test_a_device_is_the_gpu_that_a_trial_has_a_share_of_or_else_the_processor(
    driver: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert device_name(0.5) == "Tesla T4"
    assert device_name(0.0) not in ("Tesla T4", "")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert device_name(0.5) == device_name(0.0)


def test_without_a_driver_there_are_no_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert nvidia_gpus() == ()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/cpuinfo")
def test_a_processors_instruction_sets_are_known() -> None:
    assert processor_flags() & {"sse2", "fp"}
