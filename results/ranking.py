"""Which trial is best, and does it beat the reference points: one answer for report, gallery and notebook.

Works on the table of `results.store.read_trials` alone. It neither reads nor draws anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from results.pareto import levels, order
from results.store import METRICS, StudyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

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
    """One trial's place in the ranking.

    `values` are the objectives' at `best_epoch`; `level` is 0 for the front of what no trial dominates, 1 for what
    only the front does, and so on (with one objective: how many different values are better).
    """

    trial: int
    reference: str | None
    state: str
    values: tuple[float, ...]
    best_epoch: int | None
    level: int

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
    """The best trial that the search itself found, beside the reference points, each list best first.

    It is better than the `beaten`: in the objective or, where there are several, nowhere worse and somewhere better.
    The `unbeaten` are as good or better, and `trade_offs` better in one objective and worse in another. `front` are
    the best trade-offs of all trials, none where there is one objective.
    """

    best: Ranked | None
    beaten: tuple[Ranked, ...]
    unbeaten: tuple[Ranked, ...]
    trade_offs: tuple[Ranked, ...] = ()
    front: tuple[Ranked, ...] = ()

    @property
    def ordered(self) -> tuple[Ranked, ...]:
        """Everything that is compared, in an order in which nothing stands below what it beats."""
        best = () if self.best is None else (self.best,)
        return (*self.unbeaten, *best, *self.trade_offs, *self.beaten)

    def __str__(self) -> str:
        if self.best is None:
            ahead = f"; best is {self.unbeaten[0].reference}" if self.unbeaten else ""
            return f"The search has no surviving trial of its own yet{ahead}."
        count = len(self.beaten) + len(self.trade_offs) + len(self.unbeaten)
        if count == 0:
            return f"Best of the search is {self.best.name}; no reference point has a value."
        return (
            self._among_trade_offs(self.best, count)
            if self.front
            else self._in_one_objective(self.best, count)
        )

    def _in_one_objective(self, best: Ranked, count: int) -> str:
        if not self.unbeaten:
            return f"{best.name.capitalize()} beats {_all(count)}."
        if not self.beaten:
            leader = self.unbeaten[0].reference
            return f"{best.name.capitalize()} is the best of the search, but {leader} is as good or better."
        names = " nor ".join(str(entry.reference) for entry in self.unbeaten)
        return (
            f"{best.name.capitalize()} beats {len(self.beaten)} of {count} reference points, but not {names}."
        )

    def _among_trade_offs(self, best: Ranked, count: int) -> str:
        said = self._standing(best)
        if len(self.beaten) == count:
            return f"{said} dominates {_all(count)}."
        if self.beaten:
            said += f" dominates {len(self.beaten)} of {count} reference points: {_listed(self.beaten)};"
        elif count == 1:
            said += " does not dominate the only reference point:"
        else:
            said += f" dominates none of {count} reference points:"
        others = []
        if self.trade_offs:
            are = "is as good a trade-off" if len(self.trade_offs) == 1 else "are as good trade-offs"
            others.append(f"{_listed(self.trade_offs)} {are}")
        if self.unbeaten:
            are = "is" if len(self.unbeaten) == 1 else "are"
            others.append(f"{_listed(self.unbeaten)} {are} as good or better in everything")
        return f"{said} {'; '.join(others)}."

    def _standing(self, best: Ranked) -> str:
        name = best.name.capitalize()
        if self.front == (best,):
            return name
        if best in self.front:
            part = "the knee" if best == self.front[0] else "one"
            return f"{name}, {part} of {len(self.front)} best trade-offs,"
        return f"{name}, the best of the search that left weights,"


def objectives_of(config: Mapping[str, Any]) -> tuple[str, ...]:
    """What a study minimises, of the content of its `study.json`; the default where that does not say."""
    return tuple(config.get("objectives") or ("val_delta_e", "val_swd"))


def better(metric: str, value: float, other: float) -> bool:
    """Whether a value of a metric is strictly better than another."""
    return value > other if metric in HIGHER_IS_BETTER else value < other


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
    """The trials that have a value of every objective, best first.

    With one objective by its value, ties by number. With several by Pareto level, in the first front the knee first
    (see `results.pareto.order`).

    Left out are trials without a finite value and failed ones: what they reached cannot be had again.

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
    rows = trials.select(["trial", "reference", "state", "best_epoch", *objectives]).to_pylist()
    values[[row["state"] == "FAIL" for row in rows]] = np.nan
    level = levels(values)
    return [
        Ranked(
            rows[place]["trial"],
            rows[place]["reference"],
            rows[place]["state"],
            tuple(rows[place][objective] for objective in objectives),
            rows[place]["best_epoch"],
            int(level[place]),
        )
        for place in order(values)
    ]


def against_references(ranking: Iterable[Ranked], objectives: Sequence[str]) -> Verdict:
    """Compare the best trial that the search proposed, among those with weights, with every reference point.

    A reference point that was stopped early counts with the value it reached.

    Parameters
    ----------
    ranking
        As `rank` returns it.
    objectives
        The metrics it is ranked by.
    """
    ranking = list(ranking)
    references = [entry for entry in ranking if entry.reference is not None]
    front = tuple(entry for entry in ranking if entry.level == 0) if len(objectives) > 1 else ()
    best = next((entry for entry in ranking if entry.reference is None and entry.has_weights), None)
    if best is None:
        return Verdict(None, (), tuple(references), front=front)
    beaten: list[Ranked] = []
    trade_offs: list[Ranked] = []
    unbeaten: list[Ranked] = []
    for entry in references:
        pairs = list(zip(objectives, best.values, entry.values, strict=True))
        ahead = any(better(metric, own, other) for metric, own, other in pairs)
        behind = any(better(metric, other, own) for metric, own, other in pairs)
        (unbeaten if not ahead else trade_offs if behind else beaten).append(entry)
    return Verdict(best, tuple(beaten), tuple(unbeaten), tuple(trade_offs), front)


def _all(count: int) -> str:
    return "the only reference point" if count == 1 else f"all {count} reference points"


def _listed(entries: Sequence[Ranked]) -> str:
    *most, last = (str(entry.reference) for entry in entries)
    return f"{', '.join(most)} and {last}" if most else last
