"""The columns of a study's tables, and tables that another version wrote."""

import re

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from results import schema
from results.schema import RESAMPLES, ROLES
from results.store import (
    EPOCHS,
    METRICS,
    STATES,
    TEST_METRICS,
    TRIALS,
    StudyError,
    StudyWriter,
    open_study,
    read_config,
    read_epochs,
    read_resamples,
    read_trials,
)


def test_every_table_has_the_declared_columns_also_when_it_is_empty(writer):
    assert read_trials(writer.folder).schema.equals(TRIALS, check_metadata=True)
    assert read_epochs(writer.folder).schema.equals(EPOCHS, check_metadata=True)
    assert read_resamples(writer.folder).schema.equals(RESAMPLES, check_metadata=True)
    writer.record_trial({"trial": 0, "state": "RUNNING"})
    writer.record_epoch({"trial": 0, "epoch": 1})
    writer.record_resamples(0, {"test_swd": [1.0]})
    writer.compact()
    assert read_trials(writer.folder).schema.equals(TRIALS, check_metadata=True)
    assert read_epochs(writer.folder).schema.equals(EPOCHS, check_metadata=True)
    assert read_resamples(writer.folder).schema.equals(RESAMPLES, check_metadata=True)


@pytest.mark.parametrize(
    ("row", "role"),
    [
        ({}, "search"),
        ({"reference": "λ 80"}, "reference"),
        ({"reference": "λ 80", "role": "confirmation", "confirms": 0}, "confirmation"),
    ],
)
def test_a_trial_is_the_searchs_or_a_reference_unless_it_says_that_it_confirms_one(writer, row, role):
    writer.record_trial({"trial": 1, "state": "RUNNING", **row})
    assert read_trials(writer.folder)["role"].to_pylist() == [role]


def as_version_3_wrote_it(folder):
    """Take away from a study's files what that version did not know."""
    new = ["role", "seed", "confirms", *TEST_METRICS]
    for file in (folder.trials, *folder.epochs.iterdir()):
        table = pq.read_table(file, partitioning=None)
        table = table.drop_columns([name for name in new if name in table.column_names])
        pq.write_table(table.replace_schema_metadata({"schema_version": "3"}), file)
    folder.config.write_text('{"schema_version": 3, "name": "garden"}')


def test_a_study_of_version_3_is_read_and_its_trials_have_the_roles_that_follow(writer):
    for trial, reference in enumerate(("λ 80", None)):
        row = {"trial": trial, "state": "COMPLETE", "reference": reference, "epochs": 1, "params.width": 64}
        writer.record_trial({**row, "val_swd": 2.0})
        writer.record_epoch({"trial": trial, "epoch": 1, "val_swd": 2.0})
    as_version_3_wrote_it(writer.folder)

    study = open_study(writer.folder.path)
    assert read_config(study)["name"] == "garden"
    trials = read_trials(study)
    assert trials["role"].to_pylist() == ["reference", "search"]
    assert trials.column_names == [*TRIALS.names, "params.width"]
    assert trials.select(["seed", "confirms", "test_swd"]).to_pylist() == 2 * [
        {"seed": None, "confirms": None, "test_swd": None}
    ]
    assert trials["params.width"].to_pylist() == [64, 64]
    assert read_epochs(study)["trial"].to_pylist() == [0, 1]
    assert read_resamples(study).num_rows == 0


def test_a_study_of_version_3_goes_on(writer):
    writer.record_trial({"trial": 0, "state": "COMPLETE", "reference": "λ 80"})
    writer.record_epoch({"trial": 0, "epoch": 1, "val_swd": 2.0})
    as_version_3_wrote_it(writer.folder)

    again = StudyWriter(writer.folder.path)
    again.record_trial(
        {"trial": 1, "state": "COMPLETE", "role": "confirmation", "confirms": 0, "reference": "λ 80"}
    )
    again.record_epoch({"trial": 1, "epoch": 1, "val_swd": 2.5})
    again.record_resamples(1, {"test_swd": [2.0]})
    for _ in range(2):
        assert read_trials(writer.folder)["role"].to_pylist() == ["reference", "confirmation"]
        assert read_trials(writer.folder).schema.equals(TRIALS, check_metadata=True)
        assert read_epochs(writer.folder)["trial"].to_pylist() == [0, 1]
        assert read_resamples(writer.folder)["trial"].to_pylist() == [1]
        again.compact()


