"""Which trial is best, and does it beat the reference points: one answer for report, gallery and notebook.

Works on the table of `results.store.read_trials` alone. It neither reads nor draws anything.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from results.store import METRICS, StudyError

if TYPE_CHECKING:
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
"""What a person calls each metric."""


@dataclass(frozen=True)
class Ranked:
    """One trial's place in the ranking; `value` is the objective's at `best_epoch`."""

    trial: int
    reference: str | None
    state: str
    value: float
    best_epoch: int | None

    @property
    def has_weights(self) -> bool:
        """Whether its best weights were kept: always, unless it was stopped early.

        A trial that is RUNNING runs still, or did when its study was interrupted: either way the best weights
        so far are there.
        """
        return self.state in {"COMPLETE", "RUNNING"}

    @property
    def name(self) -> str:
        """What a person would call it: `trial 7`, or `trial 2 (pix2pix lambda 100)` for a reference point."""
        return f"trial {self.trial}" + (f" ({self.reference})" if self.reference else "")


@dataclass(frozen=True)
class Verdict:
    """The best trial that the search itself found, beside the reference points, each list best first."""

    best: Ranked | None
    beaten: tuple[Ranked, ...]
    unbeaten: tuple[Ranked, ...]

    def __str__(self) -> str:
        if self.best is None:
            ahead = f"; best is {self.unbeaten[0].reference}" if self.unbeaten else ""
            return f"The search has no surviving trial of its own yet{ahead}."
        count = len(self.beaten) + len(self.unbeaten)
        if count == 0:
            return f"Best of the search is {self.best.name}; no reference point has a value."
        if not self.unbeaten:
            all_of_them = "the only reference point" if count == 1 else f"all {count} reference points"
            return f"{self.best.name.capitalize()} beats {all_of_them}."
        if not self.beaten:
            leader = self.unbeaten[0].reference
            return (
                f"{self.best.name.capitalize()} is the best of the search, but {leader} is as good or better."
            )
        names = " nor ".join(str(entry.reference) for entry in self.unbeaten)
        return f"{self.best.name.capitalize()} beats {len(self.beaten)} of {count} reference points, but not {names}."


def better(metric: str, value: float, other: float) -> bool:
    """Whether a value of a metric is strictly better than another."""
    return value > other if metric in HIGHER_IS_BETTER else value < other


def rank(trials: pa.Table, objective: str) -> list[Ranked]:
    """The trials that have a value of the objective, best first, ties by number.

    Left out are trials without a finite value and failed ones: what they reached cannot be had again.

    Parameters
    ----------
    trials
        As `results.store.read_trials` returns it.
    objective
        One of `results.store.METRICS`. Lower is better, but for `val_psnr` and `val_ssim`.

    Raises
    ------
    StudyError
        For another objective.
    """
    if objective not in METRICS:
        raise StudyError(f"objective is {objective}, but must be one of {', '.join(METRICS)}.")
    rows = trials.select(["trial", "reference", "state", objective, "best_epoch"]).to_pylist()
    entries = [
        Ranked(row["trial"], row["reference"], row["state"], row[objective], row["best_epoch"])
        for row in rows
        if row["state"] != "FAIL" and row[objective] is not None and math.isfinite(row[objective])
    ]
    sign = -1.0 if objective in HIGHER_IS_BETTER else 1.0
    return sorted(entries, key=lambda entry: (sign * entry.value, entry.trial))


def against_references(ranking: list[Ranked], objective: str) -> Verdict:
    """Compare the best trial that the search proposed, among those with weights, with every reference point.

    A reference point that was stopped early counts with the value it reached.

    Parameters
    ----------
    ranking
        As `rank` returns it.
    objective
        The metric it is ranked by.
    """
    references = [entry for entry in ranking if entry.reference is not None]
    best = next((entry for entry in ranking if entry.reference is None and entry.has_weights), None)
    if best is None:
        return Verdict(None, (), tuple(references))
    return Verdict(
        best,
        beaten=tuple(entry for entry in references if better(objective, best.value, entry.value)),
        unbeaten=tuple(entry for entry in references if not better(objective, best.value, entry.value)),
    )
