import numpy as np
import pytest
import tensorflow as tf

from trainables.ssim import ssim


@pytest.mark.parametrize("shape", [(2, 11, 11, 3), (3, 32, 32, 3), (1, 20, 45, 1)])
def test_it_is_tensorflows(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    one = rng.uniform(size=shape).astype(np.float32)
    noise = rng.normal(size=shape)
    for other in (one, one**2, 1 - one, np.clip(one + 0.1 * noise, 0, 1), np.full(shape, 0.5)):
        pair = tf.constant(one), tf.constant(other, tf.float32)
        np.testing.assert_allclose(ssim(*pair), tf.image.ssim(*pair, 1.0), atol=1e-5)


def test_equal_pictures_have_one() -> None:
    flat = tf.fill([1, 16, 16, 3], 0.25)
    assert ssim(flat, flat).numpy() == pytest.approx([1.0])
