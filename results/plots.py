"""Figures of a study for the notebook: each function takes tables and returns a matplotlib Figure.

The tables are those of `results.store`. Nothing is read from disk, shown or saved here. Colours are Okabe and Ito's
(2008), which colour-blind people tell apart; lines and points differ by style and marker as well.
"""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from results.effort import course
from results.ranking import HIGHER_IS_BETTER, finalists, label, rank
from results.store import ON_TEST, PARAMS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pyarrow as pa
    from matplotlib.axes import Axes

    from results.verdict import Verdict

Baselines = dict[str, dict[str, float]]

STATES = {
    "COMPLETE": ("complete", "#0072B2"),
    "RUNNING": ("running", "#56B4E9"),
    "PRUNED": ("stopped early", "#E69F00"),
}
"""Label and colour by state; failed trials are not drawn."""
MARKERS = {"COMPLETE": "o", "RUNNING": "^", "PRUNED": "v"}
HIGHLIGHTS = ("#D55E00", "#009E73", "#CC79A7", "#0072B2", "#E69F00", "#56B4E9", "#000000")
DASHES = ((0, ()), (0, (5, 2)), (0, (1, 1.5)), (0, (5, 2, 1, 2)))
BASELINE = "#555555"
BASELINE_MARKERS = {"gray": "X", "mean chroma": "P"}


def ranking(trials: pa.Table, baselines: Baselines, objectives: Sequence[str]) -> Figure:
    """Bars of each objective, complete trials alone, best on top; references are hatched, baselines dashed lines.

    Of several objectives the front comes first, the knee at its head; their names say so.
    """
    entries = rank(trials, objectives)
    several = len(objectives) > 1
    width = 4.2 + 3.2 * len(objectives) if several else 8.5
    figure, *panels = _figure(width, 1.6 + 0.26 * max(4, len(entries)), len(objectives))
    for column, (axes, objective) in enumerate(zip(panels, objectives, strict=True)):
        for place, entry in enumerate(entries):
            axes.barh(
                place,
                entry.values[column],
                color=STATES["COMPLETE"][1],
                hatch="////" if entry.reference else None,
                edgecolor="white",
                linewidth=0,
            )
            # On a ground of its own: a baseline's line may run through it.
            axes.annotate(
                f"{entry.values[column]:#.3g}",
                (entry.values[column], place),
                (5, 0),
                textcoords="offset points",
                va="center",
                fontsize=9,
                zorder=3,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0},
            )
        axes.set_yticks([])
        axes.set_ylim(max(len(entries), 1) - 0.4, -0.6)
        axes.set_xlabel(_label(objective).replace(" (", "\n(") if several else _label(objective))
        axes.grid(axis="y", visible=False)
        shown = [entry.values[column] for entry in entries]
        furthest = max([*shown, *(value for _, value in _values(baselines, objective))], default=1.0)
        axes.set_xlim(right=1.15 * furthest if furthest > 0 else None)
        for line, (name, value) in enumerate(_values(baselines, objective)):
            axes.axvline(value, color=BASELINE, linestyle=DASHES[1 + line % 3], label=f"baseline: {name}")
    names = [entry.reference or f"trial {entry.trial}" for entry in entries]
    if several:
        marks = [
            "" if entry.level else ", front" if place else ", knee" for place, entry in enumerate(entries)
        ]
        names = [name + mark for name, mark in zip(names, marks, strict=True)]
    # A study's names are no formulas, whatever dollar signs they hold.
    panels[0].set_yticks(range(len(entries)), names, parse_math=False)
    if any(entry.reference for entry in entries):
        panels[-1].bar(
            0, 0, color="#bbbbbb", hatch="////", edgecolor="white", linewidth=0, label="reference point"
        )
    _legend(panels[-1])
    return figure


