"""What a study begins with: configurations that did well in recorded trainings of other data."""

import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from results.store import StudyFolder, read_epochs, read_trials
from search import prior
from spaces import narrow, space_of

BOTH = ("val_delta_e", "val_swd")
SPACE = space_of("pix2pix", 32, ("unet", "mobilenetv2"))


def portfolio(*arguments):
    """The parameters alone."""
    return [point.params for point in prior.portfolio(*arguments)]


@pytest.fixture
def tables(tmp_path, monkeypatch):
    """The recorded trainings with other values: functions of the parameters, each task on a scale of its own."""

    def rewrite(worth):
        for scale, name in enumerate(("pix2pix", "pix2pix-drawn"), 1):
            folder = StudyFolder(tmp_path / name)
            shutil.copytree(prior.EVIDENCE / name, folder.path)
            worths = {row["trial"]: worth(row) for row in read_trials(folder).to_pylist()}
            rows = read_epochs(folder)
            for at, metric in enumerate(BOTH):
                column = pa.array(
                    [scale * 10.0**scale * worths[trial][at] for trial in rows["trial"].to_pylist()]
                )
                rows = rows.set_column(rows.schema.get_field_index(metric), metric, column)
            shutil.rmtree(folder.path / "epochs")
            (folder.path / "epochs").mkdir()
            pq.write_table(rows, folder.path / "epochs" / "all.parquet")
        monkeypatch.setattr(prior, "EVIDENCE", tmp_path)

    prior._read.cache_clear()
    yield rewrite
    prior._read.cache_clear()


def test_what_did_well_on_all_data_comes_first(tables):
    tables(lambda row: (1 + abs(np.log(row["params.lambda"] / 10)), 1.0))
    chosen = portfolio(SPACE, 3, "pix2pix", ("val_delta_e",))
    assert len({tuple(params.items()) for params in chosen}) == 3
    # A quarter of the logarithm's range.
    assert all(params["lambda"] < 32 for params in chosen)


def test_with_two_objectives_they_are_trade_offs(tables):
    tables(lambda row: (row["params.lambda"], 1 / row["params.lambda"]))
    chosen = sorted(params["lambda"] for params in portfolio(SPACE, 3, "pix2pix", BOTH))
    # Three points of a straight front have most below them at its quarters: 32, 100 and 316.
    assert chosen == pytest.approx([10**1.5, 100, 10**2.5], rel=0.3)


def test_what_adds_nothing_is_not_chosen_and_nothing_twice():
    # Of the autoencoder's few recorded trainings less than eight are the best in any draw.
    chosen = portfolio(space_of("cnn", 32, ()), 8, "cnn", ("val_swd",))
    assert 1 < len(chosen) < 8
    assert len({tuple(params.items()) for params in chosen}) == len(chosen)


def test_only_what_the_study_may_train_is_chosen_and_what_a_recording_held_is_left_open():
    space = narrow(space_of("pix2pix", 64, ("unet",)), "upsampling", "resize")
    chosen = portfolio(space, 4, "pix2pix", BOTH)
    assert len(chosen) == 4
    assert {params["encoder"] for params in chosen} == {"unet"}
    assert {params["upsampling"] for params in chosen} == {"resize"}
    assert not any("width" in params for params in chosen)
    assert chosen == portfolio(space, 4, "pix2pix", BOTH)


def test_a_space_that_no_recording_fits_begins_with_nothing():
    assert portfolio(narrow(SPACE, "dropout", "0.123"), 4, "pix2pix", BOTH) == []


def test_the_task_at_hand_can_be_left_out():
    tasks = [table.task for table in prior._tables("pix2pix", BOTH, None)]
    assert len(set(tasks)) > 1
    for task in tasks:
        left = len(prior._tables("pix2pix", BOTH, task))
        assert left == len(tasks) - tasks.count(task) < len(tasks)
