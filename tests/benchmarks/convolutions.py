"""Convolutions as oneDNN's primitives have them, beside the matrix products of `trainables.models.convolution`.

    python tests/benchmarks/convolutions.py --image-size 128 --width 64 --threads 2

Prints milliseconds of both on the convolutions of Pix2Pix, in turns, from which the limits in that module were read
off: gradients of kernels and of inputs on the way down the U-Net, then stages that double the map by nearest
neighbours, forward and backward.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Any

import tyro

from trainables import hardware

SECONDS = 0.3


@dataclass(frozen=True)
class Settings:
    """Compare two ways to what a convolution computes."""

    image_size: int = 64
    width: int = 32
    threads: int = 1
    batch_size: int = 16


def milliseconds(runs: list[Callable[[], object]]) -> list[float]:
    """What a call of each takes, in the median over turns."""
    found: list[list[float]] = [[] for _ in runs]
    for run in runs:
        run()
    start = time.perf_counter()
    while time.perf_counter() - start < SECONDS * len(runs):
        for run, taken in zip(runs, found, strict=True):
            began = time.perf_counter()
            run()
            taken.append(1000 * (time.perf_counter() - began))
    return [median(taken) for taken in found]


def main() -> None:
    """Measure and print."""
    settings = tyro.cli(Settings)
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[: settings.threads]))
    hardware.configure(settings.threads, 1)
    import keras
    import tensorflow as tf

    from trainables.models import convolution

    def compare(name: str, limit: str, values: tuple[Any, Any], compute: Callable[[], tf.Tensor]) -> None:
        """Time `compute` at both values of a limit of the module: the first is for the primitive."""
        runs, own = [], getattr(convolution, limit)
        for value in values:
            setattr(convolution, limit, value)
            traced = tf.function(lambda: tf.reduce_sum(compute()), autograph=False).get_concrete_function()
            runs.append(lambda traced=traced: traced().numpy())
        setattr(convolution, limit, own)
        primitive, products = milliseconds(runs)
        print(f"{name}: primitive {primitive:.1f} ms, products {products:.1f} ms", flush=True)

    def both(layer: keras.Layer, x: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(layer(x) ** 2)
        return tf.add_n([tf.reduce_sum(g) for g in tape.gradient(total, [x, layer.kernel.value])])

    count, never = settings.batch_size, 10**6
    levels = settings.image_size.bit_length() - 1
    filters = [settings.width * min(2**level, 8) for level in range(levels)]
    for dtype in (tf.float32, tf.bfloat16):
        for level in range(1, levels):
            side, fewer, more = settings.image_size >> (level + 1), filters[level - 1], filters[level]
            x = tf.cast(tf.random.normal([count, 2 * side, 2 * side, fewer]), dtype)
            upstream = tf.cast(tf.random.normal([count, side, side, more]), dtype)
            w = tf.cast(tf.random.normal([4, 4, fewer, more]), dtype)
            compare(
                f"{dtype.name}, kernel of {side} x {side} x {more} from {fewer}",
                "_LARGEST_SIDE",
                ({}, {dtype: never}),
                partial(convolution._kernel_gradient, x, upstream, w.shape, 2, "SAME"),
            )
            if dtype == tf.float32:
                compare(
                    f"{dtype.name}, input of {side} x {side} x {more} from {fewer}",
                    "_FILTERS_A_PIXEL",
                    (never, 0),
                    partial(convolution._input_gradient, upstream, w, 2 * side, 2, "SAME"),
                )
    for level in range(1, levels):
        side, fewer, more = settings.image_size >> (level + 1), filters[level - 1], 2 * filters[level]
        layer = convolution.ResizedConvolution(fewer, 3, padding="same")
        x = tf.random.normal([count, side, side, more])
        layer.build(x.shape)
        compare(
            f"float32, {side} x {side} x {more} doubled to {fewer}",
            "_SMALLEST_SIDE",
            (never, 0),
            partial(both, layer, x),
        )


if __name__ == "__main__":
    main()
