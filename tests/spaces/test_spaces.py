"""The spaces: what is drawn from them, what may be held, and the original experiments as points in them."""

import math
import re

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from spaces import (
    MODELS,
    REFERENCES,
    SpaceError,
    check_reachable,
    complete,
    largest_points,
    narrow,
    reference_points,
    space_of,
    suggest,
)
from trainables.params import params_of

ENCODERS = ("unet", "mobilenetv2")


def draw(space, seed):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    return suggest(study.ask(), space)


@pytest.mark.parametrize("model", MODELS)
@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**31), size=st.sampled_from([32, 64, 128, 256]))
def test_every_point_of_a_space_is_what_the_model_takes(model, seed, size):
    point = draw(space_of(model, size, ENCODERS), seed)
    params = params_of(model, point).to_mapping()
    assert point.items() <= params.items()


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_a_perceptual_weight_is_drawn_only_where_there_are_weights_for_it(seed):
    point = draw(space_of("pix2pix", 64, ENCODERS, perceptual=True), seed)
    assert params_of("pix2pix", point).perceptual_weight == point["perceptual_weight"]
    assert "perceptual_weight" not in draw(space_of("pix2pix", 64, ENCODERS), seed)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_depth_is_drawn_for_the_unet_alone_and_unfrozen_layers_for_mobilenet_alone(seed):
    point = draw(space_of("pix2pix", 64, ENCODERS), seed)
    assert ("depth" in point) == (point["encoder"] == "unet")
    assert ("unfrozen_layers" in point) == (point["encoder"] == "mobilenetv2")


def test_the_range_of_unfrozen_layers_is_the_encoders_number_of_kernels():
    from trainables.models.mobilenet_unet import ENCODER_KERNELS

    assert space_of("pix2pix", 64, ENCODERS)["unfrozen_layers"].distribution.high == ENCODER_KERNELS


def test_a_held_parameter_has_its_value_in_every_point_and_is_recorded():
    space = narrow(space_of("pix2pix", 64, ENCODERS), "lambda", "80")
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    points = [suggest(study.ask(), space) for _ in range(5)]
    assert {point["lambda"] for point in points} == {80.0}
    assert {trial.params["lambda"] for trial in study.trials} == {80.0}
    assert len({point["dropout"] for point in points}) == 5


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("learning_rate_decay=true", True),
        ("width=32", 32),
        ("ema_decay=0", 0.0),
        ("depth=4", 4),
        ("dropout=0.25", 0.25),
    ],
)
def test_a_held_value_is_read_as_the_parameters_own_type(setting, expected):
    name, text = setting.split("=")
    value = complete({}, narrow(space_of("pix2pix", 64, ("unet",)), name, text))[name]
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("lamda", "80", "lamda is no parameter of this model: take one of encoder, lambda, depth"),
        ("lambda", "5", "lambda is 5, but must be between 10 and 1000, on a log scale"),
        ("lambda", "much", "lambda is much, but must be between 10 and 1000"),
        ("lambda", "nan", "lambda is nan, but must be between"),
        ("lambda", "200..50", "lambda is 200..50, but must be between 10 and 1000"),
        ("lambda", "50..2000", "lambda is 50..2000, but must be"),
        ("lambda", "50..", "lambda is 50.., but must be"),
        ("lambda", "50..60..70", "lambda is 50..60..70, but must be"),
        ("width", "16,48", "width is 16,48, but must be one of 16, 32, 64"),
        ("width", "16,16", "width is 16,16, but must be one of 16, 32, 64"),
        ("depth", "4.5", "depth is 4.5, but must be between 3 and 6"),
        ("width", "48", "width is 48, but must be one of 16, 32, 64"),
        ("learning_rate_decay", "maybe", "learning_rate_decay is maybe, but must be one of False, True"),
    ],
)
def test_a_value_that_the_space_lacks_is_refused_with_what_it_has(name, text, message):
    with pytest.raises(SpaceError, match=message):
        narrow(space_of("pix2pix", 64, ENCODERS), name, text)


@pytest.mark.parametrize(
    "order", [("encoder=unet", "unfrozen_layers=5"), ("unfrozen_layers=5", "encoder=unet")]
)
def test_a_held_parameter_that_can_never_exist_is_refused(order):
    space = space_of("pix2pix", 64, ENCODERS)
    names = [setting.split("=")[0] for setting in order]
    check_reachable(space, names)
    for setting in order:
        space = narrow(space, *setting.split("="))
    with pytest.raises(SpaceError, match="unfrozen_layers exists only where encoder is mobilenetv2"):
        check_reachable(space, names)


@pytest.mark.parametrize(
    ("setting", "within"),
    [
        ("lambda=50..200", FloatDistribution(50, 200, log=True)),
        ("dropout=0.1..0.3", FloatDistribution(0.1, 0.3)),
        ("depth=3..4", IntDistribution(3, 4)),
        ("depth=4..4", IntDistribution(4, 4)),
        ("width=64,16", CategoricalDistribution((64, 16))),
        ("head=RGB, chroma", CategoricalDistribution(("rgb", "chroma"))),
    ],
)
def test_a_parameter_is_narrowed_to_a_range_or_to_choices(setting, within):
    name, text = setting.split("=")
    space = narrow(space_of("pix2pix", 64, ENCODERS), name, text)
    assert space[name].distribution == within
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    points = [suggest(study.ask(), space) for _ in range(20)]
    assert all(space[name].allows(point[name]) for point in points if name in point)


