import pyarrow as pa
import pytest

from results.ranking import LABELS, finalists, label, objectives_of, photos_of, rank
from results.store import METRICS, TEST_METRICS, StudyError, StudyWriter, read_trials

BOTH = ("val_swd", "val_delta_e")


@pytest.fixture
def table(tmp_path):
    """Write trials given as (state, reference, val_swd, val_delta_e) and return their table.

    val_psnr equals val_swd; val_delta_e may be left out. In place of a reference's name, a number makes the trial a
    confirmation of the trial of that number.
    """

    def write(*trials: tuple[str | float | None, ...]) -> pa.Table:
        writer = StudyWriter(tmp_path / "garden")
        writer.write_config({})
        for number, (state, of, value, *delta_e) in enumerate(trials):
            kind = {"role": "confirmation", "confirms": of} if isinstance(of, int) else {"reference": of}
            row = {"trial": number, "state": state, "best_epoch": 2, **kind}
            writer.record_trial(
                {**row, "val_swd": value, "val_psnr": value, "val_delta_e": (*delta_e, None)[0]}
            )
        writer.flush()
        return read_trials(writer.folder)

    return write


def test_the_lowest_distance_comes_first_and_ties_go_by_number(table):
    trials = table(
        ("COMPLETE", None, 3.0), ("COMPLETE", None, 2.0), ("COMPLETE", "λ 80", 2.0), ("COMPLETE", None, 1.0)
    )
    ranking = rank(trials, ["val_swd"])
    assert [entry.trial for entry in ranking] == [3, 1, 2, 0]
    assert [entry.values for entry in ranking] == [(1.0,), (2.0,), (2.0,), (3.0,)]
    assert [entry.level for entry in ranking] == [0, 1, 1, 2]
    assert ranking[2].name == "trial 2 (λ 80)"


def test_the_highest_psnr_comes_first(table):
    trials = table(("COMPLETE", None, 20.0), ("COMPLETE", None, 25.0))
    assert [entry.trial for entry in rank(trials, ["val_psnr"])] == [1, 0]


@pytest.mark.parametrize("state", ["PRUNED", "RUNNING", "FAIL"])
def test_a_trial_that_did_not_come_to_its_end_has_no_place_however_good(table, state):
    trials = table((state, None, 1.0, 1.0), ("COMPLETE", None, 2.0, 2.0), (state, "λ 80", 1.0, 1.0))
    assert [(entry.trial, entry.level) for entry in rank(trials, ["val_swd"])] == [(1, 0)]
    assert [(entry.trial, entry.level) for entry in rank(trials, BOTH)] == [(1, 0)]


def test_a_confirmation_has_no_place_beside_the_trial_it_trains_once_more(table):
    trials = table(
        ("COMPLETE", None, 2.0, 2.0),
        ("COMPLETE", "λ 80", 3.0, 3.0),
        ("COMPLETE", 0, 1.0, 1.0),
        ("COMPLETE", 1, 1, 1),
    )
    assert [(entry.trial, entry.level) for entry in rank(trials, BOTH)] == [(0, 0), (1, 1)]


def test_complete_trials_without_a_finite_value_are_left_out(table):
    trials = table(
        ("COMPLETE", None, float("nan")),
        ("COMPLETE", None, float("inf")),
        ("COMPLETE", None, None),
        ("COMPLETE", None, 2.0),
    )
    assert [entry.trial for entry in rank(trials, ["val_swd"])] == [3]


def test_an_unknown_objective_is_refused_with_those_there_are(table):
    with pytest.raises(StudyError, match="objective is val_fid, but must be one of val_delta_e, val_swd"):
        rank(table(), ["val_fid"])


def test_with_several_objectives_the_front_comes_first_and_in_it_the_knee(table):
    front = [("COMPLETE", None, 1.0, 9.0), ("COMPLETE", None, 3.0, 3.0), ("COMPLETE", None, 9.0, 1.0)]
    ranking = rank(table(*front, ("COMPLETE", "a", 4.0, 3.0), ("COMPLETE", "b", 2.0, None)), BOTH)
    assert [entry.trial for entry in ranking] == [1, 0, 2, 3]
    assert [entry.level for entry in ranking] == [0, 0, 0, 1]
    assert ranking[0].values == (3.0, 3.0)


