"""Parameters as numbers, for models that learn from them."""

import math
from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
from optuna.distributions import CategoricalDistribution

from spaces import Space, Value


def coordinate_names(space: Space) -> tuple[str, ...]:
    """What each of the coordinates is: a parameter, or one choice of a category."""
    return tuple(
        name
        for own, parameter in space.items()
        for name in (
            [f"{own} {choice}" for choice in parameter.distribution.choices]
            if isinstance(parameter.distribution, CategoricalDistribution)
            else [own]
        )
    )


def coordinates(space: Space, params: Mapping[str, Value]) -> npt.NDArray[np.float64]:
    """Float64 [k], from 0 to 1, on the parameter's scale; NaN for a parameter that lacks or cannot vary."""
    return np.array(list(_coordinates(space, params)))


def _coordinates(space: Space, params: Mapping[str, Value]) -> Iterator[float]:
    for name, parameter in space.items():
        value, distribution = params.get(name), parameter.distribution
        if isinstance(distribution, CategoricalDistribution):
            yield from (
                math.nan if value is None else float(choice == value) for choice in distribution.choices
            )
        elif value is None or distribution.single():
            yield math.nan
        else:
            number, low, high = float(value), float(distribution.low), float(distribution.high)
            if distribution.log:
                number, low, high = math.log(number), math.log(low), math.log(high)
            yield (number - low) / (high - low)
