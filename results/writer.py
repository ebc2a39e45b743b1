"""Writes a study's files. What it costs does not grow with what is there already: see `StudyWriter`."""

from __future__ import annotations

import errno
import json
import os
import time
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from results.folder import StudyError, StudyFolder, read_config
from results.reader import epoch_parts, merge_epochs, read_resamples, read_table, read_trials
from results.schema import EPOCHS, PARAMS, RESAMPLES, SCHEMA_VERSION, STATES, TRIALS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

SHARE = 1 / 100
"""Of the time that passes, what writing `trials.parquet` may take."""
CREDIT = 0.2
"""Seconds of writing that may be saved up, so that a small table and a burst of trials are written at once."""
PARTS = 200
"""Epochs in files of their own before they are merged, or a hundredth of the merged ones where that is more: then
each epoch pays for at most a hundred rows written again, however many there are."""


class StudyWriter:
    """Writes a study's tables.

    An epoch is on disk when `record_epoch` returns. A trial is when `record_trial` returns as long as the table is
    small; a large one is written again only as often as takes a hundredth of the time (`SHARE`), and `flush` writes
    what is pending. What a crash takes of it can be made again from the journal and the epochs.

    A folder that holds a study already is continued. There is one writer at a time, and one thread calls it.

    Parameters
    ----------
    path
        The study's folder; made where it is missing.
    clock
        Gives seconds.

    Raises
    ------
    StudyError
        Where the folder cannot be written, or holds a study of another schema version.
    """

    def __init__(self, path: str | Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.folder = StudyFolder(Path(path))
        with writing(self.folder.path, self.folder.epochs):
            self.folder.epochs.mkdir(parents=True, exist_ok=True)
        if self.folder.config.exists():
            read_config(self.folder)
        self._trials = {row["trial"]: _known(row) for row in read_trials(self.folder).to_pylist()}
        self._pending = False
        self._allowance = _Allowance(clock)
        self._parts = {
            part: table
            for part in epoch_parts(self.folder)
            if (table := read_table(part, EPOCHS)) is not None
        }
        merged = read_table(self.folder.compacted_epochs, EPOCHS)
        self._merged = 0 if merged is None else merged.num_rows

    def write_config(self, config: Mapping[str, Any]) -> None:
        """Write `study.json`, replacing one that is there; `schema_version` is added.

        Raises
        ------
        StudyError
            Where the disk is full or the folder cannot be written.
        """
        text = json.dumps({"schema_version": SCHEMA_VERSION, **config}, indent=2, ensure_ascii=False)
        write_file(self.folder, self.folder.config, text.encode() + b"\n")

    def record_epoch(self, row: Mapping[str, Any]) -> None:
        """Write one epoch of one trial, replacing it where it was recorded before.

        Parameters
        ----------
        row
            Values by column of `EPOCHS`; `trial` and `epoch` are needed, others may be absent or None.
            Without a `timestamp` it is now.

        Raises
        ------
        StudyError
            Where the row does not fit, the disk is full or the folder cannot be written.
        """
        row = {"timestamp": datetime.now(UTC), **row}
        _check_row(row, EPOCHS.names, needed=("trial", "epoch"))
        if not isinstance(row["timestamp"], datetime):
            # Arrow would take a number for milliseconds, and seconds since 1970 for a day of that year.
            raise StudyError(
                f"trial {row['trial']}: timestamp is {row['timestamp']!r}, but must be a datetime with its time zone."
            )
        part = self.folder.epoch(row["trial"], row["epoch"])
        table = _table([row], EPOCHS)
        # It is soon merged: what makes a large file small and quick to search would take longer than the rest.
        content = _parquet(table, compression="none", use_dictionary=False, write_statistics=False)
        write_file(self.folder, part, content)
        self._parts[part] = table
        if len(self._parts) > max(PARTS, self._merged // 100):
            self._merge()

    def record_trial(self, row: Mapping[str, Any]) -> None:
        """Enter a trial's row, in place of the one it had; the class says when it is written.

        Parameters
        ----------
        row
            Values by column of `TRIALS` and `params.NAME`; `trial` and `state` are needed, others may be
            absent or None.

        Raises
        ------
        StudyError
            Where the row does not fit: then nothing changes. Where the disk is full or the folder cannot be
            written: then the file stays as it was, and the row is pending.
        """
        _check_row(row, [*TRIALS.names, *(c for c in row if c.startswith(PARAMS))], needed=("trial", "state"))
        if row["state"] not in STATES:
            raise StudyError(
                f"trial {row['trial']}: state is {row['state']!r}, but must be one of {', '.join(STATES)}."
            )
        role = "search" if row.get("reference") is None else "reference"
        known = _known({"epochs": 0, "role": role, **row})
        _trials_table([known])
        self._trials[known["trial"]] = known
        self._pending = True
        if self._allowance.is_left():
            self.flush()

    def record_resamples(self, trial: int, metrics: Mapping[str, Sequence[float]]) -> None:
        """Write what the resamples of the test split told of a trial, in place of what was there of it.

        Parameters
        ----------
        trial
            Its number.
        metrics
            Values by `test_` column of `RESAMPLES`, one a resample.

        Raises
        ------
        StudyError
            Where the table is damaged, the disk is full or the folder cannot be written.
        """
        known = read_resamples(self.folder)
        count = len(next(iter(metrics.values())))
        columns = {**metrics, "trial": [trial] * count, "resample": range(count)}
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        others = known.filter(pc.not_equal(known["trial"], trial))
        table = pa.concat_tables([others, _table(rows, RESAMPLES)]).sort_by(
            [("trial", "ascending"), ("resample", "ascending")]
        )
        write_file(self.folder, self.folder.resamples, _parquet(table))

    def flush(self) -> None:
        """Write the trials that are pending, if any are.

        Raises
        ------
        StudyError
            Where the disk is full or the folder cannot be written; they stay pending.
        """
        if not self._pending:
            return
        with self._allowance.spent():
            table = _trials_table([self._trials[number] for number in sorted(self._trials)])
            write_file(self.folder, self.folder.trials, _parquet(table))
        self._pending = False

    def compact(self) -> None:
        """Write what is pending and merge all epochs into one file; safe at any time, also while others read.

        Raises
        ------
        StudyError
            Where a table is damaged, the disk is full or the folder cannot be written; no epoch is lost.
        """
        self.flush()
        if self._parts:
            self._merge()

    def _merge(self) -> None:
        table = merge_epochs(read_table(self.folder.compacted_epochs, EPOCHS), self._parts.values())
        write_file(self.folder, self.folder.compacted_epochs, _parquet(table))
        for file in (*self._parts, *self.folder.epochs.glob(".*.tmp")):
            file.unlink(missing_ok=True)
        self._parts, self._merged = {}, table.num_rows


class _Allowance:
    """Time that may be spent on one thing: `SHARE` of what passes, of which `CREDIT` can be saved up."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._credit = CREDIT
        self._at = clock()

    def is_left(self) -> bool:
        now = self._clock()
        self._credit = min(self._credit + SHARE * (now - self._at), CREDIT)
        self._at = now
        return self._credit > 0

    @contextmanager
    def spent(self) -> Iterator[None]:
        """Count what happens within this context."""
        start = self._clock()
        try:
            yield
        finally:
            self._credit -= self._clock() - start


def write_file(folder: StudyFolder, target: Path, content: bytes | memoryview) -> None:
    """Write a file of the study whole or not at all; a reader sees the old one or the new one.

    Raises
    ------
    StudyError
        Where the disk is full or the folder cannot be written.
    """
    # Synced before it is moved: after a power cut the name must not lead to an empty file.
    temporary = target.with_name(f".{target.name}.tmp")
    with writing(folder.path, target):
        try:
            # Never through a link, which in a folder of unknown origin could lead to any file of this account.
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
            with os.fdopen(os.open(temporary, flags, 0o666), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        except OSError:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise


@contextmanager
def writing(folder: Path, target: Path) -> Iterator[None]:
    """Within this context a file of the study in `folder` is written; if that fails, say why and what to do.

    Raises
    ------
    StudyError
        In place of an OSError.
    """
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        remedy = "free some space there" if full else "see that the folder can be written"
        raise StudyError(
            f"{target} could not be written ({error.strerror}): what was written to {folder} before is "
            f"intact; {remedy}, then try again."
        ) from error


def _check_row(row: Mapping[str, Any], columns: Iterable[str], *, needed: tuple[str, ...]) -> None:
    for column in needed:
        if row.get(column) is None:
            raise StudyError(f"a row without {column}: it needs {' and '.join(needed)}.")
    unknown = sorted(set(row) - set(columns))
    if unknown:
        raise StudyError(
            f"trial {row['trial']}: {', '.join(unknown)} is no column: results/schema.py lists those that are."
        )


def _known(row: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a row that are there, NumPy's scalars as Python's."""
    return {
        column: value.item() if hasattr(value, "item") else value
        for column, value in row.items()
        if value is not None
    }


def _trials_table(rows: list[dict[str, Any]]) -> pa.Table:
    names = sorted({column for row in rows for column in row if column.startswith(PARAMS)})
    table = _table(rows, TRIALS)
    for name in names:
        table = table.append_column(name, _column(name, [row.get(name) for row in rows]))
    return table


def _column(name: str, values: list[Any]) -> pa.Array:
    kinds = set(map(type, values)) - {type(None)}
    if not kinds <= {bool, int, float, str}:
        wrong = next(value for value in values if not isinstance(value, bool | int | float | str | None))
        raise StudyError(f"{name} is {wrong!r}, but a parameter is a bool, an int, a float or text.")
    if kinds == {int, float}:
        return pa.array([None if value is None else float(value) for value in values], pa.float64())
    if len(kinds) > 1:
        return pa.array([None if value is None else str(value) for value in values], pa.string())
    try:
        return pa.array(values)
    except OverflowError:
        wrong = max((value for value in values if value is not None), key=abs)
        raise StudyError(f"{name} is {wrong}, but an integer has 64 bits.") from None


def _table(rows: list[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    try:
        columns = [pa.array([row.get(field.name) for row in rows], field.type) for field in schema]
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise StudyError(f"trial {rows[-1]['trial']}: a value does not fit its column: {error}") from None
    return pa.table(columns, schema=schema)


def _parquet(table: pa.Table, compression: str = "zstd", **options: bool) -> memoryview:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression=compression, **options)
    return memoryview(sink.getvalue())
