"""Where a study stands, read from its journal and its tables: what is done, what goes on, what was lost.

A new study stands at nothing; so there is one way for both. The journal says which trials there are and how they
ended, the table of epochs what each epoch brought; where one knows something that the other lost, it is told.
"""

import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from results.store import PARAMS, StudyError, StudyWriter, read_epochs, read_trials
from search.journal import REASON, Journal
from search.outcome import epochs_of
from search.points import Point, confirmation, point_of
from search.progress import Progress
from search.record import clean_up, trial_row
from search.stopping import Decision, Stopper
from spaces import Space, Value, distributions_of
from trainables.best import values_of

Row = dict[str, Any]
MOST_UNKNOWN = 1_000
"""Trials of which neither the journal nor a table knows anything, while others after them are known: a crash loses
few, and a number beyond is none that a study gave."""


@dataclass(frozen=True)
class Standing:
    """Where a study stands.

    `rows` are all its epochs, in order of time, and `history` the same by trial; `unfinished` the trials that are to
    go on, and `paused` the numbers of those among them that wait at a rung; `notices` what a person should know.
    """

    rows: list[Row]
    history: dict[int, list[Row]]
    unfinished: list[FrozenTrial]
    paused: frozenset[int]
    notices: list[str]


def take_up(
    journal: Journal,
    writer: StudyWriter,
    stopper: Stopper,
    space: Space,
    objectives: Sequence[str],
    epochs: int,
    seed: int,
) -> Standing:
    """Read where the study stands, bring journal and tables to the same, and tell the stopper all of it.

    A trial whose last epoch was recorded, but not what followed from it, is judged now as it would have been then.
    """
    notices = [journal.loss] if journal.loss else []
    rows = _rows(writer)
    notices += _recover(journal, writer, rows, space, objectives, epochs)
    events = [row for number in rows for row in rows[number].values()]
    events.sort(key=lambda row: (row["timestamp"], row["trial"], row["epoch"]))
    decisions = _replay(stopper, journal.trials(), events, objectives)
    for trial in journal.trials():
        if trial.state != TrialState.RUNNING:
            continue
        finished = max(epochs_of(trial), default=0) >= epochs
        if finished or decisions.get(trial.number) == Decision.STOP:
            journal.finish(trial.number, TrialState.COMPLETE if finished else TrialState.PRUNED)
            clean_up(writer.folder, trial.number, stopped=not finished)
    trials = journal.trials()
    short = _write_trials(writer, trials, rows, objectives, seed, journal.measured())
    if short:
        notices.append(
            f"Epochs of {_named(short)} are missing in {writer.folder.epochs}: what {writer.folder.trials.name} holds"
            " of such trials is kept as it was."
        )
    unfinished = [trial for trial in trials if trial.state == TrialState.RUNNING]
    return Standing(
        rows=events,
        history={trial.number: list(rows[trial.number].values()) for trial in trials},
        unfinished=unfinished,
        paused=frozenset(
            trial.number for trial in unfinished if decisions.get(trial.number) == Decision.PAUSE
        ),
        notices=notices,
    )


def show(progress: Progress, journal: Journal, rows: Sequence[Row]) -> None:
    """Bring the display to where the study stands."""
    points = {trial.number: point_of(trial) for trial in journal.trials()}
    for row in rows:
        progress.consider(row["trial"], points[row["trial"]], row)
    for trial in journal.trials():
        if trial.state != TrialState.RUNNING:
            progress.end(trial.number, trial.state.name)


def _rows(writer: StudyWriter) -> dict[int, dict[int, Row]]:
    rows: dict[int, dict[int, Row]] = defaultdict(dict)
    for row in read_epochs(writer.folder).to_pylist():
        rows[row["trial"]][row["epoch"]] = row
    return rows


