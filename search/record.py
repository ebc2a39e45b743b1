"""Writes down what trials report, as Tune hands it over: the study's tables, and which weights are kept."""

import math
import shutil
import signal
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ray import cloudpickle
from ray.tune import Callback
from ray.tune.experiment import Trial
from ray.tune.stopper import Stopper

from results.store import EPOCHS, METRICS, PARAMS, StudyError, StudyWriter
from search.live import Display


class Brake(Stopper):
    """Ends the run, leaving all trials to be resumed: on Ctrl-C, or when the study can no longer be written."""

    def __init__(self) -> None:
        self.error: StudyError | None = None
        self._interrupted = False

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Stop no single trial."""
        return False

    def stop_all(self) -> bool:
        """Whether to end the run."""
        return self._interrupted or self.error is not None

    @contextmanager
    def on_interrupt(self, notice: Callable[[], None]) -> Iterator[None]:
        """Within this context the first Ctrl-C calls `notice` and ends the run, a second one is Python's own."""

        def interrupt(*_: object) -> None:
            self._interrupted = True
            signal.signal(signal.SIGINT, before)
            notice()

        before = signal.signal(signal.SIGINT, interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


class Recorder(Callback):
    """Tune's callback that keeps `trials.parquet` and `epochs/` up to date.

    Parameters
    ----------
    writer
        Of the study.
    objective
        The metric whose lowest value marks a trial's best epoch.
    epochs
        Of a trial that is not stopped.
    history
        Rows of the epochs that were recorded before, by trial: of trials that go on.
    display
        Is told everything.
    brake
        Is set when the study's folder can no longer be written.
    """

    def __init__(
        self,
        writer: StudyWriter,
        *,
        objective: str,
        epochs: int,
        history: Mapping[int, list[dict[str, Any]]],
        display: Display,
        brake: Brake,
    ) -> None:
        self._writer = writer
        self._objective = objective
        self._epochs = epochs
        # A trial that fails in its set-up ends without having started.
        self._rows: dict[int, dict[int, dict[str, Any]]] = defaultdict(dict)
        for number, rows in history.items():
            self._rows[number] = {row["epoch"]: row for row in rows}
        self._display = display
        self._brake = brake

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Enter the trial."""
        number = trial.config["number"]
        self._write_trial(trial, "RUNNING")
        self._display.started(number, trial.config["reference"], trial.config["params"])

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        """Enter an epoch, on disk before the trial trains the next one."""
        number = trial.config["number"]
        if result.get("notice"):
            self._display.noticed(number, result["notice"])
        row = {name: result[name] for name in EPOCHS.names if name in result} | {"trial": number}
        self._rows[number][result["epoch"]] = {**row, "node": result.get("hostname")}
        self._guard(lambda: self._writer.record_epoch(row))
        self._write_trial(trial, "RUNNING", result)
        self._display.reported(number, row)

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Enter that the trial finished, or that it was stopped: then its weights go."""
        number = trial.config["number"]
        stopped = max(self._rows[number], default=0) < self._epochs
        if stopped and self._brake.error is None:
            shutil.rmtree(self._writer.folder.checkpoint(number), ignore_errors=True)
        elif not stopped:
            # It was for going on after damage, which a finished trial does not.
            self._writer.folder.previous_state(number).unlink(missing_ok=True)
        self._end(trial, "PRUNED" if stopped else "COMPLETE", None)

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Enter that the trial failed, and why."""
        self._end(trial, "FAIL", failure_reason(_error(trial)))

    def _end(self, trial: Trial, state: str, reason: str | None) -> None:
        number = trial.config["number"]
        self._write_trial(trial, state, trial.last_result, reason)
        del self._rows[number]
        self._display.ended(number, state, reason)

    def _write_trial(
        self,
        trial: Trial,
        state: str,
        result: Mapping[str, Any] | None = None,
        reason: str | None = None,
    ) -> None:
        row = trial_row(trial.config, self._rows[trial.config["number"]], self._objective)
        encoder = (result or {}).get("trainable_encoder_parameters")
        full = row | {"state": state, "reason": reason, "trainable_encoder_parameters": encoder}
        self._guard(lambda: self._writer.record_trial(full))

    def _guard(self, write: Callable[[], None]) -> None:
        try:
            write()
        except StudyError as error:
            self._brake.error = self._brake.error or error


def trial_row(
    config: Mapping[str, Any], epochs: Mapping[int, Mapping[str, Any]], objective: str
) -> dict[str, Any]:
    """Sum up a trial's epochs (rows by epoch) as a row of `trials.parquet`, without its state."""
    row: dict[str, Any] = {
        "trial": config["number"],
        "reference": config["reference"],
        "epochs": max(epochs, default=0),
        **{PARAMS + name: value for name, value in config["params"].items()},
    }
    if epochs:
        rows = list(epochs.values())
        best = min(rows, key=lambda one: (_or_infinity(one.get(objective)), one["epoch"]))
        row["best_epoch"] = best["epoch"]
        row["seconds"] = sum(one["epoch_seconds"] for one in rows)
        row["images_per_second"] = sum(one["images_per_second"] for one in rows) / len(rows)
        row["node"] = rows[-1].get("node")
        row |= {metric: best[metric] for metric in METRICS if metric in best}
    return row


def _error(trial: Trial) -> BaseException | None:
    """What ended a trial; Tune's own way to it asks the storage, where the file arrives later."""
    file = trial.pickled_error_file
    if file is None or not Path(file).exists():
        return None
    error: BaseException = cloudpickle.loads(Path(file).read_bytes())
    return error


def failure_reason(error: BaseException | None) -> str:
    """One line that says why a trial failed, out of what Ray wraps around it."""
    if error is None:
        return "the trial's process ended without a word"
    cause = getattr(error, "cause", None) or error
    text = str(cause).strip()
    if not text:
        return type(cause).__name__
    # Of a dead process Ray tells the same long story each time; what the system said stands in the middle.
    _, died, story = text.partition("Worker exit detail:")
    if died:
        detail = story.partition("Some common causes")[0].strip()
        return f"the trial's process died, was killed or ran out of memory ({detail})"
    first = text.splitlines()[0]
    return first if isinstance(cause, ArithmeticError) else f"{type(cause).__name__}: {first}"


def _or_infinity(value: float | None) -> float:
    return value if value is not None and math.isfinite(value) else math.inf
