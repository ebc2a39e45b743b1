"""Whether what a search found beats the reference points, said only where luck cannot explain it.

A *contender* is a finalist of the search or a reference point, with its trainings on fresh seeds: the training that
made a trial a finalist is not among them, for it was chosen for its luck too. They are measured on the test split,
which nothing was chosen by. `results.intervals` tells from both how sure a difference is. Which of them is the
winner, though, validation decides: the test split only judges.

Works on the tables of `results.store` alone. It neither reads nor draws anything.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from results import intervals
from results.intervals import Difference, Estimate, Runs
from results.pareto import order
from results.ranking import Ranked, finalists, rank
from results.store import ON_TEST

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa

FEWEST_PHOTOS = 20
"""Photos of a test split below which resampling them tells nothing."""
FEWEST_SEEDS = 2
"""Fresh trainings below which nobody can tell how much the seed matters."""
FINALISTS = 3
"""Finalists of a study without confirmations."""


@dataclass(frozen=True)
class Contender:
    """A finalist or a reference point, and what its trainings came to.

    Attributes
    ----------
    trial
        The trial that the search or the original project's settings made of it.
    reference
        Name of the reference point.
    runs
        Its trainings that count: those on fresh seeds, or where there are none its own.
    fresh
        How many of them had fresh seeds.
    measured
        Values by `test_` metric, one of each run of `runs` that was measured.
    means
        Expected value by objective's `test_` metric, with its interval; empty where there is none.
    """

    trial: int
    reference: str | None
    runs: tuple[int, ...]
    fresh: int
    measured: Mapping[str, tuple[float, ...]]
    means: Mapping[str, Estimate]

    @property
    def name(self) -> str:
        """What a person would call it: `trial 7`, or the reference point's name."""
        return self.reference or f"trial {self.trial}"


@dataclass(frozen=True)
class Comparison:
    """A finalist against a reference point: what separates them in each objective's `test_` metric."""

    finalist: Contender
    reference: Contender
    differences: Mapping[str, Difference]

    @property
    def relation(self) -> str:
        """What the finalist does, in words that the reference's name follows."""
        lower = [difference.high < 0 for difference in self.differences.values()]
        higher = [difference.low > 0 for difference in self.differences.values()]
        several = len(self.differences) > 1
        if any(lower) and any(higher):
            return "is a trade-off with"
        if any(lower):
            return "dominates" if several else "beats"
        if any(higher):
            return "is dominated by" if several else "is beaten by"
        return "is on a par with"


@dataclass(frozen=True)
class Verdict:
    """What is known at the end.

    Attributes
    ----------
    best
        The best trial that the search itself proposed, by validation; None where none was trained to its end.
    standing
        What it is among them, such as "the knee of 3 best trade-offs"; may be empty.
    winner
        The trial whose weights to take: of what was confirmed the best by validation over the fresh seeds, or where
        no finalist was the first of the ranking; None where nothing was trained to its end.
    finalists, references
        The contenders, best first.
    comparisons
        Each finalist with each reference point, where both were confirmed.
    photos, seeds
        Of the test split, and fresh seeds of each that is compared (of the one with fewest).
    doubt
        Why nothing is confirmed; empty where it is.
    """

    best: Ranked | None
    standing: str
    winner: int | None
    finalists: tuple[Contender, ...]
    references: tuple[Contender, ...]
    comparisons: tuple[Comparison, ...]
    photos: int
    seeds: int
    doubt: str

    @property
    def contenders(self) -> tuple[Contender, ...]:
        """All, finalists first."""
        return (*self.finalists, *self.references)

    def __str__(self) -> str:
        if self.best is None:
            return "No trial of the search has been trained to its end yet, so there is none to compare."
        name = self.best.name.capitalize() + (f", {self.standing}," if self.standing else "")
        if not self.references:
            return f"{name} is the best of the search; no reference point was trained to its end."
        if self.doubt:
            return f"{name} is the best of the search. Whether it beats the reference points is {self.doubt}."
        told = [
            self._told(finalist)
            for finalist in self.finalists
            if any(comparison.finalist == finalist for comparison in self.comparisons)
        ]
        compared = {comparison.reference.trial for comparison in self.comparisons}
        missing = [one.name for one in self.references if one.trial not in compared]
        lost = (
            f" {_listed(missing)} could not be trained anew often enough to be compared." if missing else ""
        )
        winner = next((one for one in self.contenders if self.winner in (one.trial, *one.runs)), None)
        said = (
            "" if winner is None or winner.reference is None else f" By validation the best is {winner.name}."
        )
        how = f"Trained anew on {self.seeds} fresh seeds and measured on {self.photos} photos"
        return f"{how} that nothing was chosen by: {' '.join(told)}{lost}{said}"

    def _told(self, finalist: Contender) -> str:
        relations: dict[str, list[str]] = defaultdict(list)
        for comparison in self.comparisons:
            if comparison.finalist == finalist:
                relations[comparison.relation].append(comparison.reference.name)
        told = [f"{relation} {_listed(names)}" for relation, names in relations.items()]
        return f"{finalist.name.capitalize()} {'; '.join(told)}."


