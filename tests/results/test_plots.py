import io

import matplotlib
import numpy as np
import pytest
from PIL import Image

from results import plots
from results.store import StudyWriter, read_config, read_epochs, read_resamples, read_trials
from results.verdict import judge

BOTH = ("val_delta_e", "val_swd")


@pytest.fixture(autouse=True)
def _no_window():
    matplotlib.use("agg")


def png(figure) -> Image.Image:
    """Render for real: layout problems and missing glyphs are warnings, and so errors here."""
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return Image.open(file)


def labels(axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]


def names(axes) -> list[str]:
    return [tick.get_text() for tick in axes.get_yticklabels()]


def judged(study, objectives=BOTH, photos=20):
    return judge(read_trials(study), read_resamples(study), objectives, photos)


def test_the_ranking_names_the_front_first_and_its_knee_before_all(study):
    figure = plots.ranking(read_trials(study), read_config(study)["baselines"], BOTH)
    left, right = figure.axes
    assert names(left)[0] == "trial 3, knee"
    assert set(names(left)[1:4]) == {"trial 2, front", "pix2pix, varied, front", "trial 4, front"}
    # What was stopped, failed or runs still has no bar.
    assert names(left)[4:] == ["pix2pix as published"]
    assert left.get_ylim()[0] > left.get_ylim()[1]
    assert right.get_ylim() == left.get_ylim()
    assert labels(right)[:2] == ["baseline: gray", "baseline: mean chroma"]
    assert labels(right)[-1] == "reference point"
    png(figure)


def test_the_ranking_by_one_objective_names_trials_best_first(study):
    (axes,) = plots.ranking(read_trials(study), {}, ["val_swd"]).axes
    assert names(axes) == ["trial 2", "pix2pix, varied", "trial 3", "pix2pix as published", "trial 4"]


def test_confirmations_have_no_bar_no_curve_and_no_point_of_their_own(study, make_study):
    confirmed = make_study("again", confirmed=(3, 0))
    for draw in (
        lambda study: plots.ranking(read_trials(study), {}, BOTH),
        lambda study: plots.learning_curves(read_trials(study), read_epochs(study), {}, BOTH),
        lambda study: plots.pareto(read_trials(study), {}, BOTH),
        lambda study: plots.parameter(read_trials(study), "width", BOTH),
    ):
        for before, after in zip(draw(study).axes, draw(confirmed).axes, strict=True):
            assert names(after) == names(before)
            assert len(after.patches) == len(before.patches)
            assert len(after.get_lines()) == len(before.get_lines())
            points = [[mark.get_offsets().tolist() for mark in axes.collections] for axes in (before, after)]
            assert points[0] == points[1]


def test_learning_curves_have_a_line_a_trial_and_single_out_references_and_the_best(study):
    figure = plots.learning_curves(read_trials(study), read_epochs(study), {}, BOTH)
    for axes in figure.axes:
        lengths = [len(line.get_xdata()) for line in axes.get_lines() if line.get_linestyle() != "None"]
        assert sum(length > 1 for length in lengths) == 6  # five complete trials and a running one
    assert labels(figure.axes[-1]) == [
        "pix2pix as published",
        "pix2pix, varied",
        "best of the search: trial 3",
        "other trials (x: stopped)",
    ]
    png(figure)


def test_the_epochs_that_count_are_counted_over_what_came_to_its_end(writer):
    ends = [("COMPLETE", 4, 4), ("COMPLETE", 4, 3), ("COMPLETE", 4, 4), ("PRUNED", 1, 1), ("RUNNING", 2, 2)]
    for trial, (state, epochs, counts) in enumerate(ends):
        writer.record_trial({"trial": trial, "state": state, "epochs": epochs, "best_epoch": counts})
    writer.record_trial({"trial": 9, "state": "COMPLETE", "epochs": 4})  # has no value of an objective
    figure = plots.best_epochs(read_trials(writer.folder))
    (axes,) = figure.axes
    assert [bar.get_height() for bar in axes.patches] == [0, 0, 1, 2]
    png(figure)


