"""What is said before a study and after it: the plan, the ranking, where everything lies and what to type next."""

import math
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from results.effort import Course, DeviceEffort, Savings, by_device, course, savings
from results.noise import seed_noise
from results.ranking import Ranked, rank
from results.store import PARAMS, read_epochs, read_resamples, read_trials
from results.verdict import FEWEST_PHOTOS, FEWEST_SEEDS, Verdict, judge
from search.admission import free_bytes, resume_command, study_folder
from search.config import StudyConfig, seconds_of
from search.live import describe, duration, say
from search.machine import joins_cluster
from search.packing import Packing
from search.plan import Plan
from search.precision import Precision
from search.pretrained import Pretrained
from search.study import Outcome
from search.verdict_tables import print_verdict
from trainables.data.pack import PackReport

_USE = {"train": "train", "validation": "validate", "test": "test"}
_NAMED = 5
"""Skipped images that are named; of the others only the number is."""
_STATES = {"COMPLETE": "", "PRUNED": "stopped early", "FAIL": "failed", "RUNNING": "unfinished"}
_WIDE = 140
"""Columns of a terminal in which a trial's parameters can be read."""
_SHOWN = ("val_swd", "val_delta_e")


def print_plan(console: Console, plan: Plan) -> None:
    """Say what a study would do."""
    rungs = " and ".join(str(rung) for rung in plan.rungs)
    stopping = f", the weak ones stopped after epoch {rungs}" if rungs else ""
    say(console, f"{plan.config.name}: {plan.model}, {plan.trials} trials of {plan.epochs} epochs{stopping}")
    measured = ", or more: how many pay on one GPU is measured before the first"
    more = measured if plan.config.gpus_per_trial == "auto" else ""
    say(console, f"machine     {plan.machine}; {plan.concurrency} trials at once{more}")
    if joins_cluster(plan.config.address):
        say(
            console,
            "            The study would join a Ray cluster, whose machines are counted when it begins.",
        )
    say(
        console,
        f"pictures    {plan.config.data or 'drawn birds'}, {plan.image_size} x {plan.image_size} pixels",
    )
    objectives = " and ".join(plan.config.objective)
    say(console, f"minimised   {objectives}, searched by {plan.config.searcher}")
    say(console, f"folder      {study_folder(plan.config).path}")
    most, free = (f"{size / 2**30:.1f} GiB" for size in (plan.most_kept, free_bytes(plan.config.storage)))
    say(console, f"            It takes up to {most} there while it runs; {free} are free.")
    _print_scaled(console, plan)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("parameter")
    table.add_column("is searched")
    for name, parameter in plan.space.items():
        condition = f" (where {parameter.when[0]} is {parameter.when[1]})" if parameter.when else ""
        table.add_row(name, parameter.describe() + condition)
    console.print(table)
    references = [str(point.reference) for point in plan.references]
    if references:
        say(console, "beside it, to the end, the original project's experiments: " + ", ".join(references))
    if len(plan.points) > len(references):
        say(console, f"first {len(plan.points) - len(references)} enqueued ones, before anything is proposed")
    if plan.recorded:
        say(
            console,
            f"begun with up to {plan.recorded} configurations that did well on other data (--no-prior: none)",
        )
    if plan.confirm:
        what = f"up to {plan.config.finalists} finalists" + (" and these experiments" if references else "")
        say(console, f"then {what} once more on {_seeds(plan)}")


def _beside(plan: Plan) -> str:
    count = len(plan.references)
    return f" beside {count} reference point{'s' * (count > 1)}" if count else ""


def _seeds(plan: Plan) -> str:
    seeds = f"{plan.confirm} fresh seed{'s' * (plan.confirm > 1)}"
    return seeds + (", if there is time" if math.isfinite(plan.confirm_within) else "")


def print_beginning(
    console: Console,
    plan: Plan,
    report: PackReport,
    pretrained: Pretrained,
    precision: Precision,
    packing: Packing | None,
) -> None:
    """Say what begins, on what, and what was left out or made smaller."""
    counts = report.counts
    total = sum(counts.values())
    say(
        console,
        f"{plan.config.name}: {plan.model}, {plan.trials} trials of at most {plan.epochs} epochs{_beside(plan)},"
        f" {plan.concurrency} at once on {plan.machine}",
    )
    found = "built" if report.built else "found again"
    say(
        console,
        f"{total} images of {report.classes} classes from {report.source}"
        f" ({counts['train']} to train, {counts['validation']} to validate, {counts['test']} to test;"
        f" pack {found} in {duration(report.seconds)})",
    )
    if report.near_duplicates:
        say(
            console,
            f"{report.near_duplicates} of them show what another shows"
            f"{'' if report.given else ', and are on its side of the split'}",
        )
    if report.given:
        say(
            console,
            f"What is to {' and to '.join(map(_USE.__getitem__, report.given))} is as the folders say",
        )
    if report.skipped:
        count = len(report.skipped)
        images = (
            "1 image could not be used and was"
            if count == 1
            else f"{count} images could not be used and were"
        )
        say(console, f"{images} skipped:", style="yellow")
        for name, reason in report.skipped[:_NAMED]:
            say(console, f"  {name}: {reason}", style="yellow")
        if count > _NAMED:
            say(console, f"  and {count - _NAMED} more, all named in study.json", style="yellow")
    say(console, precision.note)
    if packing is not None:
        say(console, packing.note)
    if plan.model == "pix2pix":
        say(console, pretrained.encoder.note, style="" if pretrained.encoder.available else "yellow")
        if pretrained.perceptual.path:
            say(console, pretrained.perceptual.note)
    free = free_bytes(plan.config.storage)
    if free < plan.most_kept:
        say(
            console,
            f"{free / 2**30:.1f} GiB are free under {plan.config.storage}, but trials that wait may come to"
            f" {plan.most_kept / 2**30:.1f}: make room there. Should it fill up, the study stops and loses nothing.",
            style="yellow",
        )
    _print_scaled(console, plan)


