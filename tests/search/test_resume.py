"""Where a study stands after a kill at any moment, read from the files that it leaves."""

from datetime import UTC, datetime, timedelta

import pytest
from optuna.trial import TrialState

from results.store import StudyError, StudyFolder, StudyWriter, read_trials
from search.journal import Journal
from search.outcome import epochs_of
from search.points import Point, confirmation, point_of
from search.progress import Progress
from search.resume import show, take_up
from search.stopping import make_stopper
from spaces import space_of

SPACE = space_of("cnn", 32, ())
PARAMS = {"depth": 3, "width": 16, "dropout": 0.1, "batch_norm": True, "head": "rgb", "learning_rate": 1e-3}
DISTRIBUTIONS = {name: parameter.distribution for name, parameter in SPACE.items()}
PAIR = ("val_delta_e", "val_swd")
START = datetime(2026, 1, 1, tzinfo=UTC)
EPOCHS = 4
SEED = 5
BESIDE = {
    "reference": Point("CNN baseline", PARAMS, "CNN baseline"),
    "confirmation of a reference": confirmation(0, "CNN baseline", 6, PARAMS),
    "confirmation of a trial": confirmation(1, None, 7, PARAMS),
}
"""What is trained beside the search."""
PROPOSED = Point("", PARAMS)


class Study:
    """A study's files as its processes write them, line by line, so that a test may stop anywhere."""

    def __init__(self, path):
        self.folder = StudyFolder(path)
        self.writer = StudyWriter(path)
        self.journal = Journal(self.folder.journal, "birds", PAIR)
        self.time = 0

    def begin(self, point=PROPOSED, table=True):
        number = self.journal.begin(PARAMS, DISTRIBUTIONS, point.attributes, {})
        if table:
            self.trial_row(number, "RUNNING", point)
        self.folder.checkpoint(number).mkdir(parents=True)
        self.folder.last_state(number).write_bytes(b"state")
        return number

    def trial_row(self, number, state, point=PROPOSED, **more):
        row = {
            "trial": number,
            "state": state,
            "role": point.role,
            "reference": point.reference,
            "seed": SEED if point.seed is None else point.seed,
            "confirms": point.confirms,
        }
        params = {f"params.{name}": value for name, value in PARAMS.items()}
        self.writer.record_trial(row | params | more)

    def epoch(self, number, epoch, values, journal=True, table=True):
        self.time += 1
        if journal:
            self.journal.report(number, epoch, values)
        if table:
            self.writer.record_epoch(
                {
                    "trial": number,
                    "epoch": epoch,
                    **dict(zip(PAIR, values, strict=True)),
                    "epoch_seconds": 1.0,
                    "images_per_second": 100.0,
                    "timestamp": START + timedelta(seconds=self.time),
                }
            )

    def end(self, number, state, values=None, table=True, reason=None):
        self.journal.end(number, state, values, reason)
        if table:
            self.trial_row(number, state.name, reason=reason)

    def take_up(self, kind="asha", epochs=EPOCHS):
        self.stopper = make_stopper(kind, epochs=epochs, eta=2, grace=1)
        journal = Journal(self.folder.journal, "birds", PAIR)
        return take_up(journal, StudyWriter(self.folder.path), self.stopper, SPACE, PAIR, epochs, SEED)

    @property
    def rows(self):
        return {row["trial"]: row for row in read_trials(self.folder).to_pylist()}

    @property
    def states(self):
        return [trial.state.name for trial in Journal(self.folder.journal, "birds", PAIR).trials()]


@pytest.fixture
def study(tmp_path):
    return Study(tmp_path)


def numbers(standing):
    return [trial.number for trial in standing.unfinished]


def test_a_new_study_stands_at_nothing(study):
    standing = study.take_up()
    assert (standing.rows, standing.unfinished, standing.notices) == ([], [], [])


def test_what_ended_stays_and_what_ran_goes_on(study):
    for _ in range(2):
        study.begin()
    for epoch in range(1, EPOCHS + 1):
        study.epoch(0, epoch, (1.0, 1.0))
    study.end(0, TrialState.COMPLETE, (1.0, 1.0))
    study.epoch(1, 1, (1.0, 1.0))
    standing = study.take_up()
    assert numbers(standing) == [1]
    assert [row["epoch"] for row in standing.history[1]] == [1]
    assert study.states == ["COMPLETE", "RUNNING"]
    assert study.rows[0]["epochs"] == EPOCHS


