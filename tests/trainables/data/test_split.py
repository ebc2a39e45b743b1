from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from trainables.data.split import PARTS, difference_hashes, near_duplicates, split

TRAIN, VALIDATION, TEST = range(3)


def counted(codes: np.ndarray) -> list[int]:
    return np.bincount(codes, minlength=len(PARTS)).tolist()


def classes_of_groups(sizes: list[list[int]], order: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Labels and groups, shuffled, of classes whose groups have these sizes."""
    labels = np.repeat(np.arange(len(sizes)), [sum(of_class) for of_class in sizes])
    flat = [size for of_class in sizes for size in of_class]
    shuffled = order.permutation(len(labels))
    return labels[shuffled], np.repeat(np.arange(len(flat)), flat)[shuffled]


data_sets = st.builds(
    classes_of_groups,
    st.lists(
        st.lists(st.sampled_from([1, 1, 1, 1, 2, 3, 9]), min_size=1, max_size=40), min_size=1, max_size=8
    ),
    st.integers(0, 99).map(np.random.default_rng),
)


@settings(deadline=None)
@given(data_sets, st.integers(0, 2**32))
def test_a_group_is_never_divided(data: tuple[np.ndarray, np.ndarray], seed: int) -> None:
    labels, groups = data
    codes = split(labels, groups, seed)
    assert codes.dtype == np.int8
    for group in np.unique(groups):
        assert len(np.unique(codes[groups == group])) == 1


@settings(deadline=None)
@given(data_sets, st.integers(0, 2**32))
def test_a_class_of_three_groups_or_more_is_in_every_part(
    data: tuple[np.ndarray, np.ndarray], seed: int
) -> None:
    labels, groups = data
    codes = split(labels, groups, seed)
    for label in np.unique(labels):
        if len(np.unique(groups[labels == label])) >= 3:
            assert min(counted(codes[labels == label])) > 0


@settings(deadline=None)
@given(data_sets, st.integers(0, 2**32))
def test_the_same_seed_gives_the_same_split(data: tuple[np.ndarray, np.ndarray], seed: int) -> None:
    np.testing.assert_array_equal(split(*data, seed), split(*data, seed))


@settings(deadline=None)
@given(st.lists(st.integers(1, 300), min_size=1, max_size=12), st.integers(0, 2**32))
def test_without_duplicates_the_shares_are_met_to_the_image_unless_small_classes_take_more(
    sizes: list[int], seed: int
) -> None:
    labels = np.repeat(np.arange(len(sizes)), sizes)
    codes = split(labels, np.arange(len(labels)), seed)
    seats = sum(size >= 3 for size in sizes)
    for part in (VALIDATION, TEST):
        assert abs(counted(codes)[part] - max(0.1 * len(labels), seats)) <= 1
    # A class gives less than its tenth only to make up for small ones that had to give more.
    excess = sum(max(0, 1 - 0.1 * size) for size in sizes if size >= 3)
    for label, size in enumerate(sizes):
        for part in (VALIDATION, TEST):
            share = counted(codes[labels == label])[part]
            assert 0.1 * size - excess - 1.5 <= share <= max(1, 0.1 * size + 1.5)


@settings(deadline=None)
@given(data_sets, st.integers(0, 2**32))
def test_groups_put_the_shares_off_by_the_largest_at_most(
    data: tuple[np.ndarray, np.ndarray], seed: int
) -> None:
    labels, groups = data
    codes = split(labels, groups, seed)
    held_out_at_least = 0
    for label in np.unique(labels):
        sizes = np.sort(np.unique(groups[labels == label], return_counts=True)[1])
        held_out_at_least += sizes[1] if len(sizes) >= 3 else 0
    largest = np.bincount(groups).max()
    for part in (VALIDATION, TEST):
        assert counted(codes)[part] <= max(0.1 * len(labels), held_out_at_least) + largest
        assert counted(codes)[part] >= 0.1 * len(labels) - largest


def test_many_classes_of_one_image_are_split_as_a_whole() -> None:
    assert counted(split(np.arange(100), np.arange(100), seed=0)) == [80, 10, 10]


def test_large_classes_make_up_for_small_ones() -> None:
    labels = np.repeat(np.arange(51), [3] * 50 + [1000])
    codes = split(labels, np.arange(len(labels)), seed=0)
    assert counted(codes) == [920, 115, 115]
    assert counted(codes[labels == 0]) == [1, 1, 1]


def test_a_large_group_trains() -> None:
    groups = np.r_[np.zeros(60, int), np.arange(1, 41)]
    codes = split(np.zeros(100, int), groups, seed=0)
    assert codes[0] == TRAIN
    assert counted(codes) == [80, 10, 10]


def test_another_seed_gives_another_split_and_every_image_its_turn_to_test() -> None:
    labels = np.repeat([0, 1], 50)
    codes = np.array([split(labels, np.arange(100), seed) for seed in range(200)])
    often = (codes == TEST).sum(axis=0)
    # Binomial(200, 0.1): mean 20, standard deviation 4.2; of 100 images none lies 4.5 of these away.
    assert often.min() >= 2
    assert often.max() <= 39


def test_one_duplicate_more_moves_few_images() -> None:
    labels = np.repeat(np.arange(20), 100)
    groups = np.arange(2000)
    before = split(labels, groups, seed=1)
    groups[1003] = 1001
    assert np.mean(before != split(labels, groups, seed=1)) < 0.03


def test_another_seed_holds_out_other_classes_where_each_has_one_image() -> None:
    labels = np.arange(30)
    codes = np.array([split(labels, labels, seed) for seed in range(50)])
    # Binomial(50, 0.2): mean 10, standard deviation 2.8; of 30 classes none lies 3.5 of these away.
    often = (codes != TRAIN).sum(axis=0)
    assert often.min() >= 1
    assert often.max() <= 20


def test_a_group_across_classes_is_refused() -> None:
    with pytest.raises(ValueError, match="group 7 spans several classes"):
        split(np.array([0, 1, 1]), np.array([7, 7, 8]), seed=0)


def noise(count: int, seed: int = 0) -> np.ndarray:
    """Pictures that differ in about half the bits of their hashes."""
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    return coarse.repeat(8, axis=1).repeat(8, axis=2)


def drawn(cells: np.ndarray) -> np.ndarray:
    """A picture of 8 x 9 plain cells."""
    return np.asarray(Image.fromarray(cells).resize((72, 72), Image.Resampling.NEAREST).convert("RGB"))


def test_a_hash_has_the_bit_of_each_cell_that_is_darker_than_its_right_neighbour() -> None:
    cells = np.zeros((8, 9), np.uint8)
    cells[2, 3] = 200
    (found,) = np.unpackbits(difference_hashes(drawn(cells)[None]).view(np.uint8)).reshape(-1, 8, 8)
    assert np.argwhere(found).tolist() == [[2, 2]]


def test_a_hash_weighs_colours_as_eyes_do() -> None:
    darker_to_lighter = [[0, 0, 255], [255, 0, 0], [0, 255, 0]]
    cells = np.zeros((8, 9, 3), np.uint8)
    cells[0, :3] = darker_to_lighter
    cells[1, :3] = darker_to_lighter[::-1]
    bits = np.unpackbits(difference_hashes(drawn(cells)[None]).view(np.uint8)).reshape(8, 8)
    assert bits[:2, :2].tolist() == [[1, 1], [0, 0]]


@pytest.mark.parametrize("size", [32, 64, 128])
def test_shrinking_recompressing_and_brightening_keep_the_hash(size: int, uk_garden_birds: Path) -> None:
    photos = sorted(uk_garden_birds.glob("withBackground/*/(1).jpg"))
    original, changed = [], []
    for path in photos:
        with Image.open(path) as image:
            original.append(np.asarray(image.convert("RGB").resize((size, size), Image.Resampling.LANCZOS)))
            smaller = image.convert("RGB").resize((100, 100)).resize((size, size))
            changed.append(np.asarray(smaller.point(lambda value: int(value * 0.9 + 10))))
    bits = np.bitwise_count(difference_hashes(np.array(original)) ^ difference_hashes(np.array(changed)))
    assert np.median(bits) <= 2


def test_near_duplicates_share_a_group_and_others_have_their_own() -> None:
    images = noise(11)
    images[7] = np.clip(images[2].astype(int) + 3, 0, 255)
    images[9] = images[4]
    images[10] = images[8]
    assert near_duplicates(images).tolist() == [0, 1, 2, 3, 4, 5, 6, 2, 8, 4, 8]


def test_two_bits_of_the_hash_may_differ_but_not_three() -> None:
    cells = np.full((3, 8, 9), 100, np.uint8)
    cells[1, :2, 4] = 200
    cells[2, 2:5, 4] = 200
    images = np.array([drawn(cell) for cell in cells])
    hashes = difference_hashes(images)
    assert np.bitwise_count(hashes[0] ^ hashes[1:]).tolist() == [2, 3]
    assert near_duplicates(images).tolist() == [0, 0, 2]


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [0, 3, 1, 2], [3, 0, 2, 1]])
def test_chains_of_near_duplicates_are_one_group(order: list[int]) -> None:
    cells = np.full((4, 8, 9), 100, np.uint8)
    for step in range(1, 4):  # each differs from the one before in two bits, the first from the last in six
        cells[step] = cells[step - 1]
        cells[step, step, ::4] = [90, 80, 70]
    grays = [
        Image.fromarray(cell).resize((72, 72), Image.Resampling.NEAREST).convert("RGB") for cell in cells
    ]
    images = np.array([np.asarray(grays[index]) for index in order])
    hashes = difference_hashes(images[np.argsort(order)])
    assert np.bitwise_count(hashes[:-1] ^ hashes[1:]).tolist() == [2, 2, 2]
    assert near_duplicates(images).tolist() == [0, 0, 0, 0]


def test_copies_are_one_group_at_once() -> None:
    images = np.repeat(noise(2), 3000, axis=0)
    groups = near_duplicates(images)
    assert np.unique(groups).tolist() == [0, 3000]


def test_thousands_are_compared_in_blocks_that_miss_no_pair() -> None:
    images = noise(5000, seed=3)
    images[4990] = images[5]
    images[2500, :8, 56:] = 255 - images[2500, :8, 56:]
    images[10] = images[2500]
    images[10, :8, 56:] = 255 - images[10, :8, 56:]
    groups = near_duplicates(images)
    assert groups[4990] == 5
    assert groups[2500] == 10
    assert len(np.unique(groups)) == 4998


def test_the_real_photos_have_the_known_near_duplicates(uk_garden_birds: Path) -> None:
    paths = sorted(uk_garden_birds.glob("withBackground/*/*.jpg"))
    images = []
    for path in paths:
        with Image.open(path) as image:
            image.draft("RGB", (64, 64))
            images.append(np.asarray(image.convert("RGB").resize((64, 64))))
    hashes = difference_hashes(np.array(images))
    close = np.argwhere(np.triu(np.bitwise_count(hashes[:, None] ^ hashes) <= 2, k=1))
    assert 20 <= len(close) <= 30
    assert all(paths[left].parent == paths[right].parent for left, right in close)
