from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainables import checkpoint, color
from trainables.data.pack import Pack
from trainables.loop import Loop, Training, make_loop
from trainables.models.patchgan import build_patchgan
from trainables.models.pretrained import WeightsError
from trainables.models.unet import build_unet
from trainables.params import ParamsError, Pix2PixParams
from trainables.perceptual import PerceptualLoss
from trainables.pix2pix import Pix2PixLoop

SMALL: dict[str, Any] = {
    "width": 8,
    "depth": 3,
    "dropout": 0.0,
    "ema_decay": 0.0,
    "learning_rate_decay": False,
}
SEED = 5
PLAIN: dict[str, Any] = {"norm": "batch", "upsampling": "transposed"}
OPTIMIZERS = ("generator_optimizer", "discriminator_optimizer")


def training(params: dict[str, Any], *, epochs: int = 4) -> Training:
    return Training(Pix2PixParams.from_mapping(params), batch_size=16, seed=SEED, epochs=epochs)


def make(pack: Pack, **params: object) -> Loop:
    return make_loop(training(SMALL | params), pack)


def state(loop: Loop, folder: Path) -> dict[str, np.ndarray]:
    loop.save(folder / "state.safetensors")
    return checkpoint.load(folder / "state.safetensors")[0]


def group(arrays: dict[str, np.ndarray], name: str) -> list[np.ndarray]:
    """The arrays of one group, in order."""
    return [arrays[key] for key in sorted(arrays) if key.startswith(f"{name}/")]


def test_a_step_is_the_papers_two_updates_from_the_same_weights(plain_pack: Pack, tmp_path: Path) -> None:
    rgb = tf.constant(plain_pack.images[plain_pack.indices("train")] / np.float32(255))
    gray, real = 2 * color.luma(rgb) - 1, 2 * rgb - 1
    generator = build_unet(
        32, channels=3, width=8, depth=3, dropout=0.0, norm="batch", upsampling="transposed", seed=SEED
    )
    judge = build_patchgan(32, width=8, norm="batch", seed=SEED)
    entropy = keras.losses.BinaryCrossentropy(from_logits=True)

    # Written plainly: every gradient with passes of its own.
    with tf.GradientTape() as tape:
        fake = generator(gray, training=True)
        on_fake = judge([gray, fake], training=True)
        adversarial = entropy(tf.ones_like(on_fake), on_fake)
        l1 = tf.reduce_mean(tf.abs(fake - real))
        generator_loss = adversarial + 80 * l1
    generator_gradients = tape.gradient(generator_loss, generator.trainable_variables)
    with tf.GradientTape() as tape:
        on_real, on_fake = judge([gray, real], training=True), judge([gray, fake], training=True)
        discriminator_loss = 0.5 * (
            entropy(tf.ones_like(on_real), on_real) + entropy(tf.zeros_like(on_fake), on_fake)
        )
    judge_gradients = tape.gradient(discriminator_loss, judge.trainable_variables)
    networks = {"generator": generator, "discriminator": judge}
    adams = {
        "generator": keras.optimizers.Adam(3e-4, beta_1=0.5),
        "discriminator": keras.optimizers.Adam(1e-4, beta_1=0.5),
    }
    adams["generator"].apply(generator_gradients, generator.trainable_variables)
    adams["discriminator"].apply(judge_gradients, judge.trainable_variables)

    loop = make(
        plain_pack, **{"lambda": 80.0}, generator_learning_rate=3e-4, discriminator_learning_rate=1e-4
    )
    values = loop.train_epoch()
    assert {name: values[name] for name in values if name.endswith("loss")} == {
        "train_generator_loss": pytest.approx(float(generator_loss), rel=1e-4),
        "train_adversarial_loss": pytest.approx(float(adversarial), rel=1e-4),
        "train_l1_loss": pytest.approx(float(l1), rel=1e-4),
        "train_discriminator_loss": pytest.approx(float(discriminator_loss), rel=1e-4),
    }
    arrays = state(loop, tmp_path)
    for name, network in networks.items():
        found = group(arrays, f"{name}_optimizer")
        for expected, moment in zip(adams[name].variables, found, strict=True):
            np.testing.assert_allclose(moment, expected.numpy(), rtol=1e-2, atol=1e-4, err_msg=expected.path)
        for weight, expected in zip(group(arrays, name), network.variables, strict=True):
            if "moving" not in expected.path:  # written plainly, the fake passes twice
                # Adam's first step is the gradient's sign: of one that is 0 but for rounding it may be either.
                assert np.isclose(weight, expected.numpy(), rtol=0, atol=2e-5).mean() > 0.99, expected.path