def verdict(found: Verdict, baselines: Baselines, objectives: Sequence[str]) -> Figure:
    """Finalists and reference points on the test split, a panel an objective: each training a dot.

    Where there are enough of them, a bar through the dots' mean is its 95 % interval. Finalists stand above the line,
    reference points below it, and dashed lines are the baselines.
    """
    shown = [contender for contender in found.contenders if contender.measured]
    figure, *panels = _figure(4.2 + 3.4 * len(objectives), 1.4 + 0.42 * max(3, len(shown)), len(objectives))
    for axes, objective in zip(panels, objectives, strict=True):
        metric = ON_TEST[objective]
        for place, contender in enumerate(shown):
            color = "#0072B2" if contender.reference is None else "#D55E00"
            mean = contender.means.get(metric)
            if mean is not None:
                axes.plot(
                    [mean.low, mean.high], [place, place], color=color, linewidth=7, alpha=0.25, zorder=2
                )
                axes.plot(
                    mean.value, place, marker="|", color=color, markersize=16, markeredgewidth=2.5, zorder=3
                )
            values = contender.measured.get(metric, ())
            axes.scatter(
                values, [place] * len(values), s=38, color=color, edgecolor="white", linewidth=0.8, zorder=4
            )
        axes.set_ylim(max(len(shown), 1) - 0.4, -0.6)
        axes.set_yticks([])
        axes.grid(axis="y", visible=False)
        if 0 < len(found.finalists) < len(shown):
            axes.axhline(len(found.finalists) - 0.5, color="#bbbbbb", linewidth=1)
        for line, (name, value) in enumerate(_values(baselines, metric)):
            axes.axvline(value, color=BASELINE, linestyle=DASHES[1 + line % 3], label=f"baseline: {name}")
        axes.set_xlabel(_label(metric).replace(" (", "\n("))
    panels[0].set_yticks(range(len(shown)), [contender.name for contender in shown], parse_math=False)
    for color, kind in (("#0072B2", "finalist"), ("#D55E00", "reference point")):
        panels[-1].scatter([], [], s=38, color=color, label=f"{kind}, a training")
    if any(contender.means for contender in shown):
        panels[-1].plot([], [], color="#777777", linewidth=7, alpha=0.35, label="mean, 95 % interval")
    _legend(panels[-1])
    return figure


def learning_curves(
    trials: pa.Table, epochs: pa.Table, baselines: Baselines, objectives: Sequence[str]
) -> Figure:
    """One line a trial and a panel an objective; reference points and the best of the search stand out.

    A cross ends the line of a stopped trial. Confirmations are left out.
    """
    figure, *panels = _figure(8.5 if len(objectives) == 1 else 4.6 * len(objectives), 4.6, len(objectives))
    columns = ["trial", "role", "reference", "state"]
    rows = {row["trial"]: row for row in trials.select(columns).to_pylist()}
    best = next(iter(finalists(trials, objectives, 1)), None)
    for axes, metric in zip(panels, objectives, strict=True):
        _curves(axes, rows, epochs, metric, None if best is None else best.trial)
        for line, (name, value) in enumerate(_values(baselines, metric)):
            axes.axhline(
                value, color=BASELINE, linewidth=1, linestyle=DASHES[1 + line % 3], label=f"baseline: {name}"
            )
        axes.set_xlabel("epoch")
        axes.set_ylabel(_label(metric))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    _legend(panels[-1])
    return figure


def _curves(
    axes: Axes, rows: Mapping[int, Mapping[str, Any]], epochs: pa.Table, metric: str, best: int | None
) -> None:
    curves: dict[int, list[tuple[int, float]]] = {}
    for row in epochs.select(["trial", "epoch", metric]).to_pylist():
        if _finite(row[metric]):
            curves.setdefault(row["trial"], []).append((row["epoch"], row[metric]))
    highlighted = 0
    for trial, curve in curves.items():
        at, values = zip(*curve, strict=True)
        known = rows.get(trial, {})
        if known.get("role") == "confirmation":
            continue
        if trial == best:
            axes.plot(
                at, values, color="black", linewidth=2.6, zorder=4, label=f"best of the search: trial {trial}"
            )
        elif known.get("reference"):
            color, dashes = HIGHLIGHTS[highlighted % len(HIGHLIGHTS)], DASHES[highlighted % len(DASHES)]
            axes.plot(
                at, values, color=color, linestyle=dashes, linewidth=1.8, zorder=3, label=known["reference"]
            )
            highlighted += 1
        else:
            axes.plot(at, values, color="#b5b5b5", linewidth=1)
        if len(at) == 1 or known.get("state") == "PRUNED":
            axes.plot(at[-1], values[-1], marker="x", color="#777777", markersize=5, zorder=2)
    axes.plot(
        [], [], color="#b5b5b5", marker="x", markeredgecolor="#777777", label="other trials (x: stopped)"
    )


