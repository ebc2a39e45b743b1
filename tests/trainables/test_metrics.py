"""The numbers a trial reports: known values, what each sees and what it is blind to."""

import math
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from trainables import color
from trainables.features import FeatureExtractor
from trainables.metrics import METRICS, PSNR_CEILING, Evaluator, MetricsError, baselines

WITHOUT_KID = tuple(name for name in METRICS if name != "val_kid")


def painted(count: int, size: int) -> np.ndarray:
    """Photo-like pictures: a soft background, a bird-like blob of another colour, and grain."""
    rng = np.random.default_rng(5)
    across = np.linspace(-1, 1, size)
    pictures = []
    for _ in range(count):
        coarse = Image.fromarray(rng.integers(40, 220, (3, 3, 3), dtype=np.uint8))
        background = np.asarray(coarse.resize((size, size), Image.Resampling.BICUBIC), float)
        x, y = rng.uniform(-0.4, 0.4, 2)
        blob = (across - x) ** 2 + (across[:, None] - y) ** 2 < rng.uniform(0.1, 0.3)
        image = np.where(blob[..., None], rng.integers(0, 256, 3), background)
        pictures.append(image + rng.normal(0, 6, (size, size, 1)))
    return np.stack(pictures).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def made() -> np.ndarray:
    return painted(40, 32)


@pytest.fixture(scope="module")
def photos(uk_garden_birds: Path) -> np.ndarray:
    """Five photos of each of the 20 species at 64 pixels."""
    files = [
        file
        for species in sorted((uk_garden_birds / "withBackground").iterdir())
        for file in sorted(species.glob("*.jpg"))[::12][:5]
    ]
    return np.stack([np.asarray(Image.open(file).convert("RGB").resize((64, 64))) for file in files])


@pytest.fixture(scope="module", params=["made", "photos"])
def truth(request: pytest.FixtureRequest) -> np.ndarray:
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def features(mobilenet_weights: Path) -> FeatureExtractor:
    return FeatureExtractor(mobilenet_weights)


def recoloured(
    truth: np.ndarray, *, saturation: float = 1, turn: float = 0, roll: int = 0, noise: float = 0
) -> tf.Tensor:
    """The photos with their luma kept and their chroma scaled, turned by degrees, swapped or made noisy."""
    rgb = tf.cast(truth, tf.float32) / 255
    cos, sin = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    chroma = saturation * tf.roll(color.chroma(rgb), roll, axis=0) @ tf.constant([[cos, sin], [-sin, cos]])
    grain = tf.random.Generator.from_seed(0).normal(chroma.shape, stddev=noise)
    return color.picture(color.luma(rgb), chroma + grain)


def plain(rgb: tuple[int, int, int], count: int = 2) -> np.ndarray:
    return np.broadcast_to(np.array(rgb, np.uint8), (count, 32, 32, 3)).copy()


def lab(rgb: tuple[int, int, int]) -> np.ndarray:
    return color.rgb_to_lab(tf.constant(rgb, tf.float32) / 255).numpy()


def test_the_names_are_those_of_the_design_in_its_order(made: np.ndarray) -> None:
    assert METRICS == (
        "val_delta_e",
        "val_swd",
        "val_colorfulness_gap",
        "val_chroma_error",
        "val_kid",
        "val_l1",
        "val_psnr",
        "val_ssim",
    )
    measured = Evaluator(made, seed=0)(made)
    assert tuple(measured) == WITHOUT_KID
    assert all(type(value) is float for value in measured.values())


def test_the_photos_themselves_have_no_error_at_all(truth: np.ndarray) -> None:
    measured = Evaluator(truth, seed=0)(truth)
    assert measured["val_ssim"] == pytest.approx(1, abs=1e-5)
    assert measured["val_psnr"] == pytest.approx(PSNR_CEILING)
    assert all(measured[name] == 0 for name in WITHOUT_KID if name not in ("val_ssim", "val_psnr"))


