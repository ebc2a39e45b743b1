import gc
import pickle
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorflow.python.framework.func_graph import FuncGraph

from trainables import checkpoint, color
from trainables.checkpoint import CheckpointError
from trainables.data.pack import Pack
from trainables.loop import DivergedError, Loop, Training, forget_loops, make_loop
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
        pytest.param(
            "pix2pix",
            {"width": 8, "encoder": "mobilenetv2", "unfrozen_layers": 3, "head": "chroma"},
            marks=pytest.mark.slow,
        ),
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


def test_what_a_new_graph_takes_to_start_is_told_apart_from_the_training(pack: Pack) -> None:
    forget_loops()
    loop = make(pack, batch_size=4, width=12)
    began = time.perf_counter()
    loop.train_epoch()
    first = time.perf_counter() - began
    assert 0 < loop.start_seconds < first
    loop.train_epoch()
    assert loop.start_seconds == 0


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


def test_metrics_are_those_of_the_validation_pictures_at_the_same_places_for_all_seeds(pack: Pack) -> None:
    loop = make(pack)
    loop.train_epoch()
    rows = pack.indices("validation")
    assert loop.training.seed != pack.seed
    assert loop.evaluate() == Evaluator(pack.images[rows], seed=pack.seed)(loop.pictures(rows))


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
    # Which number is the first to overflow depends on the processor.
    expected = r"train_\w+ became (nan|inf) in step 2 of epoch 1"
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


def test_what_was_taken_to_export_stays_as_it_was_while_the_model_trains_on(
    pack: Pack, tmp_path: Path
) -> None:
    loop = make(pack)
    loop.train_epoch()
    loop.export(tmp_path / "best.safetensors")
    arrays, metadata = loop.exported()
    loop.train_epoch()
    written = checkpoint.load(tmp_path / "best.safetensors")
    assert_same(arrays, written[0])
    assert metadata == written[1]
    assert any((arrays[name] != array).any() for name, array in loop.exported()[0].items())


def test_a_states_size_is_known_before_it_is_written(pack: Pack, tmp_path: Path) -> None:
    loop = make(pack)
    assert loop.state_size == sum(array.nbytes for array in state(loop, tmp_path).values())


def test_a_model_is_no_training_state(pack: Pack, tmp_path: Path) -> None:
    loop = make(pack)
    loop.export(tmp_path / "best.safetensors")
    with pytest.raises(CheckpointError, match=r"best\.safetensors is no training state but a model"):
        loop.restore(tmp_path / "best.safetensors")


def test_kid_is_measured_where_there_are_encoder_weights(pack: Pack, mobilenet_weights: Path) -> None:
    loop = make_loop(training("cnn", SMALL, encoder_weights=mobilenet_weights), pack)
    assert np.isfinite(loop.evaluate()["val_kid"])


@pytest.mark.parametrize(
    ("model", "params", "other"),
    [
        ("cnn", SMALL, {"learning_rate": 3e-3, "dropout": 0.1}),
        (
            "pix2pix",
            {"width": 8, "depth": 3, "ema_decay": 0.99},
            {"lambda": 20.0, "dropout": 0.2, "ema_decay": 0.9, "discriminator_learning_rate": 1e-3},
        ),
        pytest.param(
            "pix2pix",
            {"width": 8, "encoder": "mobilenetv2", "unfrozen_layers": 3, "head": "chroma"},
            {"lambda": 20.0, "warm_up_epochs": 1, "generator_learning_rate": 1e-3},
            marks=pytest.mark.slow,
        ),
    ],
    ids=["cnn", "unet", "mobilenetv2"],
)
def test_a_restarted_loop_is_bitwise_a_new_one(
    model: str, params: dict[str, Any], other: dict[str, Any], pack: Pack, tmp_path: Path
) -> None:
    wanted = training(model, params | other, seed=6)
    new = make_loop(wanted, pack)
    used = make_loop(training(model, params), pack)
    used.train_epoch()
    assert used.fits(wanted, pack)
    used.restart(wanted)

    assert used.epoch == 0
    assert_same(state(used, tmp_path), state(new, tmp_path))
    for _ in range(2):
        assert used.train_epoch() == new.train_epoch()
        assert used.evaluate() == new.evaluate()
    assert_same(state(used, tmp_path), state(new, tmp_path))


