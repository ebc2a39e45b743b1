"""Which epoch of a trial is its best: one rule for the weights that are kept, the tables and the search."""

from collections.abc import Sequence


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
