"""Early stopping behind Tune's interface: who pauses, who is promoted, and who is left alone."""

import math
from types import SimpleNamespace

import pytest
from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler

from search.scheduler import StudyScheduler
from search.stopping import make_stopper


class Controller:
    """As much of Tune's controller as a scheduler touches."""

    def __init__(self):
        self.stopped = []
        self.scheduler = None

    def pause_trial(self, trial, should_checkpoint):
        assert not should_checkpoint
        trial.status = Trial.PAUSED

    def stop_trial(self, trial):
        self.scheduler.on_trial_remove(self, trial)
        trial.status = Trial.TERMINATED
        self.stopped.append(trial.config["number"])


class FakeTrial(SimpleNamespace):
    def __init__(self, number, role):
        super().__init__(config={"number": number, "role": role}, status=Trial.PENDING)

    def set_status(self, status):
        self.status = status

    def is_finished(self):
        return self.status in {Trial.TERMINATED, Trial.ERROR}


class Session:
    """A scheduler under a controller that starts what it is told to start."""

    def __init__(
        self,
        kind="asha-promote",
        recorded=(),
        objectives=("error",),
        eta=2,
        ended=(),
        concurrency=9,
        on_failure=lambda trial: False,
    ):
        self.stopper = make_stopper(kind, epochs=4, eta=eta, grace=1)
        for epoch in recorded:
            self.stopper.record(*epoch)
        for number in ended:
            self.stopper.retire(number)
        self.exhausted = False
        self.controller = Controller()
        self.scheduler = StudyScheduler(
            self.stopper,
            objectives,
            concurrency=lambda: concurrency,
            is_exhausted=lambda: self.exhausted,
            on_failure=on_failure,
        )
        self.controller.scheduler = self.scheduler
        self.trials = {}

    def add(self, number, role="search"):
        self.trials[number] = FakeTrial(number, role)
        self.scheduler.on_trial_add(self.controller, self.trials[number])
        if self.trials[number].status == Trial.PENDING:
            self.trials[number].status = Trial.RUNNING
        return self.trials[number]

    def report(self, number, epoch, **metrics):
        return self.scheduler.on_trial_result(
            self.controller, self.trials[number], {"epoch": epoch, **metrics}
        )

    def end(self, number, epoch=4, **metrics):
        self.trials[number].status = Trial.TERMINATED
        self.scheduler.on_trial_complete(self.controller, self.trials[number], {"epoch": epoch, **metrics})

    def fail(self, number):
        self.trials[number].status = Trial.ERROR
        self.scheduler.on_trial_error(self.controller, self.trials[number])

    def choose(self):
        trial = self.scheduler.choose_trial_to_run(self.controller)
        if trial is not None:
            assert trial.status == Trial.PAUSED
            trial.status = Trial.RUNNING
        return None if trial is None else trial.config["number"]


def test_a_paused_trial_holds_no_slot_until_it_is_promoted():
    session = Session()
    session.add(0)
    session.add(1)
    assert session.report(0, 1, error=2.0) == TrialScheduler.NOOP
    assert (session.scheduler.paused, session.scheduler.free_slots > 0) == (1, True)
    assert session.choose() is None
    assert session.report(1, 1, error=3.0) == TrialScheduler.NOOP
    assert (session.scheduler.paused, session.scheduler.free_slots > 0) == (2, False)
    assert session.choose() == 0
    assert (session.scheduler.paused, session.scheduler.free_slots > 0) == (1, True)
    # The process that takes it up reports the epoch that it begins from once more.
    assert session.report(0, 1, error=2.0) == TrialScheduler.CONTINUE
    assert session.report(0, 2, error=1.0) == TrialScheduler.NOOP


def test_a_trial_that_would_be_promoted_at_once_does_not_pause():
    session = Session()
    session.add(0)
    session.add(1)
    assert session.report(0, 1, error=3.0) == TrialScheduler.NOOP
    assert session.report(1, 1, error=2.0) == TrialScheduler.CONTINUE
    session.exhausted = True
    # Alone at the next rung: promoted since nothing new comes.
    assert session.report(1, 2, error=2.0) == TrialScheduler.CONTINUE


def test_no_trial_is_promoted_without_a_free_slot_and_none_begins_before_it():
    session = Session(concurrency=2)
    session.add(0)
    session.add(1)
    session.report(0, 1, error=2.0)
    assert session.scheduler.free_slots == 1
    session.add(2)
    session.report(1, 1, error=3.0)
    session.add(3)
    assert session.choose() is None
    session.report(3, 1, error=4.0)
    assert session.scheduler.free_slots == 0
    assert session.choose() == 0


def test_what_nothing_can_promote_ends_when_no_trial_runs_or_comes():
    session = Session()
    for number in range(3):
        session.add(number)
        session.report(number, 1, error=float(number))
    assert session.choose() == 0
    session.exhausted = True
    assert session.choose() == 1
    session.end(0, error=0.0)
    assert session.choose() is None
    assert session.controller.stopped == []
    session.fail(1)
    # Its place at the first rung goes to the next.
    assert session.choose() == 2
    session.trials[2].status = Trial.RUNNING
    assert session.report(2, 1, error=2.0) == TrialScheduler.CONTINUE


def test_a_trial_that_ends_with_an_error_but_goes_on_keeps_its_place():
    session = Session(on_failure=lambda trial: True)
    for number in range(2):
        session.add(number)
        session.report(number, 1, error=float(number))
    assert session.choose() == 0
    session.fail(0)
    assert session.choose() is None
    session.add(0)
    assert session.report(0, 1, error=0.0) == TrialScheduler.CONTINUE