@pytest.mark.slow
def test_a_restarted_loop_with_pretrained_weights_begins_with_them_again(
    pack: Pack, mobilenet_weights: Path, tmp_path: Path
) -> None:
    params = {"width": 8, "encoder": "mobilenetv2", "unfrozen_layers": 3}
    wanted = training("pix2pix", params, encoder_weights=mobilenet_weights)
    loop = make_loop(wanted, pack)
    before = state(loop, tmp_path)
    loop.train_epoch()
    loop.restart(wanted)
    assert_same(state(loop, tmp_path), before)


@pytest.mark.parametrize(
    "change",
    [
        lambda: training("cnn", SMALL | {"depth": 3}),
        lambda: training("cnn", SMALL | {"dropout": 0.0}),
        lambda: training("cnn", SMALL, batch_size=8),
        lambda: training("cnn", SMALL, precision="bfloat16"),
        lambda: training("pix2pix", {"width": 8}),
    ],
)
def test_a_loop_does_not_fit_what_needs_another_graph(change: Callable[[], Training], pack: Pack) -> None:
    assert not make(pack).fits(change(), pack)


def test_a_loop_does_not_fit_other_data(pack: Pack, plain_pack: Pack) -> None:
    loop = make(pack)
    assert loop.fits(loop.training, pack)
    assert not loop.fits(loop.training, plain_pack)


def test_restarted_no_graph_is_traced_again(pack: Pack) -> None:
    """A traced function writes down where it was made: none may be made twice."""
    loop = make(pack)
    loop.train_epoch()
    loop.evaluate()
    graphs = living_graphs()
    loop.restart(training("cnn", SMALL | {"learning_rate": 5e-4}, seed=9))
    loop.train_epoch()
    loop.evaluate()
    assert living_graphs() == graphs


def test_a_loop_that_nobody_holds_any_more_leaves_no_graph(pack: Pack) -> None:
    forget_loops()
    kept = make(pack)
    kept.train_epoch()
    forget_loops()
    before = living_graphs()
    loop: Loop | None = make_loop(training("pix2pix", {"width": 8, "depth": 3, "ema_decay": 0.9}), pack)
    assert loop is not None
    loop.train_epoch()
    loop.evaluate()
    assert living_graphs() > before
    loop = None
    forget_loops()
    assert living_graphs() == before


def living_graphs() -> int:
    gc.collect()
    return sum(isinstance(found, FuncGraph) for found in gc.get_objects())


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
@pytest.mark.parametrize("model", ["cnn", "pix2pix"])
def test_a_lower_precision_trains_to_about_the_same_losses(model: str, precision: str, pack: Pack) -> None:
    params = {"width": 8, "depth": 3, "dropout": 0.0}
    exact, lower = (
        make_loop(training(model, params, precision=name), pack) for name in ("float32", precision)
    )
    for _ in range(2):
        expected, found = exact.train_epoch(), lower.train_epoch()
    name = "train_loss" if model == "cnn" else "train_l1_loss"
    # Rounding to 8 bits (bfloat16) or 11 (float16) moves the course of a training, not where it goes.
    assert found[name] == pytest.approx(expected[name], rel=0.1)
    assert found["train_generator_gradient_norm"] == pytest.approx(
        expected["train_generator_gradient_norm"], rel=0.5
    )


def test_weights_are_float32_in_any_precision(pack: Pack, tmp_path: Path) -> None:
    loop = make_loop(training("cnn", SMALL, precision="bfloat16"), pack)
    loop.train_epoch()
    arrays = state(loop, tmp_path)
    held = {
        name: array.dtype for name, array in arrays.items() if name.endswith(("kernel", "gamma", "velocity"))
    }
    assert held
    assert set(held.values()) == {np.dtype(np.float32)}