def test_of_several_objectives_one_may_be_higher_is_better(table):
    # By val_psnr, which equals val_swd, trial 1 is better than trial 0 and as close.
    ranking = rank(
        table(("COMPLETE", None, 20.0, 5.0), ("COMPLETE", None, 25.0, 5.0)), ("val_psnr", "val_delta_e")
    )
    assert [(entry.trial, entry.level) for entry in ranking] == [(1, 0), (0, 1)]
    assert ranking[0].values == (25.0, 5.0)


FRONT = [
    ("COMPLETE", None, 2.0, 6.0),
    ("COMPLETE", None, 1.0, 9.0),
    ("COMPLETE", None, 3.0, 3.0),
    ("COMPLETE", None, 9.0, 1.0),
    ("COMPLETE", None, 6.0, 2.0),
]
"""Five trade-offs: trial 2 is the knee, trials 1 and 3 are the ends."""


def chosen(trials, objectives, count):
    return [entry.trial for entry in finalists(trials, objectives, count)]


def test_with_one_objective_the_best_of_the_search_are_its_finalists(table):
    trials = table(
        ("COMPLETE", None, 4.0),
        ("COMPLETE", "λ 80", 1.0),
        ("COMPLETE", None, 2.0),
        ("PRUNED", None, 1.0),
        ("COMPLETE", None, 3.0),
        ("COMPLETE", 0, 1.0),
    )
    assert chosen(trials, ["val_swd"], 2) == [2, 4]
    assert chosen(trials, ["val_psnr"], 2) == [0, 4]


def test_of_several_objectives_finalists_are_the_knee_the_ends_and_then_the_others(table):
    trials = table(*FRONT)
    assert chosen(trials, BOTH, 5) == [2, 1, 3, 0, 4]
    assert chosen(trials, BOTH, 2) == [2, 1]
    assert chosen(trials, BOTH[::-1], 2) == [2, 3]
    assert chosen(trials, BOTH, 1) == [2]


def test_an_end_of_an_objective_of_which_higher_is_better_is_the_highest(table):
    # Of val_psnr, which equals val_swd, and val_delta_e: (1, 1) and (9, 9) are the ends.
    trials = table(("COMPLETE", None, 1.0, 1.0), ("COMPLETE", None, 7.0, 3.0), ("COMPLETE", None, 9.0, 9.0))
    assert chosen(trials, ("val_psnr", "val_delta_e"), 2) == [1, 2]
    assert chosen(trials, ("val_delta_e", "val_psnr"), 2) == [1, 0]


def test_a_finalist_is_dominated_by_no_trial_of_the_search_but_perhaps_by_a_reference_point(table):
    trials = table(*FRONT, ("COMPLETE", None, 4.0, 4.0), ("COMPLETE", "λ 80", 0.5, 0.5))
    assert chosen(trials, BOTH, 9) == [2, 1, 3, 0, 4]


def test_where_there_are_fewer_than_asked_for_all_of_them_are_finalists(table):
    trials = table(
        *FRONT[:2], ("RUNNING", None, 0.5, 0.5), ("COMPLETE", 0, 0.5, 0.5), ("COMPLETE", "a", 0.5, 0.5)
    )
    assert sorted(chosen(trials, BOTH, 3)) == [0, 1]
    assert chosen(trials, ["val_swd"], 3) == [1, 0]


@pytest.mark.parametrize("objectives", [BOTH, ["val_swd"]])
def test_without_a_complete_trial_of_the_search_there_are_no_finalists(table, objectives):
    trials = table(("COMPLETE", "λ 80", 1.0, 1.0), ("PRUNED", None, 1.0, 1.0))
    assert finalists(trials, objectives, 3) == []


def test_a_record_that_names_no_objectives_or_photos_has_the_default_and_none():
    assert objectives_of({}) == objectives_of({"objectives": None}) == ("val_delta_e", "val_swd")
    assert objectives_of({"objectives": ["val_kid"]}) == ("val_kid",)
    assert photos_of({"data": {"counts": {"train": 160, "test": 20}}}) == 20
    assert photos_of({}) == photos_of({"data": None}) == photos_of({"data": {"counts": {"train": 160}}}) == 0


def test_a_metric_of_either_split_has_one_label():
    assert tuple(LABELS) == METRICS
    assert [label(metric) for metric in TEST_METRICS] == [label(metric) for metric in METRICS]
    assert label("test_swd") == "sliced Wasserstein distance"
