"""What a GPU makes of this project, in about ten minutes: one command for whoever has a card.

    python tests/benchmarks/gpu.py

Prints, each from processes of their own, so that none takes another's memory: the card as TensorFlow meets it, and
what its matrix products and its memory do a second; a training step beside TensorFlow's tutorial; the step's share
of the shortest time that the card allows (`roofline.py`); how long the first step takes with an empty folder of
compiled programs and with a full one; whether XLA's step comes to what single operations do, and how much faster it
is; the memory that a trial takes beside its cap; what writing and reading a state costs; what two and four trials
on the card train together; and a small study beside stock Tune (`studies.py`). Without a GPU it does all that on
the processor, at the size that is asked for.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import tyro

from trainables.params import Precision

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Settings:
    """Measure a card."""

    image_size: int = 128
    width: int = 64
    batch_size: int = 16
    precision: Precision | None = None
    """By default what a study takes on this card."""
    seconds: float = 5.0
    """For which a rate is measured."""


def main(settings: Settings) -> None:
    """Measure and print."""
    device = _ask("device", settings)
    print(device["said"])
    own = Settings(**asdict(settings) | {"precision": settings.precision or device["precision"]})
    sizes = ["--image-size", str(own.image_size), "--width", str(own.width)]
    what = ["--batch-size", str(own.batch_size), "--precision", str(own.precision), "--no-epoch"]
    _run([str(HERE / "training.py"), *sizes, *what])
    with TemporaryDirectory() as empty:
        # Where compiled programs are kept.
        os.environ["TMPDIR"] = empty
        cold, warm = (_ask("start", own)["seconds"] for _ in range(2))
        del os.environ["TMPDIR"]
    print(f"first step of a new process: {cold:.1f} s, with the programs of another one {warm:.1f}")
    for name in ("equality", "step", "state"):
        print(_ask(name, own)["said"])
    for count in (2, 4):
        _together(own, count)
    _run([str(HERE / "studies.py"), *sizes])


def device(settings: Settings) -> dict[str, Any]:
    """What there is, and what it does a second."""
    gpu = _configured(1.0)
    import tensorflow as tf

    from trainables import hardware

    gpus = () if gpu is None else (gpu,)
    precision = hardware.suitable_precisions(gpus, hardware.processor_flags())[0]
    flops, moved = _limits(tf.as_dtype(precision), settings.seconds)
    memory = "" if gpu is None else f", {gpu.memory_mb} MiB, compute capability {gpu.compute_capability}"
    return {
        "precision": precision,
        "said": f"{hardware.device_name()}{memory}: {flops / 1e12:.2f} TFLOP/s in {precision},"
        f" {moved / 1e9:.0f} GB/s",
    }


def start(settings: Settings) -> dict[str, Any]:
    """How long the first step takes."""
    _configured(1.0)
    loop = _loop(settings)
    loop.train_epoch()
    return {"seconds": loop.start_seconds}


def equality(settings: Settings) -> dict[str, Any]:
    """Whether XLA's step and that of single operations train the same, and which is faster."""
    _configured(1.0)
    from trainables import hardware
    from trainables.precision import images_per_second

    uses_gpu = hardware.uses_gpu
    loops = {}
    for name, compiles in (("XLA", True), ("operations", False)):
        hardware.uses_gpu = lambda compiles=compiles: compiles
        loops[name] = _loop(settings, dropout=0.0)
        hardware.uses_gpu = uses_gpu
    told = {name: loop.train_epoch() for name, loop in loops.items()}
    apart = max(abs(told["XLA"][name] - value) / abs(value) for name, value in told["operations"].items())
    rates = images_per_second(loops, settings.seconds)
    return {
        "said": f"XLA and single operations differ by {apart:.1e} at most in an epoch's means;"
        f" {rates['XLA']:.1f} images/s and {rates['operations']:.1f}: {rates['XLA'] / rates['operations']:.2f}"
    }


