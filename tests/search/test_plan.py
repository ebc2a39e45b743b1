"""Settings and what they become on a machine."""

import json
import math
from pathlib import Path

import pytest

from search.config import ConfigError, StudyConfig, seconds_of
from search.machine import Machine
from search.plan import check_fits, make_plan

TWO_CORES = Machine(cpus=2, gpus=0)
FOUR_GPUS = Machine(cpus=32, gpus=4)
ENCODERS = ("unet", "mobilenetv2")


def plan(machine=TWO_CORES, model="pix2pix", **settings):
    return make_plan(StudyConfig(model=model, name="x", **settings), machine, ENCODERS)


def test_without_a_gpu_the_study_is_made_smaller_and_says_how_to_ask_for_more():
    small = plan()
    assert (small.image_size, small.concurrency) == (64, 2)
    said = " ".join(small.scaled)
    for flag in ("--trials 64", "--epochs 60", "--image-size 128", "--set width=64"):
        assert flag in said


def test_on_gpus_the_same_command_is_full_size():
    full = plan(FOUR_GPUS)
    assert (full.image_size, full.trials, full.epochs, full.concurrency) == (128, 64, 60, 4)
    assert full.scaled == ()
    assert len(full.space["width"].distribution.choices) == 3


def test_what_the_user_asks_for_is_not_scaled():
    asked = plan(trials=100, epochs=30, image_size=256, settings=("width=64",))
    assert (asked.trials, asked.epochs, asked.image_size) == (100, 30, 256)
    assert asked.scaled == ()


@pytest.mark.parametrize(("share", "slots"), [(1.0, 4), (0.25, 16), (0.5, 8), (0.3, 12), (0.0, 32)])
def test_trials_are_packed_on_gpus_whole_or_in_fractions(share, slots):
    assert plan(FOUR_GPUS, gpus_per_trial=share, trials=100).concurrency == slots


def test_processors_limit_the_trials_at_once_too():
    assert plan(Machine(cpus=4, gpus=4), gpus_per_trial=0.25, trials=100).concurrency == 4
    assert plan(Machine(cpus=8, gpus=0), cpus_per_trial=4, trials=100).concurrency == 2
    assert plan(Machine(cpus=8, gpus=0), trials=3).concurrency == 3


CPU_MACHINE, GPU_MACHINE = Machine(cpus=3, gpus=0), Machine(cpus=4, gpus=2)


def test_a_trial_runs_on_one_machine_so_those_of_a_cluster_are_counted_one_by_one():
    three = Machine(cpus=9, gpus=0, members=(CPU_MACHINE,) * 3)
    assert plan(three, cpus_per_trial=2, trials=100).concurrency == 3
    mixed = Machine(cpus=10, gpus=2, members=(CPU_MACHINE, CPU_MACHINE, GPU_MACHINE))
    assert plan(mixed, gpus_per_trial=0.25, trials=100).concurrency == 4
    assert plan(mixed, gpus_per_trial=0.25, trials=100).concurrency_on(GPU_MACHINE) == 4
    with pytest.raises(ConfigError, match="no machine with a GPU has more than 4"):
        check_fits(plan(mixed, cpus_per_trial=5))
    with pytest.raises(ConfigError, match="there is 9 processors, no GPU on 3 machines"):
        check_fits(plan(three, gpus_per_trial=1.0))


@pytest.mark.parametrize(
    ("epochs", "rungs"),
    [(1, ()), (2, (1,)), (3, (1,)), (9, (1, 3)), (16, (1, 3, 9)), (36, (4, 12)), (60, (6, 18, 54))],
)
def test_rungs_begin_at_a_ninth_of_the_epochs_and_are_a_factor_of_three_apart(epochs, rungs):
    assert plan(epochs=epochs).rungs == rungs


