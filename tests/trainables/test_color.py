"""Luma, chroma, the gamut, Lab and CIEDE2000."""

import math

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from trainables import color

# Sharma, Wu, Dalal 2005, table 1: L, a, b of both colours and their difference.
SHARMA = np.array(
    [
        [50.0000, 2.6772, -79.7751, 50.0000, 0.0000, -82.7485, 2.0425],
        [50.0000, 3.1571, -77.2803, 50.0000, 0.0000, -82.7485, 2.8615],
        [50.0000, 2.8361, -74.0200, 50.0000, 0.0000, -82.7485, 3.4412],
        [50.0000, -1.3802, -84.2814, 50.0000, 0.0000, -82.7485, 1.0000],
        [50.0000, -1.1848, -84.8006, 50.0000, 0.0000, -82.7485, 1.0000],
        [50.0000, -0.9009, -85.5211, 50.0000, 0.0000, -82.7485, 1.0000],
        [50.0000, 0.0000, 0.0000, 50.0000, -1.0000, 2.0000, 2.3669],
        [50.0000, -1.0000, 2.0000, 50.0000, 0.0000, 0.0000, 2.3669],
        [50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0009, 7.1792],
        [50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0010, 7.1792],
        [50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0011, 7.2195],
        [50.0000, 2.4900, -0.0010, 50.0000, -2.4900, 0.0012, 7.2195],
        [50.0000, -0.0010, 2.4900, 50.0000, 0.0009, -2.4900, 4.8045],
        [50.0000, -0.0010, 2.4900, 50.0000, 0.0010, -2.4900, 4.8045],
        [50.0000, -0.0010, 2.4900, 50.0000, 0.0011, -2.4900, 4.7461],
        [50.0000, 2.5000, 0.0000, 50.0000, 0.0000, -2.5000, 4.3065],
        [50.0000, 2.5000, 0.0000, 73.0000, 25.0000, -18.0000, 27.1492],
        [50.0000, 2.5000, 0.0000, 61.0000, -5.0000, 29.0000, 22.8977],
        [50.0000, 2.5000, 0.0000, 56.0000, -27.0000, -3.0000, 31.9030],
        [50.0000, 2.5000, 0.0000, 58.0000, 24.0000, 15.0000, 19.4535],
        [50.0000, 2.5000, 0.0000, 50.0000, 3.1736, 0.5854, 1.0000],
        [50.0000, 2.5000, 0.0000, 50.0000, 3.2972, 0.0000, 1.0000],
        [50.0000, 2.5000, 0.0000, 50.0000, 1.8634, 0.5757, 1.0000],
        [50.0000, 2.5000, 0.0000, 50.0000, 3.2592, 0.3350, 1.0000],
        [60.2574, -34.0099, 36.2677, 60.4626, -34.1751, 39.4387, 1.2644],
        [63.0109, -31.0961, -5.8663, 62.8187, -29.7946, -4.0864, 1.2630],
        [61.2901, 3.7196, -5.3901, 61.4292, 2.2480, -4.9620, 1.8731],
        [35.0831, -44.1164, 3.7933, 35.0232, -40.0716, 1.5901, 1.8645],
        [22.7233, 20.0904, -46.6940, 23.0331, 14.9730, -42.5619, 2.0373],
        [36.4612, 47.8580, 18.3852, 36.2715, 50.5065, 21.2231, 1.4146],
        [90.8027, -2.0831, 1.4410, 91.1528, -1.6435, 0.0447, 1.4441],
        [90.9257, -0.5406, -0.9208, 88.6381, -0.8985, -0.7239, 1.5381],
        [6.7747, -0.2908, -2.4247, 5.8714, -0.0985, -2.2286, 0.6377],
        [2.0776, 0.0795, -1.1350, 0.9033, -0.0636, -0.5514, 0.9082],
    ]
)
LEVELS = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
CORNERS = np.array([[r, g, b] for r in (0, 1) for g in (0, 1) for b in (0, 1)], np.float32)


def pixels(low: float, high: float, channels: int) -> st.SearchStrategy[np.ndarray]:
    """Float32 `[8, channels]`; hypothesis favours the ends of the range, zero and the smallest numbers."""
    return hnp.arrays(np.float32, (8, channels), elements=st.floats(low, high, width=32))


LUMA = pixels(0, 1, 1)
CHROMA = st.one_of(pixels(-0.5, 0.5, 2), pixels(-1e6, 1e6, 2))