def test_floats_are_measured_as_the_uint8_picture_they_become(made: np.ndarray) -> None:
    evaluate = Evaluator(made, seed=0)
    pictures = recoloured(made, turn=40)
    assert (
        evaluate(pictures) == evaluate(color.to_uint8(pictures)) == evaluate(pictures.numpy().astype(float))
    )
    barely_off = (made + 0.4 / 255 * 0.9) / 255
    assert evaluate(barely_off.clip(0, 1)) == evaluate(made)


def test_a_seed_gives_the_same_numbers_and_another_seed_moves_only_the_sliced_distance(
    made: np.ndarray,
) -> None:
    pictures = recoloured(made, saturation=0.5)
    first, again, other = (Evaluator(made, seed=seed)(pictures) for seed in (1, 1, 2))
    assert first == again
    assert [name for name in WITHOUT_KID if first[name] != other[name]] == ["val_swd"]
    # Orthogonal projections: the standard deviation over seeds is about 1 %, that of independent ones 5 %.
    assert first["val_swd"] == pytest.approx(other["val_swd"], rel=0.06)


def test_errors_of_two_plain_colours_are_the_textbook_ones() -> None:
    true, own = (90, 120, 60), (140, 100, 80)
    step = lab(own) - lab(true)
    measured = Evaluator(plain(true), seed=0)(plain(own))
    delta_e = color.delta_e_2000(tf.constant(lab(own)), tf.constant(lab(true)))
    assert measured["val_delta_e"] == pytest.approx(float(delta_e), rel=1e-4)
    assert measured["val_chroma_error"] == pytest.approx(math.hypot(step[1], step[2]), rel=1e-4)
    assert measured["val_l1"] == pytest.approx(2 * (50 + 20 + 20) / 3 / 255, rel=1e-4)
    assert measured["val_psnr"] == pytest.approx(10 * math.log10(255**2 * 3 / (50**2 + 2 * 20**2)), rel=1e-4)
    # Without structure SSIM is its luminance term, (2ab + c) / (a^2 + b^2 + c) with c = (0.01 * 255)^2.
    terms = [(2 * a * b + 2.55**2) / (a**2 + b**2 + 2.55**2) for a, b in zip(true, own, strict=True)]
    assert measured["val_ssim"] == pytest.approx(np.mean(terms), rel=1e-4)


def test_the_colorfulness_of_a_plain_colour_is_three_tenths_of_its_opponent_vector() -> None:
    red, green, blue = 200, 120, 40
    measured = Evaluator(plain((90, 90, 90)), seed=0)(plain((red, green, blue)))
    opponent = math.hypot(red - green, (red + green) / 2 - blue)
    assert measured["val_colorfulness_gap"] == pytest.approx(0.3 * opponent, rel=1e-4)


def test_the_colorfulness_of_stripes_counts_their_deviation() -> None:
    stripes = plain((120, 120, 120))
    stripes[:, ::2] = (150, 90, 120)
    stripes[:, 1::2] = (90, 150, 120)
    measured = Evaluator(plain((90, 90, 90)), seed=0)(stripes)
    assert measured["val_colorfulness_gap"] == pytest.approx(60, rel=1e-4)


def test_a_shift_of_all_pixels_gives_the_sliced_distance_of_its_projected_length() -> None:
    true, own = (90, 120, 60), (140, 100, 80)
    shift = np.linalg.norm(lab(own) - lab(true))
    distances = [Evaluator(plain(true), seed=seed)(plain(own))["val_swd"] for seed in range(5)]
    # A unit vector's 75 entries against 25 equal pixels: E|N(0, 1)| * 5 / sqrt(75). Ten of 256 projections' 1 %.
    assert np.mean(distances) == pytest.approx(math.sqrt(2 / math.pi) * 5 / math.sqrt(75) * shift, rel=0.03)


def test_the_sliced_distance_compares_sets_and_not_pairs(made: np.ndarray) -> None:
    swapped = Evaluator(made, seed=0)(made[::-1])
    gray = Evaluator(made, seed=0)(recoloured(made, saturation=0))
    assert swapped["val_swd"] < gray["val_swd"] / 2
    assert swapped["val_delta_e"] > gray["val_delta_e"]
    assert swapped["val_colorfulness_gap"] == pytest.approx(0, abs=1e-4)


