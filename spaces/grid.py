"""A space as a grid of points, for those who want to see all of a small one."""

import math
from typing import Any

from optuna.distributions import CategoricalDistribution, IntDistribution

from spaces.parameter import Distribution, Space, Value


def grid(space: Space) -> dict[str, list[Value]]:
    """The levels of each parameter.

    All choices; integers evenly apart, five at most; of floats the ends and the middle of their range, on a log scale
    where that is the parameter's. A parameter whose condition never holds has none.
    """
    return {
        name: _levels(parameter.distribution)
        for name, parameter in space.items()
        if parameter.when is None or space[parameter.when[0]].allows(parameter.when[1])
    }


def _levels(distribution: Distribution) -> list[Any]:
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    low, high = distribution.low, distribution.high
    if low == high:
        return [low]
    if isinstance(distribution, IntDistribution):
        count = min(5, int(high - low) + 1)
        return [round(low + step * (high - low) / (count - 1)) for step in range(count)]
    return [low, math.sqrt(low * high) if distribution.log else (low + high) / 2, high]
