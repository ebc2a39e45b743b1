"""What a user wants tried first."""

import json

import pytest

from search.config import ConfigError
from search.points import read_points
from spaces import space_of

SPACE = space_of("pix2pix", 64, ("unet", "mobilenetv2"))


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
    assert all(point.reference is None for point in points)


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
