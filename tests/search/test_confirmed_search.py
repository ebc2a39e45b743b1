"""When the searcher hands out what is trained once more, beside the trials that it proposes."""

import math
from dataclasses import replace

import pytest
from optuna.trial import TrialState
from ray.tune.search import Searcher

from search.journal import Journal
from search.points import Point, confirmation, point_of
from search.proposals import Proposals
from search.searcher import OptunaSearcher
from spaces import space_of

SPACE = space_of("cnn", 64, ())
PARAMS = {"depth": 3, "width": 16, "dropout": 0.1, "batch_norm": True, "head": "rgb", "learning_rate": 1e-3}
REFERENCE = Point("CNN baseline", PARAMS, "CNN baseline")
OF_REFERENCE = confirmation(0, "CNN baseline", 1, PARAMS)
OF_FINALIST = confirmation(2, None, 1, PARAMS | {"dropout": 0.4})


def wanted(has_ended):
    return [OF_FINALIST, OF_REFERENCE] if has_ended else [OF_REFERENCE]


def make_searcher(path, **options):
    """A searcher of two trials of one epoch beside a reference point."""
    journal = Journal(path, "birds", ("val_swd",))
    proposals = Proposals("tpe", SPACE, objectives=1, epochs=1, seed=0, startup=6)
    proposals.load(journal.trials())
    options = {"trials": 2, "points": [REFERENCE], "confirmations": wanted, **options}
    return OptunaSearcher(
        proposals, journal, objectives=("val_swd",), epochs=1, may_start=lambda: 1, **options
    ), journal


@pytest.fixture
def path(tmp_path):
    return tmp_path / "optuna.journal"


def end(searcher, *names, value=1.0):
    for name in names:
        searcher.on_trial_complete(name, {"epoch": 1, "val_swd": value})


def begin(searcher, names):
    return [searcher.suggest(name) for name in names]


def test_reference_points_are_confirmed_once_no_trial_is_left_to_begin_and_finalists_once_all_have_ended(
    path,
):
    searcher, journal = make_searcher(path)
    *_, last, reference, nothing = begin(searcher, "abcde")
    assert (last["role"], nothing) == ("search", None)
    assert (reference["number"], reference["role"]) == (3, "confirmation")
    assert reference["params"] == PARAMS
    assert Point(**reference["point"]) == OF_REFERENCE
    end(searcher, "a", "b")
    assert searcher.suggest("e") is None
    end(searcher, "c")
    # That the reference point's still runs does not keep it waiting; it is known already.
    finalist = searcher.suggest("e")
    assert Point(**finalist["point"]) == OF_FINALIST
    assert searcher.suggest("f") is None
    end(searcher, "d", "e")
    assert searcher.suggest("f") == Searcher.FINISHED
    assert [point_of(trial).role for trial in journal.trials()] == [
        "reference",
        "search",
        "search",
        "confirmation",
        "confirmation",
    ]
    assert point_of(journal.trials()[4]) == OF_FINALIST
    assert {trial.state for trial in journal.trials()} == {TrialState.COMPLETE}


def test_a_trial_that_waits_at_a_rung_has_not_ended_so_no_finalist_is_known(path):
    searcher, _ = make_searcher(path, trials=1)
    begin(searcher, "abc")
    searcher.on_trial_result("b", {"epoch": 1, "val_swd": 1.0})
    end(searcher, "a", "c")
    assert searcher.suggest("d") is None
    searcher.on_trial_complete("b")
    assert Point(**searcher.suggest("d")["point"]) == OF_FINALIST


def test_the_confirmations_are_asked_for_at_most_once_before_the_end_and_once_after_it(path):
    asked = []

    def confirmations(has_ended):
        asked.append(has_ended)
        return []

    searcher, _ = make_searcher(path, confirmations=confirmations)
    begin(searcher, "ab")
    assert asked == []
    begin(searcher, "cdde")
    assert asked == [False]
    end(searcher, "a", "b", "c")
    assert begin(searcher, "dd") == [Searcher.FINISHED] * 2
    assert asked == [False, True]


def test_the_sampler_is_not_told_of_what_is_trained_once_more():
    proposals = Proposals("tpe", SPACE, objectives=1, epochs=1, seed=0, startup=6)
    searcher = OptunaSearcher(
        proposals,
        None,
        objectives=("val_swd",),
        epochs=1,
        trials=2,
        may_start=lambda: 1,
        points=[REFERENCE],
        confirmations=wanted,
    )
    begin(searcher, "abcd")
    end(searcher, "a", "b", "c", "d")
    assert searcher.suggest("e")["role"] == "confirmation"
    assert proposals.size == 3


def test_confirmations_are_no_trials_of_the_search(path):
    searcher, _ = make_searcher(path)
    begin(searcher, "abc")
    assert (searcher.all_begun, searcher.is_exhausted) == (True, True)
    begin(searcher, "d")
    end(searcher, "a", "b", "c", "d")
    begin(searcher, "e")
    end(searcher, "e")
    again, _ = make_searcher(path, trials=3)
    assert not again.is_exhausted
    more = again.suggest("f")
    assert (more["number"], more["role"]) == (5, "search")
    assert again.is_exhausted


