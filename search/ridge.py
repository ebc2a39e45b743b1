"""Ridge regression (Hoerl and Kennard 1970) with the penalty that the evidence makes likeliest.

MacKay 1992, "Bayesian interpolation".
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_CONSTANT = 1e-9
"""Below which a spread counts as none."""
_PENALTIES = np.logspace(-1, 4, 26)


def column_means(rows: Floats) -> Floats:
    """By column, of what is there; NaN where nothing is."""
    there = np.isfinite(rows)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.nan_to_num(rows).sum(axis=0) / there.sum(axis=0))


class Ridge:
    """The slopes of a linear function through the origin.

    Parameters
    ----------
    rows
        Float64 [n, k], n at least 1; columns are scaled to the same spread, and one without any gets slope 0.
    targets
        Float64 [n, m], each with a penalty of its own.
    """

    def __init__(self, rows: Floats, targets: Floats) -> None:
        spread = np.sqrt((rows**2).mean(axis=0))
        self._scale = np.where(spread > _CONSTANT, spread, np.inf)[:, None]
        left, self._sizes, self._right = np.linalg.svd(rows / self._scale.T, full_matrices=False)
        projected = left.T @ targets
        rest = np.maximum((targets**2).sum(axis=0) - (projected**2).sum(axis=0), 0.0)
        fits = [self._fit(one, beside, len(rows)) for one, beside in zip(projected.T, rest, strict=True)]
        self._penalties, self._variances = np.array(fits).T
        shrunk = self._sizes[:, None] / (self._sizes[:, None] ** 2 + self._penalties) * projected
        self._slopes = self._right.T @ shrunk / self._scale

    def drawn(self, count: int, rng: np.random.Generator) -> Floats:
        """So many slopes that may be the true ones, by what was seen: float64 [count, k, m]."""
        deviations = np.sqrt(self._variances / (self._sizes[:, None] ** 2 + self._penalties))
        draws = rng.normal(size=(count, *deviations.shape)) * deviations
        return np.asarray(self._slopes + self._right.T @ draws / self._scale)

    def _fit(self, projected: Floats, rest: float, rows: int) -> tuple[float, float]:
        """The likeliest penalty, and with it the variance of what the function leaves unexplained."""
        spread = 1 + self._sizes**2 / _PENALTIES[:, None]
        misfit = np.maximum((projected**2 / spread).sum(axis=1) + rest, _CONSTANT)
        evidence = -0.5 * np.log(spread).sum(axis=1) - 0.5 * rows * np.log(misfit)
        best = int(evidence.argmax())
        return float(_PENALTIES[best]), float(misfit[best] / rows)
