"""A study's settings: the command line, the record in study.json and the way back from it, in one dataclass.

What a setting left open becomes is decided in `search.plan`, from the machine.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import tyro

from spaces import MODELS

T = TypeVar("T")
Objective = Literal["val_swd", "val_delta_e", "val_kid"]
Scheduler = Literal["asha", "asha-promote", "none"]
Open = Annotated[T | None, tyro.conf.arg(help_behavior_hint="")]
"""A setting that may be left open; its help text says what then happens."""
_BOUNDS = {
    "trials": (1, 1_000_000),
    "epochs": (1, 100_000),
    "batch_size": (1, 65_536),
    "concurrency": (1, 1_000_000),
    "eta": (2, 1_000),
    "grace": (1, 100_000),
    "startup": (1, 1_000_000),
    "confirm": (1, 1_000),
    "finalists": (1, 1_000),
    "patience": (1, 1_000_000),
    "cpus_per_trial": (1, 10_000),
}
"""Least and most of whole numbers; above it they are slips, and would take all memory before anything is said."""
LARGEST_IMAGE = 2048
_LEAST_SHARE = 0.01
"""Of a GPU, for which no trial has ever been small enough."""
BLANK = frozenset({"random", "grid"})
"""Searchers that look at no trial, so that nothing known is of use to them."""
_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class ConfigError(ValueError):
    """A setting that cannot be used; the message names the value, the rule and the remedy."""


@dataclass(frozen=True)
class StudyConfig:
    """Search the best settings of an image-colorization model."""

    model: tyro.conf.Positional[
        Annotated[str | None, tyro.conf.arg(metavar="{pix2pix,cnn}", help_behavior_hint="")]
    ] = None
    """What to train: pix2pix (a conditional GAN) or cnn (an autoencoder)."""

    data: Open[str] = None
    """A folder or .zip of images (class = parent folder), or kaggle:OWNER/NAME; by default birds drawn in code."""

    name: Open[str] = None
    """The study's name, also its folder's; by default the model's name, numbered when taken."""

    storage: Path = field(default=Path("results/studies"))
    """Folder of all studies; on a cluster, one that all its machines share."""

    trials: Open[int] = None
    """Trials of the search to start; a stopped one counts, references and confirmations do not. By default what fits
    the machine."""

    epochs: Open[int] = None
    """Epochs of a trial that is never stopped. By default what fits the machine."""

    image_size: Open[int] = None
    """Side of the training pictures in pixels, a power of two of at least 32. By default what fits the machine."""

    batch_size: int = 16
    """Pictures in a training step."""

    references: Open[tuple[str, ...]] = None
    """The original project's experiments, trained to the last epoch beside the search, to compare with: all, none, or
    some by name (lambda-100, mobilenetv2, lambda-80, lambda-120; for cnn baseline, dropout, batch-norm). By default
    all, or as many as fit a small machine."""

    confirm: Open[int] = None
    """Fresh seeds on which finalists and references are trained once more, before one is said to beat another. By
    default one where a study that was made smaller for its machine has time for it, otherwise none."""

    finalists: int = 3
    """Trials to confirm: of the best trade-offs the knee, the best in each objective, then others; with one objective
    the best."""

    time_budget: Open[str] = None
    """Time after which the study ends, such as 90m, 1h30m or 1d, all its runs together. By default none."""

    gpu_hours: Open[float] = None
    """GPU-hours after which the study ends, all its runs together. By default any number."""

    patience: Open[int] = None
    """Trials of the search that are begun after the last one that was among the best when it ended; then the search
    ends. By default any number."""

    objective: tuple[Objective, ...] = ("val_delta_e", "val_swd")
    """One to three metrics to minimise: closeness to each photo (val_delta_e), realism (val_swd, val_kid). With
    several the study looks for the best trade-offs."""

    scheduler: Scheduler = "asha-promote"
    """How weak trials are stopped: asha-promote (asynchronous successive halving: trials pause at a rung and the best
    go on), asha (the weak are stopped at once) or none."""

    eta: int = 3
    """Of the trials at a rung one in so many goes on; rungs are as many times apart."""

    grace: Open[int] = None
    """Epochs that every trial has before it can be stopped. By default an eighth of all."""

    searcher: Literal["tpe", "random", "gp", "cmaes", "nsga2", "grid"] = "tpe"
    """How trials are proposed: tpe (Tree-structured Parzen Estimator), random, gp (Gaussian process), cmaes (an
    evolution strategy), nsga2 (a genetic algorithm for several objectives) or grid."""

    startup: int = 10
    """Trials that have reported (for cmaes ended), the reference points among them, before tpe, gp and cmaes have a
    say."""

    enqueue: Open[Path] = None
    """A JSON file with a list of parameters, such as [{"lambda": 50}], to try before anything is proposed."""

    prior: bool = True
    """Begin with a few configurations that did well in recorded trainings on other data, which come with the project;
    not with --searcher random or grid. --no-prior begins blank."""

    warm_start: Annotated[tyro.conf.UseAppendAction[tuple[Path, ...]], tyro.conf.arg(metavar="STUDY")] = ()
    """Folder of an earlier study from which the searcher learns, as far as parameters agree; best one on the same
    data at the same image size. May be repeated."""

    seed: int = 0
    """Of the search, the split, the initial weights and the order of the data."""

    concurrency: Open[int] = None
    """Trials at the same time. By default as many as fit."""

    cpus_per_trial: int = 1
    """Processors, and so threads, of a trial. On a CPU many single-threaded trials beat few with many threads."""

    gpus_per_trial: Open[float | Literal["auto"]] = None
    """Share of a GPU for each trial, 0 to 1: a fraction packs several on one, each with its share of the memory;
    auto measures how many pay, before the trials. By default 1 if there is any GPU."""

    accelerator: Open[str] = None
    """Kind of GPU that trials are to have, as Ray names it (L4, A10G, A100): a study whose trials compute on several
    takes the precision that suits all. By default any."""

    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """What the networks compute in; auto takes the fastest that suits the devices, measured before the trials."""

    deterministic: bool = False
    """Repeat trainings to the bit on GPUs too, at a price in speed; on processors they always do."""

    encoder_weights: str = "auto"
    """Weights of the MobileNetV2 encoder: imagenet, none, a path, or auto (imagenet where it can be had)."""

    perceptual_weights: str = "none"
    """Weights of VGG16 or VGG19, with which Pix2Pix may take a perceptual loss: imagenet, a path, or none. Such a
    trial takes a multiple of the time."""

    address: Open[str] = None
    """Ray cluster to run on. By default the one on this machine, or else a new one for this study alone."""

    settings: Annotated[
        tyro.conf.UseAppendAction[tuple[str, ...]], tyro.conf.arg(name="set", metavar="NAME=VALUE")
    ] = ()
    """Hold a parameter of the space to a value, or to a part of what is searched: a range such as lambda=50..200,
    choices such as width=16,32. May be repeated."""

    def __post_init__(self) -> None:
        """Refuse what no machine could run."""
        if self.model not in (None, *MODELS):
            raise ConfigError(f"the model is {self.model}, but must be {' or '.join(MODELS)}.")
        for name, (least, most) in _BOUNDS.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise ConfigError(f"{flag(name)} is {value}, but must be {least} or more.")
            if value is not None and value > most:
                raise ConfigError(f"{flag(name)} is {value}, but must be {most} or fewer.")
        self._check_objectives()
        self._check_budgets()
        share = self.gpus_per_trial
        if isinstance(share, float | int) and share != 0 and not _LEAST_SHARE <= share <= 1:
            raise ConfigError(
                f"--gpus-per-trial is {share:g}, but must be 0, a fraction such as 0.25, 1 or auto: a trial trains on"
                f" one GPU, of which it takes {_LEAST_SHARE} at least."
            )
        if self.image_size is not None and not is_image_size(self.image_size):
            below = 1 << max(5, self.image_size.bit_length() - 1)
            raise ConfigError(
                f"--image-size is {self.image_size}, but must be a power of two of at least 32:"
                f" take {below} or {2 * below}."
            )
        if self.image_size is not None and self.image_size > LARGEST_IMAGE:
            raise ConfigError(f"--image-size is {self.image_size}, but must be {LARGEST_IMAGE} or less.")
        if self.name is not None and not NAME_PATTERN.fullmatch(self.name):
            raise ConfigError(
                f"--name is {self.name!r}, but must start with a letter or digit and hold up to 100 letters,"
                " digits, dots, dashes and underscores: it becomes a folder."
            )
        if self.perceptual_weights != "none" and self.model == "cnn":
            raise ConfigError(
                f"--perceptual-weights is {self.perceptual_weights}, but only pix2pix has a perceptual loss:"
                " leave it out, or take that model."
            )
        if not 0 <= self.seed < 2**32:
            raise ConfigError(f"--seed is {self.seed}, but must be between 0 and {2**32 - 1}.")
        if "://" in str(self.storage) or re.match(r"(s3|gs|abfs)s?:/", str(self.storage)):
            raise ConfigError(
                f"--storage is {self.storage}, but must be a folder: mount the bucket, or take a network folder."
            )

    def _check_objectives(self) -> None:
        if not 1 <= len(self.objective) <= 3 or len(set(self.objective)) < len(self.objective):
            raise ConfigError(
                f"--objective is {' '.join(self.objective) or 'empty'}, but must be one to three different metrics,"
                " such as val_delta_e val_swd."
            )
        if self.searcher == "cmaes" and len(self.objective) > 1:
            raise ConfigError(
                f"--searcher is cmaes with --objective {' '.join(self.objective)}, but it knows one objective alone:"
                " name one, or take tpe, gp or nsga2."
            )

        if "val_kid" in self.objective and self.encoder_weights == "none":
            raise ConfigError(
                f"--objective is {' '.join(self.objective)}, but val_kid needs the features of a trained MobileNetV2,"
                " and --encoder-weights is none: name its weights, or leave one of the two out."
            )

    def _check_budgets(self) -> None:
        if self.time_budget is not None:
            seconds_of(self.time_budget)
        if self.gpu_hours is not None and not 0 < self.gpu_hours < math.inf:
            raise ConfigError(f"--gpu-hours is {self.gpu_hours:g}, but must be above 0.")

    def to_record(self) -> dict[str, Any]:
        """As JSON types, for study.json."""
        return {
            name: str(value)
            if isinstance(value, Path)
            else [str(one) for one in value]
            if isinstance(value, tuple)
            else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "StudyConfig":
        """Back from study.json.

        Raises
        ------
        ConfigError
            A field or scheduler that this version does not know, or a value of another kind.
        """
        # Once there were medians of so many epochs; of one, they are the values themselves.
        record = {name: value for name, value in record.items() if (name, value) != ("smoothing", 1)}
        # A study that was begun without what is known of other photos goes on so.
        record = {**cls().to_record(), "prior": False, **record}
        known = {item.name for item in fields(cls)}
        unknown = sorted(set(record) - known)
        if unknown:
            raise ConfigError(
                f"the study was recorded with {', '.join(unknown)}, which this version does not know:"
                " use the version that study.json names."
            )
        if record["scheduler"] not in get_args(Scheduler):
            raise ConfigError(
                f"the study was recorded with --scheduler {record['scheduler']}, which this version does not have:"
                " use the version that study.json names."
            )
        for name, hint in get_type_hints(cls).items():
            if not _is_of(record[name], hint):
                raise ConfigError(
                    f"the study was recorded with {flag(name)} {record[name]!r}, which it cannot be: restore its"
                    " study.json from a copy."
                )
        enqueue, references = record["enqueue"], record["references"]
        return cls(
            **{
                **record,
                "references": None if references is None else tuple(references),
                "storage": Path(record["storage"]),
                "objective": tuple(record["objective"]),
                "enqueue": None if enqueue is None else Path(enqueue),
                "warm_start": tuple(Path(study) for study in record["warm_start"]),
                "settings": tuple(record["settings"]),
            }
        )


def _is_of(value: object, hint: Any) -> bool:
    """Whether a JSON value stands for one of a type, as `to_record` writes it."""
    kind, inner = get_origin(hint), get_args(hint)
    if kind is Literal:
        return value in inner
    if kind in (Union, UnionType):
        return any(_is_of(value, one) for one in inner)
    if kind is tuple:
        return isinstance(value, list) and all(_is_of(one, inner[0]) for one in value)
    if isinstance(value, bool):
        return hint is bool
    kinds: dict[object, Any] = {Path: str, float: (int, float)}
    return isinstance(value, kinds.get(hint, hint))


def is_image_size(pixels: int) -> bool:
    """Whether it is a power of two of at least 32."""
    return pixels >= 32 and pixels & (pixels - 1) == 0


def flag(name: str) -> str:
    """A setting as it is typed."""
    return "--" + {"settings": "set"}.get(name, name.replace("_", "-"))


def seconds_of(duration: str) -> float:
    """Seconds of a duration such as 90m, 1h30m or 1d.

    Raises
    ------
    ConfigError
        It is none.
    """
    parts = re.fullmatch(r"\s*".join(rf"(?:(\d+(?:\.\d+)?)\s*{unit})?" for unit in _UNITS), duration.strip())
    numbers = parts.groups() if parts else ()
    seconds = sum(
        float(number) * unit for number, unit in zip(numbers, _UNITS.values(), strict=False) if number
    )
    if not 0 < seconds < math.inf:
        raise ConfigError(
            f"--time-budget is {duration!r}, but must be a time above 0 in d, h, m and s, such as 90m or 1h30m."
        )
    return seconds
