"""A U-Net generator on MobileNetV2's encoder. Not where its weights come from: that is `pretrained`.

Source of the encoder: Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018. The
decoder is the one of `unet`, whose stages meet the encoder's maps at the same sizes.
"""

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from trainables.models.convolution import Convolution
from trainables.models.layers import (
    ArchitectureError,
    Seeds,
    check_image_size,
    normal,
    of_fast_layers,
    redraw,
    stage_dropout,
    up_stage,
)
from trainables.models.pretrained import MOBILENETV2, load
from trainables.params import Normalisation, Upsampling

SKIPS = ("block_1_expand_relu", "block_3_expand_relu", "block_6_expand_relu", "block_13_expand_relu")
"""The encoder's activations at 1/2, 1/4, 1/8 and 1/16 of the image's side: 96, 144, 192 and 576 channels."""
BOTTLENECK = "block_16_project"
"""Where the encoder is cut off: 320 channels at 1/32 of the image's side."""
ENCODER_KERNELS = 51
"""Layers with a kernel in the truncated encoder, so the largest `unfrozen_layers`."""

_ENCODER = "encoder"


def build_encoder(image_size: int, *, weights: Path | None, seed: int) -> keras.Model:
    """Build the truncated encoder: float32 [n, s, s, 3] in -1..1 to the maps of `SKIPS` and `BOTTLENECK`, as a list.

    `weights` is a file of the full MobileNetV2 (width 1.0, `include_top=False`), in Keras 3's format
    (`.weights.h5`) or the older one that Keras downloads (`.h5`). None draws the kernels from `seed`, after He
    et al. 2015: Keras' own initialisers count all channels of a depthwise kernel as its inputs, and with
    statistics that never adapt the signal would fade to nothing on its way.

    Raises `WeightsError` where the file does not fit.
    """
    if weights is None:
        full = keras.applications.MobileNetV2((image_size, image_size, 3), include_top=False, weights=None)
    else:
        full = load(MOBILENETV2, weights, side=image_size)
    outputs = [full.get_layer(name).output for name in (*SKIPS, BOTTLENECK)]
    encoder = of_fast_layers(keras.Model(full.input, outputs, name=_ENCODER))
    if weights is None:
        _draw(encoder, seed)
    return encoder


def redraw_mobilenet_unet(model: keras.Model, encoder: Sequence[np.ndarray] | None, seed: int) -> None:
    """Give a model of `build_mobilenet_unet` its first values again, as if it had been built from `seed`.

    `encoder` is what `encoder_values` gave when the model was new and had pretrained weights, else None.
    """
    redraw(model, seed)
    if encoder is None:
        _draw(model.get_layer(_ENCODER), Seeds(seed, model.name)(_ENCODER))
    else:
        model.get_layer(_ENCODER).set_weights(encoder)


def encoder_values(model: keras.Model) -> list[np.ndarray]:
    """All that the encoder of a model of `build_mobilenet_unet` holds."""
    return model.get_layer(_ENCODER).get_weights()


def build_mobilenet_unet(
    image_size: int,
    *,
    channels: int,
    width: int,
    dropout: float,
    norm: Normalisation,
    upsampling: Upsampling,
    unfrozen_layers: int,
    weights: Path | None,
    seed: int,
) -> keras.Model:
    """Build the generator: gray float32 [n, s, s, 1] in -1..1 to float32 [n, s, s, channels] in -1..1 (tanh).

    The gray image is repeated to three channels; its range is the one MobileNetV2 was trained on, so nothing is
    rescaled. Four up stages (`layers.up_stage`) of `width` times 8, 4, 2 and 1 filters lead from the bottleneck
    past the skips, a fifth of `width` / 2 to full size, where the gray image joins in; a last 3 x 3 convolution
    gives the colour. `dropout` is the rate in the first three up stages, `norm` normalises all five, `upsampling` is
    theirs too. The decoder's kernels are drawn from N(0, 0.02).

    Of the encoder (`build_encoder`), the last `unfrozen_layers` layers that hold a kernel train. Its normalisations
    never do, and keep their statistics even when called with `training=True`.

    Raises `ArchitectureError` (a ValueError) unless `image_size` is a power of two of at least 32 and
    `unfrozen_layers` is from 0 to `ENCODER_KERNELS`, and `WeightsError` where `weights` do not fit.
    """
    check_image_size(image_size)
    if not 0 <= unfrozen_layers <= ENCODER_KERNELS:
        raise ArchitectureError(
            f"unfrozen_layers is {unfrozen_layers}, but must be from 0 to {ENCODER_KERNELS}, the number of layers "
            f"with a kernel in the encoder: take {min(max(unfrozen_layers, 0), ENCODER_KERNELS)}."
        )
    seeds = Seeds(seed, "mobilenet_unet")
    encoder = build_encoder(image_size, weights=weights, seed=seeds(_ENCODER))
    _unfreeze(encoder, unfrozen_layers)

    gray = keras.Input((image_size, image_size, 1), name="gray")
    *skips, x = encoder(keras.layers.Concatenate(name="repeat")([gray, gray, gray]))
    skips.insert(0, gray)
    filters = [max(1, width // 2), width, 2 * width, 4 * width, 8 * width]
    for stage in range(5):
        level = 4 - stage
        x = up_stage(
            x,
            skips[level],
            filters[level],
            norm=norm,
            upsampling=upsampling,
            dropout=stage_dropout(stage, 5, dropout),
            seeds=seeds,
            name=f"up_{stage + 1}",
        )
    colour = Convolution(
        channels,
        3,  # an odd side: with an even one and no stride, the picture would be shifted by half a pixel
        padding="same",
        activation="tanh",
        kernel_initializer=normal(seeds("head")),
        dtype="float32",
        name="head",
    )(x)
    return keras.Model(gray, colour, name="mobilenet_unet")


def unfrozen_names(model: keras.Model) -> tuple[str, ...]:
    """Names of the encoder's layers that train, from first to last, for a model of `build_mobilenet_unet`."""
    encoder = model.get_layer(_ENCODER)
    return tuple(layer.name for layer in encoder.layers if layer.trainable_variables)


def unfrozen_parameters(model: keras.Model) -> int:
    """Count the encoder's numbers that train, for a model of `build_mobilenet_unet`."""
    return sum(int(np.prod(v.shape)) for v in model.get_layer(_ENCODER).trainable_variables)


def _draw(encoder: keras.Model, seed: int) -> None:
    rng = np.random.default_rng([seed, ENCODER_KERNELS])
    for layer in _with_kernel(encoder):
        shape = layer.kernel.shape
        inputs = np.prod(shape[:2] if isinstance(layer, keras.layers.DepthwiseConv2D) else shape[:3])
        gain = 1.0 if layer.name.endswith("project") else 2.0  # no activation follows a projection
        layer.kernel.assign(rng.normal(0.0, np.sqrt(gain / inputs), shape))


def _unfreeze(encoder: keras.Model, count: int) -> None:
    # The parent first: setting it re-enables every child, and a frozen parent hides children that train.
    encoder.trainable = True
    kernels = _with_kernel(encoder)
    unfrozen = kernels[len(kernels) - count :]
    for layer in encoder.layers:
        layer.trainable = layer in unfrozen


def _with_kernel(encoder: keras.Model) -> list[keras.Layer]:
    return [layer for layer in encoder.layers if hasattr(layer, "kernel")]
