"""What a simulation says: tables for the terminal, table.csv and regret.png."""

import csv
import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.table import Table

from results.intervals import Estimate
from results.regret import NEAR, NEARER, Trace, Verdict, verdicts
from search.config import ConfigError
from search.curves import Problem
from search.live import duration

if TYPE_CHECKING:
    from search.simulate import Outcome


_WIDTH = 112
"""Columns of the table."""


def print_problems(console: Console, problems: Iterable[Problem]) -> None:
    """Say where the curves come from."""
    for problem in problems:
        console.print(
            f"{problem.name} ({', '.join(problem.objectives)}): {problem.note}",
            soft_wrap=True,
            markup=False,
            highlight=False,
        )


def print_verdicts(console: Console, problems: Sequence[Problem], traces: Sequence[Trace]) -> None:
    """Say how each method did, a table for each problem; intervals in brackets."""
    found = verdicts(traces)
    # A narrower terminal wraps whole lines, which reads better than cells that are wrapped.
    wide = console if console.width >= _WIDTH else Console(file=console.file, width=_WIDTH)
    for problem in problems:
        table = _table(_title(problem, traces))
        first = found[0].method
        table.add_column("workers", justify="right")
        table.add_column("method", no_wrap=True)
        for name in (
            "regret, %",
            f"against {first}",
            f"until {100 * NEAR:g} %",
            f"until {100 * NEARER:g} %",
            "idle",
            "trials",
        ):
            table.add_column(name, justify="right")
        workers = 0
        for verdict in found:
            if verdict.table == problem.name:
                if workers and verdict.workers != workers:
                    table.add_section()
                table.add_row(*_cells(verdict, verdict.workers != workers))
                workers = verdict.workers
        wide.print(table)
    console.print(
        f"Regret: how far from the best there is, mean over {found[0].seeds} seeds [95 % interval]. Until: median"
        " wall clock until within that share for good (seeds that were).",
        style="dim",
        highlight=False,
        soft_wrap=True,
    )


def print_costs(console: Console, outcomes: Sequence["Outcome"]) -> None:
    """Say what decisions took, in processor time on this machine."""
    groups: dict[tuple[str, int], list[tuple[float, float, float]]] = {}
    for outcome in outcomes:
        for cost in outcome.costs:
            key = (outcome.trace.method, cost.trials)
            groups.setdefault(key, []).append((cost.proposal, cost.reports, cost.decision))
    if not groups:
        return
    table = _table("What a decision takes here")
    table.add_column("method", no_wrap=True)
    for name in ("trials so far", "proposal", "searcher told", "scheduler's decision"):
        table.add_column(name, justify="right")
    for (method, trials), costs in groups.items():
        proposal, reports, decision = np.mean(costs, axis=0)
        table.add_row(
            method,
            f"{trials:,}",
            f"{1e3 * proposal:.2f} ms",
            f"{1e6 * reports:.0f} µs",
            f"{1e6 * decision:.0f} µs",
        )
    console.print(table)


def write_verdicts(out: Path, problems: Sequence[Problem], traces: Sequence[Trace]) -> list[Path]:
    """Write table.csv and regret.png to a folder, and give their paths.

    table.csv holds a row for each table, number of workers and method: times in seconds of wall clock, shares as
    such, `inf` for never, an interval's ends under the endings `_low` and `_high`.

    Raises
    ------
    ConfigError
        They cannot be written.
    """
    from results.regret_plot import regret_figure

    titles = {problem.name: _title(problem, traces) for problem in problems}
    text = io.StringIO()
    rows = [_flat(verdict) for verdict in verdicts(traces)]
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    table, picture = out / "table.csv", out / "regret.png"
    try:
        table.write_text(text.getvalue(), encoding="utf-8")
        regret_figure(traces, titles).savefig(picture, dpi=150)
    except OSError as error:
        raise ConfigError(f"--out is {out}, but {error.strerror}: take another folder.") from None
    return [table, picture]


def _table(title: str) -> Table:
    return Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)


def _title(problem: Problem, traces: Iterable[Trace]) -> str:
    surrogate = any(trace.surrogate for trace in traces if trace.table == problem.name)
    return Path(problem.name).name + (" (surrogate)" if surrogate else "")


def _flat(verdict: Verdict) -> dict[str, object]:
    row: dict[str, object] = {}
    for field in fields(verdict):
        value = getattr(verdict, field.name)
        if field.name == "difference" and value is None:
            value = Estimate(0.0, 0.0, 0.0)
        if isinstance(value, Estimate):
            row |= {
                field.name: value.value,
                f"{field.name}_low": value.low,
                f"{field.name}_high": value.high,
            }
        else:
            row[field.name] = value
    return row


def _cells(verdict: Verdict, first: bool) -> tuple[str, ...]:
    difference = verdict.difference
    return (
        f"{verdict.workers:,}" if first else "",
        verdict.method,
        _interval(verdict.regret, ""),
        "" if difference is None else _interval(difference, "+"),
        f"{_time(verdict.near)} ({verdict.reached_near})",
        f"{_time(verdict.nearer)} ({verdict.reached_nearer})",
        f"{100 * verdict.idle:.1f} %",
        f"{verdict.trials:,.0f}",
    )


def _interval(estimate: Estimate, sign: str) -> str:
    value, low, high = (f"{100 * share:{sign}.2g}" for share in (estimate.value, estimate.low, estimate.high))
    return f"{value} [{low}, {high}]"


def _time(estimate: Estimate) -> str:
    return duration(estimate.value) if math.isfinite(estimate.value) else "never"
