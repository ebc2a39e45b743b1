"""Which epoch of a training counts: one rule for the weights that are kept, the tables and the search."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

Values = tuple[float, ...]
"""The objectives' values of an epoch, in the order of the study's objectives, all to be minimised."""

_LEAST = 1e-3
"""Below that the kernel inception distance, which may be negative, tells nothing more; other metrics stay above."""


def values_of(row: Mapping[str, Any], objectives: Sequence[str]) -> Values:
    """The objectives' values in what a trial reported, NaN for one that is missing."""
    return tuple(math.nan if row.get(name) is None else float(row[name]) for name in objectives)


def best_epoch(values: Sequence[Sequence[float]]) -> int:
    """The place, from 0, of the epoch that counts: with the lowest value or, of several objectives, geometric mean.

    The geometric mean weighs a tenth more of one objective like a tenth less of another, whatever their units, and no
    other epoch dominates one at which it is lowest. Of equals the latest counts: it has trained longer. The rule can
    be applied while the trial runs, since what comes later changes nothing between earlier epochs.

    It was chosen by `tests/benchmarks/epoch_rules.py`: on recorded trainings its choices are best on the test split.

    Parameters
    ----------
    values
        The objectives' values, all to be minimised, of one epoch after the other; at least one epoch.
    """
    keys = [_key(own) for own in values]
    return max(range(len(keys)), key=lambda place: (-keys[place], place))


def _key(values: Sequence[float]) -> float:
    return values[0] if len(values) == 1 else sum(math.log(max(value, _LEAST)) for value in values)
