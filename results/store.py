"""The files a study leaves, and the one place that knows their names and columns.

Writes and reads `study.json`, `trials.parquet` and `epochs/*.parquet`, and names every other path of a
study's folder (`StudyFolder`). It neither ranks nor draws, and knows nothing of Ray, Optuna or TensorFlow.

One process writes a study, any number read it, at any time: a file is written beside its target, synced and
moved over it, so a reader sees the old file or the new one. An epoch is a file of its own,
`epochs/0007-0003.parquet` (trial 7, epoch 3): recording it again replaces it. `StudyWriter.compact` merges
these parts into `epochs/all.parquet` and then deletes them; where a part and the merged file hold the same
epoch, the part is right.

Every Parquet file carries `schema_version` in its metadata, `study.json` under the key of that name.

**trials.parquet**, a row a trial, ascending. Null means "not known (yet)".

| column | type | unit, range |
| --- | --- | --- |
| trial | int64, never null | Optuna's number, from 0 |
| state | string, never null | RUNNING, COMPLETE, PRUNED (stopped early) or FAIL |
| reference | string | name of the reference point that this trial is; null for a trial the search proposed |
| reason | string | why it failed; null otherwise |
| epochs | int32, never null | finished epochs, from 0 |
| best_epoch | int32 | the epoch, from 1, whose metrics this row shows and whose weights were kept |
| seconds | float64 | s, training and evaluation together |
| images_per_second | float64 | training images a second |
| trainable_encoder_parameters | int64 | weights of the pretrained encoder left to train; null without one |
| node | string | the host that trained it |
| val_delta_e | float64 | CIEDE2000, 0 and up; lower is better, as for all but psnr and ssim |
| val_swd | float64 | sliced Wasserstein distance, Lab units, 0 and up |
| val_colorfulness_gap | float64 | Hasler and Suesstrunk's colorfulness, 0 and up |
| val_chroma_error | float64 | Lab units, 0 and up |
| val_kid | float64 | kernel inception distance, unbiased (may be below 0); null without feature weights |
| val_l1 | float64 | mean absolute difference of the pictures |
| val_psnr | float64 | dB, higher is better |
| val_ssim | float64 | -1..1, higher is better |
| params.NAME | bool, int64, float64 or string | the value tried; null where a condition excluded it |

A parameter's type is the narrowest that holds all its values: integers beside floats become float64, text
beside anything else becomes string.

**epochs/*.parquet**, a row a trial and epoch, read in that order.

| column | type | unit, range |
| --- | --- | --- |
| trial | int64, never null | as above |
| epoch | int32, never null | from 1; survives a restore |
| train_loss | float64 | the autoencoder's mean squared error, RGB in 0..1; null for pix2pix |
| train_generator_loss | float64 | adversarial + lambda x L1 + weighted perceptual; null for cnn, as the next five |
| train_adversarial_loss | float64 | nats, 0 and up; null in warm-up epochs, as all of the discriminator's |
| train_l1_loss | float64 | RGB in -1..1, 0..2 |
| train_discriminator_loss | float64 | nats, 0 and up |
| train_real_accuracy | float64 | share of real patches that the discriminator takes for real, 0..1 |
| train_fake_accuracy | float64 | share of the generator's patches that it takes for fake, 0..1 |
| train_generator_gradient_norm | float64 | Euclidean, over all weights that train; for cnn the autoencoder's |
| train_discriminator_gradient_norm | float64 | likewise; null for cnn |
| val_... | float64 | the eight metrics above, on the validation split after this epoch |
| images_per_second | float64 | training images a second |
| epoch_seconds | float64 | s, training and evaluation |
| timestamp | timestamp[ms, UTC] | when it was recorded |
"""

from __future__ import annotations

import errno
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SCHEMA_VERSION = 2
METRICS = (
    "val_delta_e",
    "val_swd",
    "val_colorfulness_gap",
    "val_chroma_error",
    "val_kid",
    "val_l1",
    "val_psnr",
    "val_ssim",
)
STATES = ("RUNNING", "COMPLETE", "PRUNED", "FAIL")
PARAMS = "params."

