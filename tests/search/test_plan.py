"""Settings and what they become on a machine."""

import json
import math
import re
from pathlib import Path

import pytest

from search.config import ConfigError, StudyConfig, flag, seconds_of
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
    for setting in ("--trials 64", "--epochs 60", "--image-size 128", "--set width=64", "--references all"):
        assert setting in said


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
    assert plan(Machine(cpus=8, gpus=0), trials=3, references=("none",)).concurrency == 3


def test_reference_points_and_confirmations_run_beside_the_trials_that_were_asked_for():
    room = Machine(cpus=100, gpus=0)
    # All four reference points, and of three trials with one rung one that is trained to its end.
    assert plan(room, trials=3, epochs=3).concurrency == 3 + 4
    assert plan(room, trials=3, epochs=3, confirm=2).concurrency == 3 + 4 + 2 * (4 + 1)
    assert plan(room, trials=3, epochs=3, confirm=2, references=("none",)).concurrency == 3 + 2 * 1
    assert (
        plan(room, trials=9, epochs=3, confirm=1, finalists=2, references=("none",)).concurrency == 9 + 1 * 2
    )


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
    [(1, ()), (2, (1,)), (3, (1,)), (9, (1, 3)), (16, (2, 6)), (36, (4, 12)), (60, (7, 21))],
)
def test_rungs_begin_at_an_eighth_of_the_epochs_and_are_a_factor_of_three_apart(epochs, rungs):
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
            "--time-budget is '3 hours', but must be a time above 0 in d, h, m and s",
        ),
        ({"time_budget": "0m"}, "--time-budget is '0m'"),
        ({"gpu_hours": 0.0}, "--gpu-hours is 0, but must be above 0"),
        ({"objective": ()}, "--objective is empty, but must be one to three different metrics"),
        ({"objective": ("val_swd", "val_swd")}, "--objective is val_swd val_swd, but"),
        ({"searcher": "cmaes"}, "--searcher is cmaes with --objective val_delta_e val_swd, but it knows one"),
        ({"epochs": -1}, "--epochs is -1, but must be 1 or more"),
        ({"batch_size": 0}, "--batch-size is 0, but must be 1 or more"),
        ({"confirm": 0}, "--confirm is 0, but must be 1 or more"),
        ({"finalists": 0}, "--finalists is 0, but must be 1 or more"),
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
    ],
)
def test_the_epochs_of_a_study_are_expected_from_its_rungs(settings, expected):
    of = plan(trials=12, epochs=27, references=("none",), **settings)
    assert of.expected_epochs == pytest.approx(expected)


def test_reference_points_and_confirmations_are_expected_to_be_trained_to_the_end():
    alone = plan(trials=12, epochs=27, references=("none",)).expected_epochs
    beside = plan(trials=12, epochs=27, references=("lambda-100", "lambda-80"))
    assert beside.expected_epochs == pytest.approx(alone + 2 * 27)
    # Of twelve trials with two rungs two are trained to the end, and so are no more finalists.
    confirmed = plan(trials=12, epochs=27, references=("lambda-100", "lambda-80"), confirm=3)
    assert confirmed.expected_epochs == pytest.approx(alone + (2 + 3 * (2 + 2)) * 27)


def test_as_many_confirmations_are_planned_as_there_are_finalists_and_reference_points_for_each_seed():
    assert plan(trials=9, epochs=3).confirmations == 0
    # Of nine trials with one rung three are trained to their end.
    assert plan(trials=9, epochs=3, confirm=2).confirmations == 2 * (4 + 3)
    assert plan(trials=9, epochs=3, confirm=2, finalists=1, references=("none",)).confirmations == 2


def test_rungs_follow_eta_and_grace():
    assert plan(epochs=30, eta=3, grace=1).rungs == (1, 3, 9, 27)
    assert plan(epochs=3, grace=5, scheduler="none").rungs == ()


@pytest.mark.parametrize(
    ("duration", "seconds"), [("90s", 90), ("1.5h", 5400), ("2 d", 172800), ("10m", 600)]
)
def test_a_duration_is_a_number_with_a_unit(duration, seconds):
    assert seconds_of(duration) == seconds