def told(difference: Difference) -> str:
    """A difference and its interval, all with their signs."""
    size = max(map(abs, (difference.value, difference.low, difference.high)))
    digits = 2 if size >= 0.1 else 4
    value, low, high = (f"{one:+.{digits}f}" for one in (difference.value, difference.low, difference.high))
    return f"{value} [{low}, {high}]"


def judge(trials: pa.Table, resamples: pa.Table, objectives: Sequence[str], photos: int) -> Verdict:
    """Compare what the search found with the reference points.

    Parameters
    ----------
    trials, resamples
        As `results.store` reads them.
    objectives
        What the study minimises.
    photos
        Of the test split.
    """
    rows = {row["trial"]: row for row in trials.to_pylist()}
    again: dict[int, list[int]] = defaultdict(list)
    for number, row in rows.items():
        if row["role"] == "confirmation" and row["state"] == "COMPLETE":
            again[row["confirms"]].append(number)
    confirmed = [number for number in again if rows.get(number, {}).get("role") == "search"]
    ranking = rank(trials, objectives)
    own = finalists(trials, objectives, FINALISTS)
    chosen = confirmed or [entry.trial for entry in own]
    known = [
        number
        for number, row in rows.items()
        if row["role"] == "reference" and (row["state"] == "COMPLETE" or number in again)
    ]
    judged = {number: tuple(again.get(number, ())) or (number,) for number in (*chosen, *known)}
    by_validation = _in_order(judged, rows, objectives)
    measures = _Measures(judged, rows, resamples, objectives, enough_photos=photos >= FEWEST_PHOTOS)
    contenders = {number: measures.contender(number, len(again.get(number, ()))) for number in by_validation}
    first = tuple(contenders[number] for number in by_validation if number in chosen)
    others = tuple(contenders[number] for number in by_validation if number in known)
    comparisons = tuple(
        Comparison(one, other, measures.differences(one.trial, other.trial))
        for one in first
        for other in others
        if measures.can_compare(one.trial, other.trial)
    )
    compared = [one for each in comparisons for one in (each.finalist, each.reference)]
    seeds = min((one.fresh for one in compared or (*first, *others)), default=0)
    front = [entry.trial for entry in ranking if entry.level == 0]
    standing = ""
    if own and len(objectives) > 1 and len(front) > 1 and own[0].trial in front:
        part = "the knee" if own[0].trial == front[0] else "one"
        standing = f"{part} of {len(front)} best trade-offs"
    # A reference point that an earlier version stopped left no weights of its own.
    fresh = [
        number if rows[number]["state"] == "COMPLETE" else again[number][0]
        for number in by_validation
        if confirmed and again.get(number)
    ]
    return Verdict(
        best=own[0] if own else None,
        standing=standing,
        winner=fresh[0] if fresh else ranking[0].trial if ranking else None,
        finalists=first,
        references=others,
        comparisons=comparisons,
        photos=photos,
        seeds=seeds,
        doubt="" if comparisons else _doubt(seeds, photos),
    )


