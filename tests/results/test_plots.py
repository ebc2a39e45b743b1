import io

import matplotlib
import numpy as np
import pytest
from PIL import Image

from results import plots
from results.store import StudyWriter, read_config, read_epochs, read_trials


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


def test_the_ranking_names_trials_best_first_with_baselines_and_references(study):
    figure = plots.ranking(read_trials(study), read_config(study)["baselines"], "val_swd")
    (axes,) = figure.axes
    names = [tick.get_text() for tick in axes.get_yticklabels()]
    assert names[:4] == ["trial 2", "pix2pix, varied", "trial 3", "pix2pix as published"]
    assert axes.get_ylim()[0] > axes.get_ylim()[1]
    assert labels(axes)[:2] == ["baseline: gray", "baseline: mean chroma"]
    assert labels(axes)[-1] == "reference point"
    png(figure)


def test_learning_curves_have_a_line_a_trial_and_single_out_references_and_the_best(study):
    figure = plots.learning_curves(read_trials(study), read_epochs(study), {}, "val_swd")
    (axes,) = figure.axes
    lengths = [len(line.get_xdata()) for line in axes.get_lines() if line.get_linestyle() != "None"]
    assert sum(length > 1 for length in lengths) == 6  # five complete trials and a running one
    assert labels(axes) == [
        "pix2pix as published",
        "pix2pix, varied",
        "best of the search: trial 2",
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
    figure = plots.pareto(read_trials(writer.folder), {"gray": {"val_delta_e": 11.6, "val_swd": 5.7}})
    (front,) = figure.axes[0].get_lines()
    assert sorted(set(zip(front.get_xdata(), front.get_ydata(), strict=True))) == [(10, 5), (11, 3), (12, 2)]
    assert labels(figure.axes[0])[-1] == "baseline: gray"
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
        plots.ranking(trials, {}, "val_swd"),
        plots.learning_curves(trials, epochs, {}, "val_swd"),
        plots.best_epochs(trials),
        plots.pareto(trials, {}),
        plots.strips({}),
    ):
        png(figure)
