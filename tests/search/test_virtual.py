"""The virtual cluster: exact times of small schedules, and who hears what, as from Tune's controller."""

import math
from collections import deque

import numpy as np
import pytest
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from search.curves import Curve
from search.virtual import VirtualCluster


class Given:
    """A problem of given curves: parameter `at` says which. A curve is its seconds an epoch and its values."""

    objectives = ("loss",)

    def __init__(self, epochs, *curves):
        self.epochs = epochs
        self._curves = [
            Curve(
                np.array(values, dtype=float).reshape(-1, 1),
                np.full(len(values) + (len(values) < epochs), float(seconds)),
                np.array([min(values, default=math.inf)]),
            )
            for seconds, values in curves
        ]

    def curve(self, params, seed):
        return self._curves[params["at"]]

    def regret(self, finals):
        return float(finals.min()) if len(finals) else math.inf


class Log:
    """A searcher and a scheduler that note what they are told and when."""

    def __init__(self, trials, decide=lambda number, epoch: TrialScheduler.CONTINUE, resume=()):
        self.entries = []
        self._resume = deque(resume)
        log = self

        class Proposing(Searcher):
            def __init__(self):
                super().__init__(metric="loss", mode="min")
                self.begun = 0

            def suggest(self, trial_id):
                if self.begun == trials:
                    return Searcher.FINISHED
                if log.cluster.free <= 0:
                    return None
                self.begun += 1
                log.note("suggest", self.begun - 1)
                return {"at": self.begun - 1}

            def on_trial_result(self, trial_id, result):
                log.note("searcher result", int(trial_id), result["epoch"])

            def on_trial_complete(self, trial_id, result=None, error=False):
                log.note("searcher end", int(trial_id), "error" if error else (result or {}).get("epoch"))

        class Deciding(FIFOScheduler):
            def on_trial_result(self, tune_controller, trial, result):
                log.note("scheduler result", trial.config["at"], result["epoch"])
                decision = decide(trial.config["at"], result["epoch"])
                if decision == TrialScheduler.PAUSE:
                    tune_controller.pause_trial(trial, should_checkpoint=False)
                    return TrialScheduler.NOOP
                return decision

            def on_trial_complete(self, tune_controller, trial, result):
                log.note("scheduler end", trial.config["at"], result["epoch"])

            def on_trial_error(self, tune_controller, trial):
                log.note("scheduler error", trial.config["at"])

            def on_trial_remove(self, tune_controller, trial):
                log.note("scheduler remove", trial.config["at"])

            def choose_trial_to_run(self, tune_controller):
                for trial in tune_controller.get_trials():
                    waits = bool(log._resume) and log._resume[0] == trial.config["at"]
                    if waits and trial.status == "PAUSED" and tune_controller.free:
                        log._resume.popleft()
                        return trial
                return None

        self.searcher, self.scheduler = Proposing(), Deciding()

    def note(self, *entry):
        self.entries.append((self.cluster.now, *entry))

    def run(self, problem, workers, limit=math.inf, trials=10**9):
        self.cluster = VirtualCluster(problem, seed=0, workers=workers, limit=limit, trials=trials)
        return self.cluster.run(self.searcher, self.scheduler, lambda suggested: suggested)

    def of(self, what):
        return [(at, *rest) for at, said, *rest in self.entries if said == what]


def test_three_trials_on_two_workers_take_the_time_they_take():
    # Trial 0 reports at 1, 2, 3; trial 1 at 2, 4, 6; trial 2 takes the free worker at 3 and reports at 4.5, 6, 7.5.
    log = Log(3)
    run = log.run(Given(3, (1, [5, 4, 3]), (2, [2, 2, 2]), (1.5, [9, 1, 1])), workers=2)
    assert log.of("suggest") == [(0, 0), (0, 1), (3, 2)]
    assert log.of("scheduler result") == [
        (1, 0, 1),
        (2, 1, 1),
        (2, 0, 2),
        (4, 1, 2),
        (4.5, 2, 1),
        (6, 2, 2),
    ]
    assert log.of("scheduler end") == log.of("searcher end") == [(3, 0, 3), (6, 1, 3), (7.5, 2, 3)]
    assert run.seconds == 7.5
    assert run.busy_seconds == 3 + 6 + 4.5
    assert (run.trials, run.epochs) == (3, 9)
    # Trial 0 ends with a value of 3, trial 1 with 2, trial 2 with 1: before its end none counts.
    assert run.incumbents == ((3, 3), (6, 2), (7.5, 1))


