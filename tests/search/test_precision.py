"""What follows from the measurements of precisions and of XLA; what is measured is in tests/trainables."""

import pytest

from search.precision import Precision

UNET, MOBILENETV2 = {"encoder": "unet", "depth": 5}, {"encoder": "mobilenetv2"}


@pytest.mark.parametrize(
    ("xla", "params", "expected"),
    [
        ({}, UNET, True),
        ({"L4": {"unet": (120.0, 100.0), "mobilenetv2": (5.0, 100.0)}}, UNET, True),
        ({"L4": {"unet": (120.0, 100.0), "mobilenetv2": (5.0, 100.0)}}, MOBILENETV2, False),
        ({"L4": {"unet": (0.0, 100.0)}}, UNET, False),  # XLA could not compile it
        (
            {"L4": {"unet": (120.0, 100.0)}, "T4": {"unet": (50.0, 100.0)}},
            UNET,
            False,
        ),  # a trial may get either
        ({"L4": {"unet": (220.0, 100.0)}, "T4": {"unet": (50.0, 100.0)}}, UNET, True),
        ({"L4": {}}, UNET, True),
        ({"L4": {"cnn": (90.0, 100.0)}}, {"depth": 3}, False),
    ],
)
def test_xla_is_used_for_the_encoders_that_it_makes_faster_over_all_kinds_of_card(xla, params, expected):
    assert Precision("bfloat16", {}, xla).uses_xla(params) is expected


def test_what_was_measured_is_said():
    note = Precision("bfloat16", {}, {"L4": {"unet": (120.0, 100.0)}, "T4": {}}).note
    assert note.splitlines() == [
        "computes in bfloat16",
        "unet on L4: 120 images/s with XLA, 100 without",
        "whether XLA pays on T4 could not be measured, so it is used",
    ]