def step(settings: Settings) -> dict[str, Any]:
    """A step's share of what the device allows, and a trial's memory."""
    gpu = _configured(0.5)
    import tensorflow as tf
    from roofline import step_of

    from trainables import cuda, hardware
    from trainables.precision import images_per_second

    loop = _loop(settings)
    loop.train_epoch()
    rate = images_per_second({"": loop}, settings.seconds)[""]
    loop.evaluate()
    dtype = tf.as_dtype(settings.precision)
    least = step_of(loop, settings.batch_size, dtype.size).seconds(*_limits(dtype, settings.seconds))
    said = (
        f"a step takes {1000 * settings.batch_size / rate:.1f} ms, at least {1000 * least:.1f} by what the device"
        f" does a second: {least * rate / settings.batch_size:.0%}"
    )
    if gpu is not None:
        peak = tf.config.experimental.get_memory_info("GPU:0")["peak"] / 2**20
        cap = hardware.gpu_memory_cap(0.5, gpu.memory_mb, hardware.BESIDE_MB)
        said += (
            f"\na trial allocates {peak:.0f} MiB of a cap of {cap}; {cuda.used_mb()} MiB of the card are in use,"
            f" where {hardware.BESIDE_MB} beside the cap are reckoned with as long as nothing is measured"
        )
    return {"said": said}


def state(settings: Settings) -> dict[str, Any]:
    """What writing and reading a state costs."""
    _configured(1.0)
    loop = _loop(settings)
    loop.train_epoch()
    with TemporaryDirectory() as folder:
        file = Path(folder) / "state.safetensors"
        written, read = (_seconds(lambda act=act: act(file)) for act in (loop.save, loop.restore))
    return {
        "said": f"a state of {loop.state_size / 1e6:.0f} MB is written in {written:.2f} s and read in {read:.2f}"
    }


def rate(settings: Settings) -> dict[str, Any]:
    """Images a second of one of several trials on the card."""
    _configured(1 / int(os.environ["TRIALS"]))
    from trainables.precision import images_per_second

    loop = _loop(settings)
    loop.train_epoch()
    return {"rate": images_per_second({"": loop}, settings.seconds)[""]}


def _together(settings: Settings, count: int) -> None:
    os.environ["TRIALS"] = str(count)
    processes = [_started("rate", settings) for _ in range(count)]
    rates = [_answer(process)["rate"] for process in processes]
    print(f"{count} trials at a time: {sum(rates):.1f} images/s together", flush=True)


def _configured(share: float) -> Any:
    from trainables import hardware

    return hardware.configure(1, share)


def _loop(settings: Settings, **params: Any) -> Any:
    from trainables.loop import Training, make_loop
    from trainables.params import Pix2PixParams
    from trainables.precision import _noise

    training = Training(
        Pix2PixParams(width=settings.width, **params),
        settings.batch_size,
        seed=0,
        epochs=1,
        precision=settings.precision or "float32",
    )
    return make_loop(training, _noise(settings.image_size, 16 * settings.batch_size))


def _limits(dtype: Any, least: float) -> tuple[float, float]:
    """FLOP/s of a matrix product and bytes/s of adding to numbers, each measured for some seconds."""
    import tensorflow as tf
    from training import matmul_rate, rate

    side, length = (4096, 2**27) if tf.config.list_logical_devices("GPU") else (1024, 2**23)
    numbers = tf.Variable(tf.zeros([length]))
    added = tf.function(lambda: tf.reduce_sum(numbers.assign_add(tf.ones_like(numbers))[:1]))
    added()
    moved = rate(lambda: added().numpy(), 2 * 4 * length, least / 4)
    return matmul_rate(dtype, side, least / 4), moved


def _seconds(act: Callable[[], object]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def _ask(section: str, settings: Settings) -> dict[str, Any]:
    return _answer(_started(section, settings))


def _started(section: str, settings: Settings) -> "subprocess.Popen[str]":
    command = [sys.executable, __file__, section, json.dumps(asdict(settings))]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _answer(process: "subprocess.Popen[str]") -> dict[str, Any]:
    said, errors = process.communicate()
    if process.returncode:
        sys.exit(errors)
    answer: dict[str, Any] = json.loads(said.splitlines()[-1])
    return answer


def _run(command: list[str]) -> None:
    sys.stdout.flush()
    done = subprocess.run([sys.executable, *command], stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)


if __name__ == "__main__":
    sections = {one.__name__: one for one in (device, start, equality, step, state, rate)}
    if sys.argv[1:2] and sys.argv[1] in sections:
        print(json.dumps(sections[sys.argv[1]](Settings(**json.loads(sys.argv[2])))))
    else:
        main(tyro.cli(Settings))
