"""What each way of training does for Pix2Pix, alone and against the plain one: a table of three seeds each.

    python tests/benchmarks/variants.py PHOTOS --encoder-weights WEIGHTS

PHOTOS is whatever `--data` of `python -m trainables.pix2pix` takes. As many trainings run side by side as there are
processors, each held to one of them. With the defaults, on two processors, a row takes about ten minutes.
"""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from statistics import mean, stdev

import tyro

VARIANTS: dict[str, tuple[str, ...]] = {
    "plain": (),
    "float32": ("--precision", "float32"),
    "average of weights 0.99": ("--ema-decay", "0.99"),
    "learning-rate decay": ("--learning-rate-decay",),
    "warm-up on L1, one epoch": ("--warm-up-epochs", "1"),
    "instance normalisation": ("--normalisation", "instance"),
    "group normalisation": ("--normalisation", "group"),
    "resize-convolution": ("--upsampling", "resize"),
    "average and decay": ("--ema-decay", "0.99", "--learning-rate-decay"),
}
METRICS = ("swd", "delta_e", "kid")


@dataclass(frozen=True)
class Settings:
    """Train Pix2Pix in several ways and compare."""

    data: tyro.conf.Positional[str]
    """Photos to train on."""

    encoder_weights: str = "none"
    """File of MobileNetV2 weights, for the kernel inception distance."""

    variants: tuple[str, ...] = tuple(VARIANTS)
    """Names of the ways."""

    epochs: int = 8
    image_size: int = 64
    width: int = 32
    seeds: int = 3
    out: Path = Path("/tmp/variants")
    """Folder for what each training printed, and its pictures; a training that is there is not run again."""


def train(settings: Settings, variant: str, seed: int, processors: "Queue[int]") -> str:
    """What one training printed."""
    folder = settings.out / f"{variant.replace(' ', '-')}-{seed}"
    log = folder / "log.txt"
    if log.exists():
        return log.read_text()
    command = [sys.executable, "-m", "trainables.pix2pix", "--data", settings.data, "--seed", str(seed)]
    for flag in ("epochs", "image_size", "width"):
        command += ["--" + flag.replace("_", "-"), str(getattr(settings, flag))]
    command += ["--encoder-weights", settings.encoder_weights, "--out", str(folder)]
    if "--precision" not in VARIANTS[variant]:
        command += ["--precision", "bfloat16"]
    processor = processors.get()
    try:
        done = subprocess.run(
            [*command, *VARIANTS[variant]],
            capture_output=True,
            text=True,
            check=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {processor}),
        )
    finally:
        processors.put(processor)
    log.write_text(done.stdout)
    return done.stdout


def curves(printed: str) -> dict[str, list[float]]:
    """Each number's course over the epochs."""
    lines = [line for line in printed.splitlines() if line.startswith("epoch ")]
    names = (*METRICS, "images/s")
    found: dict[str, list[float]] = {name: [] for name in names}
    for line in lines:
        for name in METRICS:
            match = re.search(rf"\b{name} (-?[\d.]+)", line)
            found[name].append(float(match[1]) if match else float("nan"))
        found["images/s"].append(float(line.split("|")[-1].split()[0]))
    return found


def main() -> None:
    """Train what is not trained yet and print the table."""
    settings = tyro.cli(Settings)
    available = sorted(os.sched_getaffinity(0))
    processors: Queue[int] = Queue()
    for processor in available:
        processors.put(processor)
    with ThreadPoolExecutor(len(available)) as pool:
        jobs = {
            variant: [
                pool.submit(train, settings, variant, seed, processors) for seed in range(settings.seeds)
            ]
            for variant in settings.variants
        }
        print(
            f"| {settings.epochs} epochs | last swd | best swd | step swd | last delta_e | last kid | images/s |"
        )
        print("| --- | --- | --- | --- | --- | --- | --- |")
        for variant, started in jobs.items():
            runs = [curves(job.result()) for job in started]
            swds = [run["swd"] for run in runs]
            # How far the curve jumps from one epoch to the next over its second half: what early stopping sees.
            steps = [
                mean(abs(b - a) for a, b in zip(swd[len(swd) // 2 :], swd[len(swd) // 2 + 1 :], strict=False))
                for swd in swds
            ]
            columns = [
                [swd[-1] for swd in swds],
                [min(swd) for swd in swds],
                steps,
                [run["delta_e"][-1] for run in runs],
                [run["kid"][-1] for run in runs],
                [mean(run["images/s"][1:]) for run in runs],
            ]
            cells = [f"{mean(column):.3g} ± {stdev(column):.2g}" for column in columns]
            print(f"| {variant} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
