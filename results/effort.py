"""What a search had reached by when, what stopping weak trials early saved, and how fast each kind of device was.

Works on the tables of `results.store` alone. It neither reads nor draws anything.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc

from results.pareto import hypervolume_over_time, reference_point
from results.ranking import rank

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

MILLISECONDS = 1000.0

OTHER_COLOURS = {"val_delta_e": math.sqrt(2)}
"""How many times gray's value the colours of some other photo have, where that is more than once: two independent
chromas of one variance differ by twice that variance. (Measured on photos: 15.5 against gray's 11.6.)"""


@dataclass(frozen=True)
class Course:
    """The hypervolume that a search had reached, trial by trial in the order in which they were trained to their end.

    Attributes
    ----------
    seconds
        Float [n], since the first epoch of the study began. The pauses between runs of a study count.
    hypervolumes
        Float [n], never falling.
    reference
        Float [m], what the hypervolumes are measured from.
    """

    seconds: np.ndarray
    hypervolumes: np.ndarray
    reference: np.ndarray

    @property
    def share(self) -> float | None:
        """What was reached at last of what a perfect model, with 0 in every objective, would; None without any."""
        whole = float(np.prod(self.reference))
        return float(self.hypervolumes[-1]) / whole if len(self.hypervolumes) and whole > 0 else None


def course(
    trials: pa.Table,
    epochs: pa.Table,
    baselines: Mapping[str, Mapping[str, float]],
    objectives: Sequence[str],
) -> Course:
    """Tell the hypervolume of the trials that were trained to their end, after each of them.

    As in the ranking, an early epoch of a trial counts nowhere, and a confirmation brings nothing new. It is measured
    from what can be had without looking at the photo: to leave it gray or to give it the colours of another one,
    whichever is worse. Gray alone would not do: its CIEDE2000 is better than that of most vivid colours, also where
    these are right in kind, so most of a front would count for nothing.

    Parameters
    ----------
    trials, epochs
        As `results.store` reads them.
    baselines
        As `study.json` has them. Without `gray` the worst trial stands in (see `results.pareto`).
    objectives
        Metrics of which lower is better.
    """
    known = epochs.filter(pc.is_valid(epochs["timestamp"]))
    ended = known["timestamp"].cast("int64").to_numpy() / MILLISECONDS
    lasted = np.nan_to_num(known["epoch_seconds"].to_numpy().astype(float))
    began = (ended - lasted).min(initial=np.inf)
    ends: dict[int, float] = {}
    for trial, end in zip(known["trial"].to_pylist(), ended.tolist(), strict=True):
        ends[trial] = max(end, ends.get(trial, end))
    ranking = [entry for entry in rank(trials, objectives) if entry.trial in ends]
    ranking.sort(key=lambda entry: ends[entry.trial])
    values = np.array([entry.values for entry in ranking], float).reshape(len(ranking), len(objectives))
    gray = baselines.get("gray", {})
    blind = [gray.get(name, np.nan) * OTHER_COLOURS.get(name, 1.0) for name in objectives]
    reference = reference_point(values, np.array(blind, float))
    return Course(
        seconds=np.array([ends[entry.trial] - began for entry in ranking]),
        hypervolumes=hypervolume_over_time(values, reference),
        reference=reference,
    )


@dataclass(frozen=True)
class Savings:
    """What the trials took, and about what those that were stopped early would have taken on top.

    Attributes
    ----------
    epochs, full_epochs
        Trained, and in all trials had none been stopped.
    seconds, saved_seconds
        Of training and evaluation, all trials together whether at once or not.
    saved_gpu_seconds
        GPU-seconds; 0 without a GPU.
    """

    epochs: int
    full_epochs: int
    seconds: float
    saved_seconds: float
    saved_gpu_seconds: float

    @property
    def share(self) -> float:
        """Share saved of what training everything to its end would have taken, 0..1."""
        whole = self.seconds + self.saved_seconds
        return self.saved_seconds / whole if whole else 0.0


@dataclass(frozen=True)
class DeviceEffort:
    """What was trained on one kind of device, and how fast.

    Attributes
    ----------
    device
        Its name; None for epochs of which it was not recorded.
    trials, epochs
        That trained on it, wholly or in part, and trained on it.
    epoch_seconds, images_per_second
        Medians over its epochs: s of training and evaluation, and training images a second of one trial. They compare
        devices as far as chance dealt them the same configurations.
    """

    device: str | None
    trials: int
    epochs: int
    epoch_seconds: float
    images_per_second: float


def by_device(epochs: pa.Table) -> list[DeviceEffort]:
    """Sum up the epochs of each kind of device, the one with the most first.

    Parameters
    ----------
    epochs
        As `results.store.read_epochs` returns it.
    """
    rows: dict[str | None, list[dict[str, Any]]] = defaultdict(list)
    names = ["device", "trial", "epoch_seconds", "images_per_second"]
    for row in epochs.select(names).to_pylist():
        rows[row["device"]].append(row)
    found = [
        DeviceEffort(
            device=device,
            trials=len({row["trial"] for row in own}),
            epochs=len(own),
            epoch_seconds=_median(own, "epoch_seconds"),
            images_per_second=_median(own, "images_per_second"),
        )
        for device, own in rows.items()
    ]
    return sorted(found, key=lambda one: -one.epochs)


def _median(rows: list[dict[str, Any]], column: str) -> float:
    """Over the rows that have it; NaN where none has."""
    known = [row[column] for row in rows if row[column] is not None]
    return float(np.median(known)) if known else math.nan


def savings(trials: pa.Table, epochs: int) -> Savings:
    """Extrapolate each stopped trial's missing epochs at its own seconds an epoch.

    Parameters
    ----------
    trials
        As `results.store.read_trials` returns it.
    epochs
        Of a trial that is not stopped.
    """
    rows = trials.select(["state", "epochs", "seconds", "gpu_seconds"]).to_pylist()
    stopped = [row for row in rows if row["state"] == "PRUNED" and row["epochs"]]

    def missing(column: str) -> float:
        return sum((row[column] or 0.0) * (epochs / row["epochs"] - 1) for row in stopped)

    return Savings(
        epochs=sum(row["epochs"] for row in rows),
        full_epochs=epochs * len(rows),
        seconds=sum(row["seconds"] or 0.0 for row in rows),
        saved_seconds=missing("seconds"),
        saved_gpu_seconds=missing("gpu_seconds"),
    )
