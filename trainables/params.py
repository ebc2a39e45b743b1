"""What a trial can be told about its model: one frozen dataclass a model, checked when built.

Not the search space (that is `spaces`) and not the settings of a run such as the number of epochs. Imports no
TensorFlow, so that a command line can show and check it at once.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

import tyro

Head = Literal["rgb", "chroma"]
Encoder = Literal["unet", "mobilenetv2"]
Normalisation = Literal["batch", "instance", "group", "none"]
Upsampling = Literal["transposed", "resize"]
Precision = Literal["float32", "bfloat16", "float16"]
"""What networks compute in; weights, losses and what they give out are float32 in any case."""


class ParamsError(ValueError):
    """A model's parameter that cannot be; the message names it, the rule and the remedy."""


@dataclass(frozen=True)
class CnnParams:
    """An autoencoder without skips, trained on the mean squared error."""

    model: ClassVar[str] = "cnn"

    depth: int = 3
    """Stages that halve the side of the picture, and as many that double it."""

    width: int = 64
    """Channels of the first stage."""

    dropout: float = 0.0
    """Share of activations dropped while training."""

    batch_norm: bool = False
    """Batch normalisation after each convolution."""

    head: Head = "rgb"
    """What the network gives out: the picture (rgb), or its chroma alone, beside the input's luma (chroma)."""

    learning_rate: float = 1e-3
    """Of Adam."""

    def __post_init__(self) -> None:
        """Refuse what no model can be built from."""
        _check_types(self)
        _check("depth", self.depth, self.depth >= 1, "1 or more")
        _check("width", self.width, self.width >= 1, "1 or more")
        _check("dropout", self.dropout, 0 <= self.dropout < 1, "at least 0 and below 1")
        _check_rate("learning_rate", self.learning_rate)

    @classmethod
    def from_mapping(cls, values: Mapping[str, object]) -> Self:
        """Build from parameter names of the search space; one that is absent keeps its default.

        Raises
        ------
        ParamsError
            An unknown name, or a value of the wrong type or out of range.
        """
        return cls(**_arguments(cls, values))

    def to_mapping(self) -> dict[str, Any]:
        """As JSON types, the way back through `from_mapping`."""
        return asdict(self)

    def graph(self) -> Self:
        """These with everything at its default that a traced training step reads from a variable.

        Where two give the same, the networks and the step of one can be trained with the other.
        """
        return replace(self, learning_rate=1e-3, dropout=_on(self.dropout, 0.5))


@dataclass(frozen=True)
class Pix2PixParams:
    """A conditional GAN (Isola et al. 2017): L = L_cGAN + lambda L1 + perceptual_weight L_perceptual."""

    model: ClassVar[str] = "pix2pix"

    encoder: Encoder = "unet"
    """The generator's contracting half: a plain U-Net's, or MobileNetV2's."""

    lambda_: Annotated[float, tyro.conf.arg(name="lambda")] = 100.0
    """Weight of the L1 loss beside the adversarial one."""

    perceptual_weight: float = 0.0
    """Weight of the difference of VGG's features beside the adversarial loss; above 0 it needs VGG's weights."""

    depth: int = 0
    """Levels of the U-Net; 0 is as deep as the image size allows, down to a map of 1x1."""

    unfrozen_layers: int = 0
    """Layers with a kernel, counted from the end of the MobileNetV2 encoder, that are trained."""

    dropout: float = 0.5
    """Share of activations dropped in the generator's first three upward stages while training."""

    normalisation: Normalisation = "batch"
    """Of both networks: over the batch as in the paper, over each picture's channels or groups of them, or none."""

    upsampling: Upsampling = "transposed"
    """How the generator enlarges its maps: transposed convolutions as in the paper, or resizing and a convolution."""

    width: int = 64
    """Channels of the first layer of generator and discriminator."""

    head: Head = "rgb"
    """What the generator gives out: the picture (rgb), or its chroma alone, beside the input's luma (chroma)."""

    generator_learning_rate: float = 2e-4
    """Of the generator's Adam."""

    discriminator_learning_rate: float = 2e-4
    """Of the discriminator's Adam."""

    learning_rate_decay: bool = True
    """Let both learning rates fall to zero over the last half of the epochs, as the paper's code does."""

    warm_up_epochs: int = 0
    """First epochs in which the generator trains on L1 alone and the discriminator not at all."""

    ema_decay: float = 0.99
    """Decay a step of the average of the generator's weights that is evaluated and exported; 0 for none."""

    def __post_init__(self) -> None:
        """Refuse what no model can be built from."""
        _check_types(self)
        finite = math.isfinite(self.lambda_)
        _check("lambda", self.lambda_, finite and self.lambda_ >= 0, "a finite number of 0 or more")
        weight = self.perceptual_weight
        _check("perceptual_weight", weight, 0 <= weight < math.inf, "a finite number of 0 or more")
        _check("depth", self.depth, self.depth >= 0, "1 or more, or 0 for as deep as the image size allows")
        _check("unfrozen_layers", self.unfrozen_layers, self.unfrozen_layers >= 0, "0 or more")
        _check("dropout", self.dropout, 0 <= self.dropout < 1, "at least 0 and below 1")
        _check("width", self.width, self.width >= 1, "1 or more")
        _check_rate("generator_learning_rate", self.generator_learning_rate)
        _check_rate("discriminator_learning_rate", self.discriminator_learning_rate)
        _check("warm_up_epochs", self.warm_up_epochs, self.warm_up_epochs >= 0, "0 or more")
        _check("ema_decay", self.ema_decay, 0 <= self.ema_decay < 1, "at least 0 and below 1")
        if self.unfrozen_layers and self.encoder != "mobilenetv2":
            raise ParamsError(
                f"unfrozen_layers is {self.unfrozen_layers}, but the encoder {self.encoder} has no frozen layers:"
                " leave it out, or set encoder to mobilenetv2."
            )
        if self.depth and self.encoder != "unet":
            raise ParamsError(
                f"depth is {self.depth}, but the encoder {self.encoder} has its own: leave it out, or set encoder"
                " to unet."
            )

    @classmethod
    def from_mapping(cls, values: Mapping[str, object]) -> Self:
        """Build from parameter names of the search space, where `lambda_` is "lambda"; absent ones keep defaults.

        Raises
        ------
        ParamsError
            An unknown name, or a value of the wrong type or out of range.
        """
        return cls(**_arguments(cls, values))

    def to_mapping(self) -> dict[str, Any]:
        """As JSON types, the way back through `from_mapping`."""
        return {_space_name(name): value for name, value in asdict(self).items()}

    def graph(self) -> Self:
        """These with everything at its default that a traced training step reads from a variable.

        Where two give the same, the networks and the step of one can be trained with the other.
        """
        return replace(
            self,
            lambda_=100.0,
            perceptual_weight=_on(self.perceptual_weight, 1.0),
            dropout=_on(self.dropout, 0.5),
            generator_learning_rate=2e-4,
            discriminator_learning_rate=2e-4,
            learning_rate_decay=True,
            warm_up_epochs=0,
            ema_decay=_on(self.ema_decay, 0.99),
        )