def test_a_last_result_goes_to_both_as_an_end_and_not_as_a_result():
    log = Log(1)
    log.run(Given(2, (1, [5, 4])), workers=1)
    assert [entry[1:] for entry in log.entries] == [
        ("suggest", 0),
        ("scheduler result", 0, 1),
        ("searcher result", 0, 1),
        ("scheduler end", 0, 2),
        ("searcher end", 0, 2),
    ]


def test_of_a_stopped_trials_last_result_the_searcher_hears_as_an_end_alone():
    log = Log(2, lambda number, epoch: TrialScheduler.STOP if number == 0 else TrialScheduler.CONTINUE)
    run = log.run(Given(2, (1, [5, 4]), (1, [5, 4])), workers=1)
    assert [entry for entry in log.entries if entry[2] == 0] == [
        (0, "suggest", 0),
        (1, "scheduler result", 0, 1),
        (1, "scheduler end", 0, 1),
        (1, "searcher end", 0, 1),
    ]
    assert run.seconds == 3


def pause_first(number, epoch):
    return TrialScheduler.PAUSE if (number, epoch) == (0, 1) else TrialScheduler.CONTINUE


def test_a_paused_trial_leaves_its_worker_and_goes_on_where_it_was():
    log = Log(2, pause_first, resume=[0])
    run = log.run(Given(3, (1, [5, 4, 3]), (2, [2, 2, 2])), workers=1)
    assert log.of("suggest") == [(0, 0), (1, 1)]
    assert log.of("scheduler result") == [(1, 0, 1), (3, 1, 1), (5, 1, 2), (8, 0, 2)]
    assert log.of("searcher result") == log.of("scheduler result")
    assert log.of("scheduler end") == [(7, 1, 3), (9, 0, 3)]
    assert (run.seconds, run.busy_seconds) == (9, 9)


def test_a_paused_trial_that_is_stopped_ends_without_a_result():
    class Ending(Log):
        def __init__(self):
            super().__init__(1, pause_first)
            choose = self.scheduler.choose_trial_to_run

            def end(controller):
                for trial in controller.get_trials():
                    if trial.status == "PAUSED":
                        controller.stop_trial(trial)
                return choose(controller)

            self.scheduler.choose_trial_to_run = end

    log = Ending()
    log.run(Given(3, (1, [5, 4, 3])), workers=1)
    assert [entry[1:] for entry in log.entries[-2:]] == [("scheduler remove", 0), ("searcher end", 0, None)]


def test_trials_that_wait_for_ever_are_an_error():
    log = Log(1, pause_first)
    with pytest.raises(RuntimeError, match="PAUSED"):
        log.run(Given(3, (1, [5, 4, 3])), workers=1)


def test_a_training_that_breaks_down_is_an_error_and_frees_its_worker():
    # Trial 0 reports at 2 and breaks down in its second epoch, at 4.
    log = Log(2)
    run = log.run(Given(2, (2, [5]), (1, [4, 4])), workers=1)
    assert log.of("scheduler error") == [(4, 0)]
    assert log.of("searcher end") == [(4, 0, "error"), (6, 1, 2)]
    assert log.of("suggest") == [(0, 0), (4, 1)]
    assert run.busy_seconds == 6


def test_time_up_ends_a_study_in_the_middle_of_an_epoch_which_was_paid_for():
    log = Log(2)
    run = log.run(Given(2, (2, [5, 1]), (3, [4, 4])), workers=2, limit=3.5)
    assert (run.seconds, run.busy_seconds) == (3.5, 7)
    assert run.incumbents == ()
    assert log.of("searcher end") == []


def test_no_more_trials_start_than_may():
    log = Log(9)
    run = log.run(Given(1, *[(1, [5])] * 9), workers=2, trials=3)
    assert (run.trials, run.seconds, run.busy_seconds) == (3, 2, 3)


def test_workers_without_a_trial_are_idle():
    run = Log(1).run(Given(2, (1, [5, 4])), workers=4)
    assert (run.seconds, run.busy_seconds) == (2, 2)
