"""Simulated learning curves: functions with a known optimum, and the tables of recorded studies."""

import json
import math
import sys

import numpy as np
import pytest

from results.store import StudyError, StudyWriter, read_trials
from search.config import ConfigError
from search.curves import open_problem
from search.hartmann import FUNCTIONS

MINIMA = {
    "hartmann3": ((0.114614, 0.555649, 0.852547), -3.86278),
    "hartmann6": ((0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573), -3.32237),
}


def point(values):
    return {f"x{axis}": value for axis, value in enumerate(values)}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_last_epoch_of_a_hartmann_function_is_exact_and_the_lowest(name):
    place, minimum = MINIMA[name.partition("-")[0]]
    problem = open_problem(name)
    curve = problem.curve(point(place), 0)
    assert curve.final == pytest.approx([minimum], abs=1e-5)
    assert curve.values[-1] == curve.final
    assert curve.values.min() == curve.final
    assert problem.regret(curve.final[None]) < 1e-6
    source = np.random.default_rng(0)
    finals = [problem.curve(point(x), 0).final[0] for x in source.random((200, len(place)))]
    assert min(finals) > minimum


@pytest.mark.parametrize("function", ["hartmann3", "hartmann6"])
def test_early_epochs_tell_the_less_of_the_last_the_worse_the_function_is(function):
    # Correlation of the third epoch with the last over 300 points; the qualities' standard error is 0.05 at most.
    def correlation(name):
        problem = open_problem(name)
        source = np.random.default_rng(1)
        curves = [problem.curve(point(x), 0).values for x in source.random((300, len(MINIMA[function][0])))]
        return np.corrcoef([curve[2, 0] for curve in curves], [curve[-1, 0] for curve in curves])[0, 1]

    plain, good, terrible = (correlation(function + ending) for ending in ("", "-good", "-terrible"))
    assert plain > 0.9
    assert plain > good + 0.2 > terrible + 0.2


def test_a_point_has_one_curve_for_a_seed_and_others_for_others():
    problem = open_problem("hartmann3-bad")
    place = point((0.1, 0.2, 0.3))
    first = problem.curve(place, 7)
    assert np.array_equal(first.values, problem.curve(dict(place), 7).values)
    other = problem.curve(place, 8)
    assert not np.array_equal(first.values[:-1], other.values[:-1])
    assert first.final == other.final


def test_configurations_of_a_table_are_answered_exactly(table):
    problem = open_problem(str(table))
    assert problem.objectives == ("val_swd",)
    assert len(problem.configurations) == 12
    for seed in range(3):
        for number, params in enumerate(problem.configurations):
            final = 1 + 10 * abs(params["dropout"] - 0.25)
            curve = problem.curve(params, seed)
            assert curve.values[:, 0].tolist() == pytest.approx(
                [final + bump for bump in (3.0, 1.5 + 0.2 * (number % 2), 0.6 - 0.2 * (number % 3), 0.0)]
            )
            assert curve.seconds.tolist() == [2.0] * 4
            assert curve.final == pytest.approx([final])
            assert not curve.fails


def test_a_confirmation_is_no_configuration_of_its_own(table):
    alone = open_problem(str(table))
    writer = StudyWriter(table)
    again = next(row for row in read_trials(table).to_pylist() if row["trial"] == 3)
    writer.record_trial(again | {"trial": 12, "role": "confirmation", "confirms": 3, "seed": 1})
    for epoch in range(1, 5):
        writer.record_epoch(
            {"trial": 12, "epoch": epoch, "val_swd": 0.5, "val_delta_e": 9.0, "epoch_seconds": 2.0}
        )
    problem = open_problem(str(table))
    assert problem.configurations == alone.configurations
    params = problem.configurations[3]
    assert problem.curve(params, 0).values.tolist() == alone.curve(params, 0).values.tolist()


def finals(problem, params, draws=200):
    return np.array([problem.curve(params, seed).final[0] for seed in range(draws)])


