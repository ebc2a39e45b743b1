"""A study's tables as somebody's script, or a failing disk, may leave them: each is refused in one line."""

import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from results.gallery import main, write_gallery
from results.store import EPOCHS, StudyError, StudyFolder, read_epochs, read_trials

TEXT = pa.array(["much"])


def put(name, values):
    """Give a column other values, of whatever type."""
    return lambda table: table.set_column(table.column_names.index(name), name, values)


def twice(name):
    return lambda table: table.append_column(name, table[name])


def none(name):
    return put(name, pa.nulls(1, pa.int64()))


ODD = [
    ("trials", put("trial", TEXT), "column trial holds string instead of int64"),
    ("trials", put("val_swd", TEXT), "column val_swd holds string instead of double"),
    (
        "trials",
        put("epochs", pa.array([1.5])),
        "column epochs holds double instead of int32 (Float value 1.5",
    ),
    ("trials", put("epochs", pa.array([2**40])), "column epochs holds int64 instead of int32"),
    ("trials", put("state", pa.array([3])), "column state holds int64 instead of string"),
    (
        "trials",
        put("state", pa.array(["DONE"])),
        "column state holds 'DONE', which is none of RUNNING, COMPLETE",
    ),
    (
        "trials",
        put("role", pa.array(["king"])),
        "column role holds 'king', which is none of search, reference",
    ),
    ("trials", put("params.depth", pa.array([[4]])), "column params.depth holds list<element: int64>, but a"),
    ("trials", twice("val_swd"), "column val_swd is there 2 times"),
    ("trials", twice("params.depth"), "column params.depth is there 2 times"),
    ("trials", none("trial"), "column trial has rows without a value"),
    ("trials", lambda table: table.drop_columns(["state"]), "column state is missing"),
    ("epochs", lambda table: table.drop_columns(["epoch"]), "column epoch is missing"),
    (
        "epochs",
        put("timestamp", pa.array([1_700_000_000])),
        "column timestamp holds int64 instead of timestamp",
    ),
    ("epochs", put("epoch", pa.array([True])), None),
    ("epochs", put("val_swd", pa.array([3])), None),
]


@pytest.mark.parametrize(
    ("which", "change", "said"), ODD, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_table_of_another_kind_is_refused_by_its_column_and_whole_numbers_pass(
    writer, capsys, which, change, said
):
    writer.record_epoch({"trial": 0, "epoch": 1, "val_swd": 3.0})
    writer.record_trial({"trial": 0, "state": "COMPLETE", "epochs": 1, "params.depth": 4})
    writer.flush()
    folder = StudyFolder(writer.folder.path)
    file, read = {
        "trials": (folder.trials, read_trials),
        "epochs": (folder.epoch(0, 1), read_epochs),
    }[which]
    pq.write_table(change(pq.read_table(file)).replace_schema_metadata(EPOCHS.metadata), file)
    if said is None:
        assert read(folder)["epoch"].to_pylist() == [1]
        write_gallery(folder.path)
        return
    with pytest.raises(StudyError, match=re.escape(f"{file}: {said}")):
        read(folder)
    if which == "trials":
        with pytest.raises(SystemExit) as end:
            main(str(folder.path))
        assert end.value.code == 2
        assert said in capsys.readouterr().err
        assert not folder.gallery.exists()