def unit(levels: np.ndarray) -> tf.Tensor:
    return tf.cast(levels, tf.float32) / 255


def difference(lab1: np.ndarray, lab2: np.ndarray) -> np.ndarray:
    return color.delta_e_2000(tf.constant(lab1, tf.float32), tf.constant(lab2, tf.float32)).numpy()


def test_luma_is_that_of_the_gray_the_models_see_within_a_fortieth_of_a_level() -> None:
    rgb = tf.concat([tf.random.Generator.from_seed(0).uniform((1000, 3)), CORNERS], axis=0)
    ours, tensorflow = color.luma(rgb), tf.image.rgb_to_grayscale(rgb)
    assert 255 * np.abs(ours - tensorflow).max() < 0.026


def test_gray_is_its_own_luma_to_the_last_bit_and_has_no_chroma() -> None:
    gray = unit(LEVELS)
    assert np.array_equal(color.luma(gray)[:, 0], gray[:, 0])
    assert np.array_equal(color.chroma(gray), np.zeros((256, 2)))


def test_every_gray_level_survives_composition() -> None:
    gray = unit(LEVELS)
    assert np.array_equal(color.to_uint8(color.picture(color.luma(gray), color.chroma(gray))), LEVELS)


def test_chroma_spans_minus_a_half_to_a_half() -> None:
    chroma = color.chroma(tf.constant(CORNERS)).numpy()
    assert chroma.min(axis=0) == pytest.approx([-0.5, -0.5])
    assert chroma.max(axis=0) == pytest.approx([0.5, 0.5])


def test_luma_and_chroma_rebuild_every_colour_of_the_cube() -> None:
    levels = np.arange(0, 256, 15, dtype=np.uint8)
    cube = np.stack(np.meshgrid(levels, levels, levels), axis=-1)
    rgb = unit(cube)
    assert np.array_equal(color.to_uint8(color.picture(color.luma(rgb), color.chroma(rgb))), cube)
    assert color.from_luma_chroma(color.luma(rgb), color.chroma(rgb)).numpy() == pytest.approx(
        rgb.numpy(), abs=1e-6
    )


def test_linear_composition_leaves_the_gamut_and_passes_gradients_there() -> None:
    chroma = tf.Variable([[0.5, 0.5]])
    with tf.GradientTape() as tape:
        rgb = color.from_luma_chroma(tf.constant([[0.9]]), chroma)
    assert rgb.numpy().max() > 1.5
    assert tape.jacobian(rgb, chroma).numpy().squeeze() == pytest.approx(
        np.array([[0, 1.402], [-0.344136, -0.714136], [1.772, 0]]), abs=1e-5
    )


@settings(deadline=None)
@given(LUMA, CHROMA)
def test_the_uint8_picture_has_the_given_luma_whatever_the_chroma(y: np.ndarray, c: np.ndarray) -> None:
    levels = color.to_uint8(color.picture(tf.constant(y), tf.constant(c)))
    # Three channels, each rounded by half a level at most.
    assert np.abs(255 * color.luma(unit(levels)) - 255 * y).max() <= 0.501


@settings(deadline=None)
@given(LUMA, CHROMA)
def test_a_picture_is_within_the_gamut_and_no_grayer_than_that_needs(y: np.ndarray, c: np.ndarray) -> None:
    rgb = color.picture(tf.constant(y), tf.constant(c))
    assert rgb.numpy().min() >= 0
    assert rgb.numpy().max() <= 1
    kept = color.chroma(rgb).numpy()
    largest = np.abs(c).argmax(axis=1)[:, None]
    wanted = np.take_along_axis(c, largest, 1)
    factor = np.take_along_axis(kept, largest, 1) / np.where(wanted == 0, 1, wanted)
    assert np.abs(kept - factor * c).max() <= 1e-5, "the hue has turned"
    whole = np.abs(kept - c).max(axis=1) <= 1e-6
    at_border = np.minimum(rgb, 1 - rgb).min(axis=1) <= 1e-6
    assert (whole | at_border).all()


def test_a_luma_beyond_the_range_becomes_black_or_white() -> None:
    rgb = color.picture(tf.constant([[-0.2], [1.2]]), tf.constant([[0.3, -0.2], [0.3, -0.2]]))
    assert rgb.numpy() == pytest.approx(np.array([[0, 0, 0], [1, 1, 1]]), abs=1e-6)


def test_a_picture_of_nan_is_nan() -> None:
    assert np.isnan(color.picture(tf.constant([[math.nan]]), tf.zeros((1, 2)))).all()
    assert np.isnan(color.picture(tf.constant([[0.5]]), tf.constant([[math.nan, 0.1]]))).any()


