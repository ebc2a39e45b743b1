"""Learning from earlier studies: what of their trials fits the new one."""

from datetime import UTC, datetime

import pytest
from optuna.trial import TrialState

from results.store import StudyWriter
from search.config import ConfigError
from search.earlier import check_earlier, earlier_trials
from search.outcome import epochs_of
from spaces import narrow, space_of

SPACE = space_of("cnn", 32, ())
PAIR = ("val_delta_e", "val_swd")


@pytest.fixture
def study(tmp_path):
    """An earlier study: a trial of four epochs, one stopped after the first, one that failed."""
    writer = StudyWriter(tmp_path / "earlier")
    writer.write_config({"name": "earlier", "model": "cnn"})
    for trial, (state, epochs, depth) in enumerate((("COMPLETE", 4, 3), ("PRUNED", 1, 2), ("FAIL", 1, 2))):
        params = {
            "params.depth": depth,
            "params.width": 16,
            "params.learning_rate": 1e-3,
            "params.forgotten": 1,
        }
        writer.record_trial({"trial": trial, "state": state, **params})
        for epoch in range(1, epochs + 1):
            values = {"val_delta_e": 12.0 - epoch, "val_swd": 5.0 - epoch}
            writer.record_epoch({"trial": trial, "epoch": epoch, "timestamp": datetime.now(UTC), **values})
    return tmp_path / "earlier"


def test_ended_trials_are_taken_over_with_their_curves_and_failed_ones_are_not(study):
    finished, stopped = earlier_trials([study], SPACE, objectives=PAIR, epochs=4)
    assert (finished.state, stopped.state) == (TrialState.COMPLETE, TrialState.PRUNED)
    assert epochs_of(finished)[4] == (8.0, 1.0)
    assert epochs_of(stopped) == {1: (11.0, 4.0)}
    assert finished.params == {"depth": 3, "width": 16, "learning_rate": 1e-3}


def test_reference_points_are_taken_over_and_confirmations_are_not(study):
    writer = StudyWriter(study)
    for trial, role in ((3, "reference"), (4, "confirmation")):
        writer.record_trial(
            {
                "trial": trial,
                "state": "COMPLETE",
                "role": role,
                "reference": "CNN baseline",
                "params.depth": trial,
            }
        )
        values = {"val_delta_e": 1.0 + trial, "val_swd": 1.0}
        writer.record_epoch({"trial": trial, "epoch": 1, "timestamp": datetime.now(UTC), **values})
    *_, reference = taken_over = earlier_trials([study], SPACE, objectives=PAIR, epochs=4)
    assert len(taken_over) == 3
    assert (reference.params["depth"], epochs_of(reference)) == (3, {1: (4.0, 1.0)})


def test_with_one_objective_the_values_are_of_that_one(study):
    finished, _ = earlier_trials([study], SPACE, objectives=("val_swd",), epochs=4)
    assert finished.value == 1.0
    assert epochs_of(finished)[1] == (4.0,)


def test_in_a_longer_study_they_count_as_stopped_and_in_a_shorter_one_as_finished(study):
    assert {trial.state for trial in earlier_trials([study], SPACE, objectives=PAIR, epochs=9)} == {
        TrialState.PRUNED
    }
    finished, also = earlier_trials([study], SPACE, objectives=PAIR, epochs=1)
    assert (finished.state, also.state) == (TrialState.COMPLETE, TrialState.COMPLETE)
    assert list(epochs_of(finished)) == [1]


def test_a_value_that_the_new_space_does_not_allow_is_left_out(study):
    shallow = narrow(SPACE, "depth", "2")
    finished, stopped = earlier_trials([study], shallow, objectives=PAIR, epochs=4)
    assert "depth" not in finished.params
    assert stopped.params["depth"] == 2


def test_a_study_of_another_model_or_none_is_refused(study):
    check_earlier([study], "cnn")
    with pytest.raises(ConfigError, match=r"a study of cnn, but this one is of pix2pix"):
        check_earlier([study], "pix2pix")
    with pytest.raises(ConfigError, match=r"--warm-start is .*none: .*does not exist"):
        check_earlier([study.parent / "none"], "cnn")