@pytest.mark.parametrize("ended", [False, True])
def test_what_was_confirmed_is_not_confirmed_again_after_a_resume(path, ended):
    searcher, _ = make_searcher(path)
    begin(searcher, "abcd")
    if ended:
        end(searcher, "a", "b", "c", "d")
        begin(searcher, "e")
        end(searcher, "e")
    unfinished = [trial for trial in make_searcher(path)[1].trials() if trial.state == TrialState.RUNNING]
    again, journal = make_searcher(path, unfinished=unfinished)
    taken_up = begin(again, "wxyz"[: len(unfinished)])
    assert [one["number"] for one in taken_up] == [trial.number for trial in unfinished]
    assert all(Point(**one["point"]) == point_of(journal.trials()[one["number"]]) for one in taken_up)
    end(again, *"wxyz"[: len(unfinished)])
    if not ended:
        assert Point(**again.suggest("e")["point"]) == OF_FINALIST
        end(again, "e")
    assert again.suggest("f") == Searcher.FINISHED
    assert len({point_of(trial).key for trial in journal.trials() if point_of(trial).key}) == 3


def test_a_trial_that_is_yet_to_go_on_keeps_the_finalists_waiting(path):
    searcher, _ = make_searcher(path, trials=1)
    begin(searcher, "ab")
    end(searcher, "a")
    _, journal = make_searcher(path)
    again, _ = make_searcher(path, trials=1, unfinished=[journal.trials()[1]])
    assert again.suggest("b")["number"] == 1
    assert Point(**again.suggest("c")["point"]) == OF_REFERENCE
    assert again.suggest("d") is None


def test_more_seeds_are_trained_beside_those_that_were(path):
    searcher, _ = make_searcher(path, trials=1, points=())
    begin(searcher, "a")
    end(searcher, "a")
    begin(searcher, "bc")
    end(searcher, "b", "c")
    second = [replace(point, key=f"{point.key}2", seed=2) for point in wanted(True)]
    again, _ = make_searcher(
        path, trials=1, points=(), confirmations=lambda has_ended: [*wanted(has_ended), *second]
    )
    assert [Point(**one["point"]) for one in begin(again, "de")] == second
    assert again.suggest("f") is None


def test_a_confirmation_that_was_taken_back_is_handed_out_again_and_keeps_no_trial_waiting(path):
    searcher, journal = make_searcher(path)
    *_, first = begin(searcher, "abcd")
    searcher.take_back("d")
    searcher.on_trial_complete("d", None, error=True)
    # What waits at a rung may end.
    assert searcher.is_exhausted
    assert searcher.suggest("e") == first
    end(searcher, "e")
    assert journal.trials()[3].state == TrialState.COMPLETE


def test_a_confirmation_that_fails_is_set_aside_with_the_reason(path):
    searcher, journal = make_searcher(path)
    begin(searcher, "abcd")
    end(searcher, "d", value=math.nan)
    end(searcher, "a", "b", "c")
    assert Point(**searcher.suggest("e")["point"]) == OF_FINALIST
    failed = journal.trials()[3]
    assert failed.state == TrialState.FAIL
    assert "not finite: val_swd nan" in failed.user_attrs["reason"]


def test_without_means_nothing_is_confirmed(path):
    means = [True]
    searcher, _ = make_searcher(path, affordable=lambda role: means[0])
    begin(searcher, "abc")
    means[0] = False
    assert searcher.suggest("d") is None
    end(searcher, "a", "b", "c")
    assert searcher.suggest("d") == Searcher.FINISHED


def test_what_is_left_of_a_budget_for_confirmations_is_not_spent_on_the_search(path):
    means = {"reference": True, "search": True, "confirmation": True}
    searcher, _ = make_searcher(path, trials=9, affordable=means.__getitem__)
    begin(searcher, "abc")
    means["search"] = False
    assert searcher.is_exhausted
    assert Point(**searcher.suggest("d")["point"]) == OF_REFERENCE
    assert searcher.suggest("e") is None
    end(searcher, "a", "b", "c", "d")
    assert Point(**searcher.suggest("e")["point"]) == OF_FINALIST
    # The trials came to less than was expected of them, but who the finalists are is settled.
    means["search"] = True
    assert searcher.is_exhausted
    assert searcher.suggest("f") is None
    end(searcher, "e")
    assert searcher.suggest("f") == Searcher.FINISHED
    assert not searcher.all_begun


def test_the_search_goes_on_after_a_confirmation_of_a_reference_point_if_there_are_means_again(path):
    means = {"reference": True, "search": True, "confirmation": True}
    searcher, _ = make_searcher(path, affordable=means.__getitem__)
    begin(searcher, "ab")
    means["search"] = False
    assert searcher.suggest("c")["role"] == "confirmation"
    means["search"] = True
    assert not searcher.is_exhausted
    assert searcher.suggest("d")["role"] == "search"


def test_a_reference_point_that_cannot_be_afforded_does_not_keep_a_study_from_its_end(path):
    means = {"reference": False, "search": False, "confirmation": False}
    searcher, journal = make_searcher(path, affordable=means.__getitem__)
    assert searcher.suggest("a") == Searcher.FINISHED
    assert journal.trials() == []
