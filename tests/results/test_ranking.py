import pyarrow as pa
import pytest

from results.ranking import LABELS, against_references, better, rank
from results.store import METRICS, StudyError, StudyWriter, read_trials


@pytest.fixture
def table(tmp_path):
    """Write trials given as (state, reference, val_swd, val_delta_e) and return their table.

    val_psnr equals val_swd; val_delta_e may be left out.
    """

    def write(*trials: tuple[str | float | None, ...]) -> pa.Table:
        writer = StudyWriter(tmp_path / "garden")
        writer.write_config({})
        for number, (state, reference, value, *delta_e) in enumerate(trials):
            row = {"trial": number, "state": state, "reference": reference, "best_epoch": 2}
            writer.record_trial(
                {**row, "val_swd": value, "val_psnr": value, "val_delta_e": (*delta_e, None)[0]}
            )
        return read_trials(writer.folder)

    return write


def test_the_lowest_distance_comes_first_and_ties_go_by_number(table):
    trials = table(
        ("COMPLETE", None, 3.0), ("PRUNED", None, 2.0), ("COMPLETE", "λ 80", 2.0), ("RUNNING", None, 1.0)
    )
    ranking = rank(trials, ["val_swd"])
    assert [entry.trial for entry in ranking] == [3, 1, 2, 0]
    assert [entry.values for entry in ranking] == [(1.0,), (2.0,), (2.0,), (3.0,)]
    assert [entry.level for entry in ranking] == [0, 1, 1, 2]
    assert ranking[2].name == "trial 2 (λ 80)"


def test_the_highest_psnr_comes_first(table):
    trials = table(("COMPLETE", None, 20.0), ("COMPLETE", None, 25.0))
    assert [entry.trial for entry in rank(trials, ["val_psnr"])] == [1, 0]
    assert better("val_psnr", 25.0, 20.0)
    assert better("val_swd", 1.0, 2.0)
    assert not better("val_swd", 1.0, 1.0)


def test_trials_without_a_finite_value_and_failed_ones_are_left_out(table):
    trials = table(
        ("COMPLETE", None, float("nan")),
        ("COMPLETE", None, float("inf")),
        ("RUNNING", None, None),
        ("FAIL", None, 1.0),
        ("COMPLETE", None, 2.0),
    )
    assert [entry.trial for entry in rank(trials, ["val_swd"])] == [4]


def test_a_stopped_trial_is_ranked_but_has_no_weights(table):
    ranking = rank(table(("PRUNED", None, 1.0), ("COMPLETE", None, 2.0), ("RUNNING", None, 3.0)), ["val_swd"])
    assert [entry.has_weights for entry in ranking] == [False, True, True]


def test_an_unknown_objective_is_refused_with_those_there_are(table):
    with pytest.raises(StudyError, match="objective is val_fid, but must be one of val_delta_e, val_swd"):
        rank(table(), ["val_fid"])


def test_the_best_of_the_search_is_set_beside_every_reference_point(table):
    ranking = rank(
        table(
            ("COMPLETE", "λ 100", 3.0),
            ("COMPLETE", "λ 80", 1.5),
            ("PRUNED", "λ 120", 2.5),
            ("PRUNED", None, 1.0),  # stopped: it left nothing to beat anyone with
            ("COMPLETE", None, 2.0),
        ),
        ["val_swd"],
    )
    verdict = against_references(ranking, ["val_swd"])
    assert verdict.best is not None
    assert verdict.best.trial == 4
    assert [entry.reference for entry in verdict.beaten] == ["λ 120", "λ 100"]
    assert [entry.reference for entry in verdict.unbeaten] == ["λ 80"]
    assert str(verdict) == "Trial 4 beats 2 of 3 reference points, but not λ 80."


def test_a_tie_with_a_reference_point_is_no_win(table):
    ranking = rank(table(("COMPLETE", "λ 100", 2.0), ("COMPLETE", None, 2.0)), ["val_swd"])
    assert [entry.reference for entry in against_references(ranking, ["val_swd"]).unbeaten] == ["λ 100"]