def print_end(console: Console, outcome: Outcome) -> None:
    """Say who won, against what, what it took, where everything lies, and what can be done with it."""
    trials = read_trials(outcome.folder)
    objectives, baselines = outcome.plan.config.objective, outcome.baselines
    rows = {row["trial"]: row for row in trials.to_pylist()}
    ranked = rank(trials, objectives)
    verdict = judge(trials, read_resamples(outcome.folder), objectives, outcome.photos)
    console.print()
    console.print(_ranking(ranked, rows, baselines, objectives, wide=console.width >= _WIDE))
    for row in rows.values():
        if row["state"] == "FAIL":
            say(console, f"trial {row['trial']} failed: {row['reason']}", style="red")
    console.print()
    apart = seed_noise(trials, objectives)
    if apart:
        say(console, noise_line(apart))
    print_verdict(console, verdict, baselines)
    epochs = read_epochs(outcome.folder)
    if len(objectives) > 1 and ranked:
        reached = course(trials, epochs, outcome.baselines, objectives)
        say(console, hypervolume_line(reached, objectives))
    end = outcome.end
    if end.used_up:
        # Not `capitalize`, which would turn GPU into gpu.
        budget = end.used_up[0].upper() + end.used_up[1:]
        say(console, f"{budget} is used up; everything so far is kept.", style="yellow")
    elif end.status:
        say(console, f"Stopped after {duration(end.seconds)}; everything so far is kept.", style="yellow")
    say(console, effort_line(len(rows), end.seconds, savings(trials, outcome.plan.epochs)))
    devices = by_device(epochs)
    if len(devices) > 1:
        for device in devices:
            say(console, device_line(device))
    console.print()
    _print_next(console, outcome, verdict)


def hypervolume_line(reached: Course, objectives: Sequence[str]) -> str:
    """Say how much was reached of what a perfect model would."""
    if not len(reached.hypervolumes):
        return "Hypervolume: nothing measured yet."
    of_perfect = "" if reached.share is None else f", {reached.share:.0%} of a perfect model's"
    corner = ", ".join(
        f"{name} {value:.3g}" for name, value in zip(objectives, reached.reference, strict=True)
    )
    return f"Hypervolume {reached.hypervolumes[-1]:.3g}{of_perfect} (measured from {corner})."


def noise_line(apart: Mapping[str, float]) -> str:
    """Say which differences between trials may be their seeds'."""
    shares = " and ".join(f"{share:.0%} in {objective}" for objective, share in apart.items())
    return f"Trials closer than {shares} may be equal: so far apart are trainings whose seeds alone differ."


def effort_line(trials: int, seconds: float, saved: Savings) -> str:
    """Say what the trials took in `seconds` of this run, and what stopping the weak ones saved."""
    said = f"{trials} trials in {duration(seconds)}: {saved.epochs} of {saved.full_epochs} epochs"
    if not saved.saved_seconds:
        return said + "; none was stopped early."
    gpu = f" and {saved.saved_gpu_seconds / 3600:.2g} GPU-hours" if saved.saved_gpu_seconds else ""
    about = duration(saved.saved_seconds)
    return f"{said}; stopping the weak ones saved about {about} of training{gpu} ({saved.share:.0%})."


def device_line(effort: DeviceEffort) -> str:
    """Say how much one kind of device trained, and how fast."""
    name = effort.device or "a device that was not recorded"
    return (
        f"on {name}: {effort.epochs} epochs of {effort.trials} trials,"
        f" {effort.epoch_seconds:.3g} s an epoch, {effort.images_per_second:.3g} images/s a trial (medians)"
    )


