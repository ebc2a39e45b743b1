"""The order of trials at a rung, found when it is asked for.

With several objectives it is that of the Pareto levels, and within a level such that the places there are spread over
it; with one objective a level holds what is equal. On a par are equal vectors alone.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from results.pareto import levels

Vector = tuple[float, ...]
"""Values of a trial, finite, one an objective; lower is better."""
Mask = npt.NDArray[np.bool_]


def is_among_best(vectors: Sequence[Vector], place: int, places: int) -> bool:
    """Whether fewer than so many vectors are strictly better than the one at a place."""
    level = levels(np.array(vectors))
    before = int((level < level[place]).sum())
    beside = [vector for vector, own in zip(vectors, level, strict=True) if own == level[place]]
    if before >= places or before + len(beside) <= places:
        return before < places
    for other in spread(list(set(beside))):
        if other == vectors[place] or before >= places:
            break
        before += beside.count(other)
    return before < places


def next_waiting(vectors: Sequence[Vector], waits: Mask, places: int) -> int | None:
    """The place of the best vector that waits, if it is among so many best.

    Of equal ones those that do not wait come first, and of those that do the first.
    """
    if not waits.any():
        return None
    level = levels(np.array(vectors))
    best = level[waits].min()
    if int((~waits & (level <= best)).sum()) >= places:
        return None
    beside = np.flatnonzero(level == best).tolist()
    waiting = [vectors[place] for place in beside if waits[place]]
    chosen = farthest(waiting, taken=[vectors[place] for place in beside if not waits[place]])
    return next(place for place in beside if waits[place] and vectors[place] == chosen)


def spread(vectors: Sequence[Vector]) -> Iterator[Vector]:
    """Order distinct vectors so that each beginning of the order is spread over all of them.

    The first is the lowest in the first objective; each one after it is the farthest from those before, by Euclidean
    distance with every objective scaled to the vectors' range (Schmucker et al. 2021, "Multi-objective asynchronous
    successive halving"; Clarkson 2006, "Nearest-neighbor searching and metric space dimensions", for the greedy
    epsilon-net). Where two are equally far, the lexicographically lower comes first, so the order depends on
    nothing but the set.
    """
    ordered = sorted(vectors)
    points = _scaled(ordered)
    nearest = np.full(len(points), np.inf)
    index = 0
    for _ in ordered:
        yield ordered[index]
        offsets = points - points[index]
        nearest = np.minimum(nearest, np.einsum("ij,ij->i", offsets, offsets))
        nearest[index] = -1
        index = int(nearest.argmax())


def farthest(vectors: Sequence[Vector], taken: Sequence[Vector]) -> Vector:
    """Give the vector that is the farthest from those taken, as `spread` measures it over both.

    With nothing taken that is the lowest in the first objective.
    """
    ordered = sorted(vectors)
    points = _scaled([*ordered, *taken])
    nearest = np.full(len(ordered), np.inf)
    # One after the other: the table of all distances may be large.
    for other in points[len(ordered) :]:
        offsets = points[: len(ordered)] - other
        nearest = np.minimum(nearest, np.einsum("ij,ij->i", offsets, offsets))
    return ordered[int(nearest.argmax())]


def _scaled(vectors: Sequence[Vector]) -> npt.NDArray[np.float64]:
    """Float64 `[n, objectives]` with a range of 1 in each objective in which they differ."""
    points = np.array(vectors)
    extent = np.ptp(points, axis=0)
    return np.asarray(points / np.where(extent > 0, extent, 1))