def test_half_a_state_goes_with_the_end_of_its_trial(study):
    study.begin()
    half = study.folder.last_state(0).with_name(".last.safetensors.4f")
    half.write_bytes(b"sta")
    for epoch in range(1, EPOCHS + 1):
        study.epoch(0, epoch, (1.0, 1.0))
    study.take_up()
    assert study.states == ["COMPLETE"]
    assert study.folder.last_state(0).exists()
    assert not half.exists()


def test_an_epoch_that_only_the_table_has_is_told_to_the_journal(study):
    study.begin()
    study.epoch(0, 1, (2.0, 1.0))
    study.epoch(0, 2, (1.0, 1.0), journal=False)
    study.take_up()
    (trial,) = Journal(study.folder.journal, "birds", PAIR).trials()
    assert epochs_of(trial) == {1: (2.0, 1.0), 2: (1.0, 1.0)}


def test_a_trial_that_was_about_to_be_stopped_is_stopped_now(study):
    for number, value in enumerate((2.0, 1.0, 3.0)):
        study.begin()
        study.epoch(number, 1, (value, value), journal=number < 2)
    standing = study.take_up()
    assert numbers(standing) == [0, 1]
    assert study.states == ["RUNNING", "RUNNING", "PRUNED"]
    assert study.rows[2]["state"] == "PRUNED"
    assert not study.folder.checkpoint(2).exists()
    assert study.folder.last_state(1).exists()


def test_it_is_judged_by_what_had_come_before_it_and_not_after(study):
    # At its time trial 0 was the best; what came later does not stop it, or an uninterrupted study would differ.
    for number, value in enumerate((3.0, 1.0, 2.0)):
        study.begin()
        study.epoch(number, 1, (value, value))
    assert 0 in numbers(study.take_up())


def test_a_trial_that_had_finished_without_being_told_so_is_complete(study):
    study.begin()
    for epoch in range(1, EPOCHS + 1):
        study.epoch(0, epoch, (5.0 - epoch, 1.0), journal=epoch < EPOCHS)
    assert numbers(study.take_up()) == []
    (trial,) = Journal(study.folder.journal, "birds", PAIR).trials()
    assert (trial.state, trial.values) == (TrialState.COMPLETE, [1.0, 1.0])
    assert study.rows[0]["state"] == "COMPLETE"
    assert study.folder.last_state(0).exists()


def test_an_end_that_only_the_journal_has_is_told_to_the_table(study):
    study.begin()
    study.epoch(0, 1, (1.0, 1.0))
    study.end(0, TrialState.FAIL, table=False, reason="its process died")
    assert study.rows[0]["state"] == "RUNNING"
    study.take_up()
    assert (study.rows[0]["state"], study.rows[0]["reason"]) == ("FAIL", "its process died")


def test_trials_that_waited_at_a_rung_wait_there_again(study):
    for number, value in enumerate((1.0, 2.0, 3.0)):
        study.begin()
        study.epoch(number, 1, (value, value))
    standing = study.take_up("asha-promote")
    assert standing.paused == {0, 1, 2}
    assert study.stopper.promote(last=False) == 0


def test_a_longer_study_judges_its_finished_trials_at_the_new_rungs(study):
    for number, value in enumerate((2.0, 1.0, 3.0)):
        study.begin()
        for epoch in range(1, EPOCHS + 1):
            study.epoch(number, epoch, (value, value))
        study.trial_row(number, "COMPLETE", epochs=EPOCHS)
    standing = study.take_up(epochs=16)
    assert numbers(standing) == [0, 1]  # the first to come, and the best; the third is worse than both
    assert study.states[2] == "PRUNED"