def test_lambda_is_drawn_on_a_logarithmic_axis_and_width_on_a_linear_one(study):
    figure = plots.parameter(read_trials(study), "lambda", ["val_swd", "val_delta_e"])
    assert [axes.get_xscale() for axes in figure.axes] == ["log", "log"]
    assert figure.axes[0].get_xlabel() == "λ"
    png(figure)
    figure = plots.parameter(read_trials(study), "width", ["val_swd"])
    assert figure.axes[0].get_xscale() == "linear"
    png(figure)


def test_an_autoencoder_has_no_lambda_and_says_what_it_has(make_study):
    trials = read_trials(make_study("reeds", "cnn"))
    assert plots.parameters(trials) == ["learning_rate", "width"]
    with pytest.raises(KeyError, match="no trial has the parameter lambda: there are learning_rate, width"):
        plots.parameter(trials, "lambda", ["val_swd"])


def test_the_front_holds_the_trials_that_no_other_beats_in_both(writer):
    points = [(10, 5), (12, 2), (11, 3), (12, 3), (13, 4), (10, 5)]
    for trial, (delta_e, swd) in enumerate(points):
        writer.record_trial({"trial": trial, "state": "COMPLETE", "val_delta_e": delta_e, "val_swd": swd})
    writer.record_trial({"trial": 9, "state": "FAIL", "val_delta_e": 1, "val_swd": 1})
    figure = plots.pareto(read_trials(writer.folder), {"gray": {"val_delta_e": 11.6, "val_swd": 5.7}}, BOTH)
    (front,) = figure.axes[0].get_lines()
    assert sorted(set(zip(front.get_xdata(), front.get_ydata(), strict=True))) == [(10, 5), (11, 3), (12, 2)]
    # Scaled to 0..1 the front is (0, 1), (.5, .33), (1, 0): trial 2 in its middle lies below the line.
    assert "knee: trial 2" in labels(figure.axes[0])
    assert labels(figure.axes[0])[-1] == "baseline: gray"
    png(figure)


def test_what_did_not_come_to_its_end_is_drawn_faintly_and_is_in_no_front(study):
    good = {"val_delta_e": 0.1, "val_swd": 0.1}
    StudyWriter(study.path).record_trial(
        {"trial": 9, "state": "PRUNED", "epochs": 1, "best_epoch": 1, **good}
    )
    figure = plots.pareto(read_trials(study), {}, BOTH)
    (axes,) = figure.axes
    (front,) = axes.get_lines()
    assert min(front.get_xdata()) == 5.9
    assert "knee: trial 3" in labels(axes)
    strength = {mark.get_label(): mark.get_alpha() for mark in axes.collections}
    assert [strength[name] for name in ("complete", "reference point, complete")] == [1, 1]
    assert max(strength["running"], strength["stopped early"]) < 0.5
    png(figure)


def test_three_objectives_are_drawn_in_pairs(study):
    figure = plots.pareto(read_trials(study), read_config(study)["baselines"], (*BOTH, "val_kid"))
    assert [(axes.get_xlabel()[:6], axes.get_ylabel()[:6]) for axes in figure.axes] == [
        ("CIEDE2", "sliced"),
        ("CIEDE2", "kernel"),
        ("sliced", "kernel"),
    ]
    png(figure)


def test_the_hypervolume_is_drawn_over_minutes_with_when_most_of_it_was_reached(study):
    figure = plots.hypervolume(read_trials(study), read_epochs(study), read_config(study)["baselines"], BOTH)
    (axes,) = figure.axes
    minutes, volumes = axes.get_lines()[0].get_data()
    # Epoch 4 of trial 4, the last that came to its end.
    assert minutes[-1] == pytest.approx((2 * (4 * 4 + 4)) / 60)
    assert volumes[0] == 0
    assert list(volumes) == sorted(volumes)
    assert volumes[-1] == pytest.approx(37.3, abs=0.05)
    # Trial 2 came to its end after 24 s, and with it 34.3.
    (said,) = labels(axes)
    assert said == "90 % of it after 0.4 min"
    png(figure)