def test_the_sliced_distance_grows_as_colours_fade_or_glow(truth: np.ndarray) -> None:
    evaluate = Evaluator(truth, seed=0)
    faded = [evaluate(recoloured(truth, saturation=s))["val_swd"] for s in (1, 0.75, 0.5, 0.25, 0)]
    glowing = [evaluate(recoloured(truth, saturation=s))["val_swd"] for s in (1, 1.25, 1.5)]
    assert faded == sorted(faded)
    assert glowing == sorted(glowing)
    assert faded[2] > 5 * faded[0]


def test_the_sliced_distance_grows_as_hues_turn_while_colorfulness_hardly_does(truth: np.ndarray) -> None:
    evaluate = Evaluator(truth, seed=0)
    turned = [evaluate(recoloured(truth, turn=degrees)) for degrees in (0, 20, 60, 180)]
    distances = [measured["val_swd"] for measured in turned]
    assert distances == sorted(distances)
    assert distances[1] > 5 * distances[0]
    gray = evaluate(recoloured(truth, saturation=0))
    assert turned[1]["val_colorfulness_gap"] < 0.05 * gray["val_colorfulness_gap"]


def test_on_photos_the_metrics_order_chroma_faults_as_documented(photos: np.ndarray) -> None:
    evaluate = Evaluator(photos, seed=0)
    gray = evaluate(recoloured(photos, saturation=0))
    misplaced = evaluate(recoloured(photos, roll=1))
    inverted = evaluate(recoloured(photos, turn=180))
    noisy = evaluate(recoloured(photos, noise=8 / 255))
    assert misplaced["val_swd"] < 0.35 * gray["val_swd"] < gray["val_swd"] < inverted["val_swd"]
    assert noisy["val_swd"] < misplaced["val_swd"]
    assert gray["val_delta_e"] < misplaced["val_delta_e"] < inverted["val_delta_e"]
    # A hundred photos: gray's CIEDE2000 has a standard error of 0.7, its sliced distance of 0.4.
    assert gray["val_delta_e"] == pytest.approx(11.7, abs=2)
    assert gray["val_swd"] == pytest.approx(6.1, abs=1.2)
    assert gray["val_l1"] == pytest.approx(0.112, abs=0.02)
    assert gray["val_psnr"] == pytest.approx(22.8, abs=1.5)
    assert gray["val_ssim"] == pytest.approx(0.93, abs=0.02)


def test_sets_of_more_than_one_batch_are_measured_whole(made: np.ndarray) -> None:
    pictures = recoloured(made, turn=90)
    whole = Evaluator(made, seed=0)(pictures)
    parts = [Evaluator(made[rows], seed=0)(pictures[rows]) for rows in (slice(0, 7), slice(7, 40))]
    for name in ("val_delta_e", "val_chroma_error", "val_l1", "val_psnr", "val_ssim"):
        assert whole[name] == pytest.approx((7 * parts[0][name] + 33 * parts[1][name]) / 40, rel=1e-5)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_one_bad_value_makes_every_metric_nan(made: np.ndarray, value: float) -> None:
    pictures = recoloured(made, saturation=0.9).numpy()
    pictures[-1, 0, 31, 2] = value
    measured = Evaluator(made, seed=0)(pictures)
    assert tuple(measured) == WITHOUT_KID
    assert all(math.isnan(number) for number in measured.values())


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        (np.zeros((39, 32, 32, 3), np.uint8), r"\[39, 32, 32, 3\].*\[40, 32, 32, 3\].*one picture for each"),
        (np.zeros((40, 32, 32, 1), np.uint8), r"\[40, 32, 32, 1\]"),
        (np.zeros((32, 32, 3), np.uint8), r"\[32, 32, 3\]"),
        (np.zeros((40, 32, 32, 3), np.int64), "int64.*uint8 or floats"),
        (np.full((40, 32, 32, 3), -1.0), r"from -1 to -1.*0\.\.1"),
        (np.full((40, 32, 32, 3), 255.0), r"255.*0\.\.1"),
    ],
)
def test_pictures_of_another_shape_type_or_range_are_refused(
    made: np.ndarray, pictures: np.ndarray, message: str
) -> None:
    with pytest.raises(MetricsError, match=message):
        Evaluator(made, seed=0)(pictures)


