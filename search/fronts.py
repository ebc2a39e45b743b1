"""Pareto levels of a set that grows: which vectors nothing dominates, which only those dominate, and so on.

A vector dominates another when it is nowhere higher and somewhere lower. Level 0 is what nothing dominates; a level
is what nothing dominates once all levels before it are taken away (non-dominated sorting, Goldberg 1989). `Fronts`
keeps the levels exact while vectors come and go, without sorting anew: a vector that comes pushes what it dominates
one level down, and that pushes in its turn (Li et al. 2017, "Efficient non-domination level update method for
steady-state evolutionary multiobjective optimization"). `spread` orders the vectors within a level.

Whole arrays that do not change are levelled by `results.pareto`.
"""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np

Vector = tuple[float, ...]
"""Values of a trial, finite, one an objective; lower is better."""


class Fronts:
    """A multiset of vectors by Pareto level; equal vectors share a level. Some may be marked.

    With two objectives a vector costs O(log n) for each level that it has an effect on, of which there are about
    2 sqrt(n) for n independent vectors; with more, a comparison with each member of those levels.

    Parameters
    ----------
    objectives
        Length of every vector, at least 2.
    """

    def __init__(self, objectives: int) -> None:
        self._new_front: Callable[[list[Vector]], _Front] = _Staircase if objectives == 2 else _Cloud
        self._fronts: list[_Front] = []
        self._counts: Counter[Vector] = Counter()
        self._marks: Counter[Vector] = Counter()
        self._sizes: list[int] = []
        self._marked_sizes: list[int] = []

    @property
    def sizes(self) -> Sequence[int]:
        """Number of vectors by level, equal ones counted each."""
        return self._sizes

    @property
    def marked_sizes(self) -> Sequence[int]:
        """Number of marked vectors by level."""
        return self._marked_sizes

    def count(self, vector: Vector) -> int:
        """Number of vectors that are equal to this one."""
        return self._counts[vector]

    def marked(self, vector: Vector) -> int:
        """Number of marked vectors that are equal to this one."""
        return self._marks[vector]

    def members(self, level: int) -> list[Vector]:
        """Distinct vectors of a level, in lexicographic order."""
        return self._fronts[level].members()

    def level_of(self, vector: Vector) -> int:
        """Level of a vector: of one that is not there, the level that it would have."""
        # What a front dominates, every front before it dominates as well.
        return bisect_left(self._fronts, True, key=lambda front: not front.dominates(vector))

    def add(self, vector: Vector) -> None:
        """Enter a vector, not marked."""
        level = self.level_of(vector)
        self._counts[vector] += 1
        if self._counts[vector] > 1:
            self._sizes[level] += 1
            return
        block, size, marked = [vector], 1, 0
        while block:
            if level == len(self._fronts):
                self._insert(level, block, size, marked)
                return
            pushed = self._fronts[level].exchange(block)
            if len(self._fronts[level]) == len(block):
                # All of the front was pushed, and with it goes, unchanged, everything after it.
                self._insert(level + 1, pushed, self._sizes[level], self._marked_sizes[level])
                self._sizes[level], self._marked_sizes[level] = size, marked
                return
            pushed_size, pushed_marked = self._weights(pushed)
            self._sizes[level] += size - pushed_size
            self._marked_sizes[level] += marked - pushed_marked
            block, size, marked, level = pushed, pushed_size, pushed_marked, level + 1

    def remove(self, vector: Vector) -> None:
        """Take away one vector that is there and not marked."""
        level = self.level_of(vector)
        self._counts[vector] -= 1
        self._sizes[level] -= 1
        if self._counts[vector]:
            return
        del self._counts[vector]
        block = [vector]
        self._fronts[level].remove(block)
        # What only the block dominated rises into the front that it left, and leaves a gap in its own.
        while len(self._fronts[level]) and level + 1 < len(self._fronts):
            above, front = self._fronts[level], self._fronts[level + 1]
            block = [member for member in front.beneath(block) if not above.dominates(member)]
            if not block:
                return
            front.remove(block)
            above.exchange(block)
            size, marked = self._weights(block)
            self._sizes[level] += size
            self._marked_sizes[level] += marked
            level += 1
            self._sizes[level] -= size
            self._marked_sizes[level] -= marked
        if not len(self._fronts[level]):
            del self._fronts[level], self._sizes[level], self._marked_sizes[level]

    def mark(self, vector: Vector) -> None:
        """Mark one more of the vectors that are equal to this one."""
        self._marks[vector] += 1
        self._marked_sizes[self.level_of(vector)] += 1

    def unmark(self, vector: Vector) -> None:
        """Mark one less of the vectors that are equal to this one."""
        self._marks[vector] -= 1
        self._marked_sizes[self.level_of(vector)] -= 1

    def _weights(self, block: list[Vector]) -> tuple[int, int]:
        """Number of vectors that are equal to those of a block, and of marked ones."""
        return sum(map(self._counts.__getitem__, block)), sum(map(self._marks.__getitem__, block))

    def _insert(self, level: int, block: list[Vector], size: int, marked: int) -> None:
        self._fronts.insert(level, self._new_front(block))
        self._sizes.insert(level, size)
        self._marked_sizes.insert(level, marked)


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


