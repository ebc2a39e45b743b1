"""What may vary, as Optuna define-by-run functions, one module a model. Imports Optuna alone."""

from collections.abc import Sequence

from spaces.cnn import cnn
from spaces.largest import largest_points
from spaces.parameter import (
    Parameter,
    Space,
    SpaceError,
    Value,
    check_reachable,
    complete,
    distributions_of,
    narrow,
    suggest,
)
from spaces.pix2pix import pix2pix
from spaces.reference import REFERENCES, ReferencePoint, reference_points

MODELS = ("pix2pix", "cnn")

__all__ = [
    "MODELS",
    "REFERENCES",
    "Parameter",
    "ReferencePoint",
    "Space",
    "SpaceError",
    "Value",
    "check_reachable",
    "complete",
    "distributions_of",
    "largest_points",
    "narrow",
    "reference_points",
    "space_of",
    "suggest",
]


def space_of(
    model: str, image_size: int, encoders: Sequence[str], *, perceptual: bool = False
) -> dict[str, Parameter]:
    """The space of a model of `MODELS` at an image size in pixels.

    Only Pix2Pix has a choice of encoders and, where `perceptual`, of a perceptual loss.
    """
    return pix2pix(image_size, encoders, perceptual=perceptual) if model == "pix2pix" else cnn(image_size)
