"""The search itself: from where a study stands to its end, whatever its trials train.

A new study and one that is resumed take the same way: what to run is read from the journal and the tables, which
for a new study are empty.
"""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from ray import tune
from ray.tune.error import TuneError
from ray.tune.experiment import Trial
from rich.console import Console

from results.store import Role, StudyError, StudyWriter
from search.budget import Budget, is_stalled
from search.config import seconds_of
from search.confirmation import Confirmations
from search.earlier import earlier_trials
from search.failures import Failures
from search.forgetting import ForgetfulScheduler
from search.journal import Journal
from search.live import Display, Lines, Screen, say
from search.machine import Room, accelerator_resource, cluster
from search.plan import Plan
from search.points import Point, point_of
from search.prior import portfolio
from search.progress import Progress
from search.proposals import Proposals
from search.record import Brake, Recorder
from search.resume import show, take_up
from search.searcher import OptunaSearcher

_TUNE_FOLDER = ".tune"
"""Tune's own state, which a study does not need once it has ended: the journal and the tables are its record."""


@dataclass(frozen=True)
class End:
    """How a run of a study ended.

    By a signal, whose exit `status` is not 0 then, or because a budget was `used_up` (which one, for a person): then
    trials may be left to run. It took `seconds`, and is recorded in `journal`.
    """

    status: int
    used_up: str | None
    seconds: float
    journal: Journal


def conduct(
    plan: Plan,
    writer: StudyWriter,
    console: Console,
    *,
    title: str,
    trainable: type[tune.Trainable],
    configure: Callable[[int, Point], dict[str, Any]],
) -> End:
    """Run what of the study is not done yet, on the Ray cluster that this process is connected to.

    Parameters
    ----------
    plan
        What to do.
    writer
        Of the study's folder.
    console
        Shows the progress.
    title
        What the study is, for a person.
    trainable
        Trains a trial: reports `epoch` from 1, `epoch_seconds`, `images_per_second` and the objectives, keeps its
        own state, and goes on from there when it is started again with the same configuration.
    configure
        Gives, for a trial's number and point, what the trainable finds as its configuration's `trial`.

    Raises
    ------
    StudyError
        The study's folder can no longer be written; what was recorded before is intact.
    """
    config, folder, objectives = plan.config, writer.folder, plan.config.objective
    journal = Journal(folder.journal, str(config.name), objectives)
    journal.reopen(plan.epochs)
    stopper = plan.stopper()
    standing = take_up(journal, writer, stopper, plan.space, objectives, plan.epochs, config.seed)
    earlier = earlier_trials(config.warm_start, plan.space, objectives=objectives, epochs=plan.epochs)
    if config.warm_start:
        studies = ", ".join(map(str, config.warm_start))
        standing.notices.append(f"The searcher learns from {len(earlier)} trials of {studies}.")
    for notice in standing.notices:
        say(console, notice, style="yellow")

    progress = Progress(
        trials=plan.trials + plan.beside,
        epochs=plan.epochs,
        slots=plan.concurrency,
        objectives=objectives,
        expected=plan.expected_epochs,
    )
    show(progress, journal, standing.rows)
    display: Display = Screen(console, title, progress) if console.is_terminal else Lines(console, progress)

    budget = Budget(
        seconds=None if config.time_budget is None else seconds_of(config.time_budget),
        gpu_seconds=None if config.gpu_hours is None else 3600 * config.gpu_hours,
        gpus=plan.gpus_per_trial,
        rows=standing.rows,
    )
    first_rung = plan.rungs[0] if plan.rungs else plan.epochs
    # Of a budget, what confirmations need is left for them.
    kept, slots = plan.epochs * plan.confirmations, plan.concurrency

    def shortage(role: Role, running: int) -> str | None:
        if role == "search":
            if config.patience is not None:
                searched = [trial for trial in journal.trials() if point_of(trial).role == "search"]
                if is_stalled(searched, config.patience):
                    return f"the patience of {config.patience} trials"
            return budget.shortage(first_rung, running, kept, slots)
        # Nothing can be said of one that was not trained to its end.
        return budget.shortage(plan.epochs, running)

    proposals = Proposals(
        config.searcher,
        plan.space,
        objectives=len(objectives),
        epochs=plan.epochs,
        seed=config.seed,
        startup=config.startup,
        earlier=earlier,
    )
    proposals.load(journal.trials())

    searcher = OptunaSearcher(
        proposals,
        journal,
        objectives=objectives,
        epochs=plan.epochs,
        trials=plan.trials,
        may_start=lambda: scheduler.free_slots,
        affordable=lambda role: shortage(role, scheduler.active) is None,
        points=(*plan.points, *portfolio(plan.space, plan.recorded, plan.model, objectives)),
        unfinished=standing.unfinished,
        paused=standing.paused,
        configure=configure,
        confirmations=Confirmations(plan, journal, writer, progress, partial(say, console, style="yellow")),
    )
    room, failures = Room(plan.concurrency_on, partial(cluster, config.accelerator)), Failures()
    scheduler = ForgetfulScheduler(
        stopper,
        objectives,
        concurrency=room,
        is_exhausted=lambda: searcher.is_exhausted,
        on_failure=lambda trial: _goes_on(trial, failures, searcher),
    )
    brake = Brake(budget)
    recorder = Recorder(
        writer,
        objectives=objectives,
        epochs=plan.epochs,
        seed=config.seed,
        gpus=plan.gpus_per_trial,
        history={trial.number: standing.history[trial.number] for trial in standing.unfinished},
        display=display,
        budget=budget,
        failures=failures,
    )
    # All free slots get a trial at once: what holds new ones back is the searcher.
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(plan.trials + plan.beside)
    try:
        with brake.on_interrupt(display.stopping), display:
            # Not `Tuner`, which pickles searcher and callbacks to restore them: our record is the journal.
            tune.run(
                trainable,
                search_alg=searcher,
                scheduler=scheduler,
                num_samples=-1,
                reuse_actors=True,
                resources_per_trial={
                    "cpu": config.cpus_per_trial,
                    "gpu": plan.gpus_per_trial,
                    "custom_resources": accelerator_resource(config.accelerator),
                },
                name=_TUNE_FOLDER,
                storage_path=str(folder.path),
                callbacks=[recorder],
                stop=brake,
                verbose=0,
                raise_on_failed_trial=False,
            )
    except TuneError as error:
        # Tune tells what a callback raised as the text of its traceback.
        if isinstance(error.__context__, StudyError):
            raise error.__context__ from None
        raise
    finally:
        shutil.rmtree(folder.path / _TUNE_FOLDER, ignore_errors=True)
    writer.compact()
    return End(
        status=brake.ending.status,
        used_up=brake.used_up or (None if searcher.all_begun else shortage("search", 0)),
        seconds=progress.seconds,
        journal=journal,
    )


def _goes_on(trial: Trial, failures: Failures, searcher: OptunaSearcher) -> bool:
    """Tell the searcher what becomes of a trial that ended with an error: whether it is to go on."""
    failure = failures.judge(trial)
    if failure.goes_on:
        searcher.take_back(trial.trial_id)
    else:
        searcher.explain(trial.config["number"], failure.reason)
    return failure.goes_on
