"""A generator network with its conventions: gray in, colours out, whatever the network's own range and head.

The one place that knows how a model of some parameters is built and what its output means; training loops and the
colorizer see luma, RGB and pictures only. Nothing of losses, files or photos here.
"""

from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from trainables import color
from trainables.models.autoencoder import build_autoencoder
from trainables.models.layers import Dropout, precision, redraw
from trainables.models.mobilenet_unet import build_mobilenet_unet, encoder_values, redraw_mobilenet_unet
from trainables.models.unet import build_unet
from trainables.params import CnnParams, Head, Params, Precision


@dataclass(frozen=True)
class Generator:
    """A network and how to speak to it; everything below is float32."""

    network: keras.Model
    head: Head
    signed: bool
    """The network's input and output are in -1..1 (tanh) rather than 0..1 (sigmoid)."""
    pretrained: list[np.ndarray] | None = field(default=None, repr=False)
    """What a pretrained encoder held at first."""

    def redraw(self, params: Params, seed: int) -> None:
        """Become what `build_generator` would give for `params`, of the same graph, and `seed`."""
        if isinstance(params, CnnParams) or params.encoder == "unet":
            redraw(self.network, seed)
        else:
            redraw_mobilenet_unet(self.network, self.pretrained, seed)
        for layer in self.network.layers:
            if isinstance(layer, Dropout):
                layer.rate.assign(params.dropout)

    def rgb(self, luma: tf.Tensor, *, training: bool) -> tf.Tensor:
        """RGB `[n, s, s, 3]` for luma `[n, s, s, 1]` in 0..1: what the losses see, differentiable.

        With the rgb head the network's own output, in 0..1. With the chroma head the input's luma and the network's
        chroma, composed linearly, which may leave 0..1.
        """
        colours = self.network(2 * luma - 1 if self.signed else luma, training=training)
        if self.signed:
            colours = (colours + 1) / 2
        return colours if self.head == "rgb" else color.from_luma_chroma(luma, colours - 0.5)

    def chroma(self, luma: tf.Tensor) -> tf.Tensor:
        """Chroma `[n, s, s, 2]` in -0.5..0.5 for luma `[n, s, s, 1]` in 0..1, at inference.

        Batch normalisation uses its moving statistics and nothing is dropped out. The original pix2pix normalises
        by the batch and drops out at test time as well; here a photo's colours must not depend on which other photos
        it is coloured with, nor change from call to call.
        """
        return color.chroma(self.rgb(luma, training=False))

    def picture(self, luma: tf.Tensor) -> tf.Tensor:
        """The picture a user gets, uint8 `[n, s, s, 3]`: the input's luma with the network's chroma."""
        return color.to_uint8(color.picture(luma, self.chroma(luma)))


def build_generator(
    params: Params,
    image_size: int,
    *,
    seed: int,
    encoder_weights: Path | None = None,
    dtype: Precision = "float32",
) -> Generator:
    """Build the generator that `params` describe, with fresh weights drawn from `seed`.

    `encoder_weights` is the file of a pretrained MobileNetV2; other encoders have no use for it. `dtype` is what the
    network computes in; its weights and what comes out are float32.

    Raises
    ------
    ValueError
        The builders refuse the image size, a depth that does not fit it, or the encoder's weights.
    """
    with precision(dtype):
        network = _network(params, image_size, seed=seed, encoder_weights=encoder_weights)
    pretrained = None
    if encoder_weights is not None and not isinstance(params, CnnParams) and params.encoder == "mobilenetv2":
        pretrained = encoder_values(network)
    return Generator(network, params.head, signed=not isinstance(params, CnnParams), pretrained=pretrained)


def _network(params: Params, image_size: int, *, seed: int, encoder_weights: Path | None) -> keras.Model:
    channels = 3 if params.head == "rgb" else 2
    if isinstance(params, CnnParams):
        return build_autoencoder(
            image_size,
            channels=channels,
            width=params.width,
            depth=params.depth,
            dropout=params.dropout,
            batch_norm=params.batch_norm,
            seed=seed,
        )
    if params.encoder == "unet":
        return build_unet(
            image_size,
            channels=channels,
            width=params.width,
            depth=params.depth or image_size.bit_length() - 1,
            dropout=params.dropout,
            norm=params.normalisation,
            upsampling=params.upsampling,
            seed=seed,
        )
    return build_mobilenet_unet(
        image_size,
        channels=channels,
        width=params.width,
        dropout=params.dropout,
        norm=params.normalisation,
        upsampling=params.upsampling,
        unfrozen_layers=params.unfrozen_layers,
        weights=encoder_weights,
        seed=seed,
    )