def _ranking(
    ranked: list[Ranked],
    rows: Mapping[int, dict[str, Any]],
    baselines: Mapping[str, Mapping[str, float]],
    objectives: Sequence[str],
    *,
    wide: bool,
) -> Table:
    """The trials that were trained to the end and the baselines, best first, then the others, where they stopped.

    A narrow one leaves out the parameters.
    """
    several = len(objectives) > 1
    metrics = (*objectives, *(metric for metric in _SHOWN if metric not in objectives))
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("", justify="right")
    table.add_column("validation split")
    for metric in metrics:
        table.add_column(metric, justify="right")
    if several:
        table.add_column("")
    table.add_column("epoch", justify="right")
    table.add_column("", style="dim")
    if wide:
        table.add_column("parameters", overflow="fold")

    def line(place: str, row: Mapping[str, Any], mark: Text, state: str) -> tuple[str | Text, ...]:
        name = Text(f"trial {row['trial']}")
        if row["reference"]:
            name.append(f" · {row['reference']}", style="cyan")
        values = [f"{row[metric]:.3f}" if row[metric] is not None else "" for metric in metrics]
        epoch = f"{row['best_epoch']} of {row['epochs']}" if row["best_epoch"] else ""
        return (
            place,
            name,
            *values,
            *([mark] if several else []),
            epoch,
            state,
            describe(_varying(row, rows)),
        )

    lines = [
        line(str(place), rows[entry.trial], _mark(place, entry), "") for place, entry in enumerate(ranked, 1)
    ]
    for name_of, scores in baselines.items():
        values = [f"{scores[metric]:.3f}" if metric in scores else "" for metric in metrics]
        marked = Text(f"baseline: {name_of}", style="magenta")
        lines.append(("", marked, *values, *([""] if several else []), "", "", ""))
    if not several:
        # One number places the baselines among the trials; of several each may say something else.
        (objective,) = objectives
        keys = [entry.values[0] for entry in ranked]
        keys += [scores.get(objective, float("inf")) for scores in baselines.values()]
        lines = [lines[place] for place in sorted(range(len(lines)), key=keys.__getitem__)]
    placed = {entry.trial for entry in ranked}
    others = [row for number, row in rows.items() if number not in placed and row["role"] != "confirmation"]
    for row in sorted(others, key=lambda row: -row["epochs"]):
        lines.append(line("", row, Text(""), _STATES[row["state"]]))
    for cells in lines:
        table.add_row(*cells[: len(table.columns)])
    return table


def _mark(place: int, entry: Ranked) -> Text:
    """What a trial is among the best trade-offs; the knee is the first of the ranking."""
    if entry.level:
        return Text("")
    return Text("knee", style="bold green") if place == 1 else Text("front", style="green")


def _varying(row: Mapping[str, Any], rows: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    """A trial's parameters, without those that are the same in all trials."""
    return {
        name.removeprefix(PARAMS): value
        for name, value in row.items()
        if name.startswith(PARAMS) and value is not None and len({other[name] for other in rows.values()}) > 1
    }


def _print_next(console: Console, outcome: Outcome, verdict: Verdict) -> None:
    """Print paths and commands, each one that can be typed as it stands."""
    folder = outcome.folder
    study = shlex.quote(str(folder.path))
    commands: list[tuple[str, str]] = []
    end, config, best = outcome.end, outcome.plan.config, verdict.winner
    if end.used_up:
        commands.append(("go on with twice the budget", f"{resume_command(config)}{_twice(config)}"))
    elif end.status:
        commands.append(("go on", resume_command(config)))
    elif verdict.best is not None and verdict.seeds < FEWEST_SEEDS and verdict.photos >= FEWEST_PHOTOS:
        again = f"{resume_command(config)} --confirm {FEWEST_SEEDS}"
        commands.append((f"confirm it on {FEWEST_SEEDS} fresh seeds", again))
    if best is not None:
        commands.append(
            (
                f"colour photos with trial {best}",
                f"python -m results.colorize {study} PHOTO.jpg --out colored",
            )
        )
    commands.append(("explore the search", f"python -m search.dashboard {study}"))
    for what, path in (
        ("tables", f"{folder.trials}, {folder.epochs}"),
        ("pictures", str(folder.gallery)),
        ("best weights", str(folder.best_weights(best)) if best is not None else "none were kept"),
        ("settings", str(folder.config)),
    ):
        say(console, f"{what:13}{path}")
    console.print()
    for what, command in commands:
        say(console, f"{what}:")
        say(console, f"  {command}", style="bold")


def _twice(config: StudyConfig) -> str:
    """Flags that double the budgets of a study."""
    flags = ""
    if config.time_budget is not None:
        flags += f" --time-budget {2 * seconds_of(config.time_budget) / 60:g}m"
    if config.gpu_hours is not None:
        flags += f" --gpu-hours {2 * config.gpu_hours:g}"
    if config.patience is not None:
        flags += f" --patience {2 * config.patience}"
    return flags


def _print_scaled(console: Console, plan: Plan) -> None:
    if plan.scaled:
        say(console, "made smaller to fit this machine:", style="yellow")
        for what in plan.scaled:
            say(console, f"  {what}", style="yellow")
