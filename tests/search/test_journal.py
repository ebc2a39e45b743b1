"""The journal: what survives damage, another version, and becoming longer."""

import json
import math

import optuna
import pytest
from optuna.trial import TrialState

from results.store import StudyError
from search.journal import Journal
from search.mending import mend
from search.outcome import epochs_of, outcome
from spaces import space_of

SPACE = space_of("cnn", 32, ())
PARAMS = {"depth": 3, "width": 16, "dropout": 0.1, "batch_norm": True, "head": "rgb", "learning_rate": 1e-3}
DISTRIBUTIONS = {name: parameter.distribution for name, parameter in SPACE.items()}


@pytest.fixture
def path(tmp_path):
    """A journal of three trials: complete after three epochs, pruned after one, running."""
    path = tmp_path / "optuna.journal"
    journal = Journal(path, "birds", ("val_swd",))
    for _ in range(3):
        journal.begin(PARAMS, DISTRIBUTIONS, {}, {})
    for epoch in (1, 2, 3):
        journal.report(0, epoch, (4.0 - epoch,))
    journal.end(0, TrialState.COMPLETE, (1.0,))
    journal.report(1, 1, (5.0,))
    journal.end(1, TrialState.PRUNED, (5.0,))
    journal.report(2, 1, (2.0,))
    return path


def states(path):
    return [trial.state.name for trial in Journal(path, "birds", ("val_swd",)).trials()]


def test_optuna_itself_reads_it(path):
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
    study = optuna.load_study(study_name="birds", storage=storage)
    assert study.best_value == 1.0
    assert study.metric_names == ["val_swd"]
    assert study.trials[1].intermediate_values == {1: 5.0}
    assert study.trials[2].params == PARAMS


@pytest.mark.parametrize("cut", [1, 40, 300])
def test_a_torn_end_costs_the_torn_line_alone_and_is_said(path, cut):
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    path.write_bytes(whole[:-cut])
    kept = len([line for line in whole[:-cut].splitlines(keepends=True) if line.endswith(b"\n")])
    journal = Journal(path, "birds", ("val_swd",))
    assert f"{kept} whole lines are kept" in journal.loss
    assert path.read_bytes() == b"".join(lines[:kept])
    assert path.with_name("optuna.journal.damaged").read_bytes() == whole[:-cut]
    assert len(journal.trials()) == 3
    journal.report(2, 2, (1.5,))
    assert epochs_of(Journal(path, "birds", ("val_swd",)).trials()[2])[2] == (1.5,)


def test_garbage_at_the_end_is_cut_off(path):
    whole = path.read_bytes()
    path.write_bytes(whole + b"\0" * 512 + b"\n")
    assert "its last 513 bytes are lost" in mend(path)
    assert path.read_bytes() == whole
    assert mend(path) == ""


def test_a_copy_behind_the_journal_is_cut_off(path):
    before = Journal(path, "birds", ("val_swd",)).trials()
    whole = path.read_bytes()
    path.write_bytes(whole + whole)
    journal = Journal(path, "birds", ("val_swd",))
    assert f"its last {len(whole)} bytes are lost" in journal.loss
    assert journal.trials() == before
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        (b'"op_code"', b'"op_kode"'),
        (b"CategoricalDistribution", b"CategoricalDistribuzion"),
        (b'"step":1', b'"step":x'),
    ],
)
def test_a_line_that_is_damaged_in_the_middle_is_cut_off_with_all_after_it(path, written, instead):
    lines = path.read_bytes().splitlines(keepends=True)
    place = max(number for number, line in enumerate(lines[:-1]) if written in line)
    damaged = b"".join([*lines[:place], lines[place].replace(written, instead), *lines[place + 1 :]])
    path.write_bytes(damaged)
    journal = Journal(path, "birds", ("val_swd",))
    assert f"{place} whole lines are kept" in journal.loss
    assert path.read_bytes() == b"".join(lines[:place])
    assert path.with_name("optuna.journal.damaged").read_bytes() == damaged
    assert Journal(path, "birds", ("val_swd",)).loss == ""


def test_a_lock_that_a_killed_writer_left_holds_nobody(path):
    lock = path.with_name("optuna.journal.lock")
    lock.symlink_to(path)
    Journal(path, "birds", ("val_swd",)).report(2, 2, (1.0,))
    assert not lock.is_symlink()


@pytest.mark.parametrize(
    ("name", "objectives", "message"),
    [
        ("robins", ("val_swd",), "is the journal of birds, not of robins"),
        ("birds", ("val_delta_e",), "minimises val_swd, but the study's settings say val_delta_e"),
        ("birds", ("val_swd", "val_delta_e"), "minimises val_swd, but"),
    ],
)
def test_another_studys_journal_is_refused(path, name, objectives, message):
    with pytest.raises(StudyError, match=message):
        Journal(path, name, objectives)


