"""How far apart trainings are by their seeds alone, as a study's tables tell it."""

import numpy as np
import pytest

from results.noise import seed_noise
from results.store import StudyWriter, read_trials


def table(tmp_path, trainings):
    """Trials from (role, confirms, value of val_swd, state)."""
    writer = StudyWriter(tmp_path)
    writer.write_config({})
    for number, (role, confirms, value, state) in enumerate(trainings):
        row = {"trial": number, "role": role, "confirms": confirms, "state": state, "val_swd": value}
        writer.record_trial(row)
    writer.flush()
    return read_trials(writer.folder)


def test_nineteen_of_twenty_pairs_are_as_near_as_is_said(tmp_path):
    rng = np.random.default_rng(0)
    rows = [("reference", None, float(np.exp(rng.normal(level, 0.2))), "COMPLETE") for level in range(40)]
    rows += [
        ("confirmation", first, float(np.exp(rng.normal(first, 0.2))), "COMPLETE")
        for _ in range(3)
        for first in range(40)
    ]
    share = seed_noise(table(tmp_path, rows), ("val_swd",))["val_swd"]
    one, other = np.exp(rng.normal(0, 0.2, (2, 100_000)))
    assert np.mean(np.maximum(one, other) / np.minimum(one, other) < 1 + share) == pytest.approx(
        0.95, abs=0.02
    )


def test_a_finalists_own_training_and_those_that_failed_do_not_count(tmp_path):
    rows = [("search", None, 0.1, "COMPLETE"), ("search", None, 0.2, "COMPLETE")]
    rows += [("confirmation", place % 2, 1.0 + place % 2, "COMPLETE") for place in range(6)]
    rows += [("confirmation", 0, None, "FAIL")]
    assert seed_noise(table(tmp_path, rows), ("val_swd",)) == {"val_swd": 0.0}


@pytest.mark.parametrize(
    "rows",
    [
        [("reference", None, 1.0, "COMPLETE"), ("confirmation", 0, 2.0, "COMPLETE")],
        [("reference", None, 0.0, "COMPLETE"), *[("confirmation", 0, 2.0, "COMPLETE")] * 5],
        [("reference", None, None, "COMPLETE"), *[("confirmation", 0, 2.0, "COMPLETE")] * 5],
    ],
    ids=["too few", "no share of 0", "without a value"],
)
def test_nothing_is_said_where_nothing_is_known(tmp_path, rows):
    assert seed_noise(table(tmp_path, rows), ("val_swd",)) == {}