@pytest.mark.parametrize(
    ("photos", "message"),
    [
        (np.zeros((4, 32, 32, 3), np.float32), "float32.*uint8"),
        (np.zeros((4, 32, 48, 3), np.uint8), r"\[4, 32, 48, 3\]"),
        (np.zeros((0, 32, 32, 3), np.uint8), r"\[0, 32, 32, 3\]"),
        (np.zeros((4, 16, 16, 3), np.uint8), "16 pixels a side.*20 or more"),
    ],
)
def test_photos_of_another_shape_or_type_are_refused(photos: np.ndarray, message: str) -> None:
    with pytest.raises(MetricsError, match=message):
        Evaluator(photos, seed=0)


def test_the_baselines_are_measured_as_any_pictures_are(truth: np.ndarray) -> None:
    scores = baselines(truth, seed=3)
    assert list(scores) == ["gray", "mean chroma"]
    assert scores["gray"] == Evaluator(truth, seed=3)(recoloured(truth, saturation=0))
    for name in ("val_delta_e", "val_swd", "val_chroma_error", "val_l1"):
        assert scores["mean chroma"][name] < scores["gray"][name]


def test_the_baselines_have_a_kernel_distance_where_there_are_features(
    made: np.ndarray, features: FeatureExtractor
) -> None:
    scores = baselines(made[:6], seed=0, features=features)
    assert tuple(scores["gray"]) == tuple(scores["mean chroma"]) == METRICS


def test_the_mean_chroma_baseline_is_perfect_for_plain_pictures() -> None:
    scores = baselines(plain((140, 100, 80)), seed=0)
    assert scores["mean chroma"]["val_psnr"] == pytest.approx(PSNR_CEILING)
    assert scores["gray"]["val_psnr"] < 30


def test_the_kernel_distance_is_the_formula_over_unequal_pairs(
    made: np.ndarray, features: FeatureExtractor
) -> None:
    pictures = color.to_uint8(recoloured(made, turn=90)).numpy()[:6]
    own, true = (features(tf.cast(x, tf.float32) / 255).numpy().astype(float) for x in (pictures, made[:6]))
    varies = true.std(axis=0) > 1e-6
    own, true = (
        ((x - true.mean(axis=0)) / np.where(varies, true.std(axis=0), 1))[:, varies] for x in (own, true)
    )

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return (x @ y / len(x) + 1) ** 3

    pairs = [(i, j) for i in range(6) for j in range(6) if i != j]
    expected = np.mean(
        [kernel(own[i], own[j]) + kernel(true[i], true[j]) - 2 * kernel(own[i], true[j]) for i, j in pairs]
    )
    measured = Evaluator(made[:6], seed=0, features=features)(pictures)
    assert tuple(measured) == METRICS
    assert measured["val_kid"] == pytest.approx(expected, rel=1e-4)


def test_no_picture_is_compared_with_its_own_original(made: np.ndarray, features: FeatureExtractor) -> None:
    evaluate = Evaluator(made[:12], seed=0, features=features)
    assert evaluate(made[:12])["val_kid"] == pytest.approx(0, abs=1e-9)
    # Out of order, each picture does meet its original, and the estimate drops far below zero.
    assert evaluate(made[11::-1])["val_kid"] < -0.5