def _recover(
    journal: Journal,
    writer: StudyWriter,
    rows: dict[int, dict[int, Row]],
    space: Space,
    objectives: Sequence[str],
    epochs: int,
) -> list[str]:
    """Enter in the journal again what a damage took of it and the tables still hold."""
    table = {row["trial"]: row for row in read_trials(writer.folder).to_pylist()}
    recovered, lost = [], []
    begun, told = len(journal.trials()), {*rows, *table}
    highest = max(told, default=-1)
    if highest >= begun + len(told) + MOST_UNKNOWN:
        raise StudyError(
            f"{writer.folder.path}: the tables tell of a trial {highest}, but {begun} were begun by the journal and"
            f" {len(told)} are in the tables: restore {writer.folder.trials.name} and"
            f" {writer.folder.epochs.name} from a copy."
        )
    for number in range(begun, highest + 1):
        row = table.get(number)
        if row is None:
            # Its number stays taken: what it left must never be taken for another trial's.
            lost.append(number)
            shutil.rmtree(writer.folder.trial(number), ignore_errors=True)
            journal.begin({}, {}, {}, {})
            journal.end(number, TrialState.FAIL, None, "its parameters were lost with the end of the journal")
            continue
        recovered.append(number)
        params = {name: row[PARAMS + name] for name in space if row.get(PARAMS + name) is not None}
        journal.begin(params, distributions_of(space, params), _point(row, params).attributes, {})
    _report_missing(journal, rows, objectives)
    for trial in journal.trials():
        entered = table.get(trial.number)
        if trial.state != TrialState.RUNNING or entered is None or entered["state"] == "RUNNING":
            continue
        # In a study that has become longer, what was complete is not any more.
        if entered["state"] != "COMPLETE" or entered["epochs"] >= epochs:
            journal.finish(trial.number, TrialState[entered["state"]], entered["reason"])
    notices = []
    if recovered:
        notices.append(f"What the journal lost of {_named(recovered)} was found in the tables.")
    if lost:
        notices.append(f"The parameters of {_named(lost)} are lost, and what was trained with them.")
    return notices


def _point(row: Row, params: dict[str, Value]) -> Point:
    """The point that a row of the trials' table was."""
    reference = row["reference"]
    if row["confirms"] is not None:
        return confirmation(row["confirms"], reference, row["seed"], params)
    return Point(reference or "", params, reference)


def _named(numbers: Sequence[int]) -> str:
    return f"trial{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}"


def _report_missing(journal: Journal, rows: dict[int, dict[int, Row]], objectives: Sequence[str]) -> None:
    """Enter in the journal the epochs of unfinished trials that only the table has."""
    for trial in journal.trials():
        if trial.state == TrialState.RUNNING:
            reported = epochs_of(trial)
            for epoch, row in sorted(rows[trial.number].items()):
                if epoch not in reported:
                    journal.report(trial.number, epoch, values_of(row, objectives))


def _replay(
    stopper: Stopper,
    trials: Sequence[FrozenTrial],
    events: Sequence[Row],
    objectives: Sequence[str],
) -> dict[int, Decision]:
    """Tell the stopper what happened to the search's trials, in order of time.

    Gives its decisions on unfinished trials' last epochs.
    """
    trials = [trial for trial in trials if point_of(trial).role == "search"]
    searched = {trial.number for trial in trials}
    events = [row for row in events if row["trial"] in searched]
    running = {trial.number for trial in trials if trial.state == TrialState.RUNNING}
    last: dict[int, int] = {}
    for row in events:
        last[row["trial"]] = max(row["epoch"], last.get(row["trial"], 0))
    decisions = {}
    told = {(row["trial"], row["epoch"]) for row in events}
    for trial in trials:
        # What the table lost came at a time that nobody knows any more.
        known = sorted(epochs_of(trial).items())
        if trial.number in running:
            # Its last epoch is entered in the journal first: its process tells it again, and it is decided on then.
            del known[-1:]
        for epoch, values in known:
            if (trial.number, epoch) not in told:
                stopper.record(trial.number, epoch, values)
    for row in events:
        number, epoch, values = row["trial"], row["epoch"], values_of(row, objectives)
        if number in running and epoch == last[number]:
            decisions[number] = stopper.report(number, epoch, values)
        else:
            stopper.record(number, epoch, values)
    for trial in trials:
        if trial.state == TrialState.FAIL:
            stopper.forget(trial.number)
        elif trial.state != TrialState.RUNNING:
            stopper.retire(trial.number)
    return decisions


def _write_trials(
    writer: StudyWriter,
    trials: Sequence[FrozenTrial],
    rows: dict[int, dict[int, Row]],
    objectives: Sequence[str],
    seed: int,
    measured: Mapping[int, Mapping[str, float]],
) -> list[int]:
    """Write the table of trials anew; gives the ended trials of which it held more than the epochs tell."""
    table = {row["trial"]: row for row in read_trials(writer.folder).to_pylist()}
    short = []
    for trial in trials:
        before = table.get(trial.number, {"state": None, "epochs": 0})
        reason = trial.user_attrs.get(REASON)
        if trial.state != TrialState.RUNNING and before["epochs"] > len(rows[trial.number]):
            short.append(trial.number)
            writer.record_trial(before | {"state": trial.state.name, "reason": reason})
            continue
        # Weights were kept of the epoch that counted when a trial ended, by whatever rule that version had.
        stays = trial.state == TrialState.COMPLETE and before["state"] == "COMPLETE"
        counts = before["best_epoch"] if stays else None
        row = trial_row(trial.number, point_of(trial), rows[trial.number].values(), objectives, seed, counts)
        row |= measured.get(trial.number, {})
        writer.record_trial(row | {"state": trial.state.name, "reason": reason})
    writer.flush()
    return short
