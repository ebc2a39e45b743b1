"""The figure of `results.regret`: which search is better, and how many workers are worth it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

from results.plots import DASHES, HIGHLIGHTS
from results.regret import NEAR, Trace, grouped, mean_regret, median_within

_FLOOR = 1e-4
"""A regret below 0.01 % is drawn as that: a log scale has no 0."""
_POINTS = 240
_MARKERS = "osD^vPX"
_QUIET = "#777777"

Groups = Mapping[tuple[str, int, str], list[Trace]]
Looks = Mapping[str, Mapping[str, Any]]


def regret_figure(traces: Sequence[Trace], titles: Mapping[str, str]) -> Figure:
    """Draw each table's mean regret over worker-hours by number of workers, and the wall clock until within 5 %.

    A row a table. The last panel, which needs two numbers of workers, has a dotted line with the slope of a perfect
    speed-up, and an open marker at the end of the budget where most seeds never came that near.

    Parameters
    ----------
    traces
        Of any number of tables, methods, workers and seeds.
    titles
        Of each table.
    """
    groups = grouped(traces)
    tables = list(dict.fromkeys(table for table, _, _ in groups))
    workers = list(dict.fromkeys(count for _, count, _ in groups))
    methods = list(dict.fromkeys(method for _, _, method in groups))
    columns = len(workers) + (len(workers) > 1)
    figure = Figure(figsize=(3.1 * columns + 1.9, 3.3 * len(tables) + 0.3), dpi=110)
    figure.set_layout_engine("constrained", w_pad=0.09)
    rows = figure.subplots(len(tables), columns, squeeze=False)
    looks: Looks = {
        method: {
            "color": HIGHLIGHTS[at % len(HIGHLIGHTS)],
            "linestyle": DASHES[(at + at // len(HIGHLIGHTS)) % len(DASHES)],
        }
        for at, method in enumerate(methods)
    }
    for table, row in zip(tables, rows, strict=True):
        own = {key: group for key, group in groups.items() if key[0] == table}
        for axes, count in zip(row, workers, strict=False):
            _draw_regrets(axes, {key[2]: group for key, group in own.items() if key[1] == count}, looks)
            axes.set_title(f"{count:,} worker{'s' * (count != 1)}", fontsize=10)
        _share_regrets(row[: len(workers)])
        row[0].set_ylabel("mean regret of the incumbent")
        row[0].annotate(
            titles[table],
            (0, 1),
            (0, 24),
            xycoords="axes fraction",
            textcoords="offset points",
            fontsize=11,
            weight="bold",
            va="bottom",
        )
        _label_ends(figure, row[len(workers) - 1], looks)
        if len(workers) > 1:
            _draw_scaling(row[-1], own, workers, looks)
    return figure


def _draw_regrets(axes: Axes, groups: Mapping[str, list[Trace]], looks: Looks) -> None:
    _plain(axes)
    for method, group in groups.items():
        count = group[0].workers
        until = max(trace.seconds for trace in group)
        since = max((trace.changes[0][0] for trace in group if trace.changes), default=until)
        seconds = np.geomspace(min(since, until) or 1.0, until, _POINTS)
        mean, low, high = (np.maximum(line, _FLOOR) for line in mean_regret(group, seconds))
        hours = seconds * count / 3600
        axes.plot(hours, mean, label=method, linewidth=1.8, **looks[method])
        axes.fill_between(hours, low, high, color=looks[method]["color"], alpha=0.13, linewidth=0)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("worker-hours")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _share_regrets(row: Sequence[Axes]) -> None:
    """One scale for all, with its labels at the first."""
    limits = np.array([axes.get_ylim() for axes in row])
    low, high = limits[:, 0].min(), limits[:, 1].max()
    for axes in row:
        axes.set_ylim(low, high)
        axes.yaxis.set_major_locator(
            LogLocator(subs=(1,)) if high > 100 * low else LogLocator(subs=(1, 2, 5))
        )
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(_percent))
        if axes is not row[0]:
            axes.tick_params(labelleft=False)


def _draw_scaling(axes: Axes, groups: Groups, workers: Sequence[int], looks: Looks) -> None:
    _plain(axes)
    reached, never = [], False
    methods = list(dict.fromkeys(key[2] for key in groups))
    for place, method in enumerate(methods):
        own = [(count, group) for (_, count, name), group in groups.items() if name == method]
        # Side by side, or the intervals of several methods would hide one another.
        aside = 1.06 ** (place - (len(methods) - 1) / 2)
        estimates = [median_within(group, NEAR) for _, group in own]
        points = [
            (count * aside, one.value / 3600, one.low / 3600, one.high / 3600)
            for (count, _), one in zip(own, estimates, strict=True)
            if math.isfinite(one.value)
        ]
        look = looks[method]
        if points:
            reached.append(points[0][:2])
            at, middle, low, high = (np.array(column) for column in zip(*points, strict=True))
            axes.plot(at, middle, marker=_MARKERS[place % len(_MARKERS)], markersize=5, linewidth=1.4, **look)
            top = np.where(np.isfinite(high), high, middle)
            axes.vlines(at, low, top, color=look["color"], linewidth=1.4, alpha=0.55)
        for (count, group), one in zip(own, estimates, strict=True):
            if not math.isfinite(one.value):
                never = True
                ended = max(trace.seconds for trace in group) / 3600
                axes.plot(
                    count * aside,
                    ended,
                    marker=_MARKERS[place % len(_MARKERS)],
                    markerfacecolor="white",
                    markersize=6,
                    color=look["color"],
                    linestyle="none",
                )
                axes.annotate(
                    "↑",
                    (count * aside, ended),
                    (0, 4),
                    textcoords="offset points",
                    ha="center",
                    color=look["color"],
                )
    if reached:
        count, hours = max(reached, key=lambda point: point[0] * point[1])
        line = np.array([min(workers), max(workers)])
        axes.plot(line, hours * count / line, color=_QUIET, linestyle=(0, (1, 2)), linewidth=1.2, zorder=1)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(FixedLocator(list(workers)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("workers")
    axes.set_ylabel("hours of wall clock (median)")
    axes.set_title(f"until within {100 * NEAR:g} % of the best", fontsize=10)
    said = ["dotted: perfect speed-up"] * bool(reached) + ["open: most never were"] * never
    axes.text(0.02, 0.02, "\n".join(said), transform=axes.transAxes, fontsize=8, color=_QUIET)


def _percent(share: float, _: int) -> str:
    return f"{'≤ ' if math.isclose(share, _FLOOR) else ''}{100 * share:g} %"


def _label_ends(figure: Figure, axes: Axes, looks: Looks) -> None:
    """Name the lines at their right ends, far enough apart to be read."""
    figure.draw_without_rendering()
    ends = []
    for line in axes.get_lines():
        values = np.asarray(line.get_ydata(), dtype=np.float64)
        finite = np.flatnonzero(np.isfinite(values))
        if len(finite):
            at = (np.asarray(line.get_xdata())[finite[-1]], values[finite[-1]])
            ends.append((float(axes.transData.transform(at)[1]), str(line.get_label()), at))
    spacing = 12 * figure.dpi / 72
    below = -math.inf
    for height, label, at in sorted(ends):
        below = max(height, below + spacing)
        axes.annotate(
            label,
            at,
            (6, (below - height) * 72 / figure.dpi),
            textcoords="offset points",
            va="center",
            fontsize=9,
            color=looks[label]["color"],
            annotation_clip=False,
        )


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e4e4e4", linewidth=0.8)
    axes.set_axisbelow(True)