def test_on_photos_the_kernel_distance_sees_noise_and_gray_and_forgives_saturation(
    photos: np.ndarray, features: FeatureExtractor
) -> None:
    evaluate = Evaluator(photos[::2], seed=0, features=features)
    fade, gray, noisy = (
        evaluate(recoloured(photos[::2], **fault))["val_kid"]
        for fault in ({"saturation": 0.75}, {"saturation": 0}, {"noise": 8 / 255})
    )
    assert 0 < fade < 0.1 < gray < noisy


def test_the_kernel_distance_needs_two_photos_to_make_a_pair(
    made: np.ndarray, features: FeatureExtractor
) -> None:
    with pytest.raises(MetricsError, match="single photo"):
        Evaluator(made[:1], seed=0, features=features)


def test_the_kernel_distance_of_nan_pictures_is_nan(made: np.ndarray, features: FeatureExtractor) -> None:
    measured = Evaluator(made[:3], seed=0, features=features)(np.full((3, 32, 32, 3), math.nan, np.float32))
    assert tuple(measured) == METRICS
    assert math.isnan(measured["val_kid"])


def drawn(count: int, resamples: int) -> np.ndarray:
    return np.random.default_rng(8).multinomial(count, [1 / count] * count, size=resamples)


def test_a_resample_of_every_photo_once_has_the_numbers_of_the_whole(
    made: np.ndarray, features: FeatureExtractor
) -> None:
    evaluate = Evaluator(made, seed=0, features=features)
    pictures = recoloured(made, saturation=0.6, noise=8 / 255)
    resampled = evaluate.resampled(pictures, np.ones((3, 40), int))
    assert tuple(resampled) == METRICS
    for name, value in evaluate(pictures).items():
        assert resampled[name].dtype == np.float64
        assert resampled[name] == pytest.approx([value] * 3, rel=1e-6)


def test_a_resample_has_the_means_of_a_set_that_repeats_its_photos(made: np.ndarray) -> None:
    truth, pictures = made[:7], color.to_uint8(recoloured(made[:7], turn=50)).numpy()
    draws = drawn(7, 5)
    resampled = Evaluator(truth, seed=0).resampled(pictures, draws)
    for resample, counts in enumerate(draws):
        rows = np.repeat(np.arange(7), counts)
        repeated = Evaluator(truth[rows], seed=0)(pictures[rows])
        for name in set(WITHOUT_KID) - {"val_swd"}:
            assert resampled[name][resample] == pytest.approx(repeated[name], rel=1e-5), name


def test_a_resample_has_the_sliced_distance_of_a_set_that_repeats_its_photos() -> None:
    """Of plain photos, whose patches are the same at all places, since a set that repeats them draws others."""
    rng = np.random.default_rng(3)
    truth, pictures = np.broadcast_to(
        rng.integers(256, size=(2, 9, 1, 1, 3), dtype=np.uint8), (2, 9, 20, 20, 3)
    )
    # More than are worked on at a time.
    draws = drawn(9, 70)
    resampled = Evaluator(truth, seed=0).resampled(pictures, draws)["val_swd"]
    for resample in (0, 1, 31, 32, 69):
        rows = np.repeat(np.arange(9), draws[resample])
        repeated = Evaluator(truth[rows], seed=0)(pictures[rows])["val_swd"]
        assert resampled[resample] == pytest.approx(repeated, rel=1e-5)
    assert resampled.std() > 0.1 * resampled.mean()


def test_a_resample_has_the_kernel_distance_over_pairs_of_unlike_photos(
    made: np.ndarray, features: FeatureExtractor
) -> None:
    pictures = color.to_uint8(recoloured(made, turn=90)).numpy()[:6]
    own, true = (features(tf.cast(x, tf.float32) / 255).numpy().astype(float) for x in (pictures, made[:6]))
    varies = true.std(axis=0) > 1e-6
    own, true = ((x - true.mean(axis=0))[:, varies] / true.std(axis=0)[varies] for x in (own, true))

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return (x @ y / len(x) + 1) ** 3

    photos = [0, 1, 1, 3, 3, 3]
    pairs = [(i, j) for i in photos for j in photos if i != j]
    expected = np.mean(
        [kernel(own[i], own[j]) + kernel(true[i], true[j]) - 2 * kernel(own[i], true[j]) for i, j in pairs]
    )
    evaluate = Evaluator(made[:6], seed=0, features=features)
    resampled = evaluate.resampled(pictures, np.array([[1, 2, 0, 3, 0, 0], [0, 0, 6, 0, 0, 0]]))
    assert resampled["val_kid"][0] == pytest.approx(expected, rel=1e-4)
    assert math.isnan(resampled["val_kid"][1]), "one photo alone makes no pair"
    assert all(np.isfinite(resampled[name]).all() for name in WITHOUT_KID)


