"""What a process may use of its machine, and what is said where a GPU that is there is of no use."""

import os
import re
import subprocess
import sys

import pytest

from tests.fake_cuda import install_fake_cuda
from trainables.cuda import Cuda, Gpu
from trainables.hardware import (
    ShareError,
    device_name,
    gpu_memory_cap,
    gpu_trouble,
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


@pytest.mark.parametrize(("share", "expected"), [(0.25, 10_240 - 700), (0.5, 20_480 - 700), (1.0, None)])
def test_a_share_of_a_gpu_caps_its_memory_and_leaves_room_for_what_lies_beside(
    share: float, expected: int | None
) -> None:
    assert gpu_memory_cap(share, A100.memory_mb, 700) == expected


def test_a_share_without_room_for_a_process_is_refused() -> None:
    with pytest.raises(
        ShareError, match=r"--gpus-per-trial is 0.02, .* 307 MiB .* takes 512 .* such as 0\.10\."
    ):
        gpu_memory_cap(0.02, T4.memory_mb, 512)


def run(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )


USING = """
from trainables import hardware
hardware.import_backend()
import tensorflow as tf
devices = [tf.config.PhysicalDevice(f"/physical_device:GPU:{{at}}", "GPU") for at in range({seen})]
told = []
tf.config.list_physical_devices = lambda kind: devices
tf.config.set_visible_devices = lambda devices, kind: told.extend(device.name[-5:] for device in devices)
tf.config.set_logical_device_configuration = lambda device, limits: told.append(limits[0].memory_limit)
gpu = hardware.configure(1, {share})
print(*told, gpu and gpu.name, tf.config.threading.get_inter_op_parallelism_threads())
"""
CARDS = [
    ("NVIDIA A100-SXM4-40GB", "GPU-a", 40_960, 8, 0),
    ("Tesla T4", "GPU-t", 15_360, 7, 5),
    ("NVIDIA A100 MIG 1g.5gb", "MIG-m", 4_864, 8, 0),
]


@pytest.mark.parametrize(
    ("share", "visible", "said"),
    [
        (0.0, {}, "None 1"),
        (1.0, {}, "GPU:0 NVIDIA A100-SXM4-40GB 0"),  # one of three
        (0.25, {"CUDA_VISIBLE_DEVICES": "1"}, f"GPU:0 {15_360 // 4 - 1024} Tesla T4 0"),
        (0.25, {"CUDA_VISIBLE_DEVICES": "GPU-t"}, f"GPU:0 {15_360 // 4 - 1024} Tesla T4 0"),
        (0.5, {"CUDA_VISIBLE_DEVICES": "MIG-m"}, f"GPU:0 {4_864 // 2 - 1024} NVIDIA A100 MIG 1g.5gb 0"),
    ],
)
def test_a_process_gets_its_share_of_the_first_card_that_cuda_shows_it(
    tmp_path, monkeypatch, share, visible, said
) -> None:
    install_fake_cuda(tmp_path, monkeypatch, CARDS)
    done = run(USING.format(share=share, seen=1 if visible else 3), **visible)
    assert (done.stdout, done.stderr) == (f"{said}\n", "")


ASKING = "from trainables import cuda; print(cuda.ask())"


def test_cards_are_in_the_order_in_which_ray_and_the_driver_number_them(tmp_path, monkeypatch) -> None:
    install_fake_cuda(tmp_path, monkeypatch, CARDS[:2], version=12_080)
    assert run(ASKING).stdout == f"{Cuda((12, 8), (A100, T4), None)}\n"
    assert run(ASKING, CUDA_VISIBLE_DEVICES="1,0,7,0").stdout == f"{Cuda((12, 8), (T4, A100), None)}\n"
    for hiding in ("", "-1", "GPU-x"):
        assert run(ASKING, CUDA_VISIBLE_DEVICES=hiding).stdout == f"{Cuda((12, 8), (), None)}\n"


def test_what_is_in_use_of_the_card_that_a_process_computes_on_is_asked_of_the_driver(
    tmp_path, monkeypatch
) -> None:
    install_fake_cuda(tmp_path, monkeypatch, CARDS)
    using = "from trainables import cuda; print(cuda.used_mb())"
    assert run(using, CUDA_DEVICE_ORDER="PCI_BUS_ID", CUDA_VISIBLE_DEVICES="1").stdout == f"{15_360 // 8}\n"


def test_a_driver_that_does_not_start_or_answer_is_no_end_of_the_process(tmp_path, monkeypatch) -> None:
    install_fake_cuda(tmp_path, monkeypatch, CARDS, fault=803)
    assert run(ASKING).stdout == f"{Cuda((12, 4), (), 'CUDA does not start (error 803)')}\n"
    install_fake_cuda(tmp_path, monkeypatch, CARDS, fault=-60)
    hurried = ASKING.replace("print", "cuda.ANSWERS_WITHIN = 2.0; print")
    assert run(hurried).stdout == f"{Cuda(None, (), 'it did not answer within 2 s')}\n"


def test_without_a_driver_there_are_no_gpus() -> None:
    assert run(ASKING, LD_LIBRARY_PATH="").stdout == f"{Cuda(None, (), 'there is no libcuda.so.1')}\n"


WHEEL = {"is_cuda_build": True, "cuda_compute_capabilities": ["sm_60", "sm_89", "compute_90"]}
B200 = Gpu("NVIDIA B200", 183_359, (10, 0))


@pytest.mark.parametrize(
    ("seen", "driver", "listed", "build", "cudnn", "said"),
    [
        ([A100], Cuda((12, 4), (A100,), None), ["NVIDIA A100-SXM4-40GB"], WHEEL, "9.3.0", None),
        ([A100], Cuda((12, 4), (A100,), None), [], WHEEL, None, None),  # from elsewhere, as in a container
        ([], Cuda(None, (), "there is no libcuda.so.1"), [], WHEEL, "9.3.0", None),
        ([B200], Cuda((12, 8), (B200,), None), [], WHEEL, "9.3.0", "B200 .* compute capability is 10.0, .* up to 9"),
        ([A100, B200], Cuda((12, 8), (A100, B200), None), [], WHEEL, "9.3.0", "B200 cannot be used"),
        ([], Cuda((12, 4), (L4, L4), None), [], WHEEL, None, r"^NVIDIA L4 cannot .* -e '.\[gpu\]'"),
        ([], Cuda((11, 4), (L4,), None), [], WHEEL, "9.3.0", "CUDA 12.0, .* CUDA 11.4: install driver 525.60.13"),
        ([], Cuda((12, 4), (L4, T4), None), [], {"is_cuda_build": False}, None, "L4 and Tesla T4 .* without CUDA"),
        ([], Cuda(None, (), "there is no libcuda.so.1"), ["Tesla T4"], WHEEL, "9.3.0", "no libcuda.so.1.*--gpus all"),
        ([], Cuda((12, 4), (T4,), None), [], WHEEL, "9.3.0", "cannot load CUDA's libraries: TF_CPP_MIN_LOG_LEVEL=0"),
        ([V100], Cuda((12, 4), (V100,), None), [], WHEEL, "9.28.0", "cuDNN 9.28.0 knows no card before Turing: pip"),
        ([T4], Cuda((12, 4), (T4,), None), [], WHEEL, "9.28.0", None),
    ],
)  # fmt: skip
def test_a_gpu_that_tensorflow_cannot_use_is_told_with_the_reason_and_the_remedy(
    seen, driver, listed, build, cudnn, said, monkeypatch
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    trouble = gpu_trouble(seen, driver, listed, build, cudnn)
    if said is None:
        assert trouble is None
    else:
        assert re.search(said, trouble)
        assert "--gpus-per-trial 0" in trouble


@pytest.mark.parametrize("hiding", ["", "-1", "NoDevFiles"])
def test_cards_that_were_hidden_are_not_asked_for(monkeypatch, hiding) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hiding)
    assert gpu_trouble([], Cuda((12, 4), (), None), ["Tesla T4"], WHEEL, None) is None


def test_a_process_stops_at_a_card_that_tensorflow_does_not_see(tmp_path, monkeypatch) -> None:
    install_fake_cuda(tmp_path, monkeypatch, CARDS[:1])
    done = run("from trainables import hardware; hardware.configure(1, 1)")
    assert "GpuError: NVIDIA A100-SXM4-40GB cannot be used, for TensorFlow" in done.stderr
    assert run("from trainables import hardware; hardware.configure(1, 0)").stderr == ""


def test_a_processor_has_a_name() -> None:
    assert device_name()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/cpuinfo")
def test_a_processors_instruction_sets_are_known() -> None:
    assert processor_flags() & {"sse2", "fp"}