def test_a_small_grid_gives_as_many_trials_as_it_has_points():
    grid = {"model": "cnn", "searcher": "grid", "settings": ("width=16", "head=rgb", "dropout=0.1")}
    small = plan(image_size=32, **grid)
    # depth 2 to 4, batch normalisation or not, three learning rates; the reference points do not count.
    assert small.trials == 3 * 2 * 3
    assert small.references
    with pytest.raises(ConfigError, match=r"--trials is 100, but the grid has 18 points beside 0"):
        plan(image_size=32, trials=100, **grid)


def test_enqueued_points_come_after_the_reference_points_and_no_more_than_there_are_trials(tmp_path):
    file = tmp_path / "points.json"
    file.write_text('[{"lambda": 50}, {"lambda": 60}]')
    points = plan(enqueue=file).points
    assert [point.role for point in points] == ["reference", "search", "search"]
    assert [dict(point.params) for point in points[1:]] == [{"lambda": 50}, {"lambda": 60}]
    (only,) = plan(enqueue=file, trials=1, references=("none",)).points
    assert dict(only.params) == {"lambda": 50}


def keys(of):
    return of.config.references


@pytest.mark.parametrize(
    ("references", "expected"),
    [
        (None, ("lambda-100", "mobilenetv2", "lambda-80", "lambda-120")),
        (("all",), ("lambda-100", "mobilenetv2", "lambda-80", "lambda-120")),
        (("none",), ("none",)),
        (("lambda-80", "lambda-100"), ("lambda-100", "lambda-80")),
    ],
    ids=str,
)
def test_the_reference_points_are_those_that_are_asked_for(references, expected):
    asked = plan(trials=5, references=references)
    assert keys(asked) == expected
    assert asked.trials == 5
    assert [point.role for point in asked.points] == ["reference"] * (
        0 if expected == ("none",) else len(expected)
    )
    assert not any("reference points" in what for what in asked.scaled)


def test_reference_points_that_the_space_excludes_are_not_among_all():
    assert keys(plan(trials=5, references=("all",), settings=("encoder=unet",))) == (
        "lambda-100",
        "lambda-80",
        "lambda-120",
    )


@pytest.mark.parametrize(("cpus", "count"), [(1, 1), (2, 1), (4, 2), (8, 4), (64, 4)])
def test_a_study_that_is_made_smaller_trains_one_reference_point_for_every_two_slots(cpus, count):
    small = plan(Machine(cpus=cpus, gpus=0))
    assert keys(small) == ("lambda-100", "mobilenetv2", "lambda-80", "lambda-120")[:count]
    left_out = [what for what in small.scaled if "reference points" in what]
    assert len(left_out) == (count < 4)
    assert all("(--references all)" in what and "Pix2Pix λ 120" in what for what in left_out)
    assert len(plan(Machine(cpus=cpus, gpus=0), references=("all",)).references) == 4


@pytest.mark.parametrize("size", [{"trials": 8}, {"epochs": 6}], ids=str)
def test_a_study_of_a_given_size_trains_all_reference_points_and_confirms_nothing(size):
    assert len(plan(**size).references) == 4
    assert plan(**size).confirm == 0


def test_a_study_that_is_made_smaller_confirms_on_one_seed_if_there_is_time_and_others_what_is_asked_for():
    small, full, asked = plan(), plan(FOUR_GPUS), plan(confirm=2)
    assert (small.confirm, math.isfinite(small.confirm_within)) == (1, True)
    assert full.confirm == 0
    assert (asked.confirm, asked.confirm_within) == (2, math.inf)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"references": ("x",)},
            "--references is x, but must be all, none, or some of lambda-100, mobilenetv2",
        ),
        ({"model": "cnn", "references": ("lambda-80",)}, "or some of baseline, dropout, batch-norm"),
        ({"references": ("all", "lambda-80")}, "--references is all lambda-80, but all stands alone: leave"),
        ({"references": ("lambda-80", "none")}, "--references is lambda-80 none, but none stands alone"),
        (
            {"references": ("mobilenetv2",), "settings": ("encoder=unet",)},
            "--references is mobilenetv2, but this study's settings or weights do not allow for it",
        ),
    ],
)
def test_a_reference_point_that_there_is_not_is_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        plan(**settings)


