"""What a person sees while a study runs: one calm screen in a terminal, plain lines elsewhere."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from search.points import Point
from search.progress import Leader, Progress

LEADERS = 5
RUNNING = 16
"""Rows of each table at most."""
BARS = "▁▂▃▄▅▆▇█"


class Display(Protocol):
    """Shows a study while it runs; used as a context."""

    def __enter__(self) -> "Display":
        """Begin."""

    def __exit__(self, *_: object) -> None:
        """End, leaving the terminal as it was."""

    def started(self, number: int, point: Point) -> None:
        """Tell that a trial starts or goes on."""

    def reported(self, number: int, row: Mapping[str, Any]) -> None:
        """Tell an epoch's metrics."""

    def paused(self, number: int) -> None:
        """Tell that a trial waits at a rung."""

    def ended(self, number: int, state: str, reason: str | None) -> None:
        """Tell how a trial ended."""

    def noticed(self, number: int, notice: str) -> None:
        """Tell something about a trial that a person should know."""

    def stopping(self) -> None:
        """Tell that Ctrl-C was heard."""


class Screen:
    """Redraws itself in place, four times a second at most."""

    def __init__(self, console: Console, title: str, progress: Progress) -> None:
        self._title = title
        self._progress = progress
        self._notices: list[Text] = []
        self._hint = "Ctrl-C stops and keeps everything."
        self._live = Live(console=console, get_renderable=self.render, auto_refresh=True, transient=True)

    def __enter__(self) -> "Screen":
        """Take the lower part of the terminal."""
        self._live.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        """Give it back."""
        self._live.__exit__(None, None, None)

    def started(self, number: int, point: Point) -> None:
        """Add a row of the running trials."""
        self._progress.begin(number, point)

    def reported(self, number: int, row: Mapping[str, Any]) -> None:
        """Bring the trial's row up to date."""
        self._progress.epoch(number, row)

    def paused(self, number: int) -> None:
        """Take the trial's row away; the overview counts it."""
        self._progress.pause(number)

    def ended(self, number: int, state: str, reason: str | None) -> None:
        """Take the trial's row away; a failure's reason stays."""
        self._progress.end(number, state)
        if reason:
            self._notices.append(Text(f"trial {number} failed: {reason}", style="red", overflow="ellipsis"))

    def noticed(self, number: int, notice: str) -> None:
        """Keep it on the screen."""
        self._notices.append(Text(f"trial {number}: {notice}", style="yellow", overflow="ellipsis"))

    def stopping(self) -> None:
        """Say so in place of the hint."""
        self._hint = "Stopping after the running epochs, ten seconds at most …"

    def render(self) -> RenderableType:
        """Lay out the screen."""
        progress = self._progress
        parts: list[RenderableType] = [Text(self._title, style="bold"), self._overview(progress)]
        if progress.running:
            parts += ["", self._running(progress)]
        leaders = progress.leaders(LEADERS)
        if leaders:
            parts += ["", self._leaders(leaders)]
        parts += self._notices[-3:]
        parts += ["", Text(self._hint, style="dim")]
        return Group(*parts)

    def _overview(self, progress: Progress) -> RenderableType:
        grid = Table.grid(padding=(0, 2))
        left = progress.seconds_left
        facts = f"{progress.trials_ended} of {progress.trials} trials"
        facts += f", {progress.ended['PRUNED']} stopped early" if progress.ended["PRUNED"] else ""
        facts += f", {progress.ended['FAIL']} failed" if progress.ended["FAIL"] else ""
        facts += f", {len(progress.paused)} waiting at a rung" if progress.paused else ""
        grid.add_row(
            ProgressBar(total=1.0, completed=progress.done, width=24, complete_style="cyan"),
            facts,
            f"{progress.images_per_second:.0f} images/s",
            f"{duration(progress.seconds)} so far",
            f"about {duration(left)} left" if left is not None else "",
        )
        return grid

    def _running(self, progress: Progress) -> RenderableType:
        table = _table("running", "epoch", *progress.objectives, "course", "images/s", "parameters")
        for trial in list(progress.running.values())[:RUNNING]:
            table.add_row(
                trial_name(trial.number, trial.point.label),
                f"{trial.epoch}/{progress.epochs}",
                *(_numbers(trial.values[-1]) if trial.values else [""] * len(progress.objectives)),
                sparkline([values[-1] for values in trial.values]),
                f"{trial.images_per_second:.0f}" if trial.values else "",
                describe(trial.point.params),
            )
        if len(progress.running) > RUNNING:
            table.add_row(f"and {len(progress.running) - RUNNING} more")
        return table

    def _leaders(self, leaders: list[Leader]) -> RenderableType:
        objectives = self._progress.objectives
        table = _table("trained to the end", "epoch", *objectives, *([""] if len(objectives) > 1 else []))
        for place, leader in enumerate(leaders):
            name = trial_name(leader.number, leader.label)
            # The knee comes first: see `Progress.leaders`.
            mark = ("knee of the front" if place == 0 else "front") if leader.in_front else ""
            cells = (name, str(leader.epoch), *_numbers(leader.values), mark)
            table.add_row(*cells[: len(table.columns)])
        return table


