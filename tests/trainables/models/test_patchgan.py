"""The PatchGAN against the paper: its size, and which pixels a logit sees."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from trainables.models.patchgan import build_patchgan
from trainables.params import Normalisation


def pair(image_size: int, count: int = 2) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.uniform(-1, 1, (count, image_size, image_size, c)).astype(np.float32) for c in (1, 3)]


def test_the_full_size_is_the_papers() -> None:
    model = build_patchgan(128, width=64, norm="batch", seed=0)

    kernels = 16 * (4 * 64 + 64 * 128 + 128 * 256 + 256 * 512 + 512)
    normalised = 128 + 256 + 512
    assert sum(w.numpy().size for w in model.trainable_weights) == kernels + 2 * normalised + 64 + 1
    assert model.count_params() == kernels + 4 * normalised + 64 + 1 == 2_768_449


def test_a_logit_sees_70_by_70_pixels_of_both_images() -> None:
    model = build_patchgan(256, width=8, norm="batch", seed=0)
    gray, colour = (tf.Variable(image) for image in pair(256, count=1))
    with tf.GradientTape() as tape:
        logit = model([gray, colour], training=False)[0, 15, 15, 0]
    for gradient in tape.gradient(logit, [gray, colour]):
        seen = np.abs(gradient.numpy()[0]).max(-1) > 0
        rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
        assert (rows[0], rows[-1]) == (columns[0], columns[-1])
        assert rows[-1] - rows[0] + 1 == 70
        assert seen[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()


@pytest.mark.parametrize(("image_size", "logits"), [(32, 2), (64, 6), (128, 14), (256, 30)])
@pytest.mark.parametrize("norm", ["none", "batch"])
def test_logits_lie_eight_pixels_apart_from_32_pixels_up(
    image_size: int, logits: int, norm: Normalisation
) -> None:
    model = build_patchgan(image_size, width=8, norm=norm, seed=0)

    judged = model(pair(image_size), training=True)

    assert judged.shape == (2, logits, logits, 1)
    assert judged.dtype == tf.float32
    assert bool(model.non_trainable_weights) == (norm == "batch")


def test_what_comes_out_are_logits_without_bounds() -> None:
    model = build_patchgan(64, width=8, norm="batch", seed=0)
    model.get_layer("head").kernel.assign(model.get_layer("head").kernel * 1e4)
    judged = model(pair(64), training=True).numpy()

    assert judged.min() < -1
    assert judged.max() > 1


def test_the_first_layer_is_leaky_by_a_fifth_and_not_normalised() -> None:
    model = build_patchgan(32, width=8, norm="batch", seed=0)
    first = keras.Model(model.inputs, model.get_layer("down_1_relu").output)
    images = pair(32)
    bright = first(images, training=True).numpy()
    dark = first([-2 * image for image in images], training=True).numpy()

    lit = bright > 0
    assert lit.any()
    np.testing.assert_allclose(dark[lit], -0.4 * bright[lit], rtol=1e-4)