def test_a_reference_point_without_its_weights_is_refused_by_name_and_left_out_of_all():
    config = StudyConfig(model="pix2pix", name="x", references=("mobilenetv2",))
    with pytest.raises(ConfigError, match="settings or weights do not allow for it"):
        make_plan(config, TWO_CORES, ("unet",))
    every = make_plan(StudyConfig(model="pix2pix", name="x", references=("all",)), TWO_CORES, ("unet",))
    assert keys(every) == ("lambda-100", "lambda-80", "lambda-120")


def test_settings_survive_the_record_in_study_json():
    config = plan(
        settings=("lambda=80",),
        data="/birds",
        perceptual_weights="/vgg.h5",
        warm_start=(Path("/studies/a"), Path("/studies/b")),
        time_budget="2h",
        objective=("val_kid",),
        references=("lambda-80",),
        confirm=3,
        finalists=2,
    ).config
    assert StudyConfig.from_record(json.loads(json.dumps(config.to_record()))) == config


def test_a_plan_made_again_from_its_own_record_is_the_same():
    first = plan()
    again = make_plan(first.config, TWO_CORES, ENCODERS)
    assert again.config == first.config
    assert again.points == first.points


def test_a_study_that_goes_on_is_confirmed_however_long_that_takes():
    first = plan()
    again = make_plan(first.config, TWO_CORES, ENCODERS)
    assert again.confirm == first.confirm == 1
    assert again.confirm_within > first.confirm_within


@pytest.mark.parametrize(
    ("settings", "expected"),
    [({"trials": 64}, 8), ({"trials": 8}, 2), ({"trials": 3}, 0), ({"searcher": "nsga2"}, 2)],
)
def test_a_search_begins_with_a_few_recorded_configurations(settings, expected):
    assert plan(**settings).recorded == expected


@pytest.mark.parametrize("settings", [{"prior": False}, {"searcher": "random"}])
def test_what_begins_blank_or_draws_at_random_begins_with_none(settings):
    assert plan(trials=64, **settings).recorded == 0


def test_a_study_of_before_there_was_a_prior_goes_on_without():
    record = StudyConfig(model="cnn").to_record()
    del record["prior"]
    assert StudyConfig.from_record(record) == StudyConfig(model="cnn", prior=False)


def test_a_record_of_before_there_were_confirmations_is_read():
    record = StudyConfig(model="cnn", trials=7).to_record()
    for name in ("references", "confirm", "finalists"):
        del record[name]
    assert StudyConfig.from_record(record) == StudyConfig(model="cnn", trials=7)


def test_a_record_of_when_trials_could_be_judged_by_medians_is_read_unless_they_were():
    record = StudyConfig(model="cnn").to_record() | {"smoothing": 1}
    assert StudyConfig.from_record(record) == StudyConfig(model="cnn")
    with pytest.raises(ConfigError, match="recorded with smoothing, which this version does not know"):
        StudyConfig.from_record(record | {"smoothing": 3})


def test_a_record_of_another_version_is_refused_by_the_name_of_what_is_new():
    record = StudyConfig(model="cnn").to_record() | {"colour_space": "oklab"}
    with pytest.raises(ConfigError, match="colour_space, which this version does not know"):
        StudyConfig.from_record(record)


def test_a_record_of_a_scheduler_that_is_gone_is_refused():
    record = StudyConfig(model="cnn").to_record() | {"scheduler": "pasha"}
    with pytest.raises(ConfigError, match="--scheduler pasha, which this version does not have"):
        StudyConfig.from_record(record)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("trials", "x"),
        ("trials", True),
        ("seed", None),
        ("gpu_hours", [1]),
        ("objective", [["val_swd"]]),
        ("objective", "val_swd"),
        ("data", 5),
        ("storage", None),
        ("settings", {}),
        ("prior", "yes"),
        ("time_budget", 90),
    ],
)
def test_a_record_with_values_of_another_kind_is_refused_by_name(name, value):
    record = StudyConfig(model="cnn").to_record() | {name: value}
    with pytest.raises(
        ConfigError, match=re.escape(f"{flag(name)} {value!r}, which it cannot be: restore its")
    ):
        StudyConfig.from_record(record)
