"""Compare searches without training anything: `python -m search.simulate TABLE... --out DIR`.

Runs the real searcher and scheduler on a virtual clock (`search.virtual`), on the learning curves of recorded studies
or of functions with a known optimum (`search.curves`), and says how near to the best they come for how many
worker-hours, how long it takes, how many workers are worth it, and what a decision costs.

All methods get the same: the same worker time (or number of trials), the same seeds, and for a seed the same noise.
"""

import math
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro
from rich.console import Console
from rich.progress import Progress

from results.regret import Trace
from results.store import StudyError
from search.config import ConfigError, Open, StudyConfig, flag
from search.curves import Problem, open_problem
from search.machine import this_machine
from search.methods import Method, SchedulerName, SearcherName, labels, make_search, methods
from search.signals import INTERRUPTED

if TYPE_CHECKING:
    from search.stopwatch import MeanCost

FULL_TRIALS, ROUNDS = 100, 3
"""Full-length trials that the default worker time pays for: so many, or so many on each worker where that is more."""
UNLIMITED = 10**9
_LEAST = {"workers": 1, "seeds": 1, "trials": 1, "eta": 2, "grace": 1, "startup": 1}
_WORTH_A_PROCESS = 8
"""Studies that repay the seconds in which a process loads Ray."""


@dataclass(frozen=True)
class Command:
    """Compare schedulers, searchers and numbers of workers on recorded or synthetic learning curves."""

    tables: tyro.conf.Positional[Annotated[tuple[str, ...], tyro.conf.arg(metavar="TABLE...")]]
    """Folders of recorded studies (best with --scheduler none, for full curves), or functions with a known optimum:
    hartmann3 or hartmann6, also with -good, -moderate, -bad or -terrible for how well early epochs tell the end."""

    out: Path
    """Folder for table.csv and regret.png."""

    scheduler: tuple[SchedulerName, ...] = (StudyConfig.scheduler, "none", "stock")
    """How weak trials are stopped; top-k trains eta trials a worker for --grace epochs, then one a worker to the end
    (Egele et al. 2023); stock is Tune's own scheduler with Tune's own Optuna searcher."""

    searcher: tuple[SearcherName, ...] = ("tpe",)
    """How trials are proposed; recorded takes a table's own configurations, each once, in random order."""

    workers: tuple[int, ...] = (1, 8, 64)
    """Trials at the same time."""

    seeds: int = 30
    """Simulated studies of each method and number of workers."""

    trials: Open[int] = None
    """Trials of a study, which then takes the time it takes. By default as many as the worker time allows."""

    worker_hours: Open[float] = None
    """Worker time of a study, wall clock times workers. By default that of 100 full-length trials, or of 3 on each
    worker where that is more; with --trials any."""

    objective: tuple[str, ...] = ()
    """Metrics of a recorded study to minimise. By default its own."""

    eta: tuple[int, ...] = (Method.eta,)
    """Of the trials at a rung one in so many goes on."""

    grace: tuple[int, ...] = ()
    """Epochs before a trial can be stopped. By default as in a study of as many epochs."""

    startup: tuple[int, ...] = (Method.startup,)
    """Trials before tpe, gp and cmaes have a say."""


@dataclass(frozen=True)
class Task:
    """One study to simulate; `limit` is in seconds of wall clock."""

    problem: Problem
    method: Method
    label: str
    workers: int
    seed: int
    trials: int
    limit: float


