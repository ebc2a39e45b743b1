"""Figures of a study for the notebook: each function takes tables and returns a matplotlib Figure.

The tables are those of `results.store`. Nothing is read from disk, shown or saved here. Colours are Okabe and Ito's
(2008), which colour-blind people tell apart; lines and points differ by style and marker as well.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from results.ranking import HIGHER_IS_BETTER, LABELS, rank
from results.store import PARAMS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import pyarrow as pa
    from matplotlib.axes import Axes

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


def ranking(trials: pa.Table, baselines: Baselines, objective: str) -> Figure:
    """Bars of the objective, best on top; reference points are hatched, baselines are dashed lines."""
    entries = rank(trials, objective)
    figure, axes = _figure(8.5, 1.6 + 0.26 * max(4, len(entries)))
    for place, entry in enumerate(entries):
        axes.barh(
            place,
            entry.value,
            color=STATES[entry.state][1],
            hatch="////" if entry.reference else None,
            edgecolor="white",
            linewidth=0,
        )
        # On a ground of its own: a baseline's line may run through it.
        axes.annotate(
            f"{entry.value:#.3g}",
            (entry.value, place),
            (5, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
            zorder=3,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0},
        )
    axes.set_yticks(range(len(entries)), [entry.reference or f"trial {entry.trial}" for entry in entries])
    axes.set_ylim(max(len(entries), 1) - 0.4, -0.6)
    axes.set_xlabel(_label(objective))
    axes.grid(axis="y", visible=False)
    for line, (name, value) in enumerate(_values(baselines, objective)):
        axes.axvline(value, color=BASELINE, linestyle=DASHES[1 + line % 3], label=f"baseline: {name}")
    states = {entry.state for entry in entries}
    for state, (label, color) in STATES.items():
        if state in states:
            axes.bar(0, 0, color=color, label=label)
    if any(entry.reference for entry in entries):
        axes.bar(0, 0, color="#bbbbbb", hatch="////", edgecolor="white", linewidth=0, label="reference point")
    _legend(axes)
    return figure


def learning_curves(trials: pa.Table, epochs: pa.Table, baselines: Baselines, metric: str) -> Figure:
    """One line a trial; reference points and the search's best stand out, a cross ends a stopped one."""
    figure, axes = _figure(8.5, 4.6)
    references = dict(zip(trials["trial"].to_pylist(), trials["reference"].to_pylist(), strict=True))
    states = dict(zip(trials["trial"].to_pylist(), trials["state"].to_pylist(), strict=True))
    best = next(
        (entry.trial for entry in rank(trials, metric) if entry.reference is None and entry.has_weights), None
    )
    curves: dict[int, list[tuple[int, float]]] = {}
    for row in epochs.select(["trial", "epoch", metric]).to_pylist():
        if _finite(row[metric]):
            curves.setdefault(row["trial"], []).append((row["epoch"], row[metric]))
    highlighted = 0
    for trial, curve in curves.items():
        at, values = zip(*curve, strict=True)
        reference = references.get(trial)
        if trial == best:
            axes.plot(
                at, values, color="black", linewidth=2.6, zorder=4, label=f"best of the search: trial {trial}"
            )
        elif reference:
            color, dashes = HIGHLIGHTS[highlighted % len(HIGHLIGHTS)], DASHES[highlighted % len(DASHES)]
            axes.plot(at, values, color=color, linestyle=dashes, linewidth=1.8, zorder=3, label=reference)
            highlighted += 1
        else:
            axes.plot(at, values, color="#b5b5b5", linewidth=1)
        if len(at) == 1 or states.get(trial) == "PRUNED":
            axes.plot(at[-1], values[-1], marker="x", color="#777777", markersize=5, zorder=2)
    axes.plot(
        [], [], color="#b5b5b5", marker="x", markeredgecolor="#777777", label="other trials (x: stopped)"
    )
    for line, (name, value) in enumerate(_values(baselines, metric)):
        axes.axhline(
            value, color=BASELINE, linewidth=1, linestyle=DASHES[1 + line % 3], label=f"baseline: {name}"
        )
    axes.set_xlabel("epoch")
    axes.set_ylabel(_label(metric))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    _legend(axes)
    return figure


def best_epochs(trials: pa.Table) -> Figure:
    """How many trials were at their best after which epoch, by state."""
    figure, axes = _figure(8.5, 3.2)
    rows = [
        row for row in trials.select(["state", "best_epoch"]).to_pylist() if row["best_epoch"] is not None
    ]
    last = max((row["best_epoch"] for row in rows), default=1)
    floor = [0] * last
    for state, (label, color) in STATES.items():
        counts = [
            sum(row["state"] == state and row["best_epoch"] == epoch for row in rows)
            for epoch in range(1, last + 1)
        ]
        if any(counts):
            axes.bar(range(1, last + 1), counts, bottom=floor, color=color, label=label, edgecolor="white")
            floor = [below + count for below, count in zip(floor, counts, strict=True)]
    axes.set_xlabel("best epoch")
    axes.set_ylabel("trials")
    axes.grid(axis="x", visible=False)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    _legend(axes)
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
    rows = [row for row in trials.to_pylist() if _finite(row[column]) and row["state"] in STATES]
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


def pareto(
    trials: pa.Table, baselines: Baselines, across: str = "val_delta_e", up: str = "val_swd"
) -> Figure:
    """Two metrics against each other, with the front of what no trial beats in both, and the baselines."""
    figure, axes = _figure(6.8, 5.2)
    rows = [
        row
        for row in trials.to_pylist()
        if row["state"] in STATES and _finite(row[across]) and _finite(row[up])
    ]
    front = sorted((row[across], row[up]) for row in rows if not _dominated(row, rows, (across, up)))
    if front:
        axes.step(
            *zip(*front, strict=True), where="post", color="#999999", linewidth=1.2, label="best trade-offs"
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
        axes.legend(handles, labels, loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, fontsize=9)


def _scatter(axes: Axes, rows: Sequence[Mapping[str, Any]], across: str, up: str) -> None:
    drawn = [row for row in rows if _finite(row[across]) and _finite(row[up])]
    for state, (label, color) in STATES.items():
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
                    label=f"reference point, {label}" if reference else label,
                    zorder=3,
                )


def _dominated(row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], metrics: tuple[str, str]) -> bool:
    signs = [-1 if metric in HIGHER_IS_BETTER else 1 for metric in metrics]

    def scores(of: Mapping[str, Any]) -> list[float]:
        return [sign * of[metric] for sign, metric in zip(signs, metrics, strict=True)]

    own = scores(row)
    return any(
        all(a <= b for a, b in zip(scores(other), own, strict=True)) and scores(other) != own
        for other in rows
    )


def _values(baselines: Baselines, metric: str) -> list[tuple[str, float]]:
    return [(name, scores[metric]) for name, scores in baselines.items() if _finite(scores.get(metric))]


def _label(metric: str) -> str:
    better = "higher" if metric in HIGHER_IS_BETTER else "lower"
    return f"{LABELS[metric]} ({better} is better)"


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)
