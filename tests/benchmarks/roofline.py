"""What a step of Pix2Pix must cost on a card: the larger of what it computes and what it moves.

    python tests/benchmarks/roofline.py --image-size 128 --width 64

Counts, without training, the floating-point operations of all convolutions and the bytes that no fusion saves: of
each weight what gradients, Adam and the average of weights read and write, and of each convolution's and
normalisation's map what is written forward, read by the layer behind it, and both again backward. Then prints the
shortest time of a step on some cards, by their data sheets (dense rates of 16-bit tensor cores, memory bandwidth).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import tyro

if TYPE_CHECKING:
    from trainables.pix2pix import Pix2PixLoop

CARDS = {
    "H100 SXM": (989e12, 3350e9),
    "A100 80 GB": (312e12, 2039e9),
    "A10G": (70e12, 600e9),
    "L4": (121e12, 300e9),
    "T4": (65e12, 320e9),
}
"""FLOP/s of bfloat16, of the T4 float16, and bytes/s."""
_UPDATED, _AVERAGED = 4 + 28, 12
"""Bytes a weight in float32: its gradient is written, and read by Adam with the weight and both moments, which are
written again. Of the generator weight and average are read and the average is written."""
_TIMES = 5
"""A map is written and read forward, and backward read once more, and its gradient written and read."""


@dataclass(frozen=True)
class Settings:
    """Reckon a step."""

    image_size: int = 128
    width: int = 64
    batch_size: int = 16


@dataclass(frozen=True)
class Step:
    """What a training step takes."""

    flops: float
    weight_bytes: float
    map_bytes: float

    def seconds(self, flops_a_second: float, bytes_a_second: float) -> float:
        """At least, on a device that does so much."""
        return max(self.flops / flops_a_second, (self.weight_bytes + self.map_bytes) / bytes_a_second)


def step_of(loop: "Pix2PixLoop", batch_size: int, bytes_a_number: int) -> Step:
    """Count a loop's step; its maps hold numbers of so many bytes."""
    import math

    import keras
    from training import flops_an_image

    generator, discriminator = loop.generator.network, loop.discriminator
    own, other = (
        sum(math.prod(variable.shape) for variable in network.weights)
        for network in (generator, discriminator)
    )

    def numbers(network: keras.Model) -> int:
        stored = (keras.layers.Conv2D, keras.layers.Conv2DTranspose, keras.layers.GroupNormalization)
        layers = [
            layer
            for layer in network.layers
            if isinstance(layer, (*stored, keras.layers.BatchNormalization, keras.layers.Concatenate))
        ]
        return sum(math.prod(layer.output.shape[1:]) for layer in layers)

    maps = batch_size * (numbers(generator) + 2 * numbers(discriminator))
    return Step(
        flops=batch_size * flops_an_image(loop),
        weight_bytes=float(_UPDATED * (own + other) + _AVERAGED * own),
        map_bytes=float(_TIMES * bytes_a_number * maps),
    )


def main(settings: Settings) -> None:
    """Reckon and print."""
    from trainables import hardware

    hardware.configure(1, 0.0)
    from trainables.loop import Training, make_loop
    from trainables.params import Pix2PixParams
    from trainables.precision import _noise

    training = Training(Pix2PixParams(width=settings.width), settings.batch_size, 0, 1)
    loop = make_loop(training, _noise(settings.image_size, settings.batch_size))
    step = step_of(loop, settings.batch_size, bytes_a_number=2)
    print(
        f"{settings.image_size} pixels, width {settings.width}, batch {settings.batch_size}:"
        f" {step.flops / 1e9:.0f} GFLOP, {step.weight_bytes / 1e9:.2f} GB of weights and their moments,"
        f" {step.map_bytes / 1e9:.2f} GB of maps"
    )
    for name, (flops, moved) in CARDS.items():
        seconds = step.seconds(flops, moved)
        bound = "memory" if seconds > step.flops / flops else "arithmetic"
        print(
            f"{name}: {1000 * seconds:.1f} ms a step at least, {settings.batch_size / seconds:.0f} images/s ({bound})"
        )


if __name__ == "__main__":
    main(tyro.cli(Settings))
