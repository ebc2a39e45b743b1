from typing import Any

import numpy as np
import pytest

from trainables import color
from trainables.data.pack import Pack
from trainables.loop import Loop, Training, make_loop
from trainables.models.autoencoder import build_autoencoder
from trainables.params import CnnParams

SMALL: dict[str, Any] = {"width": 8, "depth": 2}


def make(pack: Pack, **params: object) -> Loop:
    training = Training(CnnParams.from_mapping(SMALL | params), batch_size=16, seed=5, epochs=4)
    return make_loop(training, pack)


@pytest.mark.parametrize("head", ["rgb", "chroma"])
def test_the_loss_is_the_mean_squared_error_of_rgb(plain_pack: Pack, head: str) -> None:
    rgb = plain_pack.images[plain_pack.indices("train")] / np.float32(255)
    luma = color.luma(rgb)
    network = build_autoencoder(
        32, channels=3 if head == "rgb" else 2, width=8, depth=2, dropout=0.0, batch_norm=False, seed=5
    )
    output = network(luma)
    if head == "chroma":
        output = color.from_luma_chroma(luma, output - 0.5)
    expected = np.square(output - rgb).mean()
    assert make(plain_pack, head=head).train_epoch()["train_loss"] == pytest.approx(expected, rel=1e-5)


def test_training_lowers_the_loss(pack: Pack) -> None:
    loop = make(pack, learning_rate=3e-3)
    losses = [loop.train_epoch()["train_loss"] for _ in range(8)]
    assert losses[-1] < 0.8 * losses[0]