class Lines:
    """A line for each thing that happens, for a log file or a pipe."""

    def __init__(self, console: Console, progress: Progress) -> None:
        self._console = console
        self._progress = progress
        self._names: dict[int, str] = {}

    def __enter__(self) -> "Lines":
        """Nothing to take."""
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to give back."""

    def started(self, number: int, point: Point) -> None:
        """Print the trial's parameters."""
        self._progress.begin(number, point)
        self._names[number] = trial_name(number, point.label)
        self._print(number, describe(point.params))

    def reported(self, number: int, row: Mapping[str, Any]) -> None:
        """Print the epoch's metrics, and once a round of epochs how far the study is."""
        progress = self._progress
        progress.epoch(number, row)
        left = progress.seconds_left
        values = ", ".join(
            f"{name} {value}"
            for name, value in zip(
                progress.objectives, _numbers(progress.running[number].values[-1]), strict=True
            )
        )
        self._print(
            number,
            f"epoch {row['epoch']}/{progress.epochs}, {values}, {row['images_per_second']:.0f} images/s"
            + (f" (about {duration(left)} left)" if left is not None else ""),
        )

    def paused(self, number: int) -> None:
        """Print so."""
        self._progress.pause(number)
        self._print(number, f"waits at a rung ({len(self._progress.paused)} waiting)")

    def ended(self, number: int, state: str, reason: str | None) -> None:
        """Print how it ended."""
        self._progress.end(number, state)
        ends = {"COMPLETE": "finished", "PRUNED": "stopped early", "FAIL": f"failed: {reason}"}
        self._print(
            number, f"{ends[state]} ({self._progress.trials_ended} of {self._progress.trials} trials)"
        )

    def noticed(self, number: int, notice: str) -> None:
        """Print it."""
        self._print(number, notice)

    def stopping(self) -> None:
        """Print so."""
        self._console.print("Stopping after the running epochs, ten seconds at most …")

    def _print(self, number: int, text: str) -> None:
        say(self._console, f"{self._names.get(number, trial_name(number, None))}: {text}")


def say(console: Console, text: str, style: str = "") -> None:
    """Print text as it is, one line however long, so that paths and commands can be copied."""
    console.print(text, style=style, soft_wrap=True, markup=False, highlight=False)


def sparkline(values: list[float], width: int = 16) -> str:
    """Draw the last `width` values as bars between their lowest and highest."""
    shown = values[-width:]
    low, high = min(shown, default=0.0), max(shown, default=0.0)
    scale = (len(BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(BARS[round((value - low) * scale)] for value in shown)


def duration(seconds: float) -> str:
    """Say seconds as a person would: 45 s, 3 min 20 s, 2 h 5 min."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def trial_name(number: int, label: str | None) -> str:
    """Name a trial by its number and, for one that the search did not propose, what it is."""
    return f"trial {number}" + (f" · {label}" if label else "")


def describe(params: Mapping[str, Any]) -> str:
    """List parameters in few characters."""
    return " ".join(
        f"{name.replace('learning_rate', 'lr')}={_short(value)}" for name, value in params.items()
    )


def _numbers(values: Sequence[float]) -> list[str]:
    return [f"{value:.3f}" for value in values]


def _short(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _table(*columns: str) -> Table:
    wide = "parameters" in columns
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False, expand=wide)
    for column in columns:
        numeric = column in {"epoch", "images/s"} or column.startswith("val_")
        # In a narrow terminal the parameters give way, not the numbers.
        table.add_column(
            column,
            justify="right" if numeric else "left",
            no_wrap=True,
            overflow="ellipsis",
            ratio=1 if column == "parameters" else None,
        )
    return table
