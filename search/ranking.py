"""The order of trials at a rung, kept while values come and go.

With one objective the order is that of the values. With several it is that of the Pareto levels, and within a level
such that the places there are spread over it (`search.fronts`). Equal values are on a par.
"""

from bisect import bisect_left, bisect_right, insort
from typing import Protocol

from search.fronts import Fronts, Vector, farthest, spread


class Ranking(Protocol):
    """A multiset of vectors in order, some of which wait for a place among the best."""

    def add(self, vector: Vector) -> None:
        """Enter a vector, which does not wait."""

    def remove(self, vector: Vector) -> None:
        """Take away one vector that does not wait of those equal to this one."""

    def is_among_best(self, vector: Vector, places: int) -> bool:
        """Whether fewer than so many vectors are strictly better than this one, which is there."""

    def wait(self, vector: Vector) -> None:
        """Let one of the vectors equal to this one wait."""

    def take(self, vector: Vector) -> None:
        """Let one of the vectors equal to this one wait no more."""

    def next(self, places: int) -> Vector | None:
        """Give the best that waits, if it is among so many best; of equal ones those that do not wait come first."""


class _Line:
    """The order of one objective: a sorted list."""

    def __init__(self) -> None:
        self._vectors: list[Vector] = []
        self._waiting: list[Vector] = []

    def add(self, vector: Vector) -> None:
        insort(self._vectors, vector)

    def remove(self, vector: Vector) -> None:
        del self._vectors[bisect_left(self._vectors, vector)]

    def is_among_best(self, vector: Vector, places: int) -> bool:
        return bisect_left(self._vectors, vector) < places

    def wait(self, vector: Vector) -> None:
        insort(self._waiting, vector)

    def take(self, vector: Vector) -> None:
        del self._waiting[bisect_left(self._waiting, vector)]

    def next(self, places: int) -> Vector | None:
        if not self._waiting:
            return None
        best = self._waiting[0]
        before = bisect_right(self._vectors, best) - bisect_right(self._waiting, best)
        return best if before < places else None


class _Pareto:
    """The order of several objectives."""

    def __init__(self, objectives: int) -> None:
        self._fronts = Fronts(objectives)
        self.add = self._fronts.add
        self.remove = self._fronts.remove
        self.wait = self._fronts.mark
        self.take = self._fronts.unmark

    def is_among_best(self, vector: Vector, places: int) -> bool:
        fronts = self._fronts
        level = fronts.level_of(vector)
        before = sum(fronts.sizes[:level])
        if before >= places or before + fronts.sizes[level] <= places:
            return before < places
        for other in spread(fronts.members(level)):
            if other == vector or before >= places:
                break
            before += fronts.count(other)
        return before < places

    def next(self, places: int) -> Vector | None:
        fronts = self._fronts
        level = next((index for index, waiting in enumerate(fronts.marked_sizes) if waiting), None)
        if level is None or sum(fronts.sizes[: level + 1]) - fronts.marked_sizes[level] >= places:
            return None
        members = fronts.members(level)
        return farthest(
            [vector for vector in members if fronts.marked(vector)],
            taken=[vector for vector in members if fronts.marked(vector) < fronts.count(vector)],
        )


def make_ranking(objectives: int) -> Ranking:
    """Make an empty ranking of vectors of this length."""
    return _Line() if objectives == 1 else _Pareto(objectives)