def test_the_docstring_describes_every_column_and_none_that_there_is_not():
    parts = re.split(r"\*\*(?:epochs|resamples)/?", schema.__doc__)
    for text, columns in zip(parts, (TRIALS, EPOCHS, RESAMPLES), strict=True):
        rows = re.findall(r"^\| ([\w.]+) \| (\S+)", text, re.MULTILINE)
        kinds = dict(row for row in rows if row[0] not in {"column", "params.NAME"})
        for split in ("val_", "test_"):
            kind = kinds.pop(f"{split}...", None)
            kinds |= {} if kind is None else {name: kind for name in columns.names if name.startswith(split)}
        kinds = {name: kind.rstrip(",") for name, kind in kinds.items()}
        assert kinds == {
            field.name: str(field.type).replace("double", "float64").split(",")[0] for field in columns
        }
    for name in (*STATES, *ROLES):
        assert name in schema.__doc__


def test_a_column_added_since_a_study_was_written_is_null_there_and_the_study_goes_on(writer):
    for epoch in (1, 2):
        writer.record_epoch({"trial": 0, "epoch": epoch, "val_swd": 5.0, "device": "NVIDIA L4"})
        if epoch == 1:
            writer.compact()
    writer.record_trial({"trial": 0, "state": "RUNNING", "device": "NVIDIA L4", "params.width": 64})
    writer.flush()
    for file in (writer.folder.trials, *writer.folder.epochs.iterdir()):
        pq.write_table(pq.read_table(file, partitioning=None).drop_columns("device"), file)

    again = StudyWriter(writer.folder.path)
    again.record_epoch({"trial": 0, "epoch": 3, "val_swd": 4.0, "device": "NVIDIA L4"})
    for _ in range(2):
        assert read_epochs(writer.folder)["device"].to_pylist() == [None, None, "NVIDIA L4"]
        assert read_epochs(writer.folder).schema.equals(EPOCHS, check_metadata=True)
        (trial,) = read_trials(writer.folder).to_pylist()
        assert (trial["device"], trial["params.width"]) == (None, 64)
        again.compact()


@pytest.mark.parametrize(
    ("values", "kind", "read"),
    [
        ([1, 2], pa.int64(), [1, 2]),
        ([1, None, 2], pa.int64(), [1, None, 2]),
        ([1, 2.5], pa.float64(), [1.0, 2.5]),
        ([2**60 + 1, 0.5], pa.float64(), [2.0**60, 0.5]),
        ([np.float32(0.5), np.int64(2)], pa.float64(), [0.5, 2.0]),
        ([True, False], pa.bool_(), [True, False]),
        (["unet", 3], pa.string(), ["unet", "3"]),
        ([True, 2], pa.string(), ["True", "2"]),
    ],
)
def test_a_parameter_column_takes_the_narrowest_type_that_holds_its_values(writer, values, kind, read):
    for trial, value in enumerate(values):
        writer = StudyWriter(writer.folder.path)
        writer.record_trial({"trial": trial, "state": "RUNNING", "params.p": value})
    column = read_trials(writer.folder)["params.p"]
    assert column.type == kind
    assert column.to_pylist() == read


def test_another_schema_version_is_refused_by_every_reader_and_the_writer(writer):
    writer.record_trial({"trial": 0, "state": "RUNNING"})
    writer.record_epoch({"trial": 0, "epoch": 1})
    writer.record_resamples(0, {"test_swd": [1.0]})
    for file, read in (
        (writer.folder.trials, read_trials),
        (writer.folder.epoch(0, 1), read_epochs),
        (writer.folder.resamples, read_resamples),
    ):
        table = pq.read_table(file)
        pq.write_table(table.replace_schema_metadata({"schema_version": "1"}), file)
        with pytest.raises(StudyError, match=f"{file.name} has schema_version 1, but this program reads 4"):
            read(writer.folder.path)
    with pytest.raises(StudyError, match=r"trials\.parquet has schema_version 1"):
        StudyWriter(writer.folder.path)
    writer.write_config({"name": "garden", "schema_version": 1})
    with pytest.raises(StudyError, match=r"study\.json has schema_version 1"):
        open_study(writer.folder.path)


def test_the_tables_have_a_column_for_every_metric_that_is_measured():
    from trainables import metrics

    assert metrics.METRICS == METRICS
