"""Early stopping inside Tune: trials pause, the promoted go on from their states, and the run ends."""

import json
import math
import os
import warnings
from types import SimpleNamespace

import pytest
from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import Searcher

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
    def __init__(self, number):
        super().__init__(config={"number": number}, status=Trial.PENDING)

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
        self.stopper = make_stopper(kind, epochs=4, eta=eta, grace=1, smoothing=1, seed=0)
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

    def add(self, number):
        self.trials[number] = FakeTrial(number)
        self.scheduler.on_trial_add(self.controller, self.trials[number])
        if self.trials[number].status == Trial.PENDING:
            self.trials[number].status = Trial.RUNNING
        return self.trials[number]

    def report(self, number, epoch, **metrics):
        return self.scheduler.on_trial_result(
            self.controller, self.trials[number], {"epoch": epoch, **metrics}
        )

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
    session.trials[0].status = Trial.TERMINATED
    session.scheduler.on_trial_complete(session.controller, session.trials[0], {"epoch": 4, "error": 0.0})
    assert session.choose() is None
    assert session.controller.stopped == []
    session.trials[1].status = Trial.ERROR
    session.scheduler.on_trial_error(session.controller, session.trials[1])
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
    session.trials[0].status = Trial.ERROR
    session.scheduler.on_trial_error(session.controller, session.trials[0])
    assert session.choose() is None
    session.add(0)
    assert session.report(0, 1, error=0.0) == TrialScheduler.CONTINUE


def test_a_last_epoch_that_is_not_finite_is_a_failure():
    session = Session()
    for number in range(2):
        session.add(number)
        session.report(number, 1, error=float(number))
    assert session.choose() == 0
    session.trials[0].status = Trial.TERMINATED
    session.scheduler.on_trial_complete(
        session.controller, session.trials[0], {"epoch": 4, "error": math.nan}
    )
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


class Numbers(Searcher):
    """Hands out trial numbers as slots are free, and paused ones at once."""

    def __init__(self, folder, numbers, paused):
        super().__init__(metric="error", mode="min")
        self.folder, self.numbers, self.paused = folder, list(numbers), paused
        self.scheduler = None
        self.running = {}
        self.ends = {}

    def suggest(self, trial_id):
        if not self.numbers:
            # Once told that the search is over, Tune keeps no actor for a trial that is not promoted yet.
            return None if self.running else Searcher.FINISHED
        waits = self.numbers[0] in self.paused
        if not waits and self.scheduler.free_slots <= 0:
            return None
        self.running[trial_id] = self.numbers.pop(0)
        return {"number": self.running[trial_id], "folder": str(self.folder)}

    def on_trial_complete(self, trial_id, result=None, error=False):
        self.ends[self.running.pop(trial_id)] = "error" if error else result and result["epoch"]

    def save(self, checkpoint_path):
        pass

    def restore(self, checkpoint_path):
        pass


@pytest.fixture(scope="module")
def tune(tune_with_slots):
    """Tune on a Ray of this process, with two slots."""
    with tune_with_slots(2) as tune:
        yield tune


def make_trainable(tune):
    """A trial whose error is its number; its state is a file, and a process that takes it up reports it once more."""

    class Counting(tune.Trainable):
        def setup(self, config):
            self.take_up(config)

        def reset_config(self, new_config):
            self.take_up(new_config)
            return True

        def take_up(self, config):
            from pathlib import Path

            self.number = config["number"]
            self.path = Path(config["folder"]) / f"{self.number}.json"
            self.history = json.loads(self.path.read_text()) if self.path.exists() else []
            self.unreported = bool(self.history)

        def step(self):
            if not self.unreported:
                if self.number == 1 and len(self.history) == 2:
                    raise ArithmeticError("trial 1 fails in epoch 3")
                self.history.append(os.getpid())
                self.path.write_text(json.dumps(self.history))
            self.unreported = False
            epoch = len(self.history)
            return {"epoch": epoch, "error": float(self.number), "done": epoch == 4}

    return Counting


def run(tune, folder, numbers, recorded=(), stop=None):
    stopper = make_stopper("asha-promote", epochs=4, eta=2, grace=1, smoothing=1, seed=0)
    for epoch in recorded:
        stopper.record(*epoch)
    searcher = Numbers(folder, numbers, {number for number in numbers if stopper.is_paused(number)})
    scheduler = StudyScheduler(
        stopper, ("error",), concurrency=lambda: 2, is_exhausted=lambda: not searcher.numbers
    )
    searcher.scheduler = scheduler
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tune.run(
            make_trainable(tune),
            search_alg=searcher,
            scheduler=scheduler,
            num_samples=-1,
            reuse_actors=True,
            resources_per_trial={"cpu": 1},
            storage_path=str(folder / "tune"),
            verbose=0,
            raise_on_failed_trial=False,
            stop=stop,
        )
    epochs = {int(path.stem): len(json.loads(path.read_text())) for path in folder.glob("*.json")}
    return searcher, scheduler, epochs


@pytest.mark.slow
def test_in_tune_the_best_are_promoted_to_the_end_and_the_rest_ends(tune, tmp_path):
    searcher, scheduler, epochs = run(tune, tmp_path, range(8))
    # Trial 0 is the best at both rungs, trial 1 the second best at the first and, until it fails, at the second.
    assert epochs[0] == 4
    assert searcher.ends[0] == 4
    assert epochs[1] == 2
    assert searcher.ends[1] == "error"
    assert set(searcher.ends) == set(range(8))
    assert scheduler.paused == 0
    assert [epochs[number] for number in (6, 7)] == [1, 1]
    # Half of eight is four; with the one in the place of the failed trial, five at most.
    assert 4 <= sum(count >= 2 for count in epochs.values()) <= 5
    assert all(searcher.ends[number] is None for number in (6, 7))


@pytest.mark.slow
def test_in_tune_a_run_that_ends_early_leaves_its_paused_trials_to_the_next(tune, tmp_path):
    from ray.tune.stopper import Stopper

    class Brake(Stopper):
        def __call__(self, trial_id, result):
            return False

        def stop_all(self):
            return len(list(tmp_path.glob("*.json"))) >= 5

    searcher, scheduler, epochs = run(tune, tmp_path, (5, 6, 7, 8, 9, 10), stop=Brake())
    assert scheduler.paused > 0
    assert len(searcher.running) >= scheduler.paused
    # The next run begins from what was recorded, in some order of time.
    recorded = [
        (number, epoch, (float(number),)) for number in epochs for epoch in range(1, epochs[number] + 1)
    ]
    searcher, scheduler, epochs = run(tune, tmp_path, [*sorted(epochs, reverse=True), 11, 12], recorded)
    assert epochs[min(epochs)] == 4
    assert searcher.ends[5] == 4
    assert not searcher.running
    assert scheduler.paused == 0