def test_what_a_damaged_journal_lost_is_found_in_the_tables(study):
    study.begin()
    study.epoch(0, 1, (1.0, 1.0))
    kept = study.folder.journal.stat().st_size
    study.epoch(0, 2, (1.0, 1.0))
    study.begin(BESIDE["reference"])
    study.epoch(1, 1, (0.5, 0.5))
    study.epoch(1, 2, (0.4, 0.4))
    study.end(0, TrialState.PRUNED, (1.0, 1.0))
    content = study.folder.journal.read_bytes()
    study.folder.journal.write_bytes(content[:kept] + b'{"torn')
    standing = study.take_up()
    assert numbers(standing) == [1]
    first, second = Journal(study.folder.journal, "birds", PAIR).trials()
    assert first.state == TrialState.PRUNED
    assert epochs_of(first) == {1: (1.0, 1.0), 2: (1.0, 1.0)}
    assert point_of(second) == BESIDE["reference"]
    assert epochs_of(second) == {1: (0.5, 0.5), 2: (0.4, 0.4)}
    assert "was damaged" in standing.notices[0]
    assert "trial 1 was found in the tables" in standing.notices[1]


def test_an_epoch_that_only_the_journal_has_is_told_again_by_its_trial(study):
    for number, value in enumerate((1.0, 9.0)):
        study.begin()
        study.epoch(number, 1, (value, value), table=number == 0)
    # At the rung the second would wait for ever, and its epoch would be in no table.
    standing = study.take_up("asha-promote")
    assert (numbers(standing), standing.paused) == ([0, 1], frozenset({0}))
    assert not study.stopper.is_paused(1)


@pytest.mark.parametrize("what", BESIDE)
def test_what_is_trained_beside_the_search_is_found_in_the_tables_for_what_it_was(study, what):
    study.begin()
    kept = study.folder.journal.stat().st_size
    study.begin(BESIDE[what])
    study.epoch(1, 1, (0.5, 0.5))
    study.folder.journal.write_bytes(study.folder.journal.read_bytes()[:kept])
    standing = study.take_up()
    assert numbers(standing) == [0, 1]
    assert point_of(standing.unfinished[1]) == BESIDE[what]
    assert epochs_of(standing.unfinished[1]) == {1: (0.5, 0.5)}


@pytest.mark.parametrize("kind", ["asha", "asha-promote"])
@pytest.mark.parametrize("what", BESIDE)
def test_what_is_trained_beside_the_search_goes_on_whatever_the_others_reached(study, kind, what):
    for number in range(4):
        study.begin()
        study.epoch(number, 1, (1.0, 1.0))
        study.end(number, TrialState.PRUNED, (1.0, 1.0))
    study.begin(BESIDE[what])
    study.epoch(4, 1, (9.0, 9.0))
    standing = study.take_up(kind)
    assert (numbers(standing), standing.paused) == ([4], frozenset())
    assert study.folder.last_state(4).exists()
    assert study.states[4] == "RUNNING"


@pytest.mark.parametrize("what", BESIDE)
@pytest.mark.parametrize("state", [TrialState.COMPLETE, TrialState.FAIL, TrialState.RUNNING], ids=str)
def test_what_is_trained_beside_the_search_takes_no_place_at_a_rung(study, what, state):
    study.begin(BESIDE[what])
    study.epoch(0, 1, (0.1, 0.1))
    if state != TrialState.RUNNING:
        study.end(0, state, (0.1, 0.1), table=False)
    for number, value in ((1, 3.0), (2, 2.0)):
        study.begin()
        study.epoch(number, 1, (value, value))
    # Of two at the rung the better goes on at once; with another there that is better still, it would wait.
    assert study.take_up("asha-promote").paused == {1}
    assert study.stopper.promote(last=False) is None


def test_a_table_without_roles_and_seeds_is_given_them(study):
    for point in (PROPOSED, *BESIDE.values()):
        study.begin(point, table=False)
    study.take_up()
    assert [(row["role"], row["reference"], row["seed"], row["confirms"]) for row in study.rows.values()] == [
        ("search", None, SEED, None),
        ("reference", "CNN baseline", SEED, None),
        ("confirmation", "CNN baseline", 6, 0),
        ("confirmation", None, 7, 1),
    ]


def test_what_the_test_split_told_comes_back_into_the_table(study):
    for point in (PROPOSED, BESIDE["confirmation of a reference"]):
        number = study.begin(point)
        for epoch in range(1, EPOCHS + 1):
            study.epoch(number, epoch, (1.0, 1.0))
        study.end(number, TrialState.COMPLETE, (1.0, 1.0))
    study.journal.measure(1, {"test_delta_e": 7.5, "test_swd": 1.5})
    assert study.rows[1]["test_swd"] is None
    study.take_up()
    assert (study.rows[1]["test_delta_e"], study.rows[1]["test_swd"]) == (7.5, 1.5)
    assert study.rows[0]["test_swd"] is None


