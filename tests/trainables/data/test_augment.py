from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from trainables.data.augment import MAX_DEGREES, augment


def noise(count: int, size: int = 32) -> np.ndarray:
    """Smooth pictures, uint8."""
    coarse = np.random.default_rng(0).integers(0, 256, (count, 5, 5, 3), dtype=np.uint8)
    return np.array([np.asarray(Image.fromarray(image).resize((size, size))) for image in coarse])


def seeds(count: int) -> list[tf.Tensor]:
    return [tf.constant([seed, 7], tf.int32) for seed in range(count)]


def test_the_same_seed_gives_the_same_pictures_and_another_one_others() -> None:
    images = tf.constant(noise(4))
    one, other = seeds(2)
    np.testing.assert_array_equal(augment(images, one), augment(images, one))
    assert not np.array_equal(augment(images, one), augment(images, other))


def test_each_image_of_a_batch_is_turned_its_own_way() -> None:
    same = tf.repeat(tf.constant(noise(1)), 16, axis=0)
    assert len({picture.tobytes() for picture in augment(same, seeds(1)[0]).numpy()}) == 16


@pytest.mark.parametrize("dtype", ["uint8", "float16", "bfloat16", "float32", "float64"])
def test_type_shape_and_range_are_kept(dtype: str) -> None:
    images = tf.cast(noise(8), dtype) if dtype == "uint8" else tf.cast(noise(8) / 127.5 - 1, dtype)
    turned = augment(images, seeds(1)[0])
    assert turned.dtype == images.dtype
    assert turned.shape == images.shape
    before, after = tf.cast(images, tf.float64), tf.cast(turned, tf.float64)
    slack = 1e-6
    assert np.all(tf.reduce_max(after, [1, 2]) <= tf.reduce_max(before, [1, 2]) + slack)
    assert np.all(tf.reduce_min(after, [1, 2]) >= tf.reduce_min(before, [1, 2]) - slack)


def test_a_picture_of_one_colour_stays_as_it_is() -> None:
    images = tf.fill([8, 32, 32, 3], tf.constant(255, tf.uint8))
    np.testing.assert_array_equal(augment(images, seeds(1)[0]), images)


def test_bytes_are_rounded_and_not_cut_off() -> None:
    images = noise(16)
    exact = augment(tf.constant(images, tf.float32), seeds(1)[0])
    assert np.abs(augment(tf.constant(images), seeds(1)[0]).numpy() - exact.numpy()).max() <= 0.5


def test_about_half_are_flipped_and_angles_reach_both_ends_but_not_beyond() -> None:
    size = 65
    centre = size // 2
    arm = np.zeros((1, size, size, 1), np.float32)
    arm[0, centre, centre + 8 : centre + 25] = 1  # points right: its middle tells flip and angle
    arms = tf.repeat(arm, 400, axis=0)
    turned = augment(arms, seeds(1)[0]).numpy()[..., 0]
    weight = turned.sum(axis=(1, 2))
    x = (turned.sum(axis=1) * (np.arange(size) - centre)).sum(axis=1) / weight
    y = (turned.sum(axis=2) * (np.arange(size) - centre)).sum(axis=1) / weight
    # Binomial(400, 1/2): mean 200, standard deviation 10; five of these allowed.
    assert 150 <= (x < 0).sum() <= 250
    degrees = np.degrees(np.arctan2(y, np.abs(x)))
    assert MAX_DEGREES - 1 < degrees.max() < MAX_DEGREES + 0.2
    assert -MAX_DEGREES - 0.2 < degrees.min() < -MAX_DEGREES + 1
    for flipped in (x < 0, x > 0):
        # Uniform on -10..10: the mean of about 200 has a standard deviation of 0.41 degrees; five of these allowed.
        assert abs(degrees[flipped].mean()) < 2
    np.testing.assert_allclose(np.hypot(x, y), 16, atol=0.1)


def test_what_a_rotation_uncovers_is_reflected_and_never_black() -> None:
    bright = tf.constant(np.random.default_rng(0).uniform(0.5, 1, (32, 32, 32, 3)), tf.float32)
    assert augment(bright, seeds(1)[0]).numpy().min() >= 0.5
    frame = np.zeros((32, 32, 32, 1), np.float32)
    frame[:, :4], frame[:, -4:], frame[:, :, :4], frame[:, :, -4:] = 1, 1, 1, 1
    corners = augment(tf.constant(frame), seeds(1)[0]).numpy()[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert corners.min() > 0.99
    # What lies behind a dark rim shows again outside of it; repeating the last pixel would show the rim alone.
    rim = np.zeros((64, 32, 32, 1), np.float32)
    rim[:, 1:-1, 1:-1] = 1
    corners = augment(tf.constant(rim), seeds(1)[0]).numpy()[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert corners.max() > 0.9


def test_a_function_of_any_batch_size_gives_what_eager_execution_gives() -> None:
    signature = [tf.TensorSpec([None, 32, 32, 3], tf.uint8), tf.TensorSpec([2], tf.int32)]
    graph = tf.function(augment, input_signature=signature)
    for count in (1, 5):
        images = tf.constant(noise(count))
        np.testing.assert_array_equal(graph(images, seeds(1)[0]), augment(images, seeds(1)[0]))
    assert graph.get_concrete_function().output_shapes.as_list() == [None, 32, 32, 3]


def test_a_pipeline_can_augment(uk_garden_birds: Path) -> None:
    photos = []
    for path in sorted(uk_garden_birds.glob("withBackground/Wren/*.jpg"))[:8]:
        with Image.open(path) as image:
            photos.append(np.asarray(image.convert("RGB").resize((64, 64))))
    batches = tf.data.Dataset.from_tensor_slices(np.array(photos)).batch(4).enumerate()
    turned = batches.map(lambda step, batch: augment(batch, tf.stack([tf.cast(step, tf.int32), 0])))
    pictures = np.concatenate(list(turned.as_numpy_iterator()))
    assert pictures.shape == (8, 64, 64, 3)
    # Reflected borders keep a photo's brightness: what enters resembles what leaves.
    np.testing.assert_allclose(pictures.mean(axis=(1, 2, 3)), np.mean(photos, axis=(1, 2, 3)), atol=6)
