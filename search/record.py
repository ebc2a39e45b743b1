"""Writes down what trials report, as Tune hands it over: the study's tables, and which weights are kept."""

import math
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from ray.tune.experiment import Trial
from ray.tune.progress_reporter import TrialProgressCallback
from ray.tune.result import DONE, NODE_IP, PID, SHOULD_CHECKPOINT, TRAINING_ITERATION, TRIAL_ID
from ray.tune.stopper import Stopper

from results.store import EPOCHS, METRICS, PARAMS, StudyError, StudyFolder, StudyWriter
from search.budget import Budget
from search.failures import Failures
from search.live import Display
from search.points import Point
from search.signals import Ending, heeding
from trainables.best import best_epoch


class Brake(Stopper):
    """Ends the run, leaving all trials to be resumed: on Ctrl-C and its like, or when a budget is used up."""

    def __init__(self, budget: Budget) -> None:
        self.ending = Ending()
        """Which signal ended the run."""
        self.used_up: str | None = None
        """Which budget ended the run."""
        self._budget = budget
        self._take_hold: Callable[[], None] | None = None

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Stop no single trial."""
        return False

    def stop_all(self) -> bool:
        """Whether to end the run."""
        if self._take_hold is not None:
            # Tune, which takes SIGUSR1 for itself, has begun.
            self._take_hold()
            self._take_hold = None
        self.used_up = self.used_up or self._budget.used_up
        return bool(self.ending.status) or self.used_up is not None

    @contextmanager
    def on_interrupt(self, notice: Callable[[], None]) -> Iterator[None]:
        """Within this context the first signal calls `notice` and ends the run; a second one ends it at once."""

        def interrupt(number: int) -> None:
            if self.ending.status:
                raise KeyboardInterrupt
            self.ending.come(number)
            notice()

        with heeding(interrupt) as self._take_hold:
            yield


MOST_ALIKE = 3
"""Trials that may fail alike in their set-up before any has reported: the next ones would not do better."""
_TUNES_OWN = (DONE, NODE_IP, PID, SHOULD_CHECKPOINT, TRAINING_ITERATION, TRIAL_ID)
"""What Tune itself reads of a result once it is recorded."""


class Recorder(TrialProgressCallback):
    """Tune's callback that keeps `trials.parquet` and `epochs/` up to date.

    Its methods raise a StudyError where that cannot be written, which ends the run: a trial must not train an epoch
    more before the last one is recorded, since on the storage is only the state after its last. So does an error that
    the first trials all end with.

    Tune takes it for its progress reporter, and adds none of its own, which would keep every trial that ended.

    Parameters
    ----------
    writer
        Of the study.
    objectives
        The metrics by which a trial's best epoch is told.
    epochs
        Of a trial that is not stopped.
    seed
        The study's.
    gpus
        Of a trial.
    history
        Rows of the epochs that were recorded before, by trial: of trials that go on.
    display
        Is told everything.
    budget
        Is told what was spent.
    failures
        Is told of every new epoch, and asked what an error means.
    """

    def __init__(
        self,
        writer: StudyWriter,
        *,
        objectives: Sequence[str],
        epochs: int,
        seed: int,
        gpus: float,
        history: Mapping[int, list[dict[str, Any]]],
        display: Display,
        budget: Budget,
        failures: Failures,
    ) -> None:
        self._writer = writer
        self._objectives = objectives
        self._kept = {"epoch", *objectives, *_TUNES_OWN}
        self._epochs = epochs
        self._seed = seed
        self._gpus = gpus
        # A trial that fails in its set-up ends without having started.
        self._rows: dict[int, dict[int, dict[str, Any]]] = defaultdict(dict)
        for number, rows in history.items():
            self._rows[number] = {row["epoch"]: row for row in rows}
        self._display = display
        self._budget = budget
        self._failures = failures
        self._unbuilt: Counter[str] | None = Counter()
        """How many trials failed in their set-up, by reason, until one has reported."""

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Enter the trial."""
        number = trial.config["number"]
        self._write_trial(trial, "RUNNING")
        self._display.started(number, Point(**trial.config["point"]))

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        """Enter an epoch, on disk before the trial trains the next one."""
        number = trial.config["number"]
        if result.get("notice"):
            self._display.noticed(number, result["notice"])
        # A trial that goes on reports again what its process before may not have come to report.
        if result["epoch"] not in self._rows[number]:
            self._failures.reported(number)
            self._unbuilt = None
            row = {name: result[name] for name in EPOCHS.names if name in result} | {
                "trial": number,
                "node": result.get("hostname"),
                "gpu_seconds": result["epoch_seconds"] * self._gpus,
                "timestamp": datetime.now(UTC),
            }
            self._writer.record_epoch(row)
            self._rows[number][result["epoch"]] = row
            self._budget.enter(row)
            self._write_trial(trial, "RUNNING")
            self._display.reported(number, row)
        if trial.status == Trial.PAUSED:
            self._display.paused(number)
        # Tune keeps the last result of each trial, and running statistics of every number in it.
        for name in result.keys() - self._kept:
            del result[name]

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Enter that the trial finished, or that it was stopped: then its weights go."""
        number = trial.config["number"]
        stopped = max(self._rows[number], default=0) < self._epochs
        clean_up(self._writer.folder, number, stopped=stopped)
        self._end(trial, "PRUNED" if stopped else "COMPLETE", None)

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Enter that the trial failed, and why; one that only lost its worker is to go on."""
        failure = self._failures.judge(trial)
        if failure.is_full:
            raise StudyError(
                f"A trial could not write its state to {self._writer.folder.path} ({failure.reason}): what was"
                " written there before is intact; free some space there, then try again."
            )
        if failure.goes_on:
            self._display.noticed(trial.config["number"], f"{failure.reason}; it goes on from its last epoch")
        else:
            self._end(trial, "FAIL", failure.reason)
        if failure.in_setup and self._unbuilt is not None:
            self._unbuilt[failure.reason] += 1
            if self._unbuilt[failure.reason] >= MOST_ALIKE:
                raise StudyError(
                    f"The first {MOST_ALIKE} trials failed alike before they trained anything: {failure.reason}. Mend"
                    f" that, then go on with the study (--resume {self._writer.folder.path.name})."
                )

    def _end(self, trial: Trial, state: str, reason: str | None) -> None:
        number = trial.config["number"]
        self._write_trial(trial, state, reason)
        del self._rows[number]
        self._display.ended(number, state, reason)

    def _write_trial(self, trial: Trial, state: str, reason: str | None = None) -> None:
        rows = self._rows[trial.config["number"]].values()
        row = trial_row(
            trial.config["number"], Point(**trial.config["point"]), rows, self._objectives, self._seed
        )
        self._writer.record_trial(row | {"state": state, "reason": reason})