def test_rounding_to_uint8_is_to_the_nearest_level_and_clips() -> None:
    rgb = tf.constant([-0.5, 0.49 / 255, 0.51 / 255, 254.4 / 255, 1.5])
    assert np.array_equal(color.to_uint8(rgb), [0, 0, 1, 254, 255])


def test_lab_of_the_primaries_is_the_published_one() -> None:
    rgb = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0]], np.uint8)
    # Lindbloom, sRGB under D65, whose matrix has three digits more: worth 0.03.
    lab = [
        [53.2408, 80.0925, 67.2032],
        [87.7347, -86.1827, 83.1793],
        [32.2970, 79.1875, -107.8602],
        [100, 0, 0],
        [0, 0, 0],
    ]
    assert color.rgb_to_lab(unit(rgb)).numpy() == pytest.approx(np.array(lab), abs=0.03)


def test_lab_of_the_darkest_colours_follows_the_linear_parts_of_both_curves() -> None:
    red, green, blue = 5, 10, 2
    y = (0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255 / 12.92
    lab = color.rgb_to_lab(unit(np.array([red, green, blue], np.uint8))).numpy()
    assert lab[0] == pytest.approx((29 / 3) ** 3 * y, abs=1e-3)


def test_lab_of_gray_is_exactly_colourless() -> None:
    lab = color.rgb_to_lab(unit(LEVELS)).numpy()
    assert not lab[:, 1:].any()
    assert (np.diff(lab[:, 0]) > 0).all()


@pytest.mark.parametrize("row", range(34))
def test_ciede2000_of_the_published_pairs_in_both_orders(row: int) -> None:
    first, second, expected = SHARMA[row, :3], SHARMA[row, 3:6], SHARMA[row, 6]
    assert difference(first, second) == pytest.approx(expected, abs=1e-4)
    assert difference(second, first) == pytest.approx(expected, abs=1e-4)


@settings(deadline=None)
@given(pixels(0, 1, 3), pixels(0, 1, 3))
def test_ciede2000_is_symmetric_finite_and_zero_only_for_equal_colours(a: np.ndarray, b: np.ndarray) -> None:
    lab1, lab2 = color.rgb_to_lab(tf.constant(a)), color.rgb_to_lab(tf.constant(b))
    there, back = color.delta_e_2000(lab1, lab2).numpy(), color.delta_e_2000(lab2, lab1).numpy()
    assert there == pytest.approx(back, rel=1e-4, abs=1e-4)
    assert np.isfinite(there).all()
    assert (there >= 0).all()
    assert np.array_equal(color.delta_e_2000(lab1, lab1), np.zeros(8))
    assert (there[np.abs(lab1 - lab2).max(axis=1) > 0.1] > 0.01).all()


def test_gradients_of_ciede2000_are_finite_for_equal_neutral_and_black_colours() -> None:
    lab = tf.constant([[0.0, 0, 0], [50, 0, 0], [50, 20, -30], [100, 0, 0], [50, 0, 0], [50, 10, 0]])
    other = tf.constant([[0.0, 0, 0], [50, 0, 0], [50, 20, -30], [40, 0, 0], [50, 3, 4], [50, -10, 0]])
    with tf.GradientTape() as tape:
        tape.watch([lab, other])
        value = color.delta_e_2000(lab, other)
    gradients = tape.gradient(value, [lab, other])
    assert np.isfinite(gradients).all()
    assert gradients[0].numpy()[3, 0] > 0, "a lighter colour is farther from a darker one"


def test_nan_never_passes_for_no_difference() -> None:
    assert np.isnan(difference(np.array([50, math.nan, 0]), np.array([50, 0, 0])))
    assert np.isnan(color.rgb_to_lab(tf.constant([math.nan, math.nan, math.nan]))).all()


@pytest.mark.parametrize("leading", [(), (4,), (2, 3, 5)])
def test_any_leading_dimensions_pass_through(leading: tuple[int, ...]) -> None:
    rgb = tf.fill((*leading, 3), 0.3)
    assert color.luma(rgb).shape == (*leading, 1)
    assert color.chroma(rgb).shape == (*leading, 2)
    assert color.picture(color.luma(rgb), color.chroma(rgb)).shape == (*leading, 3)
    assert color.delta_e_2000(color.rgb_to_lab(rgb), color.rgb_to_lab(rgb)).shape == leading
