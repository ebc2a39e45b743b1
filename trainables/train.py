"""The command line that trains one model on this machine, without Ray: `python -m trainables.pix2pix` or `.cnn`.

What a flag means to a model is in `trainables.params`, how it is trained in the loops. TensorFlow is imported only
after all flags are checked and the pack is built.
"""

import logging
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import tyro
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from trainables.params import CnnParams, ParamsError, Pix2PixParams

if TYPE_CHECKING:
    from trainables.data.pack import Pack
    from trainables.loop import Loop

CACHE = Path("~/.cache/colorization-search")
"""Where packs are built and found again."""

_OUTPUT = Console(soft_wrap=True, highlight=False)


@dataclass(frozen=True)
class Run:
    """What both models' command lines share."""

    params: CnnParams | Pix2PixParams

    data: str | None = None
    """A folder or .zip of images (class = parent folder), or kaggle:OWNER/NAME; by default birds drawn in code."""

    epochs: int = 10
    """Times that all training images are seen."""

    image_size: int = 128
    """Side of the training pictures in pixels, a power of two of at least 32."""

    batch_size: int = 16
    """Pictures in a training step."""

    seed: int = 0
    """Of the split, the initial weights, the order of the data and its augmentation."""

    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    """What the networks compute in; auto takes the fastest that suits the machine, measured for a second each."""

    encoder_weights: str = "auto"
    """Weights of the MobileNetV2 encoder: imagenet, none, a path, or auto (imagenet if the model has that encoder).
    With them, val_kid is measured too."""

    out: Path | None = None
    """Folder for model.safetensors and strip.png (gray, output and truth of validation photos), both written after
    each epoch. By default nothing is kept."""

    def __post_init__(self) -> None:
        """Refuse what cannot be run; what depends on the data is refused later."""
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                flag = name.replace("_", "-")
                raise ParamsError(f"--{flag} is {getattr(self, name)}, but must be 1 or more.")
        if self.out is not None and self.out.exists() and not self.out.is_dir():
            raise ParamsError(f"--out is {self.out}, which is a file, but must be a folder: name another.")


@dataclass(frozen=True)
class CnnRun(Run):
    """Train one CNN autoencoder, with a progress bar and a line of metrics each epoch."""

    params: CnnParams = field(default_factory=CnnParams)


@dataclass(frozen=True)
class Pix2PixRun(Run):
    """Train one Pix2Pix, with a progress bar and a line of metrics each epoch."""

    params: Pix2PixParams = field(default_factory=Pix2PixParams)

    perceptual_weights: str = "none"
    """Weights of VGG16 or VGG19 for the perceptual loss: imagenet, none, or a path."""

    def __post_init__(self) -> None:
        """Refuse a perceptual loss that has nothing to see with."""
        super().__post_init__()
        if self.params.perceptual_weight and self.perceptual_weights == "none":
            raise ParamsError(
                f"--perceptual-weight is {self.params.perceptual_weight}, but the perceptual loss needs VGG's"
                " weights: name them with --perceptual-weights, or set it to 0."
            )


def main(kind: type[Run], command: str) -> int:
    """Read the command line as a `kind` of run and train; return the exit status (2 for bad input)."""
    # Worker processes import the main module once more: this one is light, the loops bring TensorFlow.
    sys.modules["__main__"] = sys.modules[__name__]
    try:
        run = tyro.cli(kind, prog=command, config=(tyro.conf.OmitArgPrefixes,))
        return _train(run)
    except ValueError as error:
        # All that a flag, the data or a file can do wrong is raised as a named subclass of ValueError.
        if type(error) is ValueError:
            raise
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("Stopped.\n")
        return 130


def _train(run: Run) -> int:
    from trainables.data.pack import build_pack, open_pack

    report = build_pack(run.data, run.image_size, seed=run.seed, cache=CACHE.expanduser())
    pack = open_pack(report.path)
    parts = ", ".join(f"{count} {part}" for part, count in report.counts.items())
    _OUTPUT.print(
        f"{report.source}: {parts} images of {report.classes} classes, {len(report.skipped)} skipped"
    )

    from trainables import hardware
    from trainables.processors import processors

    gpu = hardware.configure(processors(), 1)
    logging.basicConfig(format="%(message)s")
    logging.getLogger("trainables").setLevel(logging.INFO)

    from trainables.loop import DivergedError, Training, make_loop
    from trainables.metrics import baselines
    from trainables.precision import choose

    training = Training(
        run.params,
        batch_size=run.batch_size,
        seed=run.seed,
        epochs=run.epochs,
        encoder_weights=_encoder_weights(run),
        perceptual_weights=_perceptual_weights(run),
    )
    if run.precision == "auto":
        suitable = hardware.suitable_precisions([] if gpu is None else [gpu], hardware.processor_flags())
        choice = choose(training, run.image_size, suitable)
        training = replace(training, precision=choice.precision)
        rates = ", ".join(f"{name} {rate:.0f}" for name, rate in choice.images_per_second.items())
        _OUTPUT.print(f"precision {choice.precision}" + (f" (images/s: {rates})" if rates else ""))
    else:
        training = replace(training, precision=run.precision)
    loop = make_loop(training, pack)
    for name, values in baselines(pack.images[pack.indices("validation")], seed=run.seed).items():
        _OUTPUT.print(f"{name + ':':13}{_line(values)}")
    try:
        _epochs(run, loop, pack)
    except DivergedError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _epochs(run: Run, loop: "Loop", pack: "Pack") -> None:
    with Progress(
        TextColumn("epoch {task.fields[epoch]}/" + str(run.epochs)),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f} images"),
        TimeRemainingColumn(),
        console=_OUTPUT,
        transient=True,
    ) as progress:
        task = progress.add_task("", total=loop.images_per_epoch, epoch=1)
        while loop.epoch < run.epochs:
            progress.reset(task, epoch=loop.epoch + 1)
            start = time.perf_counter()
            losses = loop.train_epoch(lambda images: progress.update(task, completed=images))
            speed = loop.images_per_epoch / (time.perf_counter() - start - loop.start_seconds)
            metrics = loop.evaluate()
            _OUTPUT.print(f"epoch {loop.epoch:<7}{_line(metrics)} | {_line(losses)} | {speed:.0f} images/s")
            if run.out is not None:
                _keep(run.out, loop, pack)


def _encoder_weights(run: Run) -> Path | None:
    from trainables.models.pretrained import MOBILENETV2, resolve

    if run.encoder_weights != "auto":
        return resolve(MOBILENETV2, run.encoder_weights)
    wanted = isinstance(run.params, Pix2PixParams) and run.params.encoder == "mobilenetv2"
    return resolve(MOBILENETV2, "imagenet") if wanted else None


def _perceptual_weights(run: Run) -> Path | None:
    from trainables.models.pretrained import VGG, resolve

    return resolve(VGG, run.perceptual_weights) if isinstance(run, Pix2PixRun) else None


def _keep(folder: Path, loop: "Loop", pack: "Pack") -> None:
    from trainables.strip import save_strip, strip, strip_photos

    loop.export(folder / "model.safetensors")
    rows = strip_photos(pack)
    save_strip(strip(loop.pictures(rows), pack.images[rows]), folder / "strip.png")


def _line(values: Mapping[str, float]) -> str:
    """Names without their prefix, and values with three or four digits."""
    return "  ".join(f"{name.split('_', 1)[1]} {value:.4g}" for name, value in values.items())
