"""Functions with a known optimum, whose early epochs tell more or less of how they end.

The Hartmann functions of 3 and 6 dimensions (Hartmann 1973; constants as in Surjanovic and Bingham's Virtual Library
of Simulation Experiments), made multi-fidelity as in mf-prior-bench (Mallik et al. 2023, "PriorBand", and
`automl/mf-prior-bench` on GitHub): after epoch z of R, with s = log z / log R,

    f(x, z) = -sum_i (alpha_i - bias (1 - s)) exp(-sum_j A_ij (x_j - P_ij)^2) + |e| noise (1 - s),

e standard normal, drawn anew for every epoch. The last epoch is exact and the lowest; the larger bias and noise are,
the less the early ones tell. A bias above alpha_i turns the i-th valley into a hill for a while.
"""

import math
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from optuna.distributions import FloatDistribution

from search.curves import Curve, Floats
from spaces import Parameter, Value

EPOCHS = 81
"""The definition takes any number of fidelities; 81 is a power of 3, so rungs at eta 3 end evenly."""
EPOCH_SECONDS = 60.0
"""On average; a configuration's own pace is up to half of it more or less, as models differ in size."""
QUALITIES = {"good": (2.5, 2.0), "moderate": (3.0, 3.0), "bad": (3.5, 4.0), "terrible": (4.0, 5.0)}
"""Bias and noise by how well early epochs correlate with the last, as mf-prior-bench sets them."""
FUNCTIONS = tuple(
    f"{function}{suffix}"
    for function in ("hartmann3", "hartmann6")
    for suffix in ("", *(f"-{quality}" for quality in QUALITIES))
)
"""All names; without a quality it is mf-prior-bench's default, bias 0.5 and noise 0.1, better than good."""

_ALPHA = np.array([1.0, 1.2, 3.0, 3.2])
_A = {
    3: np.array([[3, 10, 30], [0.1, 10, 35], [3, 10, 30], [0.1, 10, 35]]),
    6: np.array(
        [
            [10, 3, 17, 3.5, 1.7, 8],
            [0.05, 10, 17, 0.1, 8, 14],
            [3, 3.5, 1.7, 10, 17, 8],
            [17, 8, 0.05, 10, 0.1, 14],
        ]
    ),
}
_P = {
    3: np.array([[3689, 1170, 2673], [4699, 4387, 7470], [1091, 8732, 5547], [381, 5743, 8828]]) / 1e4,
    6: np.array(
        [
            [1312, 1696, 5569, 124, 8283, 5886],
            [2329, 4135, 8307, 3736, 1004, 9991],
            [2348, 1451, 3522, 2883, 3047, 6650],
            [4047, 8828, 8732, 5743, 1091, 381],
        ]
    )
    / 1e4,
}
_OPTIMUM = {3: -3.86278215, 6: -3.32236801}
"""To eight decimals, at (0.1146, 0.5556, 0.8525) and (0.2017, 0.1500, 0.4769, 0.2753, 0.3117, 0.6573)."""


class Hartmann:
    """A multi-fidelity Hartmann function as a `Problem`; `name` is one of `FUNCTIONS`."""

    objectives: ClassVar[tuple[str, ...]] = ("value",)
    epochs = EPOCHS
    surrogate = False
    configurations = ()
    typical_seconds = EPOCHS * EPOCH_SECONDS

    def __init__(self, name: str) -> None:
        function, _, quality = name.partition("-")
        self.name = name
        self._dimensions = int(function.removeprefix("hartmann"))
        self._bias, self._noise = QUALITIES.get(quality, (0.5, 0.1))
        self.space = {f"x{axis}": Parameter(FloatDistribution(0.0, 1.0)) for axis in range(self._dimensions)}
        self.optimum = _OPTIMUM[self._dimensions]
        self.note = (
            f"known optimum {self.optimum:.5f}, {EPOCHS} epochs of about {EPOCH_SECONDS:.0f} s,"
            f" bias {self._bias:g} and noise {self._noise:g} that fade toward the last epoch"
        )

    def curve(self, params: Mapping[str, Value], seed: int) -> Curve:
        """As `Problem.curve`."""
        x = np.array([float(params[name]) for name in self.space])
        # From the bits of the point: the same one is answered the same, whichever way it was come to.
        source = np.random.default_rng([seed, *x.view(np.uint32).tolist()])
        pace = source.uniform(0.5, 1.5)
        fading = 1 - np.log(np.arange(1, EPOCHS + 1)) / math.log(EPOCHS)
        near = np.exp(-np.sum(_A[self._dimensions] * (x - _P[self._dimensions]) ** 2, axis=1))
        values = -(_ALPHA - self._bias * fading[:, None]) @ near
        values += np.abs(source.normal(size=EPOCHS)) * self._noise * fading
        return Curve(values[:, None], np.full(EPOCHS, EPOCH_SECONDS * pace), values[-1:])

    def regret(self, finals: Floats) -> float:
        """As `Problem.regret`; the stated optimum is rounded, so what lies below it is at it."""
        if not len(finals):
            return math.inf
        return max(0.0, float(finals.min()) - self.optimum) / abs(self.optimum)
