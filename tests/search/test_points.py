"""What is trained beside what is proposed: what each is for, what the journal keeps of it, what a user types."""

import json

import pytest

from search.config import ConfigError
from search.journal import Journal
from search.points import Point, confirmation, point_of, read_points
from spaces import distributions_of, space_of

SPACE = space_of("pix2pix", 64, ("unet", "mobilenetv2"))
PARAMS = {"encoder": "unet", "lambda": 80.0, "depth": 4}
POINTS = {
    "proposed": Point("", PARAMS),
    "enqueued": Point("enqueued 2", PARAMS),
    "reference": Point("Pix2Pix λ 80", PARAMS, "Pix2Pix λ 80"),
    "of a trial": confirmation(7, None, 1, PARAMS),
    "of a reference": confirmation(0, "Pix2Pix λ 80", 3, PARAMS),
}


@pytest.fixture
def write(tmp_path):
    def write(content):
        file = tmp_path / "points.json"
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        return file

    return write


def test_points_are_read_in_order_and_may_be_partial(write):
    points = read_points(write([{"lambda": 50}, {"encoder": "unet", "depth": 4}]), SPACE)
    assert [dict(point.params) for point in points] == [{"lambda": 50}, {"encoder": "unet", "depth": 4}]
    assert len({point.key for point in points}) == 2
    assert {point.role for point in points} == {"search"}


def test_a_point_says_what_it_is_for_and_what_it_is_called():
    assert [(name, point.role, point.label) for name, point in POINTS.items()] == [
        ("proposed", "search", None),
        ("enqueued", "search", None),
        ("reference", "reference", "Pix2Pix λ 80"),
        ("of a trial", "confirmation", "trial 7, seed 1"),
        ("of a reference", "confirmation", "Pix2Pix λ 80, seed 3"),
    ]


def test_confirmations_are_told_apart_by_what_they_confirm_and_by_their_seeds():
    points = [confirmation(trial, None, seed, PARAMS) for trial in (1, 11) for seed in (1, 11)]
    assert len({point.key for point in points}) == 4
    assert [(point.confirms, point.seed) for point in points] == [(1, 1), (1, 11), (11, 1), (11, 11)]


@pytest.mark.parametrize("name", POINTS)
def test_a_point_comes_back_from_the_journal_and_from_plain_values(tmp_path, name):
    point = POINTS[name]
    journal = Journal(tmp_path / "optuna.journal", "birds", ("val_swd",))
    journal.begin(PARAMS, distributions_of(SPACE, PARAMS), point.attributes, {})
    (trial,) = Journal(tmp_path / "optuna.journal", "birds", ("val_swd",)).trials()
    assert point_of(trial) == point
    assert Point(**json.loads(json.dumps(point.plain()))) == point


def test_the_journal_keeps_nothing_of_a_point_that_was_proposed():
    assert POINTS["proposed"].attributes == {}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[{", "cannot be read as JSON"),
        ({"lambda": 50}, "must hold a JSON list of parameters"),
        (
            [{"lambda": 50}, {"lamda": 60}],
            "entry 2: lamda is no parameter of this study: take one of encoder, lambda",
        ),
        ([{"lambda": 5000}], "entry 1: lambda is 5000, but must be between 10 and 1000, on a log scale"),
        ([{"width": 17}], "width is 17, but must be one of 16, 32, 64"),
        ([{"encoder": "mobilenetv2", "depth": 4}], "depth exists only where encoder is unet"),
        ([{"head": ["rgb"]}], "head is .*but must be one of rgb, chroma"),
    ],
)
def test_what_the_space_does_not_have_is_refused_by_its_place_and_name(write, content, message):
    with pytest.raises(ConfigError, match=message):
        read_points(write(content), SPACE)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"--enqueue is .*none\.json, which cannot be read"):
        read_points(tmp_path / "none.json", SPACE)