def best_epochs(trials: pa.Table) -> Figure:
    """How many of the trainings that came to their end have which epoch for the one that counts."""
    figure, axes = _figure(8.5, 3.2)
    rows = trials.select(["state", "epochs", "best_epoch"]).to_pylist()
    complete = [row for row in rows if row["state"] == "COMPLETE" and row["best_epoch"] is not None]
    last = max((row["epochs"] for row in complete), default=1)
    counts = [sum(row["best_epoch"] == epoch for row in complete) for epoch in range(1, last + 1)]
    axes.bar(range(1, last + 1), counts, color=STATES["COMPLETE"][1], edgecolor="white")
    axes.set_xlabel("epoch that counts")
    axes.set_ylabel("trials")
    axes.grid(axis="x", visible=False)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    return figure


def parameter(trials: pa.Table, name: str, metrics: Sequence[str]) -> Figure:
    """A numeric parameter against metrics, one panel each; logarithmic where its values span a factor of ten.

    Raises
    ------
    KeyError
        Where no trial has the parameter (lambda exists for pix2pix alone).
    """
    column = PARAMS + name
    if column not in trials.column_names:
        raise KeyError(f"no trial has the parameter {name}: there are {', '.join(parameters(trials))}.")
    figure, *panels = _figure(4.6 * len(metrics), 4.0, len(metrics))
    rows = [row for row in _drawn(trials) if _finite(row[column])]
    values = [row[column] for row in rows if row[column] > 0]
    for axes, metric in zip(panels, metrics, strict=True):
        _scatter(axes, rows, column, metric)
        if values and len(values) == len(rows) and max(values) >= 10 * min(values):
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(
                LogLocator(subs=(1, 3) if max(values) <= 1000 * min(values) else (1,))
            )
            axes.xaxis.set_minor_locator(NullLocator())
            axes.xaxis.set_major_formatter("{x:g}")
        axes.set_xlabel("λ" if name == "lambda" else name.replace("_", " "))
        axes.set_ylabel(_label(metric))
    _legend(panels[-1])
    return figure


def parameters(trials: pa.Table) -> list[str]:
    """Names of the numeric parameters, those that vary over the trials first."""
    names = [
        name.removeprefix(PARAMS)
        for name in trials.column_names
        if name.startswith(PARAMS) and str(trials.schema.field(name).type) in {"int64", "double"}
    ]
    return sorted(names, key=lambda name: -len(set(trials[PARAMS + name].drop_null().to_pylist())))


def pareto(trials: pa.Table, baselines: Baselines, objectives: Sequence[str]) -> Figure:
    """Each two objectives against each other, with the front of the complete trials, its knee, and the baselines.

    What was stopped or runs still is drawn faintly, where it is: it had fewer epochs, and is compared with nothing.
    The front is that of all the objectives: with three, a panel shows it as it looks from one side, without a line.
    """
    pairs = list(combinations(range(len(objectives)), 2))
    figure, *panels = _figure(6.8 if len(pairs) == 1 else 4.4 * len(pairs), 5.2, len(pairs))
    rows = _drawn(trials)
    front = [entry for entry in rank(trials, objectives) if entry.level == 0]
    for axes, (first, second) in zip(panels, pairs, strict=True):
        across, up = objectives[first], objectives[second]
        points = [(entry.values[first], entry.values[second]) for entry in front]
        if front and len(pairs) == 1:
            axes.step(
                *zip(*sorted(points), strict=True), where="post", color="#777777", linewidth=1.2, zorder=1
            )
        if front:
            axes.scatter(
                *zip(*points, strict=True),
                s=190,
                color="#CFE8DF",
                zorder=2,
                label="front: the best trade-offs",
            )
            axes.scatter(
                *points[0],
                s=330,
                marker="o",
                facecolor="none",
                edgecolor="#D55E00",
                linewidth=2,
                label=f"knee: {front[0].name}",
            )
        _scatter(axes, rows, across, up)
        for name, scores in baselines.items():
            if _finite(scores.get(across)) and _finite(scores.get(up)):
                marker = BASELINE_MARKERS.get(name, "s")
                axes.scatter(
                    scores[across], scores[up], s=90, marker=marker, color=BASELINE, label=f"baseline: {name}"
                )
        axes.set_xlabel(_label(across))
        axes.set_ylabel(_label(up))
    _legend(panels[-1])
    return figure


