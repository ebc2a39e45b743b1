"""The curves of a recorded study, and what stands in for the configurations that it did not train.

A recorded configuration is answered by its own curve, any other by `search.surrogate`, whose predictions are judged
by leaving out configurations in turn (`Recorded.rank_correlations`). Trials that were stopped early or had not ended
are left out; failed ones fail where they did.
"""

import math
import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from results.pareto import hypervolume
from results.store import METRICS, PARAMS, REPORTED, open_study, read_config, read_epochs, read_trials
from search.config import ConfigError, StudyConfig
from search.curves import Curve, Floats, final_of
from search.machine import Machine
from search.plan import make_plan
from search.surrogate import Surrogate
from spaces import Space, Value

FEWEST = 8
"""Full curves below which there is nothing to search."""


class Recorded:
    """Recorded configurations as a `Problem`.

    Parameters
    ----------
    name
        As typed.
    space
        What the configurations were drawn from.
    objectives
        The metrics to minimise.
    metrics
        Names of the values in the curves, the objectives first.
    epochs
        Of a trial that is not stopped.
    configurations
        Parameters and curve of each; some may fail, not all.
    left_out
        Trials of the record that have no full curve.
    """

    surrogate = True

    def __init__(
        self,
        name: str,
        space: Space,
        objectives: tuple[str, ...],
        metrics: tuple[str, ...],
        epochs: int,
        configurations: Sequence[tuple[Mapping[str, Value], Curve]],
        left_out: int,
    ) -> None:
        self.name, self.space, self.epochs = name, space, epochs
        self.objectives, self.metrics = objectives, metrics
        self.configurations = [dict(params) for params, _ in configurations]
        self.curves = [curve for _, curve in configurations]
        self._surrogate = Surrogate(space, epochs, self.configurations, self.curves)
        self._places = {_key(params): place for place, params in enumerate(self.configurations)}
        finals = np.array([curve.final for curve in self.curves if not curve.fails])
        self._best, self._reference = finals.min(axis=0), np.quantile(finals, 0.9, axis=0)
        self._front = self._volume(finals) if len(objectives) > 1 else math.nan
        full = [float(curve.seconds.sum()) for curve in self.curves if not curve.fails]
        self.typical_seconds = sum(full) / len(full)
        correlations = ", ".join(
            f"{objective} {correlation:+.2f}"
            for objective, correlation in zip(objectives, self.rank_correlations(), strict=True)
        )
        self.note = (
            f"{len(full)} recorded configurations of {epochs} epochs"
            + (f", {len(self.curves) - len(full)} that failed" if len(full) < len(self.curves) else "")
            + (f", {left_out} stopped early and left out" if left_out else "")
            + "; others are answered by trees (surrogate; rank correlation of final values with what trees expect"
            f" that have not seen them: {correlations})"
        )

    def curve(self, params: Mapping[str, Value], seed: int) -> Curve:
        """As `Problem.curve`."""
        key = _key(params)
        if key in self._places:
            return self.curves[self._places[key]]
        # From the parameters: the same are answered the same, whichever way they were come to.
        return self._surrogate.curve(params, np.random.default_rng([seed, zlib.crc32(repr(key).encode())]))

    def regret(self, finals: Floats) -> float:
        """As `Problem.regret`; the best there is are the recorded ones, and below 0 what is better than they."""
        if len(self.objectives) > 1:
            return 1 - self._volume(finals) / self._front
        if not len(finals):
            return math.inf
        return float((finals.min() - self._best[0]) / abs(self._best[0]))

    def rank_correlations(self) -> list[float]:
        """Spearman's, of each objective's final values with those that trees expect which have not seen them."""
        full = [place for place, curve in enumerate(self.curves) if not curve.fails]
        own = np.array([self.curves[place].final for place in full])
        predicted = np.array([final_of(curve) for curve in self._surrogate.unseen[full]])
        return [_spearman(own[:, at], predicted[:, at]) for at in range(own.shape[1])]

    def _volume(self, finals: Floats) -> float:
        scaled = (finals - self._best) / (self._reference - self._best)
        return float(hypervolume(scaled, np.ones(len(self._best))))