def test_a_step_passes_once_through_the_generator_and_once_with_each_picture_through_the_discriminator(
    plain_pack: Pack,
) -> None:
    loop = make(plain_pack)
    assert isinstance(loop, Pix2PixLoop)
    shapes = [tf.TensorSpec([16, 32, 32, channels]) for channels in (1, 3)]
    graph = tf.function(loop.step).get_concrete_function(*shapes).graph

    def normalisations(network: keras.Model) -> int:
        return sum(isinstance(layer, keras.layers.BatchNormalization) for layer in network.layers)

    passes = sum(operation.type == "FusedBatchNormV3" for operation in graph.get_operations())
    assert passes == normalisations(loop.generator.network) + 2 * normalisations(loop.discriminator)


@pytest.fixture(scope="module")
def averaged(plain_pack: Pack) -> Loop:
    return make(plain_pack, ema_decay=0.999)


def test_the_average_warms_up_and_holds_batch_normalisations_statistics(
    averaged: Loop, tmp_path: Path
) -> None:
    before = state(averaged, tmp_path)
    averaged.train_epoch()
    after = state(averaged, tmp_path)
    step = averaged.epoch  # an epoch of this pack is one step
    pace = 1 - (1 + step) / (10 + step)  # as long as that is below 0.999
    groups = (group(before, "average"), group(after, "generator"), group(after, "average"))
    for old, latest, mean in zip(*groups, strict=True):
        np.testing.assert_allclose(mean, old + pace * (latest - old), rtol=1e-4, atol=1e-6)


def test_the_average_is_what_is_exported(averaged: Loop, tmp_path: Path) -> None:
    averaged.train_epoch()
    averaged.export(tmp_path / "model.safetensors")
    exported = group(checkpoint.load(tmp_path / "model.safetensors")[0], "generator")
    arrays = state(averaged, tmp_path)
    assert all(map(np.array_equal, exported, group(arrays, "average")))
    assert not any(map(np.array_equal, exported, group(arrays, "generator")))


def test_the_encoders_statistics_and_all_but_the_unfrozen_layers_stay_as_they_are(
    pack: Pack, tmp_path: Path
) -> None:
    mobile = {"encoder": "mobilenetv2", "unfrozen_layers": 1, "width": 8, "ema_decay": 0.0}
    loop = make_loop(training(mobile), pack)
    before = state(loop, tmp_path)
    loop.train_epoch()
    after = state(loop, tmp_path)
    unchanged = list(map(np.array_equal, group(before, "generator"), group(after, "generator"))).count(True)
    # Of 51 kernels all but one, and scale, offset and two statistics of 50 normalisations: the last kernel has none.
    assert unchanged == 50 + 4 * 50
    assert loop.trainable_encoder_parameters == 960 * 320


def test_in_warm_up_epochs_the_generator_trains_on_l1_alone_and_the_discriminator_not_at_all(
    plain_pack: Pack, tmp_path: Path
) -> None:
    loop = make(plain_pack, warm_up_epochs=1, **{"lambda": 50.0})
    before = state(loop, tmp_path)
    first = loop.train_epoch()
    after = state(loop, tmp_path)
    second = loop.train_epoch()

    assert first["train_generator_loss"] == pytest.approx(50 * first["train_l1_loss"])
    assert "train_discriminator_loss" not in first
    assert all(map(np.array_equal, group(before, "discriminator"), group(after, "discriminator")))
    assert not any(map(np.array_equal, group(before, "generator"), group(after, "generator")))
    assert second["train_discriminator_loss"] > 0


def test_learning_rates_fall_to_zero_over_the_last_half_if_wanted(plain_pack: Pack, tmp_path: Path) -> None:
    def rates(decay: bool) -> list[float]:
        loop = make_loop(training(SMALL | {"learning_rate_decay": decay}, epochs=6), plain_pack)
        found = []
        for _ in range(6):
            loop.train_epoch()
            values = {float(group(state(loop, tmp_path), name)[1]) for name in OPTIMIZERS}
            assert len(values) == 1
            found.append(values.pop() / 2e-4)
        return found

    assert rates(False) == pytest.approx([1.0] * 6)
    assert rates(True) == pytest.approx([1.0, 1.0, 1.0, 0.75, 0.5, 0.25])


