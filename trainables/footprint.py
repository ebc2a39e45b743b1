"""What a training keeps on disk, from its settings alone, so that room for it is known before TensorFlow starts.

Counts the kernels of `trainables.models`; biases and normalisations are a hundredth of them.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

KEPT = 2 + 1 / 3
"""Sizes of a state that a trial keeps: the last one, the one before, and best weights of a third or less."""

_ENCODER = 1_844_000
"""Numbers of MobileNetV2's truncated encoder."""
_SKIPS = (576, 192, 144, 96)
"""Channels of its maps that the decoder meets."""


def state_bytes(model: str, params: Mapping[str, Any]) -> int:
    """Bytes of a training's state, a fiftieth more or less; of a generator that doubles its maps by resizing, fewer.

    Weights in float32, two moments of Adam for those that train, and Pix2Pix' average of the generator's.
    """
    width = params["width"]
    filters = [width * min(2**level, 8) for level in range(params.get("depth", 0))]
    if model == "cnn":
        return 4 * 3 * 2 * 16 * _products([1, *filters])
    discriminator = 16 * _products([4, width, 2 * width, 4 * width, 8 * width, 1])
    average = 1 if params.get("ema_decay") else 0
    if params["encoder"] == "mobilenetv2":
        up = [width * times // 2 for times in (16, 8, 4, 2, 1)]
        inputs = [320, *(own + skip for own, skip in zip(up, _SKIPS, strict=False))]
        decoder = 16 * sum(own * before for own, before in zip(up, inputs, strict=True))
        unfrozen = _ENCODER if params["unfrozen_layers"] else 0
        generator = decoder * (3 + average) + _ENCODER * (1 + average) + 2 * unfrozen
    else:
        down = _products([1, *filters])
        # A skip doubles what each stage on the way up takes in, but the first.
        up_stages = 2 * _products([3, *filters]) - filters[-1] * filters[-2]
        generator = 16 * (down + up_stages) * (3 + average)
    return 4 * (generator + 3 * discriminator)


def _products(channels: Sequence[int]) -> int:
    return sum(before * after for before, after in pairwise(channels))
