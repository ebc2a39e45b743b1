import io

import matplotlib
import numpy as np
import pytest
from PIL import Image

from results import plots
from results.store import StudyWriter, read_config, read_epochs, read_trials

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


def test_the_ranking_names_the_front_first_and_its_knee_before_all(study):
    figure = plots.ranking(read_trials(study), read_config(study)["baselines"], BOTH)
    left, right = figure.axes
    names = [tick.get_text() for tick in left.get_yticklabels()]
    assert names[0] == "trial 3, knee"
    assert set(names[1:4]) == {"trial 2, front", "pix2pix, varied, front", "trial 4, front"}
    assert names[4] in {"trial 8", "pix2pix as published"}
    assert left.get_ylim()[0] > left.get_ylim()[1]
    assert right.get_ylim() == left.get_ylim()
    assert labels(right)[:2] == ["baseline: gray", "baseline: mean chroma"]
    assert labels(right)[-1] == "reference point"
    png(figure)


def test_the_ranking_by_one_objective_names_trials_best_first(study):
    (axes,) = plots.ranking(read_trials(study), {}, ["val_swd"]).axes
    names = [tick.get_text() for tick in axes.get_yticklabels()]
    assert names[:4] == ["trial 2", "pix2pix, varied", "trial 3", "pix2pix as published"]


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


def test_the_best_epochs_are_counted_by_state(study):
    figure = plots.best_epochs(read_trials(study))
    (axes,) = figure.axes
    heights = {
        label: [bar.get_height() for bar in bars]
        for bars, label in zip(axes.containers, labels(axes), strict=True)
    }
    assert heights == {"complete": [0, 0, 0, 5], "running": [0, 1, 0, 0], "stopped early": [2, 0, 0, 0]}
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


def test_the_front_holds_the_trials_that_no_other_beats_in_both(tmp_path):
    writer = StudyWriter(tmp_path / "garden")
    writer.write_config({})
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
    assert minutes[-1] == pytest.approx((2 * (4 * 8 + 2)) / 60)
    assert volumes[0] == 0
    assert list(volumes) == sorted(volumes)
    # The best is 18.5; the last epoch of trial 3 came after 32 s.
    (said,) = labels(axes)
    assert said == "90 % of it after 0.53 min"
    png(figure)


def test_strips_are_shown_under_their_titles():
    red = np.full((30, 80, 3), (200, 30, 30), np.uint8)
    figure = plots.strips({"trial 2": red, "trial 3": red})
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["trial 2", "trial 3"]
    colours = np.asarray(png(figure).convert("RGB")).reshape(-1, 3)
    assert np.mean(np.all(colours == (200, 30, 30), axis=1)) > 0.5


def test_a_study_without_trials_can_be_drawn(tmp_path):
    writer = StudyWriter(tmp_path / "new")
    writer.write_config({})
    trials, epochs = read_trials(writer.folder), read_epochs(writer.folder)
    for figure in (
        plots.ranking(trials, {}, BOTH),
        plots.learning_curves(trials, epochs, {}, BOTH),
        plots.best_epochs(trials),
        plots.pareto(trials, {}, BOTH),
        plots.hypervolume(trials, epochs, {}, BOTH),
        plots.strips({}),
    ):
        png(figure)