@pytest.mark.parametrize(
    ("trials", "said"),
    [
        ([("COMPLETE", "λ 100", 2.0)], "The search has no surviving trial of its own yet; best is λ 100."),
        ([("COMPLETE", None, 2.0)], "Best of the search is trial 0; no reference point has a value."),
        ([("COMPLETE", "a", 3.0), ("COMPLETE", None, 2.0)], "Trial 1 beats the only reference point."),
        (
            [("COMPLETE", "a", 1.0), ("COMPLETE", None, 2.0)],
            "Trial 1 is the best of the search, but a is as good or better.",
        ),
        (
            [("COMPLETE", "a", 3.0), ("COMPLETE", "b", 3.0), ("COMPLETE", None, 2.0)],
            "Trial 2 beats all 2 reference points.",
        ),
        (
            [("COMPLETE", "a", 1.0), ("COMPLETE", "b", 1.0), ("COMPLETE", None, 2.0)],
            "Trial 2 is the best of the search, but a is as good or better.",
        ),
    ],
)
def test_the_verdict_is_a_sentence(table, trials, said):
    assert str(against_references(rank(table(*trials), ["val_swd"]), ["val_swd"])) == said


BOTH = ("val_swd", "val_delta_e")
FRONT = [("COMPLETE", None, 1.0, 9.0), ("COMPLETE", None, 3.0, 3.0), ("COMPLETE", None, 9.0, 1.0)]
"""Three trade-offs, the second of which is the knee."""


def test_with_several_objectives_the_front_comes_first_and_in_it_the_knee(table):
    ranking = rank(table(*FRONT, ("COMPLETE", "a", 4.0, 3.0), ("COMPLETE", "b", 2.0, None)), BOTH)
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


@pytest.mark.parametrize(
    ("references", "said"),
    [
        (
            [("COMPLETE", "a", 4.0, 4.0), ("COMPLETE", "b", 3.0, 5.0), ("COMPLETE", "c", 2.0, 6.0)],
            "Trial 1, the knee of 4 best trade-offs, dominates 2 of 3 reference points: a and b;"
            " c is as good a trade-off.",
        ),
        (
            [("COMPLETE", "a", 4.0, 3.0)],
            "Trial 1, the knee of 3 best trade-offs, dominates the only reference point.",
        ),
        (
            [("COMPLETE", "a", 4.0, 3.0), ("PRUNED", "b", 9.0, 9.0)],
            "Trial 1, the knee of 3 best trade-offs, dominates all 2 reference points.",
        ),
        (
            [("COMPLETE", "a", 0.5, 9.5), ("COMPLETE", "b", 9.5, 0.5)],
            "Trial 1, the knee of 5 best trade-offs, dominates none of 2 reference points:"
            " a and b are as good trade-offs.",
        ),
        (
            [("COMPLETE", "a", 2.0, 2.0)],
            "Trial 0, one of 3 best trade-offs, does not dominate the only reference point:"
            " a is as good a trade-off.",
        ),
        (
            [("COMPLETE", "a", 0.5, 0.5), ("COMPLETE", "b", 5.0, 5.0)],
            "Trial 1, the best of the search that left weights, dominates 1 of 2 reference points: b; a is as good or"
            " better in everything.",
        ),
    ],
)
def test_the_verdict_tells_what_is_dominated_from_what_is_a_trade_off(table, references, said):
    verdict = against_references(rank(table(*FRONT, *references), BOTH), BOTH)
    assert str(verdict) == said
    assert {entry.reference for entry in verdict.ordered} == {None, *(entry[1] for entry in references)}


def test_a_front_of_one_trial_is_no_trade_off(table):
    ranking = rank(table(("COMPLETE", None, 1.0, 1.0), ("COMPLETE", "a", 1.0, 2.0)), BOTH)
    assert str(against_references(ranking, BOTH)) == "Trial 0 dominates the only reference point."


def test_a_stopped_trial_may_be_the_knee_but_the_best_one_has_weights(table):
    ranking = rank(table(*FRONT, ("PRUNED", None, 2.0, 2.0), ("COMPLETE", "a", 9.0, 9.5)), BOTH)
    assert ranking[0].trial == 3
    assert str(against_references(ranking, BOTH)).startswith(
        "Trial 0, one of 3 best trade-offs, dominates the only"
    )


def test_every_metric_has_a_label():
    assert tuple(LABELS) == METRICS
