"""Which image trains, validates or tests: stratified by class, near-duplicates on one side.

Knows arrays only; where the images come from is `sources`, what is kept of them is `pack`.
"""

from collections import defaultdict
from typing import Literal

import numpy as np

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")
SHARES = np.array([0.8, 0.1, 0.1])
MAX_BITS = 2
"""Images whose hashes differ in so many of 64 bits are near-duplicates."""

_LUMA = np.array([299, 587, 114], np.int64)
_IMAGES_AT_ONCE = 64
_PAIRS_AT_ONCE = 2**22


def split(labels: np.ndarray, groups: np.ndarray, seed: int) -> np.ndarray:
    """Assign each image to a part: 80/10/10 of each class and of all, as closely as the groups allow.

    A class of at least three groups has one in every part, whatever that does to the shares; classes with images to
    spare make up for it. The other groups are dealt class by class, largest first and in an order drawn from the seed
    among equals, each to the part that lacks most; what a class leaves lacking is carried to the next.

    Parameters
    ----------
    labels : int64 [n]
        Class of each image.
    groups : int64 [n]
        Group of each image. A group lies within one class and stays on one side.
    seed : int
        At least 0. Same arguments, same split.

    Returns
    -------
    int8 [n]
        Index into `PARTS`.

    Raises
    ------
    ValueError
        Where a group spans two classes.
    """
    rng = np.random.default_rng(seed)
    # Drawn for each image before anything depends on the groups: when one near-duplicate more is found, as may
    # happen at another image size, few images move and the rest of the split stays.
    keys = rng.random(len(labels))
    classes = rng.permutation(np.unique(labels))
    decks = _decks(labels, groups, keys)
    seats = [_seat(decks[label]) for label in classes]
    totals = np.array([sum(map(len, decks[label])) for label in classes], float)
    seated = np.array([[len(members) for members in seat] or [0, 0, 0] for seat in seats], float)

    codes = np.zeros(len(labels), np.int8)
    lacking = np.zeros(len(PARTS))
    for label, seat, quota, taken in zip(classes, seats, _quotas(totals, seated), seated, strict=True):
        for code, members in enumerate(seat):
            codes[members] = code
        lacking += quota - taken
        for members in decks[label][1:-2] if seat else decks[label]:
            code = int(np.argmax(lacking))
            codes[members] = code
            lacking[code] -= len(members)
    return codes


def complete(given: np.ndarray, dealt: np.ndarray) -> np.ndarray:
    """Keep a split that was given; of what it lacks, held out is what was dealt there of the images to train on.

    Parameters
    ----------
    given, dealt : int8 [n]
        Index into `PARTS`.

    Returns
    -------
    int8 [n]
        Index into `PARTS`.
    """
    codes = given.copy()
    for code in range(1, len(PARTS)):
        if code not in given:
            codes[(given == 0) & (dealt == code)] = code
    return codes


def _decks(labels: np.ndarray, groups: np.ndarray, keys: np.ndarray) -> dict[int, list[np.ndarray]]:
    """Each class's groups as arrays of image indices, largest first."""
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order])) + 1
    decks: dict[int, list[np.ndarray]] = defaultdict(list)
    for members in sorted(np.split(order, starts), key=lambda m: (-len(m), keys[m[:1]].tolist())):
        if len(members):
            if np.any(labels[members] != labels[members[0]]):
                raise ValueError(
                    f"group {groups[members[0]]} spans several classes, but must lie within one."
                )
            decks[labels[members[0]]].append(members)
    return decks


def _seat(deck: list[np.ndarray]) -> list[np.ndarray]:
    """Pick what puts a class into every part, in their order: the largest group trains, the smallest are held out."""
    return [deck[0], deck[-1], deck[-2]] if len(deck) >= len(PARTS) else []


def _quotas(totals: np.ndarray, seated: np.ndarray) -> np.ndarray:
    """Images that each class [c] should have in each part [c, 3], given those that sit there already [c, 3]."""
    held_out = seated[:, 1:]
    wanted = np.maximum(0, SHARES[1:] * totals[:, None] - held_out)
    spare = np.maximum(0, SHARES[1:] * totals.sum() - held_out.sum(axis=0))
    quotas = held_out + wanted * (spare / np.maximum(wanted.sum(axis=0), 1e-9)).clip(max=1)
    return np.column_stack([totals - quotas.sum(axis=1), quotas])


def near_duplicates(images: np.ndarray) -> np.ndarray:
    """Group the images that show the same photo: hashes within `MAX_BITS` bits, and chains of these.

    Parameters
    ----------
    images : uint8 [n, s, s, 3]
        RGB, s a multiple of 8.

    Returns
    -------
    int64 [n]
        Of each image the index of its group's first image: its own where it has no near-duplicate.
    """
    hashes = difference_hashes(images)
    parents = np.arange(len(images))

    def root(index: int) -> int:
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = parents[index]
        return index

    # Equal hashes first: a thousand copies of one photo would be half a million pairs.
    unique, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    parents[:] = first[inverse]
    step = max(1, _PAIRS_AT_ONCE // max(1, len(unique)))
    for start in range(0, len(unique), step):
        distances = np.bitwise_count(unique[start : start + step, None] ^ unique[None, start:])
        for left, right in np.argwhere(distances <= MAX_BITS):
            if left < right:
                roots = [root(first[start + index]) for index in (left, right)]
                parents[max(roots)] = min(roots)
    return np.array([root(index) for index in range(len(images))], np.int64)


def difference_hashes(images: np.ndarray) -> np.ndarray:
    """Difference hash (dHash) of uint8 [n, s, s, 3] as uint64 [n].

    A bit tells whether a cell of an 8 x 9 grid has a lower mean luma than its right neighbour.

    N. Krawetz, "Kind of Like That", 2013. In whole numbers, so that every machine finds the same hash.
    """
    size = images.shape[1]
    # Overlap of each pixel with each of nine cells along the width, in ninths of a pixel.
    ends = np.clip(9 * np.arange(1, size + 1)[:, None] - size * np.arange(9), 0, size)
    overlap = ends - np.clip(9 * np.arange(size)[:, None] - size * np.arange(9), 0, size)
    hashes = np.empty(len(images), np.uint64)
    for start in range(0, len(images), _IMAGES_AT_ONCE):
        block = images[start : start + _IMAGES_AT_ONCE]
        rows = block.reshape(len(block), 8, size // 8, size, 3).sum(axis=2, dtype=np.uint32)
        cells = (rows @ _LUMA) @ overlap
        bits = (cells[..., :-1] < cells[..., 1:]).reshape(len(block), 64)
        hashes[start : start + len(block)] = np.packbits(bits, axis=1).view(np.uint64)[:, 0]
    return hashes
