"""The verdict in a terminal: what the test split told of finalists and references, and what separates them."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from results.schema import TEST_METRICS
from results.verdict import Comparison, Contender, Verdict, told
from search.live import say

_WIDTH = 120
"""Columns of the tables."""
_HEADINGS = dict(
    zip(
        TEST_METRICS,
        ("CIEDE2000", "SWD", "colorfulness gap", "chroma error", "KID", "L1", "PSNR", "SSIM"),
        strict=True,
    )
)
"""What fits above a column of numbers."""
_STYLES = {
    "dominates": "bold green",
    "beats": "bold green",
    "is dominated by": "red",
    "is beaten by": "red",
}


def print_verdict(console: Console, verdict: Verdict, baselines: Mapping[str, Mapping[str, float]]) -> None:
    """Say what the test split told, and what follows from it; nothing but the last where it has not been read."""
    # A narrower terminal wraps whole lines, which reads better than cells that are wrapped.
    wide = console if console.width >= _WIDTH else Console(file=console.file, width=_WIDTH)
    if any(contender.measured for contender in verdict.contenders):
        seeds = f", means over {verdict.seeds} fresh seeds" if verdict.seeds > 1 else ""
        say(console, f"Test split, {verdict.photos} photos{seeds}:")
        wide.print(_measures(verdict, baselines))
        console.print()
    if verdict.comparisons:
        say(console, "Finalist less reference point, with 95 % intervals over seeds and photos:")
        wide.print(_comparisons(verdict.comparisons))
        console.print()
    say(console, str(verdict), style="bold")


def _measures(verdict: Verdict, baselines: Mapping[str, Mapping[str, float]]) -> Table:
    """Means over each contender's trainings of all metrics, and the baselines'."""
    columns = [
        metric
        for metric in TEST_METRICS
        if any(metric in contender.measured for contender in verdict.contenders)
    ]
    table = _table("", *(_HEADINGS[metric] for metric in columns))
    for contender in verdict.contenders:
        if contender.measured:
            table.add_row(
                _named(contender), *(_mean(contender.measured.get(metric, ())) for metric in columns)
            )
    for name, scores in baselines.items():
        if any(metric in scores for metric in columns):
            values = [f"{scores[metric]:.3f}" if metric in scores else "" for metric in columns]
            table.add_row(Text(f"baseline: {name}", style="magenta"), *values)
    return table


def _comparisons(comparisons: Sequence[Comparison]) -> Table:
    """What separates each finalist from each reference point."""
    headings = [
        heading for metric in comparisons[0].differences for heading in (_HEADINGS[metric], "lower in")
    ]
    table = _table("", *headings, "")
    current: Contender | None = None
    for comparison in comparisons:
        if comparison.finalist != current:
            current = comparison.finalist
            table.add_row(_named(current))
        relation = comparison.relation
        name = Text("  ").append(relation, style=_STYLES.get(relation, "")).append(" ")
        cells = [
            cell
            for difference in comparison.differences.values()
            for cell in (told(difference), f"{difference.probability:.0%}")
        ]
        table.add_row(name.append(comparison.reference.name, style="cyan"), *cells)
    return table


def _named(contender: Contender) -> Text:
    return Text(contender.name, style="cyan" if contender.reference else "")


def _mean(values: Sequence[float]) -> str:
    return f"{sum(values) / len(values):.3f}" if values else ""


def _table(name: str, *numbers: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column(name, no_wrap=True)
    for heading in numbers:
        table.add_column(heading, justify="right", no_wrap=True)
    return table
