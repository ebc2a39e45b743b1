"""Which trials are trained once more on fresh seeds, in which order, and what is said where there are none."""

import itertools
import time

import pytest

from results.store import StudyWriter
from search.config import StudyConfig
from search.confirmation import Confirmations, fresh_seeds
from search.journal import Journal
from search.machine import Machine
from search.plan import make_plan
from search.points import Point, confirmation
from search.progress import Progress
from spaces import distributions_of, space_of

SPACE = space_of("cnn", 64, ())
PARAMS = {"depth": 3, "width": 16, "dropout": 0.1, "batch_norm": True, "head": "rgb", "learning_rate": 1e-3}
PAIR = ("val_delta_e", "val_swd")
REFERENCES = ("CNN baseline", "CNN + dropout 0.2")
ASKED = {"trials": 6, "epochs": 2, "references": ("baseline", "dropout"), "confirm": 2}


class Study:
    """A study's record so far, what it is told, and who confirms its trials."""

    def __init__(self, storage, disk=time.monotonic, **settings):
        config = StudyConfig(model="cnn", name="birds", storage=storage, **settings)
        self.plan = make_plan(config, Machine(cpus=2, gpus=0), ())
        self.writer = StudyWriter(storage / "birds", clock=disk)
        self.journal = Journal(self.writer.folder.journal, "birds", config.objective)
        self.now = 0.0
        self.progress = Progress(
            trials=self.plan.trials + self.plan.beside,
            epochs=self.plan.epochs,
            slots=1,
            objectives=config.objective,
            expected=self.plan.expected_epochs,
            clock=lambda: self.now,
        )
        self.said = []
        self.confirmations = Confirmations(
            self.plan, self.journal, self.writer, self.progress, self.said.append
        )

    def add(self, *values, point=None, state="COMPLETE"):
        """Enter a trial with the values of its objectives, as it was proposed or from a point."""
        params = PARAMS | {"dropout": len(self.journal.trials()) / 100}
        point = Point("", params) if point is None else Point(**{**point.plain(), "params": params})
        number = self.journal.begin(params, distributions_of(SPACE, params), point.attributes, {})
        row = {"trial": number, "state": state, "role": point.role, "reference": point.reference}
        objectives = dict(zip(self.plan.config.objective, values, strict=False))
        self.writer.record_trial({**row, "best_epoch": 1, **objectives})
        return number

    def add_references(self):
        for name in REFERENCES:
            self.add(4.0, 4.0, point=Point(name, {}, name))

    def epoch(self, seconds):
        """Train an epoch in so many seconds."""
        self.progress.begin(0, Point("", PARAMS))
        self.now += seconds
        self.progress.epoch(0, {"epoch": 1, "images_per_second": 1.0, **dict.fromkeys(PAIR, 1.0)})

    def asked(self, *, has_ended):
        return [(point.confirms, point.seed) for point in self.confirmations(has_ended)]


@pytest.fixture
def make_study(tmp_path):
    return lambda **settings: Study(tmp_path, **settings)


@pytest.fixture
def study(make_study):
    """A study of two reference points, and of four trials three best trade-offs."""
    study = make_study(**ASKED)
    study.add_references()
    for values in ((5.0, 2.0), (3.0, 3.0), (2.0, 5.0), (6.0, 6.0)):
        study.add(*values)
    return study


def test_while_the_search_goes_on_the_reference_points_are_confirmed_seed_by_seed(study):
    points = study.confirmations(False)
    assert [(point.confirms, point.seed) for point in points] == [(0, 1), (1, 1), (0, 2), (1, 2)]
    assert [point.reference for point in points] == [*REFERENCES, *REFERENCES]
    assert {point.role for point in points} == {"confirmation"}
    assert [point.params["dropout"] for point in points] == [0.0, 0.01, 0.0, 0.01]
    assert study.said == []


def test_at_its_end_the_finalists_come_before_the_reference_points_in_each_seed(study):
    # The knee, the best in each objective; trial 5 is dominated.
    points = study.confirmations(True)
    assert [(point.confirms, point.seed) for point in points] == [
        (number, seed) for seed in (1, 2) for number in (3, 4, 2, 0, 1)
    ]
    assert points[0] == confirmation(3, None, 1, PARAMS | {"dropout": 0.03})
    assert study.said == []


def test_with_one_objective_the_best_trials_of_the_search_are_the_finalists(make_study):
    study = make_study(**ASKED | {"confirm": 1}, objective=("val_swd",))
    study.add(0.5, point=Point(REFERENCES[0], {}, REFERENCES[0]))
    for value in (4.0, 2.0, 3.0, 1.0):
        study.add(value)
    study.add(0.1, state="PRUNED")
    assert study.asked(has_ended=True) == [(4, 1), (2, 1), (3, 1), (0, 1)]