def test_the_verdict_shows_each_training_as_a_dot_and_the_interval_of_their_mean(confirmed_study):
    found = judged(confirmed_study)
    figure = plots.verdict(found, read_config(confirmed_study)["baselines"], BOTH)
    left, right = figure.axes
    assert names(left) == ["trial 3", "trial 2", "trial 4", "pix2pix, varied", "pix2pix as published"]
    assert names(right) == []
    for axes, metric in ((left, "test_delta_e"), (right, "test_swd")):
        dots = [mark.get_offsets().tolist() for mark in axes.collections if len(mark.get_offsets())]
        bars = [
            line.get_xdata()
            for line in axes.get_lines()
            if len(line.get_xdata()) == 2 and line.get_alpha() == 0.25
        ]
        for place, (contender, own, bar) in enumerate(zip(found.contenders, dots, bars, strict=True)):
            assert own == [[value, place] for value in contender.measured[metric]]
            mean = contender.means[metric]
            assert list(bar) == [mean.low, mean.high]
            assert bar[0] < min(own)[0] < max(own)[0] < bar[1]
    assert labels(right) == [
        "baseline: gray",
        "baseline: mean chroma",
        "finalist, a training",
        "reference point, a training",
        "mean, 95 % interval",
    ]
    png(figure)


def test_a_verdict_of_few_seeds_or_one_objective_can_be_drawn(make_study):
    study = make_study(objectives=("val_swd",), confirmed=(2, 0))
    rows = read_trials(study).to_pylist()
    (axes,) = plots.verdict(judged(study, ("val_swd",)), {}, ("val_swd",)).axes
    assert names(axes) == ["trial 2", "pix2pix as published"]
    writer = StudyWriter(study.path)
    for row in rows:
        if row["role"] == "confirmation" and row["seed"] == 2:
            writer.record_trial({**row, "state": "FAIL"})
    writer.flush()
    figure = plots.verdict(judged(study, ("val_swd",)), {}, ("val_swd",))
    assert labels(figure.axes[0]) == ["finalist, a training", "reference point, a training"]
    png(figure)


def test_names_are_no_formulas_whatever_dollar_signs_they_hold(confirmed_study):
    writer = StudyWriter(confirmed_study.path)
    for row in read_trials(confirmed_study).to_pylist():
        if row["trial"] == 1:
            writer.record_trial({**row, "reference": r"$\frac$"})
    trials, epochs = read_trials(confirmed_study), read_epochs(confirmed_study)
    for figure in (
        plots.learning_curves(trials, epochs, {}, BOTH),
        plots.ranking(trials, {}, BOTH),
        plots.verdict(judged(confirmed_study), {}, BOTH),
    ):
        png(figure)


def test_strips_are_shown_under_their_titles():
    red = np.full((30, 80, 3), (200, 30, 30), np.uint8)
    figure = plots.strips({"trial 2": red, "trial 3": red})
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["trial 2", "trial 3"]
    colours = np.asarray(png(figure).convert("RGB")).reshape(-1, 3)
    assert np.mean(np.all(colours == (200, 30, 30), axis=1)) > 0.5


def test_a_study_without_trials_can_be_drawn(writer):
    trials, epochs = read_trials(writer.folder), read_epochs(writer.folder)
    for figure in (
        plots.ranking(trials, {}, BOTH),
        plots.learning_curves(trials, epochs, {}, BOTH),
        plots.best_epochs(trials),
        plots.pareto(trials, {}, BOTH),
        plots.hypervolume(trials, epochs, {}, BOTH),
        plots.strips({}),
        plots.verdict(judged(writer.folder), {}, BOTH),
    ):
        png(figure)