def test_a_last_epoch_that_is_not_finite_is_a_failure():
    session = Session()
    for number in range(2):
        session.add(number)
        session.report(number, 1, error=float(number))
    assert session.choose() == 0
    session.end(0, error=math.nan)
    assert session.choose() == 1


def test_a_trial_that_tune_ended_without_a_word_is_not_waited_for():
    session = Session()
    for number in range(2):
        session.add(number)
    session.report(0, 1, error=1.0)
    session.exhausted = True
    assert session.choose() == 0
    session.trials[0].status = session.trials[1].status = Trial.ERROR
    session.choose()
    assert session.scheduler.paused == 0
    session.add(2)
    assert session.report(2, 1, error=5.0) == TrialScheduler.NOOP
    session.choose()
    assert session.controller.stopped == [2]


def test_trials_that_the_record_left_paused_are_added_as_paused():
    recorded = [(0, 1, (1.0,)), (1, 1, (2.0,)), (2, 1, (3.0,)), (3, 1, (4.0,)), (0, 2, (1.0,))]
    session = Session(recorded=recorded)
    # Which trial is promoted is known before the searcher has brought it back; no other takes its place.
    assert session.scheduler.free_slots > 0
    assert [session.add(number).status for number in range(4)] == [
        Trial.PAUSED,
        Trial.RUNNING,
        Trial.PAUSED,
        Trial.PAUSED,
    ]
    assert session.scheduler.paused == 3
    assert session.scheduler.free_slots > 0
    assert session.report(1, 1, error=2.0) == TrialScheduler.CONTINUE


def test_trials_that_ended_in_an_earlier_run_are_not_waited_for():
    recorded = [(number, 1, (float(number),)) for number in range(6)]
    session = Session(recorded=recorded, ended=(0, 1))
    session.add(2)
    assert session.scheduler.free_slots == 0
    assert session.choose() == 2


def test_a_promoted_trial_that_never_comes_is_given_up_once_no_more_trials_come():
    session = Session(recorded=[(number, 1, (float(number),)) for number in range(4)])
    session.add(1)
    assert session.scheduler.free_slots > 0
    assert session.choose() is None
    session.exhausted = True
    assert session.choose() == 1


def test_all_objectives_are_judged_and_one_that_is_not_finite_stops():
    session = Session(kind="asha", objectives=("error", "distance"))
    for number in range(3):
        session.add(number)
    assert session.report(0, 1, error=1.0, distance=2.0) == TrialScheduler.CONTINUE
    assert session.report(1, 1, error=3.0, distance=3.0) == TrialScheduler.STOP
    assert session.report(2, 1, error=2.0, distance=1.0) == TrialScheduler.CONTINUE
    session.add(3)
    assert session.report(3, 1, error=0.0, distance=math.nan) == TrialScheduler.STOP


BESIDE = ("reference", "confirmation")


@pytest.mark.parametrize("kind", ["asha", "asha-promote"])
@pytest.mark.parametrize("role", BESIDE)
def test_what_is_trained_beside_the_search_goes_on_whatever_it_reports(kind, role):
    session = Session(kind=kind)
    for number in range(6):
        session.add(number)
        session.report(number, 1, error=1.0)
    session.add(6, role)
    for epoch, error in enumerate((9.0, 99.0, math.nan), 1):
        assert session.report(6, epoch, error=error) == TrialScheduler.CONTINUE
        assert session.trials[6].status == Trial.RUNNING


@pytest.mark.parametrize("kind", ["asha", "asha-promote"])
@pytest.mark.parametrize("role", BESIDE)
@pytest.mark.parametrize("beside", [0.0, 9.0], ids=["best", "worst"])
def test_the_search_decides_the_same_with_and_without_what_is_trained_beside_it(kind, role, beside):
    def decisions(others):
        session, found = Session(kind=kind, eta=3, concurrency=99), []
        if others:
            session.add(100, role)
            session.report(100, 1, error=beside)
            session.end(100, epoch=1, error=beside)
            session.add(101, role)
            session.fail(101)
        for number in range(12):
            session.add(number)
            found.append(session.report(number, 1, error=float(number * 7 % 12)))
            if others:
                session.add(200 + number, role)
                session.report(200 + number, 1, error=beside)
            chosen = session.choose()
            found.append(chosen)
            if chosen is not None:
                found.append(session.report(chosen, 2, error=float(chosen * 7 % 12)))
        return found

    expected = decisions(others=False)
    assert decisions(others=True) == expected
    assert len(set(expected)) > 2


@pytest.mark.parametrize("role", BESIDE)
def test_what_is_trained_beside_the_search_holds_a_slot_until_it_ends(role):
    session = Session(concurrency=2)
    session.add(0, role)
    session.add(1, role)
    assert session.scheduler.free_slots == 0
    session.end(0, error=1.0)
    session.fail(1)
    assert (session.scheduler.free_slots, session.scheduler.paused) == (2, 0)


@pytest.mark.parametrize("role", BESIDE)
def test_paused_trials_end_although_something_is_trained_beside_the_search(role):
    session = Session()
    for number in range(2):
        session.add(number)
        session.report(number, 1, error=float(number))
    session.add(2, role)
    session.exhausted = True
    assert session.choose() == 0
    assert session.choose() is None
    # Trial 0 may still fail and leave its place to trial 1.
    assert session.controller.stopped == []
    session.end(0, error=0.0)
    session.choose()
    assert session.controller.stopped == [1]
    assert session.trials[2].status == Trial.RUNNING


def test_a_reference_point_that_fails_is_asked_about_like_any_other():
    asked = []
    session = Session(on_failure=lambda trial: asked.append(trial.config["number"]))
    session.add(0, "reference")
    session.fail(0)
    assert asked == [0]
