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
from collections.abc import Iterator, Sequence
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
        self._new_front = _Staircase if objectives == 2 else _Cloud
        self._fronts: list[_Front] = []
        self._levels: dict[Vector, int] = {}
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
        """Level of a vector that is there."""
        return self._levels[vector]

    def add(self, vector: Vector) -> None:
        """Enter a vector."""
        self._counts[vector] += 1
        if vector in self._levels:
            self._sizes[self._levels[vector]] += 1
            return
        # What a front dominates, every front before it dominates as well.
        level = bisect_left(
            range(len(self._fronts)), True, key=lambda i: not self._fronts[i].dominates(vector)
        )
        block = [vector]
        while block:
            if level == len(self._fronts):
                self._fronts.append(self._new_front())
                self._sizes.append(0)
                self._marked_sizes.append(0)
            pushed = self._fronts[level].exchange(block)
            self._move(block, level)
            block, level = pushed, level + 1

    def remove(self, vector: Vector) -> None:
        """Take away one vector that is there and not marked."""
        level = self._levels[vector]
        self._counts[vector] -= 1
        self._sizes[level] -= 1
        if self._counts[vector]:
            return
        del self._counts[vector], self._levels[vector]
        block = [vector]
        self._fronts[level].remove(block)
        # What only the block dominated rises into the front that it left, and leaves a gap in its own.
        for above, front in zip(self._fronts[level:], self._fronts[level + 1 :], strict=False):
            block = [member for member in front.beneath(block) if not above.dominates(member)]
            if not block:
                break
            front.remove(block)
            above.exchange(block)
            self._move(block, level)
            level += 1
        if not self._sizes[-1]:
            del self._fronts[-1], self._sizes[-1], self._marked_sizes[-1]

    def mark(self, vector: Vector) -> None:
        """Mark one more of the vectors that are equal to this one."""
        self._marks[vector] += 1
        self._marked_sizes[self._levels[vector]] += 1

    def unmark(self, vector: Vector) -> None:
        """Mark one less of the vectors that are equal to this one."""
        self._marks[vector] -= 1
        self._marked_sizes[self._levels[vector]] -= 1

    def _move(self, block: list[Vector], level: int) -> None:
        """Enter what is now at a level in the books of that level, and take it out of those where it was."""
        size = sum(map(self._counts.__getitem__, block))
        marked = sum(map(self._marks.__getitem__, block))
        # A block comes from one level: all of it was there, or it is a single vector that is new.
        before = self._levels.get(block[0])
        self._sizes[level] += size
        self._marked_sizes[level] += marked
        if before is not None:
            self._sizes[before] -= size
            self._marked_sizes[before] -= marked
        self._levels.update(dict.fromkeys(block, level))


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

    def __init__(self) -> None:
        self._points: list[Vector] = []

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
        """Start and end of what the block dominates, and where it belongs."""
        start = bisect_left(self._points, (block[0][0], -np.inf))
        end = bisect_right(self._points, -block[-1][1], key=_descent)
        return start, max(start, end)


def _descent(point: Vector) -> float:
    return -point[1]


class _Cloud:
    """A front of any number of objectives: an array `[points, objectives]`."""

    def __init__(self) -> None:
        self._points = np.empty((0, 1))

    def members(self) -> list[Vector]:
        return sorted(map(tuple, self._points.tolist()))

    def dominates(self, vector: Vector) -> bool:
        return bool(_dominated(np.array([vector]), self._points)[0])

    def beneath(self, block: list[Vector]) -> list[Vector]:
        return list(map(tuple, self._points[_dominated(self._points, np.array(block))].tolist()))

    def exchange(self, block: list[Vector]) -> list[Vector]:
        arrivals = np.array(block)
        if not len(self._points):
            self._points = arrivals
            return []
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