def _scaled(vectors: Sequence[Vector]) -> np.ndarray:
    """Float64 `[n, objectives]` with a range of 1 in each objective in which they differ."""
    points = np.array(vectors)
    extent = np.ptp(points, axis=0)
    return np.asarray(points / np.where(extent > 0, extent, 1))


class _Front(Protocol):
    """Vectors none of which dominates another."""

    def __len__(self) -> int:
        """Number of vectors."""

    def members(self) -> list[Vector]:
        """All, in lexicographic order."""

    def dominates(self, vector: Vector) -> bool:
        """Whether any member dominates the vector."""

    def beneath(self, block: list[Vector]) -> list[Vector]:
        """Members that any of the block dominates; the block comes from the front before this one."""

    def exchange(self, block: list[Vector]) -> list[Vector]:
        """Take the block in and give out what it dominates."""

    def remove(self, block: list[Vector]) -> None:
        """Take members out."""


class _Staircase:
    """A front of two objectives: sorted by the first, it descends in the second.

    Each block that `Fronts` moves from one front to the next is a run of neighbours. So is what it dominates there: a
    member between two dominated ones that was not itself dominated would have a dominator in the front before,
    outside the block, which would have to lie to the left of the block and below it, or to its right and below.
    """

    def __init__(self, points: list[Vector]) -> None:
        self._points = points

    def __len__(self) -> int:
        return len(self._points)

    def members(self) -> list[Vector]:
        return self._points

    def dominates(self, vector: Vector) -> bool:
        # Of the points that are no higher in the first objective, the last is the lowest in the second.
        index = bisect_right(self._points, (vector[0], np.inf)) - 1
        return index >= 0 and self._points[index][1] <= vector[1] and self._points[index] != vector

    def beneath(self, block: list[Vector]) -> list[Vector]:
        start, end = self._range(block)
        return self._points[start:end]

    def exchange(self, block: list[Vector]) -> list[Vector]:
        start, end = self._range(block)
        pushed = self._points[start:end]
        self._points[start:end] = block
        return pushed

    def remove(self, block: list[Vector]) -> None:
        start = bisect_left(self._points, block[0])
        del self._points[start : start + len(block)]

    def _range(self, block: list[Vector]) -> tuple[int, int]:
        """Start and end of what the block dominates; where that is nothing, the block belongs at the start."""
        start = bisect_left(self._points, (block[0][0], -np.inf))
        end = bisect_right(self._points, -block[-1][1], key=_descent)
        return start, end


def _descent(point: Vector) -> float:
    return -point[1]


class _Cloud:
    """A front of any number of objectives: an array `[points, objectives]`."""

    def __init__(self, points: list[Vector]) -> None:
        self._points = np.array(points)

    def __len__(self) -> int:
        return len(self._points)

    def members(self) -> list[Vector]:
        return sorted(map(tuple, self._points.tolist()))

    def dominates(self, vector: Vector) -> bool:
        return bool(_dominated(np.array([vector]), self._points)[0])

    def beneath(self, block: list[Vector]) -> list[Vector]:
        return list(map(tuple, self._points[_dominated(self._points, np.array(block))].tolist()))

    def exchange(self, block: list[Vector]) -> list[Vector]:
        arrivals = np.array(block)
        pushed = _dominated(self._points, arrivals)
        out = self._points[pushed]
        self._points = np.concatenate([self._points[~pushed], arrivals])
        return list(map(tuple, out.tolist()))

    def remove(self, block: list[Vector]) -> None:
        gone = (self._points[:, None, :] == np.array(block)[None, :, :]).all(axis=2).any(axis=1)
        self._points = self._points[~gone]


def _dominated(points: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Whether any row of `by` `[k, m]` dominates each row of `points` `[n, m]`: bool `[n]`."""
    lower = points[:, None, :] >= by[None, :, :]
    return np.asarray((lower.all(axis=2) & (points[:, None, :] != by[None, :, :]).any(axis=2)).any(axis=1))
