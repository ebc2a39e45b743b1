"""How far trainings of one configuration lie apart that differ by their seeds alone.

Told from the trials of a study that were trained again to confirm them. Works on the table of `results.store`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

FEWEST = 3
"""Repeated trainings below which nothing is said."""
_PAIR = 1.96 * math.sqrt(2)
"""Standard deviations of one training within which two lie apart in 19 of 20 pairs."""


def seed_noise(trials: pa.Table, objectives: Sequence[str]) -> Mapping[str, float]:
    """Within which share of their value 19 of 20 pairs of trainings of one configuration lie apart.

    From the standard deviation of logarithms, pooled over all configurations that were trained on several seeds. A
    finalist's first training is not among them: it was chosen for its luck too.

    Parameters
    ----------
    trials
        As `results.store.read_trials` reads it.
    objectives
        Metrics above 0; one that is not has no share.

    Returns
    -------
    dict
        0.1 for 10 %, by objective; empty where fewer than `FEWEST` trainings were repeated.
    """
    rows = [row for row in trials.to_pylist() if row["state"] == "COMPLETE" and row["role"] != "search"]
    found = {}
    for objective in objectives:
        same: dict[int, list[float]] = defaultdict(list)
        for row in rows:
            first = row["trial"] if row["confirms"] is None else row["confirms"]
            same[first].append(math.nan if row[objective] is None else row[objective])
        repeated = [np.array(values) for values in same.values() if len(values) > 1]
        freedom = sum(len(values) - 1 for values in repeated)
        if freedom < FEWEST or not all((values > 0).all() for values in repeated):
            continue
        squares = sum(float(np.square(np.log(values) - np.log(values).mean()).sum()) for values in repeated)
        found[objective] = math.expm1(_PAIR * math.sqrt(squares / freedom))
    return found
