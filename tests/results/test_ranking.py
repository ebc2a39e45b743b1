import pyarrow as pa
import pytest

from results.ranking import LABELS, against_references, better, rank
from results.store import METRICS, StudyError, StudyWriter, read_trials


@pytest.fixture
def table(tmp_path):
    """Write trials given as (state, reference, val_swd) and return their table; val_psnr equals val_swd."""

    def write(*trials: tuple[str, str | None, float | None]) -> pa.Table:
        writer = StudyWriter(tmp_path / "garden")
        writer.write_config({})
        for number, (state, reference, value) in enumerate(trials):
            row = {"trial": number, "state": state, "reference": reference, "best_epoch": 2}
            writer.record_trial({**row, "val_swd": value, "val_psnr": value})
        return read_trials(writer.folder)

    return write


def test_the_lowest_distance_comes_first_and_ties_go_by_number(table):
    trials = table(
        ("COMPLETE", None, 3.0), ("PRUNED", None, 2.0), ("COMPLETE", "λ 80", 2.0), ("RUNNING", None, 1.0)
    )
    ranking = rank(trials, "val_swd")
    assert [entry.trial for entry in ranking] == [3, 1, 2, 0]
    assert [entry.value for entry in ranking] == [1.0, 2.0, 2.0, 3.0]
    assert ranking[2].name == "trial 2 (λ 80)"


def test_the_highest_psnr_comes_first(table):
    trials = table(("COMPLETE", None, 20.0), ("COMPLETE", None, 25.0))
    assert [entry.trial for entry in rank(trials, "val_psnr")] == [1, 0]
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
    assert [entry.trial for entry in rank(trials, "val_swd")] == [4]


def test_a_stopped_trial_is_ranked_but_has_no_weights(table):
    ranking = rank(table(("PRUNED", None, 1.0), ("COMPLETE", None, 2.0), ("RUNNING", None, 3.0)), "val_swd")
    assert [entry.has_weights for entry in ranking] == [False, True, True]


def test_an_unknown_objective_is_refused_with_those_there_are(table):
    with pytest.raises(StudyError, match="objective is val_fid, but must be one of val_delta_e, val_swd"):
        rank(table(), "val_fid")


def test_the_best_of_the_search_is_set_beside_every_reference_point(table):
    ranking = rank(
        table(
            ("COMPLETE", "λ 100", 3.0),
            ("COMPLETE", "λ 80", 1.5),
            ("PRUNED", "λ 120", 2.5),
            ("PRUNED", None, 1.0),  # stopped: it left nothing to beat anyone with
            ("COMPLETE", None, 2.0),
        ),
        "val_swd",
    )
    verdict = against_references(ranking, "val_swd")
    assert verdict.best is not None
    assert verdict.best.trial == 4
    assert [entry.reference for entry in verdict.beaten] == ["λ 120", "λ 100"]
    assert [entry.reference for entry in verdict.unbeaten] == ["λ 80"]
    assert str(verdict) == "Trial 4 beats 2 of 3 reference points, but not λ 80."


def test_a_tie_with_a_reference_point_is_no_win(table):
    ranking = rank(table(("COMPLETE", "λ 100", 2.0), ("COMPLETE", None, 2.0)), "val_swd")
    assert [entry.reference for entry in against_references(ranking, "val_swd").unbeaten] == ["λ 100"]


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
    assert str(against_references(rank(table(*trials), "val_swd"), "val_swd")) == said


def test_every_metric_has_a_label():
    assert tuple(LABELS) == METRICS