def test_lambda_scales_l1_alone(plain_pack: Pack) -> None:
    weak, strong = (make(plain_pack, **{"lambda": weight}).train_epoch() for weight in (10.0, 100.0))
    for name in ("train_adversarial_loss", "train_l1_loss", "train_discriminator_loss"):
        assert strong[name] == pytest.approx(weak[name])
    added = strong["train_generator_loss"] - weak["train_generator_loss"]
    assert added == pytest.approx(90 * weak["train_l1_loss"], rel=1e-4)


def test_the_discriminators_accuracy_is_its_share_of_patches_on_the_right_side(plain_pack: Pack) -> None:
    loop = make(plain_pack, discriminator_learning_rate=2e-3)
    epochs = [loop.train_epoch() for _ in range(30)]
    for epoch in epochs:
        assert 0 <= epoch["train_real_accuracy"] <= 1
        assert 0 <= epoch["train_fake_accuracy"] <= 1
        assert epoch["train_discriminator_gradient_norm"] > 0
    # It learns ten times as fast as the generator: in the end it knows nearly every patch.
    late = epochs[-5:]
    assert min(min(e["train_real_accuracy"], e["train_fake_accuracy"]) for e in late) > 0.8
    assert max(e["train_discriminator_loss"] for e in late) < epochs[0]["train_discriminator_loss"]


@pytest.mark.parametrize("choice", [{"normalisation": "instance"}, {"upsampling": "resize"}])
def test_other_layers_train_too(choice: dict[str, str], plain_pack: Pack) -> None:
    loop = make(plain_pack, **choice)
    losses = [loop.train_epoch()["train_l1_loss"] for _ in range(10)]
    assert losses[-1] < losses[0]


@pytest.mark.slow
def test_the_perceptual_loss_joins_the_generators_by_its_weight(
    plain_pack: Pack, vgg16_weights: Path, tmp_path: Path
) -> None:
    def trained(weight: float) -> tuple[dict[str, float], list[np.ndarray]]:
        wanted = training(SMALL | {"lambda": 80.0, "perceptual_weight": weight})
        loop = make_loop(replace(wanted, perceptual_weights=vgg16_weights), plain_pack)
        return loop.train_epoch(), group(state(loop, tmp_path), "generator_optimizer")

    rgb = tf.constant(plain_pack.images[plain_pack.indices("train")] / np.float32(255))
    generator = build_unet(
        32, channels=3, width=8, depth=3, dropout=0.0, norm="batch", upsampling="transposed", seed=SEED
    )
    fake = (generator(2 * color.luma(rgb) - 1, training=True) + 1) / 2
    expected = float(PerceptualLoss(vgg16_weights, "float32")(rgb, fake))

    without, moments_without = trained(0.0)
    small, _ = trained(7.0)
    large, moments = trained(700.0)
    for losses, weight in ((without, 0), (small, 7), (large, 700)):
        parts = losses["train_adversarial_loss"] + 80 * losses["train_l1_loss"]
        assert losses["train_generator_loss"] == pytest.approx(parts + weight * expected, rel=1e-4)
    assert large["train_discriminator_loss"] == pytest.approx(without["train_discriminator_loss"], rel=1e-4)
    # The optimizer has seen its gradient, which is far above that of the others by then.
    assert sum(np.abs(m).sum() for m in moments) > 10 * sum(np.abs(m).sum() for m in moments_without)


def test_without_weights_a_perceptual_loss_is_refused_and_a_weight_of_0_needs_none(plain_pack: Pack) -> None:
    with pytest.raises(ParamsError, match=r"^perceptual_weight is 2\.0, but .* needs VGG's weights"):
        make(plain_pack, perceptual_weight=2.0)
    make(plain_pack, perceptual_weight=0.0)


def test_with_a_weight_of_0_vgg_is_not_even_loaded(plain_pack: Pack, tmp_path: Path) -> None:
    def loop(weight: float) -> Loop:
        wanted = training(SMALL | {"perceptual_weight": weight})
        return make_loop(replace(wanted, perceptual_weights=tmp_path / "absent.h5"), plain_pack)

    loop(0.0)
    with pytest.raises(WeightsError, match=r"absent\.h5 is not a file"):
        loop(1.0)