_VERSION = {"schema_version": str(SCHEMA_VERSION)}
TRIALS = pa.schema(
    [
        pa.field("trial", pa.int64(), nullable=False),
        pa.field("state", pa.string(), nullable=False),
        pa.field("reference", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("epochs", pa.int32(), nullable=False),
        pa.field("best_epoch", pa.int32()),
        pa.field("seconds", pa.float64()),
        pa.field("images_per_second", pa.float64()),
        pa.field("trainable_encoder_parameters", pa.int64()),
        pa.field("node", pa.string()),
        *(pa.field(metric, pa.float64()) for metric in METRICS),
    ],
    metadata=_VERSION,
)
"""Columns of `trials.parquet`, before its `params.NAME` columns."""

EPOCHS = pa.schema(
    [
        pa.field("trial", pa.int64(), nullable=False),
        pa.field("epoch", pa.int32(), nullable=False),
        pa.field("train_loss", pa.float64()),
        pa.field("train_generator_loss", pa.float64()),
        pa.field("train_adversarial_loss", pa.float64()),
        pa.field("train_l1_loss", pa.float64()),
        pa.field("train_discriminator_loss", pa.float64()),
        pa.field("train_real_accuracy", pa.float64()),
        pa.field("train_fake_accuracy", pa.float64()),
        pa.field("train_generator_gradient_norm", pa.float64()),
        pa.field("train_discriminator_gradient_norm", pa.float64()),
        *(pa.field(metric, pa.float64()) for metric in METRICS),
        pa.field("images_per_second", pa.float64()),
        pa.field("epoch_seconds", pa.float64()),
        pa.field("timestamp", pa.timestamp("ms", tz="UTC")),
    ],
    metadata=_VERSION,
)
"""Columns of every file in `epochs/`."""


class StudyError(ValueError):
    """A study that cannot be read or written; the message says what to do."""


@dataclass(frozen=True)
class StudyFolder:
    """Names every file of a study; creates and checks nothing (see `open_study`)."""

    path: Path

    @property
    def config(self) -> Path:
        """The JSON record of what was asked for, on which data, with which versions."""
        return self.path / "study.json"

    @property
    def journal(self) -> Path:
        """Optuna's journal."""
        return self.path / "optuna.journal"

    @property
    def trials(self) -> Path:
        """The table of trials."""
        return self.path / "trials.parquet"

    @property
    def epochs(self) -> Path:
        """The folder with the tables of epochs."""
        return self.path / "epochs"

    @property
    def compacted_epochs(self) -> Path:
        """The table that `StudyWriter.compact` merges all epochs into."""
        return self.epochs / "all.parquet"

    @property
    def gallery(self) -> Path:
        """The page of pictures."""
        return self.path / "gallery.html"

    def epoch(self, trial: int, epoch: int) -> Path:
        """The table with one epoch of one trial."""
        return self.epochs / f"{trial:04d}-{epoch:04d}.parquet"

    def trial(self, number: int) -> Path:
        """A trial's own folder."""
        return self.path / "trials" / f"{number:04d}"

    def checkpoint(self, number: int) -> Path:
        """Folder of a trial's weights."""
        return self.trial(number) / "checkpoint"

    def last_state(self, number: int) -> Path:
        """The training state that a trial goes on from; absent for a stopped one."""
        return self.checkpoint(number) / "last.safetensors"

    def previous_state(self, number: int) -> Path:
        """The training state of an epoch earlier, should the last one be damaged; absent for a stopped trial."""
        return self.checkpoint(number) / "previous.safetensors"

    def best_weights(self, number: int) -> Path:
        """The weights to colour with; absent for a stopped or failed trial."""
        return self.checkpoint(number) / "best.safetensors"

    def samples(self, number: int) -> Path:
        """Folder of a trial's picture strips, `epoch-003.png`."""
        return self.trial(number) / "samples"

    def strips(self, number: int, best_epoch: int | None) -> list[Path]:
        """A trial's strips: that of its best epoch, whose weights were kept, then the newest to the oldest."""
        newest_first = sorted(self.samples(number).glob("epoch-*.png"), reverse=True)
        best = f"epoch-{best_epoch or 0:03d}.png"
        return sorted(newest_first, key=lambda strip: strip.name != best)


def open_study(path: str | Path) -> StudyFolder:
    """The study in a folder.

    Raises
    ------
    StudyError
        Where the folder is missing, is no study, or was written by another version of the schema.
    """
    folder = StudyFolder(Path(path))
    if not folder.path.exists():
        raise StudyError(f"{folder.path} does not exist: {_studies_in(folder.path.parent)}")
    if not folder.config.is_file():
        raise StudyError(f"{folder.path} is no study, it has no study.json: {_studies_in(folder.path)}")
    read_config(folder)
    return folder


def find_studies(storage: str | Path) -> list[StudyFolder]:
    """The studies directly inside a folder, the last started or resumed first; empty where there are none."""
    configs = sorted(Path(storage).glob("*/study.json"), key=lambda c: (-c.stat().st_mtime_ns, c))
    return [StudyFolder(config.parent) for config in configs]


def read_config(study: str | Path | StudyFolder) -> dict[str, Any]:
    """The content of `study.json`.

    Raises
    ------
    StudyError
        As `open_study`, and where the file holds no JSON object.
    """
    folder = study if isinstance(study, StudyFolder) else open_study(study)
    try:
        config = json.loads(folder.config.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StudyError(f"{folder.path} is no study, it has no study.json: start one there first.") from None
    except ValueError as error:
        raise StudyError(f"{folder.config} is not JSON ({error}): restore it from a copy.") from None
    if not isinstance(config, dict):
        raise StudyError(f"{folder.config} holds no JSON object: restore it from a copy.")
    _check_version(folder.config, config.get("schema_version"))
    return config


def read_trials(study: str | Path | StudyFolder) -> pa.Table:
    """The trials known so far, ascending; columns as in the module's docstring.

    Raises
    ------
    StudyError
        As `open_study`, and where the table is damaged or of another schema version.
    """
    folder = study if isinstance(study, StudyFolder) else open_study(study)
    table = _read(folder.trials)
    return TRIALS.empty_table() if table is None else table


def read_epochs(study: str | Path | StudyFolder) -> pa.Table:
    """The epochs recorded so far, by trial and epoch, each once; columns as in the module's docstring.

    Raises
    ------
    StudyError
        As `open_study`, and where a table is damaged or of another schema version.
    """
    folder = study if isinstance(study, StudyFolder) else open_study(study)
    return _merge_epochs(folder, _parts(folder))


class StudyWriter:
    """Writes a study's tables; what a method was given is on disk when it returns.

    A folder that holds a study already is continued. There is one writer at a time, and one thread calls it.

    Raises
    ------
    StudyError
        Where the folder cannot be written, or holds a study of another schema version.
    """

    def __init__(self, path: str | Path) -> None:
        self.folder = StudyFolder(Path(path))
        try:
            self.folder.epochs.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _not_written(self.folder, self.folder.epochs, error) from error
        if self.folder.config.exists():
            read_config(self.folder)
        self._trials = {row["trial"]: _known(row) for row in read_trials(self.folder).to_pylist()}

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
        write_file(
            self.folder, self.folder.epoch(row["trial"], row["epoch"]), _parquet(_table([row], EPOCHS))
        )

    def record_trial(self, row: Mapping[str, Any]) -> None:
        """Write a trial's row, replacing the whole row where the trial is known.

        Parameters
        ----------
        row
            Values by column of `TRIALS` and `params.NAME`; `trial` and `state` are needed, others may be
            absent or None.

        Raises
        ------
        StudyError
            Where the row does not fit, the disk is full or the folder cannot be written; the trials known
            before stay as they were.
        """
        _check_row(row, [*TRIALS.names, *(c for c in row if c.startswith(PARAMS))], needed=("trial", "state"))
        if row["state"] not in STATES:
            raise StudyError(
                f"trial {row['trial']}: state is {row['state']!r}, but must be one of {', '.join(STATES)}."
            )
        trials = {**self._trials, row["trial"]: _known({"epochs": 0, **row})}
        write_file(self.folder, self.folder.trials, _parquet(_trials_table(trials)))
        self._trials = trials

    def compact(self) -> None:
        """Merge all epochs into one file; safe at any time, also while others read.

        Raises
        ------
        StudyError
            Where a table is damaged, the disk is full or the folder cannot be written; no epoch is lost.
        """
        parts = _parts(self.folder)
        if not parts:
            return
        write_file(self.folder, self.folder.compacted_epochs, _parquet(_merge_epochs(self.folder, parts)))
        for file in (*parts, *self.folder.epochs.glob(".*.tmp")):
            file.unlink(missing_ok=True)


def write_file(folder: StudyFolder, target: Path, content: bytes | memoryview) -> None:
    """Write a file of the study whole or not at all; a reader sees the old one or the new one.

    Raises
    ------
    StudyError
        Where the disk is full or the folder cannot be written.
    """
    # Synced before it is moved: after a power cut the name must not lead to an empty file.
    temporary = target.with_name(f".{target.name}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise _not_written(folder, target, error) from error


def _parts(folder: StudyFolder) -> list[Path]:
    try:
        return sorted(file for file in folder.epochs.glob("*-*.parquet") if not file.name.startswith("."))
    except FileNotFoundError:
        return []


def _merge_epochs(folder: StudyFolder, parts: Iterable[Path]) -> pa.Table:
    # The merged file is read last: a part that vanished meanwhile was merged before it was deleted.
    read = [table for part in parts if (table := _read(part)) is not None]
    merged = _read(folder.compacted_epochs)
    newest = pa.concat_tables([EPOCHS.empty_table(), *read])
    if merged is not None:
        again = pc.is_in(_key(merged), value_set=_key(newest).combine_chunks())
        newest = pa.concat_tables([merged.filter(pc.invert(again)), newest])
    table = newest.sort_by([("trial", "ascending"), ("epoch", "ascending")])
    return table.combine_chunks().replace_schema_metadata(EPOCHS.metadata)


def _key(epochs: pa.Table) -> pa.ChunkedArray:
    return pc.add(pc.shift_left(epochs["trial"], 32), pc.cast(epochs["epoch"], pa.int64()))


def _read(file: Path) -> pa.Table | None:
    """The whole table of a Parquet file, or None where there is no such file (any more)."""
    while True:
        try:
            content = file.read_bytes()
            break
        except FileNotFoundError:
            return None
        except OSError as error:
            # On NFS a file that was replaced between opening and reading is stale: open the new one.
            if error.errno != errno.ESTALE:
                raise
    try:
        table = pq.ParquetFile(pa.BufferReader(content)).read()
    except (pa.ArrowInvalid, OSError) as error:
        raise StudyError(
            f"{file} is damaged ({error}): delete it (what it held is lost) or restore it from a copy."
        ) from None
    _check_version(file, (table.schema.metadata or {}).get(b"schema_version", b"none").decode())
    return table


def _check_version(file: Path, version: object) -> None:
    if str(version) != str(SCHEMA_VERSION):
        raise StudyError(
            f"{file} has schema_version {version}, but this program reads {SCHEMA_VERSION}: "
            "use the version of the program that wrote it (study.json names the git commit)."
        )


def _check_row(row: Mapping[str, Any], columns: Iterable[str], *, needed: tuple[str, ...]) -> None:
    for column in needed:
        if row.get(column) is None:
            raise StudyError(f"a row without {column}: it needs {' and '.join(needed)}.")
    unknown = sorted(set(row) - set(columns))
    if unknown:
        raise StudyError(
            f"trial {row['trial']}: {', '.join(unknown)} is no column: results/store.py lists those that are."
        )


def _known(row: Mapping[str, Any]) -> dict[str, Any]:
    return {column: value for column, value in row.items() if value is not None}


def _trials_table(trials: Mapping[int, Mapping[str, Any]]) -> pa.Table:
    rows = [trials[number] for number in sorted(trials)]
    names = sorted({column for row in rows for column in row if column.startswith(PARAMS)})
    table = _table(rows, TRIALS)
    for name in names:
        table = table.append_column(name, _column(name, [row.get(name) for row in rows]))
    return table


def _column(name: str, values: list[Any]) -> pa.Array:
    values = [value.item() if hasattr(value, "item") else value for value in values]
    for value in values:
        if not isinstance(value, bool | int | float | str | None):
            raise StudyError(f"{name} is {value!r}, but a parameter is a bool, an int, a float or text.")
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) > 1 and kinds != {int, float}:
        return pa.array([None if value is None else str(value) for value in values], pa.string())
    return pa.array(values)


def _table(rows: list[Mapping[str, Any]], schema: pa.Schema) -> pa.Table:
    try:
        columns = [pa.array([row.get(field.name) for row in rows], field.type) for field in schema]
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise StudyError(f"trial {rows[-1]['trial']}: a value does not fit its column: {error}") from None
    return pa.table(columns, schema=schema)


def _parquet(table: pa.Table) -> memoryview:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return memoryview(sink.getvalue())


def _studies_in(folder: Path) -> str:
    names = [study.path.name for study in find_studies(folder)[:8]]
    if names:
        return f"the studies in {folder} are {', '.join(names)}."
    return f"no study is in {folder} either; `python -m search.run` starts one."


def _not_written(folder: StudyFolder, target: Path, error: OSError) -> StudyError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    remedy = "free some space there" if full else "see that the folder can be written"
    return StudyError(
        f"{target} could not be written ({error.strerror}): what was written to {folder.path} before is "
        f"intact; {remedy}, then try again."
    )