def _doubt(seeds: int, photos: int) -> str:
    if photos < FEWEST_PHOTOS:
        few = f"{photos} test photos are too few for an interval, which needs {FEWEST_PHOTOS}"
        return f"not confirmed: {few}"
    if seeds >= FEWEST_SEEDS:
        return "not confirmed: the test split has not been read for it"
    once = ", and one more is little to tell luck from merit by" if seeds else ""
    return f"not confirmed: one seed{once}"


def _in_order(
    judged: Mapping[int, Sequence[int]], rows: Mapping[int, Mapping[str, Any]], objectives: Sequence[str]
) -> list[int]:
    """The contenders by the means of their runs' validation, best first; those without a value last."""
    numbers = list(judged)
    means = np.array(
        [
            [np.mean([_value(rows[run][objective]) for run in judged[number]]) for objective in objectives]
            for number in numbers
        ]
    ).reshape(len(numbers), len(objectives))
    placed = [numbers[place] for place in order(means)]
    return placed + [number for number in numbers if number not in placed]


class _Measures:
    """What the test split told of each contender's runs."""

    def __init__(
        self,
        judged: Mapping[int, Sequence[int]],
        rows: Mapping[int, Mapping[str, Any]],
        resamples: pa.Table,
        objectives: Sequence[str],
        *,
        enough_photos: bool,
    ) -> None:
        self._judged = judged
        self._rows = rows
        self._metrics = [ON_TEST[objective] for objective in objectives]
        self._draws: dict[int, dict[str, np.ndarray]] = {}
        wanted = {run for runs in judged.values() for run in runs}
        columns = resamples.select(["trial", *self._metrics]).to_pydict()
        places: dict[int, list[int]] = defaultdict(list)
        for place, trial in enumerate(columns["trial"]):
            places[trial].append(place)
        for trial in wanted & places.keys():
            self._draws[trial] = {
                metric: np.array([_value(columns[metric][place]) for place in places[trial]])
                for metric in self._metrics
            }
        self._compared = [
            number
            for number, runs in judged.items()
            if enough_photos and len(runs) >= FEWEST_SEEDS and all(map(self._is_measured, runs))
        ]
        self._spreads = {
            metric: dict(
                zip(
                    self._compared,
                    intervals.spreads([self._runs(number, metric) for number in self._compared]),
                    strict=True,
                )
            )
            for metric in self._metrics
        }

    def contender(self, number: int, fresh: int) -> Contender:
        """A contender with all that was measured of its runs."""
        runs = self._judged[number]
        names = [name for name in self._rows[number] if name.startswith("test_")]
        values = {name: [self._rows[run][name] for run in runs] for name in names}
        return Contender(
            trial=number,
            reference=self._rows[number]["reference"],
            runs=tuple(runs),
            fresh=fresh,
            measured={
                name: tuple(value for value in own if value is not None)
                for name, own in values.items()
                if any(value is not None for value in own)
            },
            means={
                metric: intervals.mean(
                    self._runs(number, metric), self._spreads[metric][number], np.random.default_rng(number)
                )
                for metric in self._metrics
                if number in self._compared and fresh
            },
        )

    def can_compare(self, one: int, other: int) -> bool:
        """Whether both have runs enough that were measured."""
        return one in self._compared and other in self._compared

    def differences(self, one: int, other: int) -> dict[str, Difference]:
        """What separates them, by metric."""
        return {
            metric: intervals.difference(
                self._runs(one, metric),
                self._runs(other, metric),
                self._spreads[metric][one],
                self._spreads[metric][other],
                np.random.default_rng([one, other]),
            )
            for metric in self._metrics
        }

    def _is_measured(self, run: int) -> bool:
        row = self._rows[run]
        return run in self._draws and all(
            row[metric] is not None and np.isfinite([row[metric], *self._draws[run][metric]]).all()
            for metric in self._metrics
        )

    def _runs(self, number: int, metric: str) -> Runs:
        runs = self._judged[number]
        return Runs(
            values=np.array([self._rows[run][metric] for run in runs]),
            resampled=np.array([self._draws[run][metric] for run in runs]),
        )


def _value(value: float | None) -> float:
    return np.nan if value is None else float(value)


def _listed(names: Sequence[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last
