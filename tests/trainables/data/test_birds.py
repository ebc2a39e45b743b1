"""Drawn birds: repeatable, the same at any size, varied, and true to the colours of their species."""

import numpy as np
import pytest

from trainables.data.birds import SPECIES, draw_bird

DRAWS = 16


def draw(species: str, size: int, seed: int) -> np.ndarray:
    return draw_bird(species, size, np.random.default_rng([seed, SPECIES.index(species)]))


@pytest.fixture(scope="module")
def flocks() -> dict[str, np.ndarray]:
    """float64 [DRAWS, 48, 48, 3] of every species: the mean of 16 pictures evens out garden and light."""
    return {name: np.stack([draw(name, 48, seed) for seed in range(DRAWS)]).astype(float) for name in SPECIES}


def share_of(colour: str, pictures: np.ndarray) -> float:
    """The share of pixels that anyone would call by the colour's name, in the middle half, where the bird is."""
    red, green, blue = np.moveaxis(pictures[:, 12:36, 12:36], -1, 0)
    named = {
        "orange": (red > 170) & (red - green > 70) & (green - blue > 20),
        "red": (red > 150) & (red - green > 100) & (red - blue > 90),
        "yellow": (red > 150)
        & (green > 130)
        & (np.minimum(red, green) - blue > 85)
        & (abs(red - green) < 55),
        "blue": (blue - red > 75) & (blue > 120),
        "pink": (red > 150) & (red - green > 25) & (blue - green > -5) & (red - green < 90),
        "black": np.maximum(np.maximum(red, green), blue) < 62,
    }[colour]
    return float(named.mean())


def test_the_twenty_species_are_those_of_the_photo_data_set_in_its_order() -> None:
    assert " ".join(SPECIES) == (
        "House_Sparrow Bluetit Starling Wood_Pigeon Blackbird Robin Goldfinch Great_Tit Magpie Long_Tailed_Tit "
        "Chaffinch Dunnock Jackdaw Feral_Pigeon Collared_Dove Carrion_Crow Coal_Tit Greenfinch Wren Song_Thrush"
    )


@pytest.mark.parametrize("size", [32, 33, 64, 100, 256])
def test_a_picture_has_the_size_asked_for(size: int) -> None:
    picture = draw("Robin", size, 0)
    assert picture.shape == (size, size, 3)
    assert picture.dtype == np.uint8


def test_every_species_makes_a_colour_picture_with_darks_and_lights(flocks: dict[str, np.ndarray]) -> None:
    for name, pictures in flocks.items():
        assert (np.ptp(pictures, axis=(1, 2, 3)) > 120).all(), name
        assert (np.ptp(pictures, axis=-1).mean(axis=(1, 2)) > 5).all(), name


@pytest.mark.parametrize("species", SPECIES)
def test_the_same_seed_draws_the_same_picture(species: str) -> None:
    np.testing.assert_array_equal(draw(species, 40, 3), draw(species, 40, 3))


@pytest.mark.parametrize("species", SPECIES)
def test_a_bird_is_the_same_at_any_size(species: str) -> None:
    for seed in range(3):
        large = draw(species, 128, seed).astype(float)
        small = draw(species, 64, seed).astype(float)
        halved = large.reshape(64, 2, 64, 2, 3).mean(axis=(1, 3))
        # Other draws of the species correlate by 0.7 at the most, the same bird by 0.98 at the least.
        assert np.corrcoef(halved.ravel(), small.ravel())[0, 1] > 0.95


@pytest.mark.parametrize("species", SPECIES)
def test_a_draw_takes_as_much_from_the_generator_at_any_size(species: str) -> None:
    for seed in range(4):
        states = []
        for size in (32, 130):
            rng = np.random.default_rng(seed)
            draw_bird(species, size, rng)
            states.append(rng.bit_generator.state)
        assert states[0] == states[1]


@pytest.mark.parametrize("species", SPECIES)
def test_no_two_draws_of_a_species_are_alike(species: str, flocks: dict[str, np.ndarray]) -> None:
    pictures = flocks[species]
    for one in range(DRAWS):
        for other in range(one):
            assert np.abs(pictures[one] - pictures[other]).mean() > 8


@pytest.mark.parametrize(
    ("colour", "with_it", "without_it"),
    [
        ("orange", "Robin", "Dunnock"),
        ("red", "Goldfinch", "Wren"),
        ("yellow", "Goldfinch", "House_Sparrow"),
        ("yellow", "Bluetit", "Coal_Tit"),
        ("yellow", "Great_Tit", "Coal_Tit"),
        ("blue", "Bluetit", "Coal_Tit"),
        ("pink", "Long_Tailed_Tit", "Dunnock"),
        ("black", "Carrion_Crow", "Collared_Dove"),
        ("black", "Magpie", "Wood_Pigeon"),
        ("black", "Great_Tit", "Bluetit"),
    ],
)
def test_a_species_wears_the_colours_of_its_field_marks(
    colour: str, with_it: str, without_it: str, flocks: dict[str, np.ndarray]
) -> None:
    assert share_of(colour, flocks[with_it]) > 0.01
    assert share_of(colour, flocks[with_it]) > 1.5 * share_of(colour, flocks[without_it])


def test_gray_alone_tells_pale_birds_from_dark_ones(flocks: dict[str, np.ndarray]) -> None:
    def middle(name: str) -> float:
        return float((flocks[name][:, 16:32, 16:32] @ np.array([0.299, 0.587, 0.114])).mean())

    assert middle("Collared_Dove") > middle("Robin") > middle("Carrion_Crow")


def test_an_unknown_species_is_named_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"'Dodo', but must be one of .*Robin.*Song_Thrush"):
        draw_bird("Dodo", 64, np.random.default_rng(0))


def test_a_picture_too_small_for_a_bird_is_refused() -> None:
    with pytest.raises(ValueError, match=r"size is 31, .* take 32 or more"):
        draw_bird("Wren", 31, np.random.default_rng(0))
