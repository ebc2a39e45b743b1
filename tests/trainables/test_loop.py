import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainables import checkpoint, color
from trainables.checkpoint import CheckpointError
from trainables.data.pack import Pack
from trainables.loop import DivergedError, Loop, Training, make_loop
from trainables.metrics import Evaluator
from trainables.params import params_of

SMALL: dict[str, Any] = {"width": 8, "depth": 2, "dropout": 0.3, "batch_norm": True}


def training(model: str, params: dict[str, Any], **changed: Any) -> Training:
    return Training(params_of(model, params), **({"batch_size": 16, "seed": 5, "epochs": 4} | changed))


def make(pack: Pack, *, seed: int = 5, batch_size: int = 16, **params: object) -> Loop:
    return make_loop(training("cnn", SMALL | params, seed=seed, batch_size=batch_size), pack)


def state(loop: Loop, folder: Path) -> dict[str, np.ndarray]:
    loop.save(folder / "probe.safetensors")
    return checkpoint.load(folder / "probe.safetensors")[0]


def assert_same(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert one.keys() == other.keys()
    for name, array in one.items():
        assert array.tobytes() == other[name].tobytes(), name


@pytest.mark.parametrize(
    ("model", "params"),
    [
        ("cnn", SMALL),
        ("pix2pix", {"width": 8, "depth": 3, "ema_decay": 0.99}),
        ("pix2pix", {"width": 8, "encoder": "mobilenetv2", "unfrozen_layers": 3, "head": "chroma"}),
    ],
    ids=["cnn", "unet", "mobilenetv2"],
)
def test_a_restored_loop_goes_on_bitwise_as_if_never_stopped(
    model: str, params: dict[str, Any], pack: Pack, tmp_path: Path
) -> None:
    def fresh(seed: int) -> Loop:
        return make_loop(training(model, params, seed=seed), pack)

    whole = fresh(5)
    whole.train_epoch()
    whole.save(tmp_path / "last.safetensors")
    losses = whole.train_epoch()

    resumed = fresh(5)
    resumed.restore(tmp_path / "last.safetensors")
    assert resumed.epoch == 1
    assert resumed.train_epoch() == losses
    assert_same(state(resumed, tmp_path), state(whole, tmp_path))


def test_the_same_seed_gives_the_same_training_and_another_one_another(pack: Pack) -> None:
    first, same, other = (make(pack, seed=seed).train_epoch() for seed in (5, 5, 6))
    assert first == same
    assert first != other


def test_every_epoch_has_an_order_and_augmentation_of_its_own(pack: Pack) -> None:
    loop = make(pack, dropout=0.0, learning_rate=1e-30, batch_size=20)
    first, second = loop.train_epoch()["train_loss"], loop.train_epoch()["train_loss"]
    assert first == pytest.approx(second, rel=0.1)
    assert first != second


def test_what_is_left_over_from_full_batches_is_dropped(pack: Pack) -> None:
    done: list[int] = []
    loop = make(pack, batch_size=20)
    loop.train_epoch(done.append)
    assert loop.images_per_epoch == 40
    assert done[-1] == 40


def test_fewer_images_than_a_batch_make_one_batch_of_all(pack: Pack) -> None:
    loop = make(pack, batch_size=1000)
    assert loop.images_per_epoch == 48
    assert np.isfinite(loop.train_epoch()["train_loss"])


def test_only_the_training_split_is_trained_on(pack: Pack, tmp_path: Path) -> None:
    images = pack.images.copy()
    images[pack.split != 0] = 0
    loops = [make(pack), make(replace(pack, images=images))]
    for loop in loops:
        loop.train_epoch()
    assert_same(state(loops[0], tmp_path), state(loops[1], tmp_path))


def test_metrics_are_those_of_the_validation_pictures(pack: Pack) -> None:
    loop = make(pack)
    loop.train_epoch()
    rows = pack.indices("validation")
    assert loop.evaluate() == Evaluator(pack.images[rows], seed=5)(loop.pictures(rows))


def test_evaluation_and_pictures_change_nothing(pack: Pack, tmp_path: Path) -> None:
    loop = make(pack)
    loop.train_epoch()
    before = state(loop, tmp_path)
    loop.evaluate()
    loop.pictures([0, 1])
    assert_same(state(loop, tmp_path), before)


def test_a_picture_has_the_inputs_luma_whatever_the_network_says(pack: Pack) -> None:
    def luma(pictures: np.ndarray) -> np.ndarray:
        return color.luma(pictures / np.float32(255)).numpy() * 255

    pictures = make(pack).pictures([3, 60, 3])
    assert np.abs(luma(pictures) - luma(pack.images[[3, 60, 3]])).max() <= 1
    np.testing.assert_array_equal(pictures[0], pictures[2])


def test_a_picture_does_not_depend_on_the_others_of_its_batch(pack: Pack) -> None:
    loop = make(pack)
    loop.train_epoch()
    alone, among = loop.pictures([7])[0].astype(int), loop.pictures(range(64))[7]
    assert np.abs(alone - among).max() <= 1


def test_a_training_that_diverges_is_stopped_with_its_epoch_step_and_loss(pack: Pack) -> None:
    expected = r"train_generator_gradient_norm became (nan|inf) in step 2 of epoch 1"
    with pytest.raises(DivergedError, match=expected) as caught:
        make(pack, learning_rate=1e38).train_epoch()
    travelled = pickle.loads(pickle.dumps(caught.value))
    assert (travelled.epoch, travelled.step) == (1, 2)
    assert str(travelled) == str(caught.value)


def test_a_state_gives_its_note_back(pack: Pack, tmp_path: Path) -> None:
    loop = make(pack)
    loop.save(tmp_path / "last.safetensors", {"best": 3.5})
    assert loop.restore(tmp_path / "last.safetensors") == {"best": 3.5}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda pack: make(pack, width=16), "width is 8 there and 16 here"),
        (lambda pack: make(pack, learning_rate=0.5), "learning_rate is 0.001 there and 0.5 here"),
        (lambda pack: make(pack, seed=6), "seed is 5 there and 6 here"),
        (lambda pack: make(replace(pack, fingerprint="other")), "data is .* there and 'other' here"),
        (
            lambda pack: make_loop(training("pix2pix", {"width": 8}), pack),
            "model is 'cnn' there and 'pix2pix' here",
        ),
    ],
)
def test_a_state_of_another_training_is_refused_with_the_difference(
    change: Callable[[Pack], Loop], message: str, pack: Pack, tmp_path: Path
) -> None:
    make(pack).save(tmp_path / "last.safetensors")
    other = change(pack)
    before = state(other, tmp_path)
    with pytest.raises(CheckpointError, match=f"last.safetensors belongs to another training: .*{message}"):
        other.restore(tmp_path / "last.safetensors")
    assert_same(state(other, tmp_path), before)


def test_a_model_is_no_training_state(pack: Pack, tmp_path: Path) -> None:
    loop = make(pack)
    loop.export(tmp_path / "best.safetensors")
    with pytest.raises(CheckpointError, match=r"best\.safetensors is no training state but a model"):
        loop.restore(tmp_path / "best.safetensors")


def test_kid_is_measured_where_there_are_encoder_weights(pack: Pack, mobilenet_weights: Path) -> None:
    loop = make_loop(training("cnn", SMALL, encoder_weights=mobilenet_weights), pack)
    assert np.isfinite(loop.evaluate()["val_kid"])