def test_another_configuration_is_answered_by_what_trees_learned_of_the_recorded(table):
    # Final values are 1 + 10 |dropout - 0.25|: 1.1 at 0.26, 3.1 at 0.46. The standard error of a mean is 0.06.
    problem = open_problem(str(table))
    best = problem.configurations[6]
    near, far = (finals(problem, {**best, "dropout": dropout}) for dropout in (0.26, 0.46))
    assert near.mean() < 2 < 2.5 < far.mean()


def test_another_configuration_has_one_curve_for_a_seed_and_others_for_others(table):
    problem = open_problem(str(table))
    params = {**problem.configurations[6], "dropout": 0.26}
    first = problem.curve(params, 7)
    again = problem.curve(dict(reversed(params.items())), 7)
    assert np.array_equal(first.values, again.values)
    assert first.final == problem.curve(params, 8).final, "what it is worth is free of luck"
    assert first.seconds == pytest.approx([2.0] * 4)
    assert not np.array_equal(first.values, problem.curve(params, 8).values)


def test_other_configurations_vary_as_the_recorded_do(write_table):
    # Dropout says nothing of these final values, so the trees explain little, and their errors make up for it.
    source = np.random.default_rng(0)
    recorded = source.uniform(2, 8, 40)
    dropouts = source.uniform(0, 0.5, 40)
    folder = write_table(
        [
            ({"dropout": dropout}, "COMPLETE", [9, 9, 9, final])
            for dropout, final in zip(dropouts.tolist(), recorded.tolist(), strict=True)
        ]
    )
    problem = open_problem(str(folder))
    drawn = np.array(
        [
            problem.curve({**problem.configurations[0], "dropout": dropout}, 0).values[-1, 0]
            for dropout in source.uniform(0, 0.5, 400)
        ]
    )
    assert np.log(drawn).std() == pytest.approx(np.log(recorded).std(), rel=0.2)
    assert np.log(drawn).mean() == pytest.approx(np.log(recorded).mean(), abs=0.15)


def test_how_well_trees_predict_is_said(table):
    problem = open_problem(str(table))
    # Along one parameter, 12 points with one minimum: all but the lowest three or so are ranked as they should be.
    (correlation,) = problem.rank_correlations()
    assert correlation > 0.7
    assert f"val_swd {correlation:+.2f}" in problem.note


def test_a_parameter_that_only_some_configurations_have_tells_them_apart(write_table):
    folder = write_table(
        [({"dropout": None}, "COMPLETE", [9, 9, 9, 2 + 0.1 * at]) for at in range(6)]
        + [({"dropout": 0.1 * at}, "COMPLETE", [9, 9, 9, 6 + 0.1 * at]) for at in range(6)]
    )
    problem = open_problem(str(folder))
    # Not recorded as it is, so that it is not answered by the record.
    without = {**problem.configurations[0], "learning_rate": 1.1e-3}
    assert finals(problem, without).mean() < 3
    assert finals(problem, {**without, "dropout": 0.25}).mean() > 5


def test_a_trial_that_failed_fails_and_one_that_was_stopped_is_left_out(write_table):
    full = [({"dropout": 0.05 * at}, "COMPLETE", [4, 3, 2, 1 + at]) for at in range(8)]
    folder = write_table(
        [
            *full,
            ({"dropout": 0.41}, "FAIL", [4, 3]),
            ({"dropout": 0.43}, "COMPLETE", [4, math.nan, 2, 1]),
            ({"dropout": 0.45}, "FAIL", []),
            ({"dropout": 0.47}, "PRUNED", [0.5]),
            ({"dropout": 0.49}, "RUNNING", [0.5, 0.4]),
        ]
    )
    problem = open_problem(str(folder))
    assert len(problem.configurations) == 11
    assert "3 that failed, 2 stopped early and left out" in problem.note
    for at, epochs, final in ((8, 2, 3), (9, 1, 4), (10, 0, math.inf)):
        curve = problem.curve(problem.configurations[at], 0)
        assert curve.fails
        assert len(curve.values) == epochs
        assert len(curve.seconds) == epochs + 1
        assert np.isfinite(curve.seconds).all()
        assert curve.final == [final]
    fails = [
        np.mean(
            [
                problem.curve({**problem.configurations[0], "dropout": dropout}, seed).fails
                for seed in range(200)
            ]
        )
        for dropout in (0.01, 0.452)
    ]
    assert fails[0] == 0
    assert fails[1] > 0.7


