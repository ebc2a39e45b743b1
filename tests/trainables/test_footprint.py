"""The sizes that are told beforehand, against those of the states that loops write."""

import pytest

from trainables.footprint import KEPT, state_bytes
from trainables.loop import Training, make_loop
from trainables.params import params_of

UNET = {"encoder": "unet", "depth": 5, "width": 32, "ema_decay": 0.0}


@pytest.mark.parametrize(
    ("model", "params"),
    [
        ("cnn", {"depth": 5, "width": 32, "batch_norm": True}),
        ("cnn", {"depth": 2, "width": 64, "batch_norm": False}),
        ("pix2pix", UNET),
        ("pix2pix", UNET | {"depth": 3, "width": 64, "ema_decay": 0.99}),
        ("pix2pix", {"encoder": "mobilenetv2", "width": 32, "unfrozen_layers": 0, "ema_decay": 0.99}),
        ("pix2pix", {"encoder": "mobilenetv2", "width": 16, "unfrozen_layers": 51, "ema_decay": 0.0}),
    ],
)
def test_a_states_size_is_known_without_its_networks(plain_pack, model, params, tmp_path):
    loop = make_loop(Training(params_of(model, params), batch_size=8, seed=0, epochs=1), plain_pack)
    loop.save(tmp_path / "state")
    loop.export(tmp_path / "best")
    state, best = ((tmp_path / name).stat().st_size for name in ("state", "best"))
    assert state_bytes(model, params) == pytest.approx(state, rel=0.03)
    assert 2 * state + best <= KEPT * state * 1.01


def test_resizing_takes_less(plain_pack):
    training = Training(params_of("pix2pix", UNET | {"upsampling": "resize"}), batch_size=8, seed=0, epochs=1)
    assert make_loop(training, plain_pack).state_size < state_bytes("pix2pix", UNET)
