"""Which trial is best, of those that had the same chance: one answer for report, gallery, dashboard and notebook.

Only complete trainings are compared with one another. A trial that was stopped, or runs still, has no place: its
values are those of an early epoch. A confirmation has none either, for what it trains has one already. Whether the
best truly beats the reference points is told by `results.verdict`.

Works on the table of `results.store.read_trials` alone. It neither reads nor draws anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc

from results.pareto import levels, order
from results.store import METRICS, StudyError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

HIGHER_IS_BETTER = frozenset({"val_psnr", "val_ssim"})

LABELS = {
    "val_delta_e": "CIEDE2000",
    "val_swd": "sliced Wasserstein distance",
    "val_colorfulness_gap": "colorfulness gap",
    "val_chroma_error": "chroma error",
    "val_kid": "kernel inception distance",
    "val_l1": "L1",
    "val_psnr": "PSNR",
    "val_ssim": "SSIM",
}
"""What a person calls each metric; `label` knows those of the test split, too."""


@dataclass(frozen=True)
class Ranked:
    """One complete trial's place in the ranking.

    `values` are the objectives' at `best_epoch`; `level` is 0 for the front of what no trial dominates, 1 for what
    only the front does, and so on (with one objective: how many different values are better).
    """

    trial: int
    reference: str | None
    values: tuple[float, ...]
    best_epoch: int | None
    level: int

    @property
    def name(self) -> str:
        """What a person would call it: `trial 7`, or `trial 2 (pix2pix lambda 100)` for a reference point."""
        return f"trial {self.trial}" + (f" ({self.reference})" if self.reference else "")


def label(metric: str) -> str:
    """What a person calls a metric of either split."""
    return LABELS[metric.replace("test_", "val_", 1)]


def objectives_of(config: Mapping[str, Any]) -> tuple[str, ...]:
    """What a study minimises, of the content of its `study.json`; the default where that does not say."""
    return tuple(config.get("objectives") or ("val_delta_e", "val_swd"))


def photos_of(config: Mapping[str, Any]) -> int:
    """Photos in a study's test split, of the content of its `study.json`; 0 where that does not say."""
    counts = (config.get("data") or {}).get("counts") or {}
    return int(counts.get("test") or 0)


def costs(table: pa.Table, objectives: Sequence[str]) -> np.ndarray:
    """The objectives' values in rows of a table of trials or epochs, turned round where higher is better.

    Returns
    -------
    Float [rows, objectives], lower is better; NaN where a value is not known.

    Raises
    ------
    StudyError
        For an objective that is no metric.
    """
    for objective in objectives:
        if objective not in METRICS:
            raise StudyError(f"objective is {objective}, but must be one of {', '.join(METRICS)}.")
    signs = [-1.0 if objective in HIGHER_IS_BETTER else 1.0 for objective in objectives]
    columns = [np.asarray(table[objective].to_pylist(), dtype=float) for objective in objectives]
    return np.column_stack(columns) * signs


def rank(trials: pa.Table, objectives: Sequence[str]) -> list[Ranked]:
    """The complete trials that have a value of every objective, best first; confirmations are left out.

    With one objective by its value, ties by number. With several by Pareto level, in the first front the knee first
    (see `results.pareto.order`).

    Parameters
    ----------
    trials
        As `results.store.read_trials` returns it.
    objectives
        Some of `results.store.METRICS`. Lower is better, but for `val_psnr` and `val_ssim`.

    Raises
    ------
    StudyError
        For another objective.
    """
    values = costs(trials, objectives)
    rows = trials.select(["trial", "role", "reference", "state", "best_epoch", *objectives]).to_pylist()
    values[[row["state"] != "COMPLETE" or row["role"] == "confirmation" for row in rows]] = np.nan
    level = levels(values)
    return [
        Ranked(
            rows[place]["trial"],
            rows[place]["reference"],
            tuple(rows[place][objective] for objective in objectives),
            rows[place]["best_epoch"],
            int(level[place]),
        )
        for place in order(values)
    ]


def finalists(trials: pa.Table, objectives: Sequence[str], count: int) -> list[Ranked]:
    """The search's own trials that are worth training once more, at most `count`.

    With one objective the best. With several the front of the search's own trials: its knee, the best in each
    objective, then the others, those that balance the objectives first.

    Parameters
    ----------
    trials, objectives
        As of `rank`.
    count
        1 or more.
    """
    own = rank(trials.filter(pc.equal(trials["role"], "search")), objectives)
    if len(objectives) == 1:
        return own[:count]
    front = [entry for entry in own if entry.level == 0]
    if not front:
        return []
    reached = np.array([entry.values for entry in front])
    signs = np.array([-1.0 if metric in HIGHER_IS_BETTER else 1.0 for metric in objectives])
    ends = [front[place] for place in (signs * reached).argmin(axis=0)]
    return list(dict.fromkeys([front[0], *ends, *front]))[:count]
