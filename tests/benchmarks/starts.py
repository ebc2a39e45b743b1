"""What it costs to start a trial in a process that has trained one, and to run two trials beside each other.

    python tests/benchmarks/starts.py

Prints the seconds in which TensorFlow and Keras come into a new process beside those of a plain import; the seconds
from the reset of a warm trial to its first training step, for a trial of the architecture before it and for another
one, beside a process's first; and the rate of two one-thread trials over that of one with two.
"""

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from trainables.data.nearby import SharedFile, digest

PARAMS = {"width": 32, "depth": 6}
STARTS = (
    ("the process's first", PARAMS),
    ("the same architecture", PARAMS | {"lambda": 30.0, "dropout": 0.2, "generator_learning_rate": 1e-3}),
    ("the same architecture", PARAMS | {"lambda": 300.0, "dropout": 0.4, "ema_decay": 0.999}),
    ("another architecture", PARAMS | {"depth": 5, "head": "chroma"}),
    ("the same architecture", PARAMS | {"depth": 5, "head": "chroma", "lambda": 20.0}),
)


def shared(pack: Path) -> SharedFile:
    """A pack as trials are told of it."""
    return SharedFile(str(pack), digest(pack), os.uname().nodename)


def config(folder: Path, pack: SharedFile, params: dict[str, Any], threads: int = 1) -> dict[str, Any]:
    """What a trial is told."""
    own = folder / str(time.monotonic_ns())
    files = {name: str(own / name) for name in ("last", "previous", "best", "samples", "owner")}
    return {
        "number": 0,
        "model": "pix2pix",
        "params": params,
        "pack": asdict(pack),
        "epochs": 8,
        "batch_size": 16,
        "seed": 0,
        "objectives": ("val_delta_e", "val_swd"),
        "encoder_weights": None,
        "perceptual_weights": None,
        "precision": "bfloat16",
        "xla": True,
        "threads": threads,
        "gpu_share": 0.0,
        "gpu_beside_mb": 0.0,
        "deterministic": False,
        "rungs": (),
        **files,
    }


def first_step(trial: Any, start: float) -> float:
    """Seconds from `start` to the first step of the trial's training, tracing included."""
    began = time.perf_counter()
    trial._loop.train_epoch()
    return began - start + trial._loop.start_seconds


def imports() -> None:
    """Print the seconds of a new process that imports TensorFlow and Keras as a trial does, and plainly."""

    def run(code: str) -> float:
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
        return time.perf_counter() - start

    ours = "from trainables.backend import import_backend; import_backend()"
    rounds = [(run("import keras"), run(ours)) for _ in range(4)][1:]
    plain, quick = (median(seconds) for seconds in zip(*rounds, strict=True))
    print(f"import: {quick:.1f} s, plainly {plain:.1f}: {plain / quick:.2f}")


def starts(folder: Path, pack: SharedFile) -> None:
    """Print the seconds of each of `STARTS`."""
    from trainables.trainable import Trial

    trial: Trial | None = None
    for what, params in STARTS:
        start = time.perf_counter()
        if trial is None:
            trial = Trial({"trial": config(folder, pack, params)})
        else:
            trial.reset({"trial": config(folder, pack, params)})
        ready = time.perf_counter()
        whole = first_step(trial, start)
        print(f"{what}: {whole:.2f} s to the first step, {ready - start:.2f} of them without tracing")


def epoch_rates(folder: Path, pack: Path, threads: int, processor: int) -> None:
    """Print the images a second of each of three epochs, as JSON."""
    if threads == 1:
        os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[processor]})
    from trainables.trainable import Trial

    trial = Trial({"trial": config(folder, shared(pack), PARAMS, threads)})
    print(json.dumps([trial.train()["images_per_second"] for _ in range(3)][1:]))


def side_by_side(folder: Path, pack: Path) -> None:
    """Print the rates of one trial of two threads and of two of one."""

    def run(threads: int, count: int) -> float:
        command = [sys.executable, __file__, str(folder), str(pack), str(threads)]
        processes = [
            subprocess.Popen([*command, str(number)], stdout=subprocess.PIPE, text=True)
            for number in range(count)
        ]
        outputs = [process.communicate()[0].splitlines()[-1] for process in processes]
        return sum(median(json.loads(output)) for output in outputs)

    # In turns, since a machine's speed drifts.
    rounds = [(run(1, 2), run(2, 1)) for _ in range(2)]
    for two, one in rounds:
        print(f"two trials of one thread {two:.0f} images/s, one of two {one:.0f}: {two / one:.2f}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        epoch_rates(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
    else:
        from trainables.data.pack import build_pack

        imports()
        with TemporaryDirectory() as scratch:
            report = build_pack(None, 64, seed=0, cache=Path(scratch))
            starts(Path(scratch), shared(report.path))
            side_by_side(Path(scratch), report.path)
