"""Trade-offs between objectives: which rows of values nothing beats, which of those to take, what they are worth.

All objectives are to be minimised. A row *dominates* another when it is nowhere higher and somewhere lower. With one
objective, to dominate is to be lower, and everything here reduces to the order of the numbers. Rows that hold a
value that is not finite are left out throughout.
"""

from __future__ import annotations

import moocore
import numpy as np


def levels(values: np.ndarray) -> np.ndarray:
    """The Pareto level of each row: 0 for what nothing dominates, 1 for what only level 0 does, and so on.

    Non-dominated sorting, Goldberg 1989, "Genetic algorithms in search, optimization and machine learning".

    Parameters
    ----------
    values
        Float [n, m], a row an alternative and a column an objective. Equal rows share a level.

    Returns
    -------
    Integer [n]; -1 for a row that is left out.
    """
    finite = np.isfinite(values).all(axis=1)
    result = np.full(len(values), -1)
    if finite.any():
        result[finite] = moocore.pareto_rank(values[finite])
    return result


def knee(values: np.ndarray) -> int:
    """The place of the row of level 0 where giving up a little of one objective no longer gains much of another.

    That is the row farthest below the hyperplane through the lowest rows of each objective, once the level is scaled
    to 0..1 (Das 1999, "On characterizing the knee of the Pareto curve based on Normal-Boundary Intersection"). Where
    that tells no two rows apart, as it never does for a level of one or two, the one with the lowest sum of values
    counts, each scaled to the range of all rows; then the first.

    Parameters
    ----------
    values
        Float [n, m], at least one row of which is finite.

    Raises
    ------
    ValueError
        Where no row is finite.
    """
    front = np.flatnonzero(levels(values) == 0)
    if not front.size:
        raise ValueError(f"no row of {len(values)} is finite, so there is no knee: leave such a study out.")
    # Rounded, so that what differs by the last bit of a sum is a tie.
    distances = np.round(_below_hyperplane(_scaled(values[front])), 9)
    return int(front[np.lexsort((_sums(values)[front], -distances))[0]])


def order(values: np.ndarray) -> np.ndarray:
    """The places of the finite rows, best first: by level, in the first level the knee first.

    Apart from that a level is in order of the sum of its values, each scaled to the range of all rows, so that
    balanced rows come before one-sided ones; then in the order of the rows.

    Parameters
    ----------
    values
        Float [n, m].
    """
    level = levels(values)
    places = np.flatnonzero(level >= 0)
    if not places.size:
        return places
    others = places != knee(values)
    return places[np.lexsort((_sums(values)[places], others, level[places]))]


def reference_point(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """What hypervolumes are measured from: values that are known beforehand, as far as they are.

    A row that is no better than that in some objective then adds nothing, and the number can be compared between
    studies of the same pictures. Where a value is NaN, the worst of the rows takes its place.

    Parameters
    ----------
    values
        Float [n, m].
    known
        Float [m].
    """
    finite = values[np.isfinite(values).all(axis=1)]
    worst = finite.max(axis=0) if len(finite) else np.zeros(len(known))
    return np.where(np.isfinite(known), known, worst)


def hypervolume(values: np.ndarray, reference: np.ndarray) -> float:
    """The volume between what the rows reach and a reference point: 0 and up, higher is better.

    Zitzler and Thiele 1999, "Multiobjective evolutionary algorithms: a comparative case study and the strength
    Pareto approach". Its unit is the product of the objectives' units.

    Parameters
    ----------
    values
        Float [n, m]. A row that is not below the reference in every objective adds nothing.
    reference
        Float [m].
    """
    finite = values[np.isfinite(values).all(axis=1)]
    return float(moocore.hypervolume(finite, ref=reference)) if len(finite) else 0.0


def hypervolume_over_time(values: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """The hypervolume of the first row, the first two, and so on.

    Parameters
    ----------
    values
        Float [n, m], in the order in which they became known.
    reference
        Float [m].

    Returns
    -------
    Float [n], never falling.
    """
    result = np.zeros(len(values))
    front = np.empty((0, len(reference)))
    volume = 0.0
    for place, row in enumerate(values):
        # Most rows are no better than one before: only the others are worth a computation.
        if np.isfinite(row).all() and (row < reference).all() and not (front <= row).all(axis=1).any():
            front = np.vstack([front[(front < row).any(axis=1)], row])
            volume = hypervolume(front, reference)
        result[place] = volume
    return result


def _scaled(values: np.ndarray) -> np.ndarray:
    """Values [n, m] with each column's range brought to 0..1; a column of one value becomes 0."""
    extent = np.ptp(values, axis=0)
    return (values - values.min(axis=0)) / np.where(extent > 0, extent, 1.0)


def _sums(values: np.ndarray) -> np.ndarray:
    """The sum [n] of each row's scaled values; infinite for a row that is left out."""
    finite = np.isfinite(values).all(axis=1)
    sums = np.full(len(values), np.inf)
    sums[finite] = _scaled(values[finite]).sum(axis=1)
    return sums


def _below_hyperplane(points: np.ndarray) -> np.ndarray:
    """How far [n] scaled points lie below the hyperplane through the lowest of each objective.

    Where those do not span a plane that falls in every objective, because one point is the lowest of two, the plane
    through the corners stands in. For two objectives that are not all equal the two planes are the same.
    """
    count = points.shape[1]
    anchors = points[[np.lexsort((points.sum(axis=1), points[:, column]))[0] for column in range(count)]]
    normal: np.ndarray = np.ones(count)
    if np.linalg.matrix_rank(anchors) == count:
        through = np.linalg.solve(anchors, np.ones(count))
        normal = through if (through > 0).all() else normal
    return (1 - points @ normal) / np.linalg.norm(normal)