def read_recorded(folder: Path, objectives: tuple[str, ...]) -> Recorded:
    """The configurations of a study's folder.

    Parameters
    ----------
    folder
        With study.json, trials.parquet and epochs/.
    objectives
        By default those of the study.

    Raises
    ------
    StudyError
        No study, or one of another schema version.
    ConfigError
        An objective that was not recorded, fewer than `FEWEST` full curves, or scikit-learn is lacking.
    """
    study = open_study(folder)
    record = read_config(study)
    wanted = objectives or tuple(record["objectives"])
    unknown = [name for name in wanted if name not in METRICS]
    if unknown:
        raise ConfigError(f"--objective is {unknown[0]}, but {folder} holds {', '.join(METRICS)}.")
    config = StudyConfig.from_record(record["config"])
    # A machine on which the settings are possible, whatever this one is.
    machine = Machine(cpus=config.cpus_per_trial, gpus=math.ceil(float(config.gpus_per_trial or 0)))
    encoders = ("unet", "mobilenetv2") if record["encoder"]["available"] else ("unet",)
    plan = make_plan(config, machine, encoders)
    epochs = read_epochs(study)
    metrics = (
        *wanted,
        *(name for name in REPORTED if name not in wanted and epochs[name].null_count < epochs.num_rows),
    )
    rows: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in epochs.to_pylist():
        rows[row["trial"]].append(row)
    seconds = [row["epoch_seconds"] for own in rows.values() for row in own]
    typical = float(np.median(seconds)) if seconds else 0.0
    configurations, left_out = [], 0
    trials = read_trials(study)
    for trial in trials.filter(pc.not_equal(trials["role"], "confirmation")).to_pylist():
        curve = _curve(
            rows[trial["trial"]],
            metrics,
            len(wanted),
            failed_after=typical if trial["state"] == "FAIL" else None,
        )
        if len(curve.values) < plan.epochs and not curve.fails:
            left_out += 1
            continue
        params = {name: trial.get(PARAMS + name) for name in plan.space}
        configurations.append(({name: value for name, value in params.items() if value is not None}, curve))
    full = [curve for _, curve in configurations if not curve.fails]
    if len(full) < FEWEST:
        raise ConfigError(
            f"{folder} holds {len(full)} trials that reported {' and '.join(wanted)} to the last epoch, but a"
            f" simulation needs {FEWEST} or more: record a study with --scheduler none, or take other objectives."
        )
    try:
        return Recorded(str(folder), plan.space, wanted, metrics, plan.epochs, configurations, left_out)
    except ImportError:
        raise ConfigError(
            f"the table is {folder}, and what it did not record is answered by scikit-learn, which is not installed:"
            " pip install -e '.[simulate]', or take a function such as hartmann6."
        ) from None


def _curve(
    rows: Sequence[Mapping[str, Any]],
    metrics: tuple[str, ...],
    objectives: int,
    *,
    failed_after: float | None,
) -> Curve:
    """The curve of a trial's rows by epoch; of the metrics so many are objectives.

    It fails at the first value of one that is not finite, or is missing; otherwise, unless that is None,
    `failed_after` seconds after its last epoch.
    """
    values = np.array([[_number(row[name]) for name in metrics] for row in rows]).reshape(
        len(rows), len(metrics)
    )
    finite = np.isfinite(values[:, :objectives]).all(axis=1)
    length = len(rows) if finite.all() else int(finite.argmin())
    seconds = np.array([_number(row["epoch_seconds"]) for row in rows])
    values = values[:length]
    if length == len(rows) and failed_after is not None:
        seconds = np.append(seconds, failed_after)
    final = final_of(values[:, :objectives]) if length else np.full(objectives, math.inf)
    return Curve(values, seconds[: length + 1], final)


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _spearman(one: Floats, other: Floats) -> float:
    """Spearman's rank correlation; ties share their mean rank."""

    def ranks(values: Floats) -> Floats:
        _, place, count = np.unique(values, return_inverse=True, return_counts=True)
        return (np.cumsum(count) - (count - 1) / 2)[place]

    return float(np.corrcoef(ranks(one), ranks(other))[0, 1])


def _key(params: Mapping[str, Value]) -> tuple[tuple[str, Value], ...]:
    return tuple(sorted(params.items()))