Params = CnnParams | Pix2PixParams


def params_of(model: str, values: Mapping[str, object]) -> Params:
    """The parameters of `model`, "cnn" or "pix2pix", from a mapping by the search space's names.

    Raises
    ------
    ParamsError
        An unknown model, an unknown name, or a value of the wrong type or out of range.
    """
    for params in (CnnParams, Pix2PixParams):
        if params.model == model:
            return params.from_mapping(values)
    raise ParamsError(f"model is {model!r}, but must be cnn or pix2pix.")


def _on(value: float, default: float) -> float:
    """What stands for any value above 0, since at 0 a part of the graph is missing."""
    return default if value else 0.0


def _space_name(field: str) -> str:
    return field.rstrip("_")


def _arguments(cls: type[Params], values: Mapping[str, object]) -> dict[str, Any]:
    """Keyword arguments of `cls`; whole numbers are taken for fractions and NumPy's for Python's."""
    known = {_space_name(field.name): field for field in fields(cls)}
    arguments: dict[str, Any] = {}
    for name, value in values.items():
        if name not in known:
            raise ParamsError(f"{name} is no parameter of {cls.model}: take one of {', '.join(known)}.")
        plain = value.item() if hasattr(value, "item") else value
        default = known[name].default
        if isinstance(default, float) and isinstance(plain, int) and not isinstance(plain, bool):
            plain = float(plain)
        arguments[known[name].name] = plain
    return arguments


_CHOICES: Mapping[str, tuple[str, ...]] = {
    "head": get_args(Head),
    "encoder": get_args(Encoder),
    "normalisation": get_args(Normalisation),
    "upsampling": get_args(Upsampling),
}
_KINDS: Mapping[type, str] = {int: "a whole number", float: "a number", bool: "true or false"}


def _check_types(params: Params) -> None:
    """Every field has its default's type and, where it is a word, one of the words allowed."""
    for field in fields(params):
        value = getattr(params, field.name)
        name = _space_name(field.name)
        kind = type(field.default)
        if kind is str:
            _check(name, value, value in _CHOICES[name], " or ".join(_CHOICES[name]))
        else:
            _check(name, value, type(value) is kind, _KINDS[kind])


def _check(name: str, value: object, holds: bool, rule: str) -> None:
    if not holds:
        raise ParamsError(f"{name} is {value}, but must be {rule}.")


def _check_rate(name: str, value: float) -> None:
    _check(name, value, 0 < value < math.inf, "a finite number above 0, such as 0.0002")