@pytest.mark.parametrize(
    ("name", "value", "own"),
    [
        ("depth", 4.0, 4),
        ("depth", 4.5, None),
        ("depth", True, None),
        ("dropout", 0, 0.0),
        ("dropout", math.nan, None),
        ("dropout", "0.1", None),
        ("width", 16.0, 16),
        ("learning_rate_decay", 1, None),
        ("learning_rate_decay", True, True),
        ("ema_decay", False, None),
        ("ema_decay", 0, 0.0),
    ],
)
def test_a_value_is_taken_in_the_parameters_own_type_or_not_at_all(name, value, own):
    taken = space_of("pix2pix", 64, ENCODERS)[name].own(value)
    assert taken == own
    assert type(taken) is type(own)


def by_key(model, space):
    return {point.key: point.params for point in reference_points(model, space)}


def test_the_original_experiments_are_all_there():
    pix2pix = by_key("pix2pix", space_of("pix2pix", 128, ENCODERS))
    assert [point["lambda"] for point in pix2pix.values()] == [100.0, 100.0, 80.0, 120.0]
    assert pix2pix["lambda-100"]["depth"] == 7
    assert pix2pix["mobilenetv2"]["unfrozen_layers"] == 20
    cnn = by_key("cnn", space_of("cnn", 128, ENCODERS))
    assert cnn["dropout"]["dropout"] == 0.2
    assert cnn["batch-norm"]["depth"] > cnn["baseline"]["depth"]


@pytest.mark.parametrize("model", MODELS)
def test_an_experiment_is_typed_in_one_plain_word_and_named_as_a_person_would(model):
    points = reference_points(model, space_of(model, 128, ENCODERS))
    assert [(point.key, point.name) for point in points] == [(one.key, one.name) for one in REFERENCES[model]]
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", point.key) for point in points)
    assert not {"all", "none"} & {point.key for point in points}
    assert len({point.key for point in points}) == len({point.name for point in points}) == len(points)


@pytest.mark.parametrize("model", MODELS)
def test_a_reference_point_lies_in_its_space_and_builds_its_model(model):
    space = space_of(model, 64, ENCODERS)
    for point in reference_points(model, space):
        assert all(space[name].allows(value) for name, value in point.params.items())
        params_of(model, point.params)


def test_the_original_experiments_are_without_a_perceptual_loss():
    plain = by_key("pix2pix", space_of("pix2pix", 128, ENCODERS))
    space = space_of("pix2pix", 128, ENCODERS, perceptual=True)
    assert by_key("pix2pix", space) == {
        key: point | {"perceptual_weight": 0.0} for key, point in plain.items()
    }
    held = by_key("pix2pix", narrow(space, "perceptual_weight", "10"))
    assert {point["perceptual_weight"] for point in held.values()} == {10.0}


def test_without_mobilenet_its_experiment_is_left_out():
    keys = list(by_key("pix2pix", space_of("pix2pix", 64, ("unet",))))
    assert keys == ["lambda-100", "lambda-80", "lambda-120"]


def test_a_held_value_replaces_what_experiments_share_and_drops_those_it_contradicts():
    space = narrow(narrow(space_of("pix2pix", 64, ENCODERS), "width", "16"), "lambda", "80")
    points = by_key("pix2pix", space)
    assert "lambda-80" in points
    assert "lambda-100" not in points
    assert {point["width"] for point in points.values()} == {16}


def test_the_largest_networks_are_among_few_points_that_a_model_takes():
    points = largest_points(space_of("pix2pix", 64, ("unet", "mobilenetv2"), perceptual=True))
    assert len(points) == 5
    for point in points:
        params_of("pix2pix", point)
        assert (point["width"], point["perceptual_weight"], point["ema_decay"]) == (64, 100.0, 0.999)
        assert {"unet": "depth", "mobilenetv2": "unfrozen_layers"}[point["encoder"]] in point
    tried = {name: {point[name] for point in points} for name in ("encoder", "normalisation", "upsampling")}
    assert tried == {
        "encoder": {"unet", "mobilenetv2"},
        "normalisation": {"batch", "instance", "group"},
        "upsampling": {"transposed", "resize"},
    }
    assert largest_points(space_of("cnn", 64, ())) == [
        {"depth": 5, "width": 64, "batch_norm": True, "dropout": 0.5}
    ]


def test_what_a_study_holds_is_held_where_its_networks_are_largest_too():
    space = space_of("pix2pix", 64, ("unet", "mobilenetv2"))
    for name, text in (("width", "32"), ("encoder", "unet"), ("normalisation", "none"), ("ema_decay", "0")):
        space = narrow(space, name, text)
    points = largest_points(space)
    assert [point["upsampling"] for point in points] == ["transposed", "resize"]
    for point in points:
        held = {"width": 32, "encoder": "unet", "normalisation": "none", "ema_decay": 0.0, "depth": 6}
        assert held.items() <= point.items()