def test_without_early_stopping_there_are_no_rungs():
    assert plan(scheduler="none").rungs == ()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"gpus_per_trial": 1.0}, "--gpus-per-trial is 1, but there is 2 processors, no GPU"),
        ({"cpus_per_trial": 3}, "--cpus-per-trial is 3, but no machine has more than 2: take 2 or fewer"),
        ({"settings": ("lambda",)}, "--set is 'lambda', but must be NAME=VALUE"),
        ({"settings": ("depth=9",)}, "--set depth=9: depth is 9, but must be between 3 and 6"),
        ({"epochs": 3, "grace": 5}, "--grace is 5 with 3 epochs, but must be below that"),
        ({"gpu_hours": 3.0}, "--gpu-hours is 3, but the trials use no GPU.*take --time-budget"),
        ({"searcher": "grid"}, r"has a grid of [0-9,]+ points, but must have 10,000 or fewer: hold some of"),
        ({"settings": ("colour=red",)}, "--set colour=red: colour is no parameter of this model"),
        ({"settings": ("perceptual_weight=1",)}, r"needs the weights of VGG.*with --perceptual-weights"),
        (
            {"settings": ("perceptual_weight=2",), "perceptual_weights": "imagenet"},
            "perceptual_weight is 2, but must be one of 0.0, 1.0, 10.0, 100.0",
        ),
    ],
)
def test_what_the_machine_or_the_space_lacks_is_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        check_fits(plan(**settings))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"image_size": 48}, "--image-size is 48, but must be a power of two of at least 32: take 32 or 64"),
        ({"image_size": 16}, "--image-size is 16, but must be a power of two of at least 32"),
        ({"trials": 0}, "--trials is 0, but must be 1 or more"),
        ({"eta": 1}, "--eta is 1, but must be 2 or more"),
        ({"grace": 0}, "--grace is 0, but must be 1 or more"),
        (
            {"time_budget": "3 hours"},
            "--time-budget is '3 hours', but must be a number above 0 with s, m, h or d",
        ),
        ({"time_budget": "0m"}, "--time-budget is '0m'"),
        ({"gpu_hours": 0.0}, "--gpu-hours is 0, but must be above 0"),
        ({"objective": ()}, "--objective is empty, but must be one to three different metrics"),
        ({"objective": ("val_swd", "val_swd")}, "--objective is val_swd val_swd, but"),
        ({"searcher": "cmaes"}, "--searcher is cmaes with --objective val_delta_e val_swd, but it knows one"),
        ({"epochs": -1}, "--epochs is -1, but must be 1 or more"),
        ({"batch_size": 0}, "--batch-size is 0, but must be 1 or more"),
        ({"gpus_per_trial": 2.0}, "--gpus-per-trial is 2, but must be 0, a fraction such as .* on one GPU"),
        ({"gpus_per_trial": -0.5}, "--gpus-per-trial is -0.5, but must be 0"),
        ({"gpus_per_trial": math.nan}, "--gpus-per-trial is nan, but must be 0"),
        ({"name": "../etc"}, "--name is '../etc', but must start with a letter or digit"),
        ({"name": ""}, "--name is ''"),
        ({"seed": -1}, "--seed is -1, but must be between"),
        ({"storage": "s3://bucket/x"}, "--storage is .*, but must be a folder"),
        ({"model": "pix3"}, "the model is pix3, but must be pix2pix or cnn"),
        ({"model": "cnn", "perceptual_weights": "imagenet"}, "but only pix2pix has a perceptual loss"),
    ],
)
def test_a_setting_that_no_machine_could_run_is_refused_when_it_is_built(settings, message):
    with pytest.raises(ConfigError, match=message):
        StudyConfig(**{"model": "pix2pix", **settings})


def test_a_perceptual_loss_is_searched_where_weights_are_named():
    assert "perceptual_weight" not in plan().space
    assert "perceptual_weight" in plan(perceptual_weights="imagenet").space
    held = plan(perceptual_weights="imagenet", settings=("perceptual_weight=10",))
    assert held.space["perceptual_weight"].distribution.choices == (10.0,)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"scheduler": "none"}, 12 * 27),
        # All come to epoch 3, a third of them to 9, a ninth to the end.
        ({"scheduler": "asha-promote"}, 12 * 3 + 4 * 6 + 12 / 9 * 18),
        ({"scheduler": "asha", "eta": 2, "grace": 9}, 12 * 9 + 6 * 9 + 3 * 9),
        ({"scheduler": "hyperband"}, None),
    ],
)
def test_the_epochs_of_a_study_are_expected_from_its_rungs(settings, expected):
    of = plan(trials=12, epochs=27, **settings)
    assert of.expected_epochs == (None if expected is None else pytest.approx(expected))


def test_rungs_follow_eta_and_grace():
    assert plan(epochs=30, eta=3, grace=1).rungs == (1, 3, 9, 27)
    assert plan(epochs=3, grace=5, scheduler="none").rungs == ()


@pytest.mark.parametrize(
    ("duration", "seconds"), [("90s", 90), ("1.5h", 5400), ("2 d", 172800), ("10m", 600)]
)
def test_a_duration_is_a_number_with_a_unit(duration, seconds):
    assert seconds_of(duration) == seconds


def test_a_small_grid_gives_as_many_trials_as_it_has_points():
    small = plan(
        model="cnn", searcher="grid", settings=("width=16", "head=rgb", "dropout=0.1"), image_size=32
    )
    # depth 2 to 4, batch normalisation or not, three learning rates, beside the reference points that fit.
    assert small.trials == 3 * 2 * 3 + len(small.points)
    with pytest.raises(ConfigError, match=r"--trials is 100, but the grid has 18 points"):
        plan(
            model="cnn",
            searcher="grid",
            settings=("width=16", "head=rgb", "dropout=0.1"),
            image_size=32,
            trials=100,
        )


def test_enqueued_points_come_after_the_reference_points(tmp_path):
    file = tmp_path / "points.json"
    file.write_text('[{"lambda": 50}]')
    points = plan(enqueue=file).points
    assert [point.reference for point in points][-1] is None
    assert dict(points[-1].params) == {"lambda": 50}
    assert len(plan().points) == len(points) - 1


def test_settings_survive_the_record_in_study_json():
    config = plan(
        settings=("lambda=80",),
        data="/birds",
        perceptual_weights="/vgg.h5",
        warm_start=(Path("/studies/a"), Path("/studies/b")),
        time_budget="2h",
        objective=("val_kid",),
    ).config
    assert StudyConfig.from_record(json.loads(json.dumps(config.to_record()))) == config


def test_a_plan_made_again_from_its_own_record_is_the_same():
    first = plan()
    assert make_plan(first.config, TWO_CORES, ENCODERS).config == first.config


def test_a_record_of_another_version_is_refused_by_the_name_of_what_is_new():
    record = StudyConfig(model="cnn").to_record() | {"colour_space": "oklab"}
    with pytest.raises(ConfigError, match="colour_space, which this version does not know"):
        StudyConfig.from_record(record)
