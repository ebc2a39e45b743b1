"""Where simulated learning curves come from: a recorded study's tables, or a function whose optimum is known.

A `Problem` answers every configuration of its space with the curve of objectives that training it would have
shown. It trains nothing and knows neither searchers nor schedulers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from search.config import ConfigError
from spaces import Space, Value

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """What training a configuration shows.

    Attributes
    ----------
    values
        float64 [n, objectives], after each epoch, finite; n is below the problem's epochs where it fails.
    seconds
        float64 [n], of each epoch; one longer where the training fails, with the time until then.
    final
        float64 [objectives], what the configuration is worth when it is trained to its end: see `final_of`.
    """

    values: Floats
    seconds: Floats
    final: Floats

    @property
    def fails(self) -> bool:
        """Whether the training breaks down after the last of the values."""
        return len(self.seconds) > len(self.values)


class Problem(Protocol):
    """What a simulated study searches.

    Attributes
    ----------
    name
        As typed.
    space
        What is drawn from.
    objectives
        The metrics to minimise.
    epochs
        Of a trial that is not stopped.
    surrogate
        Whether configurations that were never trained are answered from those that were.
    note
        A line on where the curves come from and how far to trust them.
    typical_seconds
        The mean time of a full-length trial.
    configurations
        Those that were trained; none where a function answers.
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def space(self) -> Space: ...  # noqa: D102
    @property
    def objectives(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def epochs(self) -> int: ...  # noqa: D102
    @property
    def surrogate(self) -> bool: ...  # noqa: D102
    @property
    def note(self) -> str: ...  # noqa: D102
    @property
    def typical_seconds(self) -> float: ...  # noqa: D102
    @property
    def configurations(self) -> Sequence[Mapping[str, Value]]: ...  # noqa: D102

    def curve(self, params: Mapping[str, Value], seed: int) -> Curve:
        """The curve of a configuration in the run of this seed: the same for the same two."""

    def regret(self, finals: Floats) -> float:
        """How far the best of some configurations is from the best there is.

        With one objective, `(value - best) / |best|`. With several, the share of the hypervolume under the best
        configurations' front that these do not reach, values scaled so that each objective's best is 0 and its
        90th percentile over all configurations, the reference point, is 1.

        Parameters
        ----------
        finals
            float64 [n, objectives], of `Curve.final`; n may be 0.

        Returns
        -------
        float
            Below 0 where better was found than what is known as the best. For no configuration infinite with one
            objective, 1 with several.
        """


def final_of(values: Floats) -> Floats:
    """What a complete training is worth: the median of its last quarter, so that no lucky epoch counts.

    Parameters
    ----------
    values
        float64 [epochs, objectives].
    """
    return np.asarray(np.median(values[-max(1, len(values) // 4) :], axis=0))


def open_problem(name: str, objectives: tuple[str, ...] = ()) -> Problem:
    """The problem that is meant by a folder's path or a function's name.

    Parameters
    ----------
    name
        The folder of a study, or one of `search.hartmann.FUNCTIONS`.
    objectives
        The metrics to minimise; by default those the study was recorded with.

    Raises
    ------
    ConfigError
        There is neither such a folder nor such a function, or it lacks an objective or curves to search.
    StudyError
        The folder holds no study, or one of another version of the schema.
    """
    from search.hartmann import FUNCTIONS, Hartmann
    from search.recorded import Recorded
    from search.tables import read_table

    try:
        is_folder = Path(name).is_dir()
    except OSError as error:
        raise ConfigError(f"the table is {name}, which cannot be looked up ({error.strerror}).") from None
    if is_folder:
        return Recorded(read_table(Path(name), objectives))
    if name not in FUNCTIONS:
        raise ConfigError(
            f"the table is {name}, but must be the folder of a study or one of {', '.join(FUNCTIONS)}."
        )
    if objectives not in ((), Hartmann.objectives):
        raise ConfigError(
            f"--objective is {' '.join(objectives)}, but {name} has one value only: leave the flag out."
        )
    return Hartmann(name)