@dataclass(frozen=True)
class Outcome:
    """A simulated study and what its decisions cost."""

    trace: Trace
    costs: "list[MeanCost]"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the exit status is 0, 2 for what cannot be used, 130 after Ctrl-C."""
    console, errors = Console(), Console(stderr=True)
    try:
        command = tyro.cli(
            Command, args=arguments, prog="python -m search.simulate", config=(tyro.conf.DisallowNone,)
        )
        _run(command, console)
    except (ConfigError, StudyError) as error:
        errors.print(f"error: {error}", soft_wrap=True, markup=False, highlight=False)
        return 2
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def _run(command: Command, console: Console) -> None:
    _check_command(command)
    problems = [open_problem(name, command.objective) for name in dict.fromkeys(command.tables)]
    tasks = make_tasks(command, problems)
    try:
        command.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"--out is {command.out}, but {error.strerror}: take another folder.") from None
    from search.verdicts import print_costs, print_problems, print_verdicts, write_verdicts

    print_problems(console, problems)
    outcomes = []
    with Progress(console=console, transient=True) as progress:
        for outcome in progress.track(simulate(tasks), total=len(tasks), description="simulating"):
            outcomes.append(outcome)
    traces = [outcome.trace for outcome in outcomes]
    print_verdicts(console, problems, traces)
    print_costs(console, outcomes)
    for file in write_verdicts(command.out, problems, traces):
        console.print(str(file), soft_wrap=True, markup=False, highlight=False)


def make_tasks(command: Command, problems: Sequence[Problem]) -> list[Task]:
    """Every method on every table with every number of workers and every seed.

    Raises
    ------
    ConfigError
        A method cannot search a table.
    """
    compared = methods(
        schedulers=command.scheduler,
        searchers=command.searcher,
        eta=command.eta,
        grace=command.grace or (None,),
        startup=command.startup,
    )
    for problem in problems:
        _check(problem, compared)
    names = labels(compared)
    return [
        Task(
            problem,
            method,
            names[method],
            workers,
            seed,
            trials=command.trials or UNLIMITED,
            limit=_worker_seconds(command, problem, workers) / workers,
        )
        for problem in problems
        for workers in dict.fromkeys(command.workers)
        for method in compared
        for seed in range(command.seeds)
    ]


def simulate(tasks: Sequence[Task]) -> Iterator[Outcome]:
    """The outcomes in the order of the tasks, from as many processes as there are processors."""
    processes = min(this_machine().cpus, len(tasks) // _WORTH_A_PROCESS)
    if processes < 2:
        yield from map(run_task, tasks)
        return
    # Ray has threads, which a fork would lose.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield from pool.map(run_task, tasks)


def run_task(task: Task) -> Outcome:
    """Simulate one study."""
    from search.virtual import VirtualCluster

    cluster = VirtualCluster(
        task.problem, seed=task.seed, workers=task.workers, limit=task.limit, trials=task.trials
    )
    search = make_search(task.method, task.problem, cluster, trials=task.trials, seed=task.seed)
    run = cluster.run(search.searcher, search.scheduler, search.parameters)
    trace = Trace(
        table=task.problem.name,
        method=task.label,
        workers=task.workers,
        seed=task.seed,
        surrogate=task.problem.surrogate and task.method.searcher != "recorded",
        changes=run.incumbents,
        seconds=run.seconds,
        busy_seconds=run.busy_seconds,
        trials=run.trials,
        epochs=run.epochs,
    )
    return Outcome(trace, run.costs)


def _check_command(command: Command) -> None:
    if not command.tables:
        raise ConfigError("no table is named: take the folder of a study or a function such as hartmann6.")
    for name, least in _LEAST.items():
        values = getattr(command, name)
        for value in values if isinstance(values, tuple) else (values,):
            if value is not None and value < least:
                raise ConfigError(f"{flag(name)} is {value}, but must be {least} or more.")
    for name in ("scheduler", "searcher", "workers", "eta", "startup"):
        if not getattr(command, name):
            raise ConfigError(f"{flag(name)} is empty, but must name one or more.")
    if command.worker_hours is not None and not 0 < command.worker_hours < math.inf:
        raise ConfigError(f"--worker-hours is {command.worker_hours:g}, but must be above 0.")


def _check(problem: Problem, compared: Sequence[Method]) -> None:
    for method in compared:
        if method.searcher == "recorded" and not problem.configurations:
            raise ConfigError(
                f"--searcher is recorded, but {problem.name} is a function: take tpe or random."
            )
        if method.searcher == "cmaes" and len(problem.objectives) > 1:
            raise ConfigError(
                f"--searcher is cmaes, but {problem.name} has the objectives {' and '.join(problem.objectives)},"
                " and it knows one alone: name one with --objective, or take tpe, gp or nsga2."
            )
        if method.matters("grace") and method.grace is not None and method.grace >= problem.epochs:
            raise ConfigError(
                f"--grace is {method.grace}, but must be below the {problem.epochs} epochs of {problem.name}."
            )


def _worker_seconds(command: Command, problem: Problem, workers: int) -> float:
    if command.worker_hours is not None:
        return 3600 * command.worker_hours
    if command.trials is not None:
        return math.inf
    return max(FULL_TRIALS, ROUNDS * workers) * problem.typical_seconds


if __name__ == "__main__":
    sys.exit(main())
