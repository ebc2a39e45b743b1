"""The original project's experiments as fixed points: every study answers whether the search beats them."""

from collections.abc import Mapping
from dataclasses import dataclass

from spaces.parameter import Space, Value, complete


@dataclass(frozen=True)
class Reference:
    """One experiment: how it is typed, its name, and the parameters that make it this experiment."""

    key: str
    name: str
    differs: Mapping[str, Value]


@dataclass(frozen=True)
class ReferencePoint:
    """One experiment in a space: how it is typed, its name, and its parameters there."""

    key: str
    name: str
    params: Mapping[str, Value]


COMMON: Mapping[str, Mapping[str, Value]] = {
    "cnn": {
        "depth": 3,
        "width": 64,
        "dropout": 0.0,
        "batch_norm": False,
        "head": "rgb",
        "learning_rate": 1e-3,
    },
    "pix2pix": {
        "encoder": "unet",
        "lambda": 100.0,
        "perceptual_weight": 0.0,
        "width": 64,
        "dropout": 0.5,
        "normalisation": "batch",
        "upsampling": "transposed",
        "head": "rgb",
        "generator_learning_rate": 2e-4,
        "discriminator_learning_rate": 2e-4,
        "learning_rate_decay": False,
        "warm_up_epochs": 0,
        "ema_decay": 0.0,
    },
}
"""What a model's reference points share: the settings of the papers and of the original notebooks."""

REFERENCES: Mapping[str, tuple[Reference, ...]] = {
    "cnn": (
        Reference("baseline", "CNN baseline", {}),
        Reference("dropout", "CNN + dropout 0.2", {"dropout": 0.2}),
        Reference("batch-norm", "CNN + batch normalisation, deeper", {"batch_norm": True, "depth": 4}),
    ),
    "pix2pix": (
        Reference("lambda-100", "Pix2Pix λ 100", {"lambda": 100.0}),
        Reference(
            "mobilenetv2",
            "Pix2Pix + MobileNetV2, 20 unfrozen",
            {"encoder": "mobilenetv2", "unfrozen_layers": 20},
        ),
        Reference("lambda-80", "Pix2Pix λ 80", {"lambda": 80.0}),
        Reference("lambda-120", "Pix2Pix λ 120", {"lambda": 120.0}),
    ),
}


def reference_points(model: str, space: Space) -> list[ReferencePoint]:
    """Each of the model's reference points that can be run in `space`, the one that matters most first.

    What the space holds at one value (the width that fits a machine, say) is taken over; a point whose own
    difference that contradicts is left out. The U-Net is as deep as the image allows, as in the paper.
    """
    points = []
    for reference in REFERENCES[model]:
        point: dict[str, Value] = {**COMMON[model], **reference.differs}
        if model == "pix2pix":
            point["depth"] = space["depth"].distribution.high  # type: ignore[union-attr]
        completed = complete(point, space)
        possible = all(space[name].allows(value) for name, value in completed.items())
        if possible and all(completed.get(name) == value for name, value in reference.differs.items()):
            points.append(ReferencePoint(reference.key, reference.name, completed))
    return points