def test_photos_that_are_not_drawn_have_no_say(made: np.ndarray) -> None:
    draws = np.repeat([[2, 0]], 20, axis=1)
    pictures = color.to_uint8(recoloured(made, saturation=0.5)).numpy()
    others = np.concatenate([pictures[:20], np.zeros_like(pictures[20:])])
    evaluate = Evaluator(made, seed=0)
    whole, changed = evaluate(pictures), evaluate(others)
    resampled, again = evaluate.resampled(pictures, draws), evaluate.resampled(others, draws)
    for name in WITHOUT_KID:
        assert whole[name] != pytest.approx(changed[name], rel=0.01)
        assert resampled[name] == pytest.approx(again[name], rel=1e-5)


def test_the_photos_themselves_have_no_error_on_any_resample(truth: np.ndarray) -> None:
    resampled = Evaluator(truth, seed=0).resampled(truth, drawn(len(truth), 4))
    assert resampled["val_ssim"] == pytest.approx(np.ones(4), abs=1e-5)
    assert resampled["val_psnr"] == pytest.approx(np.full(4, PSNR_CEILING))
    assert all(not resampled[name].any() for name in WITHOUT_KID if name not in ("val_ssim", "val_psnr"))


def test_resamples_lie_around_the_value_of_the_whole(photos: np.ndarray) -> None:
    evaluate = Evaluator(photos, seed=0)
    pictures = recoloured(photos, saturation=0.5)
    resampled = evaluate.resampled(pictures, drawn(100, 50))
    for name, value in evaluate(pictures).items():
        # A mean of 50 is a seventh of their deviation off; four of these, and the bias of a distance of sets.
        assert resampled[name].mean() == pytest.approx(value, abs=0.8 * resampled[name].std())
        assert 0 < resampled[name].std() < 0.2 * value


def test_pictures_with_a_bad_value_are_nan_on_every_resample(made: np.ndarray) -> None:
    pictures = recoloured(made, saturation=0.9).numpy()
    pictures[3, 0, 31, 2] = math.nan
    resampled = Evaluator(made, seed=0).resampled(pictures, drawn(40, 2))
    assert tuple(resampled) == WITHOUT_KID
    assert all(values.shape == (2,) and np.isnan(values).all() for values in resampled.values())


@pytest.mark.parametrize(
    ("draws", "message"),
    [
        (np.ones((2, 39), int), r"int64 \[2, 39\].*integers \[b, 40\].*one row for each"),
        (np.ones(40, int), r"int64 \[40\].*integers \[b, 40\]"),
        (np.ones((2, 40)), r"float64 \[2, 40\].*integers \[b, 40\]"),
        (np.repeat([[1], [2]], 40, axis=1), "sum to 40 to 80.*sum to 40, the number of photos.*multinomial"),
        (np.array([[3, -1] + [1] * 38]), "down to -1.*0 or more"),
    ],
)
def test_draws_of_another_shape_type_or_sum_are_refused(
    made: np.ndarray, draws: np.ndarray, message: str
) -> None:
    with pytest.raises(MetricsError, match=message):
        Evaluator(made, seed=0).resampled(made, draws)


def test_resamples_refuse_pictures_as_a_call_does(made: np.ndarray) -> None:
    with pytest.raises(MetricsError, match=r"\[39, 32, 32, 3\].*one picture for each"):
        Evaluator(made, seed=0).resampled(made[:39], drawn(40, 2))