def clean_up(folder: StudyFolder, number: int, *, stopped: bool) -> None:
    """Delete what an ended trial needs no more: if stopped its weights, else its state before the last."""
    if stopped:
        # First, so that a process which still writes a state sees that it is not wanted any more.
        with suppress(OSError):
            folder.owner(number).unlink()
        shutil.rmtree(folder.checkpoint(number), ignore_errors=True)
    else:
        # It was for going on after damage, which a finished trial does not; a process that died leaves half a file.
        for leftover in (folder.previous_state(number), *folder.checkpoint(number).glob(".*")):
            leftover.unlink(missing_ok=True)


def trial_row(
    number: int,
    point: Point,
    epochs: Iterable[Mapping[str, Any]],
    objectives: Sequence[str],
    seed: int,
    counts: int | None = None,
) -> dict[str, Any]:
    """Sum up a trial's epochs, rows of their table in any order, as a row of `trials.parquet` without its state.

    `seed` is the study's, with which all are trained but confirmations; `counts` is the epoch that counts, where that
    was told before.
    """
    rows = sorted(epochs, key=lambda one: one["epoch"])
    row: dict[str, Any] = {
        "trial": number,
        "role": point.role,
        "reference": point.reference,
        "seed": seed if point.seed is None else point.seed,
        "confirms": point.confirms,
        "epochs": len(rows),
        **{PARAMS + name: value for name, value in point.params.items()},
    }
    if rows:
        told = [one for one in rows if one["epoch"] == counts]
        values = [[_or_infinity(one.get(name)) for name in objectives] for one in rows]
        best = told[0] if told else rows[best_epoch(values)]
        row["best_epoch"] = best["epoch"]
        row["seconds"] = sum(one["epoch_seconds"] for one in rows)
        row["gpu_seconds"] = sum(one["gpu_seconds"] or 0.0 for one in rows)
        row["images_per_second"] = sum(one["images_per_second"] for one in rows) / len(rows)
        row["node"] = rows[-1].get("node")
        row["device"] = rows[-1].get("device")
        row["trainable_encoder_parameters"] = rows[-1].get("trainable_encoder_parameters")
        row |= {metric: best[metric] for metric in METRICS if metric in best}
    return row


def _or_infinity(value: float | None) -> float:
    return value if value is not None and math.isfinite(value) else math.inf