def test_a_journal_with_two_studies_is_refused(path):
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
    optuna.create_study(study_name="robins", storage=storage)
    with pytest.raises(StudyError, match="two studies never share a journal"):
        Journal(path, "birds", ("val_swd",))


def test_a_journal_of_another_version_is_refused(path):
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    for line in lines:
        if "schema_version" in line.get("user_attr", {}):
            line["user_attr"]["schema_version"] = 99
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    with pytest.raises(StudyError, match="schema_version 99, but this program reads"):
        Journal(path, "birds", ("val_swd",))


def test_a_longer_study_lets_its_finished_trials_go_on_and_keeps_all_else(path):
    before = Journal(path, "birds", ("val_swd",)).trials()
    Journal(path, "birds", ("val_swd",)).reopen(epochs=5)
    after = Journal(path, "birds", ("val_swd",)).trials()
    assert [trial.state.name for trial in after] == ["RUNNING", "PRUNED", "RUNNING"]
    assert [epochs_of(trial) for trial in after] == [epochs_of(trial) for trial in before]
    assert [trial.params for trial in after] == [trial.params for trial in before]
    assert [trial.datetime_start for trial in after] == [trial.datetime_start for trial in before]
    assert after[1].value == 5.0


def test_what_was_lost_is_still_known_once_the_study_has_become_longer(path):
    path.write_bytes(path.read_bytes() + b'{"torn')
    journal = Journal(path, "birds", ("val_swd",))
    journal.reopen(epochs=5)
    assert "its last 6 bytes are lost" in journal.loss
    journal.report(0, 4, (0.5,))
    assert epochs_of(Journal(path, "birds", ("val_swd",)).trials()[0])[4] == (0.5,)


def test_a_study_of_the_same_length_is_left_as_it_is(path):
    before = path.read_bytes()
    Journal(path, "birds", ("val_swd",)).reopen(epochs=3)
    assert path.read_bytes() == before


TOLD = {"test_delta_e": 7.25, "test_kid": -0.001}


def measured(path):
    return Journal(path, "birds", ("val_swd",)).measured()


def test_what_the_test_split_told_of_a_trial_that_has_ended_is_kept_by_its_number(path):
    journal = Journal(path, "birds", ("val_swd",))
    before = [(trial.state, trial.user_attrs, trial.values) for trial in journal.trials()]
    assert journal.measured() == {}
    journal.measure(1, TOLD)
    journal.measure(0, {"test_swd": 1.5})
    assert measured(path) == journal.measured() == {1: TOLD, 0: {"test_swd": 1.5}}
    journal.measure(0, {"test_swd": 2.5})
    assert measured(path)[0] == {"test_swd": 2.5}
    assert [(trial.state, trial.user_attrs, trial.values) for trial in journal.trials()] == before


def test_what_the_test_split_told_of_a_trial_that_goes_on_is_forgotten(path):
    journal = Journal(path, "birds", ("val_swd",))
    for number in (0, 1):
        journal.measure(number, TOLD)
    journal.reopen(epochs=3)
    assert measured(path) == {0: TOLD, 1: TOLD}
    journal.reopen(epochs=5)
    assert measured(path) == journal.measured() == {1: TOLD}


def test_a_torn_measurement_costs_itself_alone(path):
    journal = Journal(path, "birds", ("val_swd",))
    for number in (0, 1):
        journal.measure(number, TOLD)
    path.write_bytes(path.read_bytes()[:-5])
    assert measured(path) == {0: TOLD}
    assert states(path) == ["COMPLETE", "PRUNED", "RUNNING"]


@pytest.mark.parametrize(
    ("state", "epochs", "values"),
    [
        (TrialState.COMPLETE, {1: (3.0,), 2: (1.0,), 3: (2.0,)}, (1.0,)),
        (TrialState.PRUNED, {1: (1.0,), 2: (2.0,)}, (2.0,)),
        (TrialState.COMPLETE, {1: (1.0, 3.0), 2: (2.0, 2.0), 3: (2.0, 4.0)}, (1.0, 3.0)),
        (TrialState.COMPLETE, {1: (1.0,), 2: (math.nan,)}, (1.0,)),
        (TrialState.FAIL, {1: (1.0,)}, None),
        (TrialState.PRUNED, {}, None),
    ],
)
def test_what_a_trial_is_worth(state, epochs, values):
    assert outcome(epochs, state) == values