def test_the_finalists_are_known_before_a_slow_disk_has_the_table(make_study):
    # Writing takes a second each time, so the table is not written again with every trial.
    study = make_study(**ASKED | {"confirm": 1}, objective=("val_swd",), disk=itertools.count().__next__)
    for value in (4.0, 2.0, 3.0, 1.0):
        study.add(value)
    assert study.asked(has_ended=True) == [(3, 1), (1, 1), (2, 1)]


def test_as_many_finalists_are_confirmed_as_are_asked_for(make_study):
    study = make_study(**ASKED | {"finalists": 1, "confirm": 1})
    for values in ((5.0, 2.0), (3.0, 3.0), (2.0, 5.0)):
        study.add(*values)
    assert study.asked(has_ended=True) == [(1, 1)]
    assert study.said == []


@pytest.mark.parametrize(
    ("objectives", "said"),
    [
        (PAIR, "--finalists is 5, but there are 2 best trade-offs: these are confirmed."),
        (
            ("val_swd",),
            "--finalists is 5, but there are 3 trials that were trained to the end: these are confirmed.",
        ),
    ],
    ids=len,
)
def test_more_finalists_than_there_are_is_said_and_only_where_they_were_asked_for(
    make_study, objectives, said
):
    study = make_study(**ASKED | {"finalists": 5}, objective=objectives)
    for values in ((5.0, 2.0), (2.0, 5.0), (6.0, 6.0)):
        study.add(*values)
    study.confirmations(True)
    assert study.said == [said]


def test_fewer_best_trade_offs_than_usual_are_confirmed_without_a_word(make_study):
    study = make_study(**ASKED)
    study.add(5.0, 2.0)
    assert study.asked(has_ended=True) == [(0, 1), (0, 2)]
    assert study.said == []


def test_without_a_trial_that_was_trained_to_its_end_only_references_are_confirmed_and_that_is_said(
    make_study,
):
    study = make_study(**ASKED)
    study.add_references()
    study.add(1.0, 1.0, state="PRUNED")
    assert {point.reference for point in study.confirmations(True)} == {"CNN baseline", "CNN + dropout 0.2"}
    assert study.said == ["There is nothing to confirm: no trial of the search was trained to its end."]


def test_where_nothing_is_to_be_confirmed_nothing_is_said(make_study):
    study = make_study(**ASKED | {"confirm": None})
    study.add_references()
    study.add(1.0, 1.0)
    study.epoch(seconds=1e6)
    assert [study.confirmations(has_ended) for has_ended in (False, True)] == [[], []]
    assert study.said == []


def test_a_confirmation_is_not_confirmed_and_what_is_done_is_named_again(study):
    wanted = study.asked(has_ended=True)
    study.add(0.1, 0.1, point=confirmation(3, None, 1, PARAMS))
    study.add(0.1, 0.1, point=confirmation(0, REFERENCES[0], 1, PARAMS))
    assert study.asked(has_ended=True) == wanted


def test_what_is_on_the_way_is_known_once_the_finalists_are(study):
    study.confirmations(True)
    # Six trials and two reference points, and on each of two seeds three finalists and the two.
    assert study.progress.trials == 6 + 2 + 2 * (3 + 2)


def test_confirmations_of_reference_points_count_although_there_is_no_finalist(make_study):
    study = make_study(**ASKED)
    study.add_references()
    begun = study.confirmations(False)
    study.confirmations(True)
    assert study.progress.trials == 6 + 2 + len(begun)


def test_without_time_for_it_nothing_is_confirmed_and_the_command_that_does_it_is_said_once(make_study):
    study = make_study()
    study.add(1.0, 1.0)
    study.epoch(seconds=100.0)
    assert study.plan.confirm == 1
    assert [study.asked(has_ended=has_ended) for has_ended in (False, True)] == [[], []]
    (said,) = study.said
    assert said.startswith("There is no time to train the best once more on other seeds")
    assert "python -m search.run --resume birds" in said
    assert "--confirm 2" in said
    assert study.progress.trials == study.plan.trials + len(study.plan.references)


def test_the_command_that_confirms_can_be_typed_as_it_stands(make_study, tmp_path):
    study = make_study()
    study.epoch(seconds=100.0)
    study.confirmations(True)
    assert f"--resume birds --storage {tmp_path} --confirm 2" in study.said[0]


def test_where_there_is_time_a_study_that_was_made_smaller_confirms_unasked(make_study):
    study = make_study()
    number = study.add(1.0, 1.0)
    study.epoch(seconds=1.0)
    assert study.asked(has_ended=True) == [(number, 1)]
    assert study.said == []


def test_what_was_asked_for_is_confirmed_however_long_it_takes(make_study):
    study = make_study(**ASKED)
    number = study.add(1.0, 1.0)
    study.epoch(seconds=1e6)
    assert study.asked(has_ended=True) == [(number, 1), (number, 2)]


def test_fresh_seeds_are_those_after_the_studys_own_and_begin_anew_at_the_highest():
    assert fresh_seeds(0, 2) == [1, 2]
    assert fresh_seeds(2**32 - 2, 3) == [2**32 - 1, 0, 1]
