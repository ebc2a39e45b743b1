"""Optuna behind Tune's interface: what the journal says of each trial's end."""

import math

import optuna
import pytest
from optuna.trial import TrialState
from ray.tune.search import Searcher

from search.searcher import OptunaSearcher, enqueue_references, make_sampler, open_journal
from spaces import reference_points, space_of

SPACE = space_of("pix2pix", 64, ("unet", "mobilenetv2"))


def make_searcher(path, *, trials=10, seed=0, kind="tpe", unfinished=()):
    study = open_journal(path, "birds", "val_swd")
    study.sampler = make_sampler(kind, seed)
    searcher = OptunaSearcher(
        study,
        SPACE,
        objective="val_swd",
        epochs=3,
        trials=trials,
        unfinished=unfinished,
        configure=lambda number, params: {"number": number, "lambda": params["lambda"]},
    )
    return searcher, study


@pytest.fixture
def journal(tmp_path):
    return tmp_path / "optuna.journal"


def run_trial(searcher, tune_id, values, **end):
    configuration = searcher.suggest(tune_id)
    for epoch, value in enumerate(values[:-1], 1):
        searcher.on_trial_result(tune_id, {"epoch": epoch, "val_swd": value})
    searcher.on_trial_complete(tune_id, {"epoch": len(values), "val_swd": values[-1]}, **end)
    return configuration


def test_a_finished_trial_is_complete_with_all_its_epochs(journal):
    searcher, study = make_searcher(journal)
    run_trial(searcher, "a", [3.0, 2.0, 1.0])
    assert study.trials[0].state == TrialState.COMPLETE
    assert study.trials[0].value == 1.0
    assert study.trials[0].intermediate_values == {1: 3.0, 2: 2.0, 3: 1.0}


def test_a_finished_trial_is_worth_its_best_epoch(journal):
    searcher, study = make_searcher(journal)
    run_trial(searcher, "a", [2.0, 1.0, 3.0])
    assert study.best_value == 1.0


def test_a_stopped_trial_is_pruned_and_its_last_epoch_counts(journal):
    searcher, study = make_searcher(journal)
    run_trial(searcher, "a", [3.0, 2.0])
    assert study.trials[0].state == TrialState.PRUNED
    assert study.trials[0].intermediate_values == {1: 3.0, 2: 2.0}


def test_a_failed_trial_is_told_as_failed(journal):
    searcher, study = make_searcher(journal)
    searcher.suggest("a")
    searcher.on_trial_complete("a", None, error=True)
    searcher.suggest("b")
    searcher.on_trial_complete("b", {"epoch": 1, "val_swd": math.nan})
    assert [trial.state for trial in study.trials] == [TrialState.FAIL, TrialState.FAIL]


def test_the_budget_ends_the_search_and_failed_trials_count(journal):
    searcher, _ = make_searcher(journal, trials=3)
    run_trial(searcher, "a", [1.0])
    searcher.suggest("b")
    searcher.on_trial_complete("b", None, error=True)
    run_trial(searcher, "c", [1.0, 1.0, 1.0])
    assert searcher.suggest("d") == Searcher.FINISHED
    assert searcher.is_done


def test_a_search_with_running_trials_is_not_done(journal):
    searcher, _ = make_searcher(journal, trials=1)
    searcher.suggest("a")
    assert not searcher.is_done


def test_reference_points_come_first_and_only_once(journal):
    searcher, study = make_searcher(journal)
    points = reference_points("pix2pix", SPACE)
    enqueue_references(study, points)
    enqueue_references(study, points)
    suggested = [searcher.suggest(str(number)) for number in range(6)]
    assert [one["reference"] for one in suggested] == [name for name, _ in points] + [None, None]
    assert [one["params"] for one in suggested[:4]] == [point for _, point in points]
    assert suggested[2]["trial"] == {"number": 2, "lambda": 80.0}


@pytest.mark.parametrize("kind", ["tpe", "random"])
def test_the_same_seed_gives_the_same_trials_and_another_seed_others(tmp_path, kind):
    def points(name, seed):
        searcher, _ = make_searcher(tmp_path / name, trials=15, seed=seed, kind=kind)
        return [
            run_trial(searcher, str(number), [float(number % 5)] * (1 + number % 3))["params"]
            for number in range(15)
        ]

    first = points("one", 7)
    assert points("two", 7) == first
    assert points("three", 8) != first


def test_a_journal_taken_up_again_gives_its_unfinished_trials_first(journal):
    searcher, _ = make_searcher(journal, trials=4)
    run_trial(searcher, "a", [1.0])
    interrupted = searcher.suggest("b")
    searcher.on_trial_result("b", {"epoch": 1, "val_swd": 2.0})

    study = open_journal(journal, "birds", "val_swd")
    unfinished = [trial for trial in study.trials if trial.state == TrialState.RUNNING]
    again, study = make_searcher(journal, trials=4, unfinished=unfinished)
    taken_up = again.suggest("x")
    assert taken_up == interrupted
    again.on_trial_result("x", {"epoch": 1, "val_swd": 2.0})
    again.on_trial_result("x", {"epoch": 2, "val_swd": 1.5})
    again.on_trial_complete("x", {"epoch": 3, "val_swd": 1.0})
    assert study.trials[1].intermediate_values == {1: 2.0, 2: 1.5, 3: 1.0}
    assert [again.suggest(name) != Searcher.FINISHED for name in "yz"] == [True, True]
    assert again.suggest("w") == Searcher.FINISHED


def test_tpe_learns_from_stopped_trials(journal):
    # Stopped trials alone say that lambda near 500 is good; nine of ten later proposals would lie above 100 by
    # this, while at random, on the log scale from 10 to 1000, half would (20 draws, below 14 at p < 0.06).
    searcher, study = make_searcher(journal, trials=100)
    for number in range(40):
        configuration = searcher.suggest(str(number))
        distance = abs(math.log(configuration["params"]["lambda"] / 500))
        searcher.on_trial_complete(str(number), {"epoch": 1, "val_swd": distance})
    assert {trial.state for trial in study.trials} == {TrialState.PRUNED}
    later = [run_trial(searcher, f"later {number}", [1.0])["params"]["lambda"] for number in range(20)]
    assert sum(value > 100 for value in later) >= 14


def test_the_search_is_quiet_about_what_is_experimental_in_optuna(recwarn):
    sampler = make_sampler("tpe", 0)
    assert isinstance(sampler, optuna.samplers.TPESampler)
    assert not recwarn.list