def test_the_epoch_that_counted_when_a_trial_ended_goes_on_counting_for_its_weights_are_kept(study):
    for _ in range(3):
        number = study.begin()
        for epoch in range(1, EPOCHS + 1):
            study.epoch(number, epoch, (1.0 / epoch, 1.0))
    counted = {"best_epoch": 2, "val_delta_e": 0.5, "val_swd": 1.0, "epochs": EPOCHS}
    for number in (0, 1):
        study.journal.end(number, TrialState.COMPLETE, (0.5, 1.0))
        study.trial_row(number, "COMPLETE", **counted if number == 0 else {})
    study.trial_row(2, "RUNNING", **counted)
    study.take_up()
    assert (study.rows[0]["best_epoch"], study.rows[0]["val_delta_e"]) == (2, 0.5)
    # Where nothing is known of it, or a trial was still running, it is told by the rule.
    assert (study.rows[1]["best_epoch"], study.rows[1]["val_delta_e"]) == (EPOCHS, 1.0 / EPOCHS)
    assert study.rows[2]["best_epoch"] == EPOCHS


def test_the_display_comes_to_where_the_study_stands(study):
    for point in (PROPOSED, BESIDE["reference"], BESIDE["confirmation of a trial"]):
        number = study.begin(point)
        for epoch in range(1, EPOCHS + 1):
            study.epoch(number, epoch, (1.0 + number, 1.0))
        study.end(number, TrialState.COMPLETE, (1.0, 1.0))
    study.begin()
    study.epoch(3, 1, (0.5, 0.5))
    standing = study.take_up()
    progress = Progress(trials=9, epochs=EPOCHS, slots=1, objectives=PAIR)
    show(progress, Journal(study.folder.journal, "birds", PAIR), standing.rows)
    assert progress.trials_ended == 3
    assert [(leader.number, leader.label) for leader in progress.leaders(9)] == [
        (0, None),
        (1, "CNN baseline"),
    ]


@pytest.mark.parametrize("lost", ["all", "one"])
def test_what_was_told_of_ended_trials_outlives_their_epochs(study, lost):
    for number, values in enumerate([(1.0, 9.0), (9.0, 1.0)]):
        study.begin()
        for epoch in range(1, EPOCHS + 1):
            study.epoch(number, epoch, (values[0] / epoch, values[1]))
        study.end(number, TrialState.COMPLETE, values)
    study.take_up()
    before = study.rows
    assert before[0]["val_delta_e"] == 0.25
    for part in study.folder.epochs.iterdir():
        if lost == "all" or part == study.folder.epoch(0, 2):
            part.unlink()
    (notice,) = study.take_up().notices
    assert study.rows == before
    assert notice.startswith(f"Epochs of trial{'s 0, 1' if lost == 'all' else ' 0'} are missing in")


def test_a_trial_is_judged_by_what_the_journal_knows_of_others_whose_epochs_are_lost(study):
    for number, error in enumerate([1.0, 2.0, 3.0]):
        study.begin()
        study.epoch(number, 1, (error, error))
    for number in (0, 1):
        study.epoch(number, 2, (1.0, 1.0))
        study.folder.epoch(number, 1).unlink()
        study.folder.epoch(number, 2).unlink()
    assert numbers(study.take_up()) == [0, 1]


def test_a_number_that_no_study_gave_begins_no_trials(study):
    study.begin()
    study.trial_row(2_000_000, "RUNNING")
    with pytest.raises(StudyError, match="the tables tell of a trial 2000000, but 1 were begun"):
        study.take_up()
    assert study.states == ["RUNNING"]


def test_what_nothing_knows_the_parameters_of_never_becomes_another_trials(study):
    study.begin()
    study.epoch(0, 1, (1.0, 1.0))
    study.epoch(1, 1, (0.1, 0.1), journal=False)
    study.folder.checkpoint(1).mkdir(parents=True)
    standing = study.take_up()
    assert numbers(standing) == [0]
    assert study.states == ["RUNNING", "FAIL"]
    assert not study.folder.trial(1).exists()
    assert "parameters of trial 1 are lost" in standing.notices[0]
