"""Gradients of kernels: oneDNN's primitive beside the matrix products of `trainables.models.convolution`.

    python tests/benchmarks/kernel_gradients.py --image-size 128 --width 64 --threads 2

Prints GFLOP/s of both on the U-Net's convolutions, in turns, from which the limits in that module were read off.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import tyro

from trainables import hardware

SECONDS = 0.3


@dataclass(frozen=True)
class Settings:
    """Compare two ways to a convolution's kernel gradient."""

    image_size: int = 64
    width: int = 32
    threads: int = 1
    batch_size: int = 16


def seconds(run: Callable[[], object]) -> float:
    """What a call takes, in the median."""
    run()
    found, start = [], time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        began = time.perf_counter()
        run()
        found.append(time.perf_counter() - began)
    return median(found)


def main() -> None:
    """Measure and print."""
    settings = tyro.cli(Settings)
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[: settings.threads]))
    hardware.configure(settings.threads, 1)
    import tensorflow as tf

    from trainables.models import convolution

    levels = settings.image_size.bit_length() - 1
    filters = [settings.width * min(2**level, 8) for level in range(levels)]
    for dtype in (tf.float32, tf.bfloat16):
        for level in range(1, levels):
            side, channels, more = settings.image_size >> (level + 1), filters[level - 1], filters[level]
            x = tf.cast(tf.random.normal([settings.batch_size, 2 * side, 2 * side, channels]), dtype)
            upstream = tf.cast(tf.random.normal([settings.batch_size, side, side, more]), dtype)
            shape = tf.TensorShape([4, 4, channels, more])
            rates = []
            for largest in (0, settings.image_size):
                convolution._LARGEST_SIDE = {dtype: largest}
                gradient = tf.function(
                    lambda x, upstream, shape=shape: convolution._kernel_gradient(
                        x, upstream, shape, 2, "SAME"
                    ),
                    autograph=False,
                )
                taken = seconds(
                    lambda gradient=gradient, x=x, up=upstream: gradient(x, up)[0, 0, 0, 0].numpy()
                )
                rates.append(2 * settings.batch_size * side**2 * 16 * channels * more / taken / 1e9)
            print(
                f"{dtype.name}, {side} x {side} x {more} from {channels}:"
                f" primitive {rates[0]:.0f} GFLOP/s, products {rates[1]:.0f}"
            )


if __name__ == "__main__":
    main()
