"""What is said at the end of a study, which only what was confirmed on fresh seeds may decide."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from results.schema import RESAMPLES, TRIALS
from results.store import StudyWriter, read_resamples, read_trials
from results.verdict import judge

BOTH = ("val_delta_e", "val_swd")
ONE = ("val_swd",)
PHOTOS = 30
# What a set of photos makes of every model alike: no difference between two of them.
OF_PHOTOS = 0.3 * np.random.default_rng(0).normal(size=60)


class Study:
    """A study's trials, entered one after the other as a search does.

    Values are of the objectives, on the validation split; a single number where there is one objective.
    """

    def __init__(self, path, objectives):
        self._writer = StudyWriter(path)
        self._writer.write_config({})
        self.folder = self._writer.folder
        self._objectives = objectives
        self._count = 0

    def trial(self, values, reference=None, *, state="COMPLETE", test=None, **columns):
        """Enter a trial and give its number; `test` are its values on the test split, where that was read for it."""
        number, self._count = self._count, self._count + 1
        row = {"trial": number, "state": state, "reference": reference, "seed": 0, **columns}
        row |= self._named(values) if values is not None else {}
        if test is not None:
            measured = {name.replace("val_", "test_"): value for name, value in self._named(test).items()}
            row |= measured
            resampled = {name: (value + OF_PHOTOS).tolist() for name, value in measured.items()}
            self._writer.record_resamples(number, resampled)
        self._writer.record_trial(row)
        return number

    def confirm(self, trial, *trainings, test=None, reference=None):
        """Train a trial once more for each of the values; None for a training that failed.

        On the test split they are what they are on validation, unless `test` says what.
        """
        for seed, (values, measured) in enumerate(zip(trainings, test or trainings, strict=True), start=1):
            state = "FAIL" if values is None else "COMPLETE"
            again = {"role": "confirmation", "confirms": trial, "seed": seed}
            self.trial(values, reference, state=state, test=measured, **again)

    def judge(self, photos=PHOTOS):
        self._writer.flush()
        tables = read_trials(self.folder), read_resamples(self.folder)
        return judge(*tables, self._objectives, photos)

    def _named(self, values):
        values = values if isinstance(values, tuple) else (values,)
        return dict(zip(self._objectives, values, strict=True))


@pytest.fixture
def study(tmp_path):
    """A study of one objective."""
    return Study(tmp_path / "one", ONE)


@pytest.fixture
def two(tmp_path):
    """A study of two objectives."""
    return Study(tmp_path / "two", BOTH)


def around(*values, by=0.02):
    """Two trainings of which these values are the means."""
    return tuple(value - by for value in values), tuple(value + by for value in values)


def test_without_a_trial_of_the_search_that_came_to_its_end_there_is_none_to_compare(study):
    nothing = "No trial of the search has been trained to its end yet, so there is none to compare."
    assert str(study.judge()) == nothing
    assert study.judge().winner is None
    study.trial(1.0, state="RUNNING")
    study.trial(1.5, state="PRUNED")
    reference = study.trial(2.0, "λ 100")
    study.confirm(reference, 2.0, 2.1)
    verdict = study.judge()
    assert str(verdict) == nothing
    assert (verdict.best, verdict.finalists, verdict.comparisons) == (None, (), ())
    assert verdict.winner == reference


def test_without_a_reference_point_that_came_to_its_end_the_best_is_said_and_no_more(study):
    study.trial(1.0, "λ 100", state="PRUNED")
    study.trial(3.0)
    best = study.trial(2.0)
    verdict = study.judge()
    assert str(verdict) == "Trial 2 is the best of the search; no reference point was trained to its end."
    assert verdict.winner == best


def test_one_training_of_each_confirms_nothing(study):
    study.trial(3.0, "λ 100", test=3.0)
    best = study.trial(2.0, test=2.0)
    study.trial(2.5)
    verdict = study.judge()
    assert str(verdict) == (
        "Trial 1 is the best of the search. Whether it beats the reference points is not confirmed: one seed."
    )
    assert verdict.comparisons == ()
    assert verdict.winner == best
    assert [contender.name for contender in verdict.contenders] == ["trial 1", "trial 2", "λ 100"]
    # What was measured can be shown all the same, but has no interval.
    assert verdict.finalists[0].measured == {"test_swd": (2.0,)}
    assert verdict.finalists[0].means == {}


def test_a_training_on_one_fresh_seed_confirms_nothing_either(study):
    reference, own = study.trial(3.0, "λ 100"), study.trial(2.0)
    study.confirm(own, 2.1)
    study.confirm(reference, 3.1)
    verdict = study.judge()
    assert str(verdict) == (
        "Trial 1 is the best of the search. Whether it beats the reference points is not confirmed:"
        " one seed, and one more is little to tell luck from merit by."
    )
    assert (verdict.seeds, verdict.comparisons) == (1, ())


def test_where_the_test_split_was_not_read_nothing_is_confirmed(study):
    reference, own = study.trial(3.0, "λ 100"), study.trial(2.0)
    study.confirm(own, 2.0, 2.1, test=(None, None))
    study.confirm(reference, 3.0, 3.1)
    assert str(study.judge()).endswith("is not confirmed: the test split has not been read for it.")


def test_measurements_without_their_resamples_confirm_nothing(study):
    reference, own = study.trial(3.0, "λ 100"), study.trial(2.0)
    study.confirm(own, 2.0, 2.1)
    study.confirm(reference, 3.0, 3.1)
    study.folder.resamples.unlink()
    verdict = study.judge()
    assert str(verdict).endswith("is not confirmed: the test split has not been read for it.")
    assert verdict.finalists[0].measured == {"test_swd": (2.0, 2.1)}


def test_few_photos_are_said_and_decide_nothing(study):
    reference, own = study.trial(3.0, "λ 100"), study.trial(2.0)
    study.confirm(own, 2.0, 2.1)
    study.confirm(reference, 3.0, 3.1)
    verdict = study.judge(photos=19)
    assert str(verdict) == (
        "Trial 1 is the best of the search. Whether it beats the reference points is not confirmed:"
        " 19 test photos are too few for an interval, which needs 20."
    )
    assert verdict.comparisons == ()
    assert study.judge(photos=20).comparisons


def test_few_photos_give_no_interval(study):
    reference, own = study.trial(3.0, "λ 100"), study.trial(2.0)
    study.confirm(own, 2.0, 2.1)
    study.confirm(reference, 3.0, 3.1)
    assert [contender.means for contender in study.judge(photos=19).contenders] == [{}, {}]


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ((3.0, 3.1), "Trial 1 beats λ 100."),
        ((1.0, 1.1), "Trial 1 is beaten by λ 100. By validation the best is λ 100."),
        ((2.0, 2.1), "Trial 1 is on a par with λ 100."),
    ],
)
def test_with_one_objective_a_finalist_beats_is_beaten_or_is_on_a_par(study, reference, said):
    known, own = study.trial(5.0, "λ 100"), study.trial(2.0)
    study.confirm(own, 2.0, 2.1)
    study.confirm(known, *reference)
    assert str(study.judge()) == (
        f"Trained anew on 2 fresh seeds and measured on 30 photos that nothing was chosen by: {said}"
    )


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        (around(9.0, 3.0), "Trial 1 dominates λ 100."),
        # Better in one, and in the other not known to be worse.
        (around(9.0, 2.0), "Trial 1 dominates λ 100."),
        (around(9.0, 1.0), "Trial 1 is a trade-off with λ 100."),
        (around(7.0, 2.0), "Trial 1 is on a par with λ 100."),
        (around(7.0, 1.0), "Trial 1 is dominated by λ 100. By validation the best is λ 100."),
    ],
)
def test_with_several_objectives_a_finalist_dominates_is_dominated_or_is_a_trade_off(two, reference, said):
    # The search's trial is confirmed at (7, 2). Of a front of two, such as a trade-off is, the order is that of the
    # trials.
    known, own = two.trial((9.5, 3.5), "λ 100"), two.trial((7.0, 2.0))
    two.confirm(own, *around(7.0, 2.0))
    two.confirm(known, *reference)
    assert str(two.judge()).partition(": ")[2] == said


def test_an_interval_holds_its_difference_and_seeds_that_scatter_widen_it(study):
    quiet, noisy, own = study.trial(3.0, "quiet"), study.trial(3.0, "noisy"), study.trial(2.0)
    study.confirm(own, 2.0, 2.1)
    study.confirm(quiet, 3.0, 3.1)
    study.confirm(noisy, 1.0, 5.1)
    verdict = study.judge()
    of = {one.reference.name: one.differences["test_swd"] for one in verdict.comparisons}
    assert of["quiet"].value == of["noisy"].value == pytest.approx(-1.0)
    assert of["noisy"].low < of["quiet"].low < -1.0 < of["quiet"].high < of["noisy"].high
    assert of["quiet"].probability > of["noisy"].probability > 0.5
    means = {one.name: one.means["test_swd"] for one in verdict.contenders}
    assert all(mean.low < mean.value < mean.high for mean in means.values())
    assert means["trial 2"].value == pytest.approx(2.05)


def test_every_finalist_that_was_confirmed_is_set_beside_every_reference_point(two):
    known = [two.trial(values, name) for values, name in (((9, 3), "a"), ((9, 3.5), "b"), ((9, 4), "c"))]
    knee, end, other = two.trial((6.0, 2.0)), two.trial((5.0, 4.5)), two.trial((9.0, 1.0))
    for trial, values in (
        (knee, (6.0, 2.0)),
        (end, (5.0, 6.0)),
        *zip(known, ((9, 3), (9, 3.5), (9, 4)), strict=True),
    ):
        two.confirm(trial, *around(*values))
    verdict = two.judge()
    assert str(verdict) == (
        "Trained anew on 2 fresh seeds and measured on 30 photos that nothing was chosen by:"
        " Trial 3 dominates a, b and c. Trial 4 is a trade-off with a, b and c."
    )
    assert verdict.standing == "the knee of 3 best trade-offs"
    assert other not in [finalist.trial for finalist in verdict.finalists]
    assert len(verdict.comparisons) == 6


@pytest.mark.parametrize(
    ("reference", "standing"),
    [
        ((9.0, 9.0), "the knee of 3 best trade-offs"),
        ((4.5, 3.2), "one of 4 best trade-offs"),
        # What a reference point dominates is none of them.
        ((3.9, 3.9), ""),
        ((1.0, 1.0), ""),
    ],
)
def test_the_searchs_best_is_said_to_be_the_knee_or_one_of_the_best_trade_offs(two, reference, standing):
    two.trial(reference, "λ 100")
    best = two.trial((4.0, 4.0))
    two.trial((3.0, 8.0))
    two.trial((8.0, 2.0))
    verdict = two.judge()
    assert verdict.best is not None
    assert (verdict.best.trial, verdict.standing) == (best, standing)
    assert str(verdict).startswith(f"Trial 1, {standing}, is" if standing else "Trial 1 is")


def test_the_training_that_made_a_trial_a_finalist_counts_no_more_once_there_are_others(study):
    reference, lucky = study.trial(3.0, "λ 100", test=3.0), study.trial(0.5, test=0.5)
    study.confirm(lucky, 4.0, 4.1)
    study.confirm(reference, 3.0, 3.1)
    verdict = study.judge()
    assert "Trial 1 is beaten by λ 100." in str(verdict)
    assert verdict.finalists[0].measured == {"test_swd": (4.0, 4.1)}
    assert verdict.finalists[0].runs == (2, 3)
    assert verdict.winner == reference


def test_the_winner_is_the_best_by_validation_over_the_fresh_seeds(study):
    study.trial(3.5, "λ 100")
    first, second, unconfirmed = study.trial(1.0), study.trial(2.0), study.trial(1.5)
    study.confirm(first, 2.9, 3.1)
    assert study.judge().winner == first
    study.confirm(second, 2.0, 3.0)
    verdict = study.judge()
    assert verdict.best is not None
    assert verdict.best.trial == first
    assert verdict.winner == second
    assert [finalist.trial for finalist in verdict.finalists] == [second, first]
    assert unconfirmed not in [finalist.trial for finalist in verdict.finalists]


def test_the_test_split_never_chooses_the_winner(tmp_path):
    winners, told = set(), set()
    for better, worse in ((1.0, 3.0), (3.0, 1.0)):
        study = Study(tmp_path / f"{better}", ONE)
        reference, own = study.trial(2.5, "λ 100", test=worse), study.trial(2.0, test=better)
        study.confirm(own, 2.0, 2.1, test=(better, better + 0.1))
        study.confirm(reference, 2.5, 2.6, test=(worse, worse + 0.1))
        verdict = study.judge()
        winners.add(verdict.winner)
        told.add(verdict.comparisons[0].relation)
    assert winners == {own}
    assert told == {"beats", "is beaten by"}


def test_of_an_older_versions_stopped_reference_point_the_confirmations_count(study):
    stopped = study.trial(5.0, "λ 100", state="PRUNED")
    study.trial(5.0, "λ 80", state="PRUNED")
    own = study.trial(2.0)
    study.confirm(own, 2.0, 2.1)
    study.confirm(stopped, 1.0, 1.1, reference="λ 100")
    verdict = study.judge()
    assert str(verdict) == (
        "Trained anew on 2 fresh seeds and measured on 30 photos that nothing was chosen by:"
        " Trial 2 is beaten by λ 100. By validation the best is λ 100."
    )
    assert [reference.name for reference in verdict.references] == ["λ 100"]
    # What was stopped left no weights, so they are those of what was trained in its place.
    assert verdict.winner in verdict.references[0].runs
    assert verdict.winner != stopped


def test_a_confirmation_that_failed_is_one_seed_fewer(study):
    reference, own = study.trial(3.0, "λ 100"), study.trial(2.0)
    study.confirm(own, 2.0, None, 2.1)
    study.confirm(reference, 3.0, 3.1, 3.2)
    verdict = study.judge()
    assert str(verdict) == (
        "Trained anew on 2 fresh seeds and measured on 30 photos that nothing was chosen by: Trial 1 beats λ 100."
    )
    assert [contender.fresh for contender in verdict.contenders] == [2, 3]


def test_a_confirmation_that_runs_still_does_not_count(study):
    reference, own = study.trial(3.0, "λ 100"), study.trial(2.0)
    study.confirm(reference, 3.0, 3.1)
    study.confirm(own, 2.0)
    study.trial(1.0, state="RUNNING", role="confirmation", confirms=own, seed=2)
    verdict = study.judge()
    assert [contender.fresh for contender in verdict.contenders] == [1, 2]
    assert "not confirmed: one seed, and one more" in str(verdict)


def test_of_a_finalist_with_too_few_seeds_left_nothing_is_told(study):
    reference, whole, rest = study.trial(3.0, "λ 100"), study.trial(2.0), study.trial(2.2)
    study.confirm(whole, 2.0, 2.1)
    study.confirm(rest, 2.2, None)
    study.confirm(reference, 3.0, 3.1)
    verdict = study.judge()
    assert [one.finalist.trial for one in verdict.comparisons] == [whole]
    assert str(verdict) == (
        "Trained anew on 2 fresh seeds and measured on 30 photos that nothing was chosen by: Trial 1 beats λ 100."
    )


def test_the_seeds_that_are_said_are_those_of_what_is_compared(study):
    reference, failed, own = study.trial(3.0, "λ 100"), study.trial(3.5, "λ 80"), study.trial(2.0)
    study.confirm(own, 2.0, 2.1)
    study.confirm(reference, 3.0, 3.1)
    study.confirm(failed, None, None)
    verdict = study.judge()
    assert [one.reference.name for one in verdict.comparisons] == ["λ 100"]
    assert str(verdict).startswith("Trained anew on 2 fresh seeds")


def simulated(rng, levels, *, seeds=3, photos=100, resamples=60):
    """Tables of confirmed trials of which the expected values are known; the first is the search's.

    A training's error on a photo is the photo's own, what its configuration makes of that photo, the luck of its seed
    and noise. Levels that are equal are one configuration, entered twice.
    """
    weights = rng.multinomial(photos, np.full(photos, 1 / photos), size=resamples).T / photos
    of_photos = rng.normal(size=photos)
    tastes = {level: level + 0.3 * rng.normal(size=photos) for level in levels}
    trials, resampled = [], []
    for number, level in enumerate(levels):
        role = "reference" if number else "search"
        reference = f"reference {number}" if number else None
        trials.append({"trial": number, "role": role, "reference": reference, "val_swd": level})
    for number, level in enumerate(levels):
        for _ in range(seeds):
            luck = 0.3 * rng.normal()
            errors = of_photos + tastes[level] + luck + 0.3 * rng.normal(size=photos)
            again = {"trial": len(trials), "role": "confirmation", "confirms": number}
            resampled += [
                {"trial": len(trials), "resample": place, "test_swd": value}
                for place, value in enumerate((errors @ weights).tolist())
            ]
            trials.append({**again, "val_swd": level + luck, "test_swd": float(errors.mean())})
    rows = [{"state": "COMPLETE", "epochs": 4, **trial} for trial in trials]
    return pa.Table.from_pylist(rows, schema=TRIALS), pa.Table.from_pylist(resampled, schema=RESAMPLES)


def test_one_configuration_entered_twice_is_on_a_par_and_one_that_is_better_is_found():
    rng = np.random.default_rng(1)
    told = {"reference 1": Counter(), "reference 2": Counter()}
    for _ in range(100):
        trials, resamples = simulated(rng, (1.0, 1.0, 3.0, 3.0))
        for one in judge(trials, resamples, ONE, 100).comparisons:
            if one.reference.name in told:
                told[one.reference.name][one.relation] += 1
    # With other random numbers that is so in 95 to 100 of 100, in the mean of 1,200 in 98.
    assert told["reference 1"]["is on a par with"] >= 95
    assert told["reference 1"]["beats"] <= 5
    # The other is worse by 2, eight standard deviations of a difference of means over three seeds.
    assert told["reference 2"]["beats"] >= 95