def hypervolume(
    trials: pa.Table, epochs: pa.Table, baselines: Baselines, objectives: Sequence[str]
) -> Figure:
    """How the hypervolume grew while the search ran, and where in time it was within a tenth of its end."""
    figure, axes = _figure(8.5, 3.6)
    reached = course(trials, epochs, baselines, objectives)
    if len(reached.seconds):
        minutes = reached.seconds / 60
        last = reached.hypervolumes[-1]
        axes.step([0.0, *minutes], [0.0, *reached.hypervolumes], where="post", color="#0072B2", linewidth=2)
        axes.fill_between(
            [0.0, *minutes], [0.0, *reached.hypervolumes], step="post", color="#0072B2", alpha=0.12
        )
        if last > 0:
            place = int(np.argmax(reached.hypervolumes >= 0.9 * last))
            axes.axvline(
                minutes[place],
                color=BASELINE,
                linestyle=DASHES[1],
                linewidth=1,
                label=f"90 % of it after {minutes[place]:.2g} min",
            )
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
    axes.set_xlabel("minutes since the first epoch began")
    axes.set_ylabel("hypervolume (higher is better)")
    _legend(axes)
    return figure


def strips(pictures: Mapping[str, np.ndarray]) -> Figure:
    """Trials' picture strips under one another, each under its title.

    Parameters
    ----------
    pictures
        uint8 [h, w, 3] by title.
    """
    count = max(1, len(pictures))
    ratio = sum(picture.shape[0] / picture.shape[1] for picture in pictures.values()) or 0.4
    figure, *panels = _figure(9.0, 9.0 * ratio + 0.35 * count, 1, count)
    for axes in panels:
        axes.set_axis_off()
    for axes, (title, picture) in zip(panels, pictures.items(), strict=False):
        axes.imshow(picture, interpolation="antialiased")
        axes.set_title(title, loc="left", fontsize=10)
    return figure


def _figure(width: float, height: float, columns: int = 1, rows: int = 1) -> tuple[Any, ...]:
    figure = Figure(figsize=(width, height), dpi=110, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(color="#e4e4e4", linewidth=0.8)
        axes.set_axisbelow(True)
    return (figure, *panels)


def _legend(axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    if handles:
        legend = axes.legend(
            handles, labels, loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, fontsize=9
        )
        for text in legend.get_texts():
            # A study's names are no formulas, whatever dollar signs they hold.
            text.set_parse_math(False)


def _scatter(axes: Axes, rows: Sequence[Mapping[str, Any]], across: str, up: str) -> None:
    drawn = [row for row in rows if _finite(row[across]) and _finite(row[up])]
    for state, (said, color) in STATES.items():
        for reference, marker, size in ((False, MARKERS[state], 36), (True, "D", 54)):
            group = [
                row for row in drawn if row["state"] == state and (row["reference"] is not None) == reference
            ]
            if group:
                axes.scatter(
                    [row[across] for row in group],
                    [row[up] for row in group],
                    s=size,
                    marker=marker,
                    color=color,
                    edgecolor="black" if reference else "white",
                    linewidth=1.0 if reference else 0.6,
                    alpha=1.0 if state == "COMPLETE" else 0.35,
                    label=f"reference point, {said}" if reference else said,
                    zorder=3,
                )


def _drawn(trials: pa.Table) -> list[dict[str, Any]]:
    """The trials to be drawn as points: all that did not fail, without confirmations."""
    return [row for row in trials.to_pylist() if row["state"] in STATES and row["role"] != "confirmation"]


def _values(baselines: Baselines, metric: str) -> list[tuple[str, float]]:
    return [(name, scores[metric]) for name, scores in baselines.items() if _finite(scores.get(metric))]


def _label(metric: str) -> str:
    better = "higher" if metric in HIGHER_IS_BETTER else "lower"
    return f"{label(metric)} ({better} is better)"


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
