"""Reads a study's tables, also while they are being written. Writes nothing."""

from __future__ import annotations

import errno
from collections import Counter
from typing import TYPE_CHECKING, NoReturn

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from results.folder import StudyError, StudyFolder, check_version, open_study, unreadable
from results.schema import EPOCHS, PARAMS, RESAMPLES, ROLES, STATES, TRIALS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def read_trials(study: str | Path | StudyFolder) -> pa.Table:
    """The trials known so far, ascending; columns as in `results.schema`.

    Raises
    ------
    StudyError
        As `open_study`, and where the table is damaged or of another schema version.
    """
    folder = study if isinstance(study, StudyFolder) else open_study(study)
    return _with_roles(_read_whole(folder.trials, TRIALS))


def _with_roles(trials: pa.Table) -> pa.Table:
    """The trials with a role each, which none had that version 3 wrote: with a reference's name, it was that."""
    place = trials.column_names.index("role")
    derived = pc.if_else(pc.is_valid(trials["reference"]), "reference", "search")
    return trials.set_column(place, TRIALS.field("role"), pc.coalesce(trials["role"], derived))


def read_resamples(study: str | Path | StudyFolder) -> pa.Table:
    """What the test split's resamples told, by trial and resample; columns as in `results.schema`.

    Raises
    ------
    StudyError
        As `open_study`, and where the table is damaged or of another schema version.
    """
    folder = study if isinstance(study, StudyFolder) else open_study(study)
    return _read_whole(folder.resamples, RESAMPLES)


def _read_whole(file: Path, schema: pa.Schema) -> pa.Table:
    """A table that is one file; without rows where there is none yet."""
    table = read_table(file, schema)
    return schema.empty_table() if table is None else table


def read_epochs(study: str | Path | StudyFolder) -> pa.Table:
    """The epochs recorded so far, by trial and epoch, each once; columns as in `results.schema`.

    Raises
    ------
    StudyError
        As `open_study`, and where a table is damaged or of another schema version.
    """
    folder = study if isinstance(study, StudyFolder) else open_study(study)
    # The merged file is read last: a part that vanished meanwhile was merged before it was deleted.
    parts = [table for part in epoch_parts(folder) if (table := read_table(part, EPOCHS)) is not None]
    return merge_epochs(read_table(folder.compacted_epochs, EPOCHS), parts)


def epoch_parts(folder: StudyFolder) -> list[Path]:
    """The files of single epochs, not merged yet."""
    try:
        return sorted(file for file in folder.epochs.glob("*-*.parquet") if not file.name.startswith("."))
    except FileNotFoundError:
        return []


def merge_epochs(merged: pa.Table | None, parts: Iterable[pa.Table]) -> pa.Table:
    """The epochs of tables, by trial and epoch, each once: that of a part where the merged table has it too."""
    newest = pa.concat_tables([EPOCHS.empty_table(), *parts])
    if merged is not None:
        again = pc.is_in(_key(merged), value_set=_key(newest).combine_chunks())
        newest = pa.concat_tables([merged.filter(pc.invert(again)), newest])
    table = newest.sort_by([("trial", "ascending"), ("epoch", "ascending")])
    return table.combine_chunks().replace_schema_metadata(EPOCHS.metadata)


def _key(epochs: pa.Table) -> pa.ChunkedArray:
    return pc.add(pc.shift_left(epochs["trial"], 32), pc.cast(epochs["epoch"], pa.int64()))


def read_table(file: Path, schema: pa.Schema) -> pa.Table | None:
    """A Parquet file's whole table, or None where there is no such file (any more).

    Columns of `schema` that were not there yet when it was written are null.
    """
    while True:
        try:
            content = file.read_bytes()
            break
        except FileNotFoundError:
            return None
        except OSError as error:
            # On NFS a file that was replaced between opening and reading is stale: open the new one.
            if error.errno != errno.ESTALE:
                raise StudyError(unreadable(file, error)) from None
    try:
        # Most files hold one row: threads would cost more than they bring.
        table = pq.ParquetFile(pa.BufferReader(content)).read(use_threads=False)
    except (pa.ArrowInvalid, OSError) as error:
        raise StudyError(
            f"{file} is damaged ({error}): delete it (what it held is lost) or restore it from a copy."
        ) from None
    check_version(
        file, (table.schema.metadata or {}).get(b"schema_version", b"none").decode(errors="replace")
    )
    return _fitted(file, table, schema)


def _fitted(file: Path, table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with the columns of `schema`, each of its type; one that was not there yet is null."""

    def refuse(name: str, problem: str) -> NoReturn:
        raise StudyError(f"{file}: column {name} {problem}: restore the file from a copy.")

    for name, count in Counter(table.column_names).items():
        if count > 1:
            refuse(name, f"is there {count} times")
        kind = table.schema.field(name).type
        if name.startswith(PARAMS) and not (pa.types.is_string(kind) or _is_number(kind)):
            refuse(name, f"holds {kind}, but a parameter's values are numbers or text")
    for place, field in enumerate(schema):
        if field.name not in table.column_names:
            if not field.nullable:
                refuse(field.name, "is missing")
            table = table.add_column(place, field, pa.nulls(table.num_rows, field.type))
            continue
        column = table[field.name]
        if column.type != field.type:
            if not (_is_number(column.type) and _is_number(field.type)):
                refuse(field.name, f"holds {column.type} instead of {field.type}")
            try:
                column = column.cast(field.type)
            except pa.ArrowInvalid as error:
                refuse(field.name, f"holds {column.type} instead of {field.type} ({error})")
            table = table.set_column(table.column_names.index(field.name), field, column)
        if column.null_count and not field.nullable:
            refuse(field.name, "has rows without a value")
        known = _KNOWN.get(field.name, ())
        for value in pc.unique(column).to_pylist() if known else ():
            if value is not None and value not in known:
                refuse(field.name, f"holds {value!r}, which is none of {', '.join(known)}")
    return table


def _is_number(kind: pa.DataType) -> bool:
    return any(
        check(kind)
        for check in (pa.types.is_integer, pa.types.is_floating, pa.types.is_boolean, pa.types.is_null)
    )


_KNOWN = {"state": STATES, "role": ROLES}
"""Columns whose values are named."""