def test_a_table_without_scikit_learn_says_how_to_install_it(table, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.ensemble", None)
    with pytest.raises(ConfigError, match=r"scikit-learn.*\[simulate\]"):
        open_problem(str(table))


def test_the_regret_of_several_objectives_is_the_share_of_hypervolume_that_lacks(table):
    problem = open_problem(str(table), ("val_delta_e", "val_swd"))
    finals = np.array([problem.curve(params, 0).final for params in problem.configurations])
    assert problem.regret(finals) == 0
    regrets = [problem.regret(finals[:count]) for count in range(13)]
    assert regrets[0] == 1
    assert regrets == sorted(regrets, reverse=True)
    assert 0 < regrets[6] < 1
    # By hand: a staircase over all, scaled so that the best is 0 and the 90th percentile is 1.
    scaled = (finals - finals.min(axis=0)) / (np.quantile(finals, 0.9, axis=0) - finals.min(axis=0))
    volume, height = 0.0, 1.0
    for across, up in sorted(scaled.tolist()):
        if across < 1 and up < height:
            volume, height = volume + (1 - across) * (height - up), up
    for own, final in zip(scaled, finals, strict=True):
        assert problem.regret(final[None]) == pytest.approx(1 - np.prod(np.clip(1 - own, 0, None)) / volume)


@pytest.mark.parametrize("name", ["no/such/folder", "hartmann4", "hartmann3-great"])
def test_a_table_that_is_none_is_refused(name):
    with pytest.raises(ConfigError, match=f"{name}.*hartmann3-good"):
        open_problem(name)


def test_a_folder_without_a_study_or_of_another_version_is_refused(table):
    with pytest.raises(StudyError, match="no study"):
        open_problem(str(table.parent))
    record = json.loads((table / "study.json").read_text())
    (table / "study.json").write_text(json.dumps(record | {"schema_version": 1}))
    with pytest.raises(StudyError, match="schema_version 1"):
        open_problem(str(table))


def test_an_objective_that_was_not_recorded_is_refused(table):
    with pytest.raises(ConfigError, match="val_loss"):
        open_problem(str(table), ("val_loss",))
    with pytest.raises(ConfigError, match="0 trials that reported val_kid"):
        open_problem(str(table), ("val_kid",))
    with pytest.raises(ConfigError, match="hartmann3 has one value"):
        open_problem("hartmann3", ("val_swd",))


def test_a_table_with_few_full_curves_is_refused(write_table):
    folder = write_table([({}, "PRUNED", [1.0])] * 20)
    with pytest.raises(ConfigError, match="holds 0 trials"):
        open_problem(str(folder))


@pytest.mark.parametrize("value", [2.0, 0.0])
def test_trainings_that_all_end_alike_can_be_searched(write_table, value):
    folder = write_table([({"dropout": 0.04 * at}, "COMPLETE", [5, 4, 3, value]) for at in range(12)])
    one = open_problem(str(folder), ("val_swd",))
    finals = np.array([curve.final for curve in one.curves])
    assert one.regret(finals) == 0
    assert one.rank_correlations() == [0.0]
    several = open_problem(str(folder), ("val_delta_e", "val_swd"))
    assert np.isfinite(several.regret(np.array([curve.final for curve in several.curves])))
