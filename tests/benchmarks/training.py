"""How fast Pix2Pix trains here, beside TensorFlow's tutorial on the same machine, photos, sizes and threads.

    python tests/benchmarks/training.py --photos PHOTOS --image-size 128 --width 64 --threads 2

Prints rates in images a second and the ratios that matter. What is compared takes turns within one process, so that
whatever slows the machine slows both. Without photos, drawn birds.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import tyro

from trainables import hardware
from trainables.params import Pix2PixParams, Precision

ROUNDS, SECONDS = 5, 4.0


@dataclass(frozen=True)
class Settings:
    """Compare our training with the tutorial's."""

    photos: str | None = None
    """What `--data` takes."""

    image_size: int = 64
    width: int = 32
    threads: int = 1
    precision: Precision = "bfloat16"
    batch_size: int = 16
    epoch: bool = True
    """Train a whole epoch too, evaluation included."""


def rate(run: Callable[[], object], images: int, seconds: float = SECONDS) -> float:
    """Images a second of a call that trains on so many."""
    start, calls = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        run()
        calls += 1
    return images * calls / (time.perf_counter() - start)


def main() -> None:
    """Measure and print."""
    settings = tyro.cli(Settings)
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[: settings.threads]))
    hardware.configure(settings.threads, 1)
    import tensorflow as tf
    from tutorial import make_dataset, make_step, write_photos

    from trainables import color
    from trainables.data.pack import build_pack, open_pack
    from trainables.loop import Training, make_loop

    size, batch = settings.image_size, settings.batch_size
    with TemporaryDirectory() as folder:
        pack = open_pack(build_pack(settings.photos, size, seed=0, cache=Path(folder)).path)
        files = write_photos(pack, Path(folder))
        batches = iter(make_dataset(files, size, batch).repeat())
        theirs = make_step(size, settings.width)
        loop = make_loop(
            Training(
                Pix2PixParams(width=settings.width), batch, seed=0, epochs=8, precision=settings.precision
            ),
            pack,
        )
        rgb = tf.constant(pack.images[pack.indices("train")[:batch]] / np.float32(255))
        luma = color.luma(rgb)
        bare = tf.function(lambda: loop.step(luma, rgb), autograph=False)
        loop.train_epoch() if settings.epoch else bare()
        for _ in range(len(files) // batch + 1):
            next(batches)  # the tutorial's cache is filled by a first pass

        pair = next(batches)
        runs: dict[str, tuple[Callable[[], object], int]] = {
            "tutorial": (lambda: theirs(*pair).numpy(), batch),
            "tutorial with input": (lambda: theirs(*next(batches)).numpy(), batch),
            "step": (lambda: bare().numpy(), batch),
        }
        for run, _ in runs.values():
            run()
        rates: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(ROUNDS):
            for name, (run, images) in runs.items():
                rates[name].append(rate(run, images))
        what = f"{size} pixels, width {settings.width}, {settings.precision}, {settings.threads} threads"
        for name, found in rates.items():
            print(f"{what}: {name} {median(found):.1f} images/s")
        ratios = [ours / other for ours, other in zip(rates["step"], rates["tutorial"], strict=True)]
        print(f"{what}: step over tutorial {median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")

        flops = flops_an_image(loop)
        for dtype in (tf.float32, tf.bfloat16):
            ceiling = matmul_rate(dtype)
            share = median(rates["step"]) * flops / ceiling
            print(
                f"{what}: step at {share:.0%} of {ceiling / 1e9:.0f} GFLOP/s, the {dtype.name} matrix product"
            )
        if settings.epoch:
            start = time.perf_counter()
            loop.train_epoch()
            trained = time.perf_counter() - start
            loop.evaluate()
            whole = time.perf_counter() - start
            bare_rate, with_input = median(rates["step"]), loop.images_per_epoch / trained
            over = with_input / median(rates["tutorial with input"])
            print(f"{what}: epoch with input {with_input / bare_rate:.0%} of the step's rate")
            print(f"{what}: epoch with input over tutorial with input {over:.2f}")
            print(
                f"{what}: epoch with input and evaluation {loop.images_per_epoch / whole / bare_rate:.0%}"
                f" ({whole:.1f} s, {whole - trained:.1f} of them evaluation)"
            )


def matmul_rate(dtype: object, side: int = 2048, seconds: float = SECONDS) -> float:
    """Floating-point operations a second of a product of two square matrices."""
    import tensorflow as tf

    matrix = tf.cast(tf.random.normal([side, side]), dtype)
    product = tf.function(lambda: tf.reduce_sum(tf.matmul(matrix, matrix)[:1]))
    product()
    return max(rate(lambda: product().numpy(), 1, seconds) for _ in range(2)) * 2 * side**3


def flops_an_image(loop: object) -> float:
    """Of a training step: what its convolutions cost if each tap counts, those that fall on a border too."""
    import keras

    def macs(layer: keras.Layer) -> int:
        kernel = layer.kernel.shape
        transposed = isinstance(layer, keras.layers.Conv2DTranspose)
        places = layer.input.shape if transposed else layer.output.shape
        return int(np.prod(kernel) * places[1] * places[2])

    networks = (loop.generator.network, loop.discriminator)
    generator, discriminator = (
        [macs(layer) for layer in network.layers if hasattr(layer, "kernel")] for network in networks
    )
    # Forward, gradients by kernels and by inputs, of which the first layer's is not needed.
    of_generator = 3 * sum(generator) - generator[0]
    # Forward and by kernels on real and fake; by inputs for its own loss on both and for the generator's on the fake.
    of_discriminator = 7 * sum(discriminator) - 2 * discriminator[0]
    return 2.0 * (of_generator + of_discriminator)


if __name__ == "__main__":
    main()
