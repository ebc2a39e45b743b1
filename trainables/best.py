"""Which epoch of a trial is its best: one rule for the weights that are kept, the tables and the search."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

Values = tuple[float, ...]
"""The objectives' values of an epoch, in the order of the study's objectives, all to be minimised."""


def values_of(row: Mapping[str, Any], objectives: Sequence[str]) -> Values:
    """The objectives' values in what a trial reported, NaN for one that is missing."""
    return tuple(math.nan if row.get(name) is None else float(row[name]) for name in objectives)


def dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether values, all to be minimised, are nowhere worse than others and somewhere better."""
    return all(a <= b for a, b in zip(one, other, strict=True)) and any(
        a < b for a, b in zip(one, other, strict=True)
    )


def best_epoch(values: Sequence[Sequence[float]]) -> int:
    """The place, from 0, of the best of a trial's epochs: the latest that none before it dominates.

    With one objective that is the lowest value. With several, of two epochs that trade one objective for another the
    later counts: it has trained longer. The rule can be applied while the trial runs, since what comes later does not
    change which epochs are dominated by earlier ones.

    Parameters
    ----------
    values
        The objectives' values, all to be minimised, of one epoch after the other; at least one epoch.
    """
    return max(
        place
        for place, own in enumerate(values)
        if not any(dominates(other, own) for other in values[:place])
    )
