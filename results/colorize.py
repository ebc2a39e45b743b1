"""`python -m results.colorize STUDY IMAGE... --out DIR` colours photos with a model that a study found.

For each photo it writes `NAME-colored.png` at the photo's own size, and `NAME-side-by-side.png` (gray, coloured, and
the original where that had colour), and prints their paths. No file that is there already is overwritten: a second
`robin.jpg` becomes `robin-2-colored.png`. A photo that cannot be read is named on stderr and skipped.

Exit status: 0 when at least one photo was coloured, 2 when none was (or the study has no such model).
"""

from __future__ import annotations

import io
import os
import sys
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import tyro
from PIL import Image, ImageDraw, ImageFont

from results.ranking import objectives_of, photos_of, rank
from results.store import StudyError, StudyFolder, open_study, read_config, read_resamples, read_trials
from results.verdict import judge
from trainables.checkpoint import CheckpointError
from trainables.data.photo import SUFFIXES, UnusableImageError, read
from trainables.hardware import configure
from trainables.processors import processors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from trainables.colorizer import Colorizer

PANEL = (256, 1024)
"""Pixels: a panel's longer side in the side-by-side picture is brought into this range."""
LONGEST = 200
"""Bytes of a photo's name that are kept in those of the files made of it."""
COLOURLESS = 4
"""Levels: a photo whose channels never differ by more was gray to begin with."""


def weights_of(study: StudyFolder, trial: int | None) -> Path:
    """The weights file of a trial, or of the one to take: see `results.verdict`.

    Where no trial has been trained to its end yet, it is the one that has been trained longest.

    Raises
    ------
    StudyError
        Where the study has no such trial or the trial has no weights; the message names those that have.
    """
    trials, config = read_trials(study), read_config(study)
    objectives = objectives_of(config)
    rows = trials.to_pylist()
    longest = [row["trial"] for row in sorted(rows, key=lambda row: -row["epochs"])]
    placed = [entry.trial for entry in rank(trials, objectives)]
    kept = [one for one in dict.fromkeys([*placed, *longest]) if study.best_weights(one).is_file()]
    if trial is None:
        if not kept:
            raise StudyError(
                f"{study.path} has no trial with weights yet: let one finish an epoch, then come back."
            )
        winner = judge(trials, read_resamples(study), objectives, photos_of(config)).winner
        return study.best_weights(winner if winner is not None and winner in kept else kept[0])
    if study.best_weights(trial).is_file():
        return study.best_weights(trial)
    states = {row["trial"]: row["state"] for row in rows}
    why = {
        None: f"trial {trial} is not in {study.path}",
        "PRUNED": f"trial {trial} was stopped early, so its weights were not kept",
        "RUNNING": f"trial {trial} has no weights yet",
    }.get(states.get(trial), f"trial {trial} left no weights")
    remedy = (
        f"take one of {', '.join(map(str, kept))} (best first)." if kept else "no trial of the study has any."
    )
    raise StudyError(f"{why}: {remedy}")


@dataclass(frozen=True)
class Written:
    """The two files made of one photo."""

    colored: Path
    side_by_side: Path


def colorize(colorizer: Colorizer, images: Iterable[Path], out: Path) -> Iterator[Written | StudyError]:
    """Colour photos one after the other, yielding the files of each or why there are none.

    Raises
    ------
    StudyError
        Where `out` cannot be written: nothing after that can be either.
    """
    for path in images:
        try:
            photo = _read(path)
        except (OSError, UnusableImageError) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            yield StudyError(f"{path} was skipped: it cannot be read as a picture ({reason}).")
            continue
        colored = colorizer.colorize(photo)
        panels = {"gray": np.asarray(Image.fromarray(photo).convert("L").convert("RGB")), "coloured": colored}
        if photo.ndim == 3:
            panels["original"] = photo
        try:
            yield _write(Image.fromarray(colored), side_by_side(panels), out, path.stem)
        except OSError as error:
            raise StudyError(
                f"{out} cannot be written ({error.strerror or error}): name another --out."
            ) from error


def side_by_side(panels: dict[str, np.ndarray]) -> Image.Image:
    """Pictures of one size beside one another, each under its name.

    Parameters
    ----------
    panels
        uint8 [h, w, 3] by caption.
    """
    height, width = next(iter(panels.values())).shape[:2]
    scale = min(max(PANEL[0] / max(height, width), 1.0), PANEL[1] / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    gap = max(8, max(size) // 48)
    font = ImageFont.load_default(max(14, max(size) // 32))
    boxes = [font.getbbox(caption) for caption in panels]
    column = max(size[0], *(int(box[2]) for box in boxes))
    caption_height = int(max(box[3] for box in boxes)) + gap
    sheet = Image.new(
        "RGB", (gap + len(panels) * (column + gap), size[1] + caption_height + 2 * gap), "white"
    )
    draw = ImageDraw.Draw(sheet)
    for place, (caption, panel) in enumerate(panels.items()):
        left = gap + place * (column + gap)
        draw.text((left + column / 2, gap), caption, fill="#444444", font=font, anchor="ma")
        picture = Image.fromarray(panel).resize(size, Image.Resampling.LANCZOS)
        sheet.paste(picture, (left + (column - size[0]) // 2, gap + caption_height))
    return sheet


def _read(path: Path) -> np.ndarray:
    """The upright photo, uint8: [h, w, 3], or [h, w] where it has no colour."""
    if path.exists() and not path.is_file():
        raise UnusableImageError("it is no file")
    with path.open("rb") as file:
        photo = np.asarray(read(file))
    red, green, blue = np.moveaxis(photo, 2, 0)
    spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    return green if spread.max() <= COLOURLESS else photo


def _write(colored: Image.Image, sheet: Image.Image, out: Path, stem: str) -> Written:
    out.mkdir(parents=True, exist_ok=True)
    # A file's name may have 255 bytes, and ours add to it.
    stem = os.fsdecode(os.fsencode(stem)[:LONGEST])
    for number in count(1):
        name = stem if number == 1 else f"{stem}-{number}"
        written = Written(out / f"{name}-colored.png", out / f"{name}-side-by-side.png")
        if not (written.colored.exists() or written.side_by_side.exists()):
            break
    for picture, target in ((colored, written.colored), (sheet, written.side_by_side)):
        temporary = target.with_name(f".{target.name}.tmp")
        try:
            # A third of the time of Pillow's own level, for a file 5 % larger.
            picture.save(temporary, format="PNG", compress_level=3)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    return written


def _photos(named: Iterable[Path]) -> Iterator[Path]:
    """The photos that were named, and of folders all that are in them."""
    for path in named:
        if path.is_dir():
            yield from sorted(file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES)
        else:
            yield path


def main(
    study: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="STUDY")],
    images: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="IMAGE...")],
    out: Path = Path("colored"),
    trial: int | None = None,
) -> int:
    """Colour photos with a model that a study found.

    Parameters
    ----------
    study
        The study's folder, such as results/studies/NAME.
    images
        Photos, gray or in colour, of up to 178 million pixels, or folders of them.
    out
        The folder to write NAME-colored.png and NAME-side-by-side.png to.
    trial
        The trial whose model is used; without it the one that was confirmed, or else the first of the ranking.
    """
    done = 0
    # A file's name may be no text; it is shown as the bytes that it is.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="surrogateescape")
    try:
        weights = weights_of(open_study(study), trial)
        if not images:
            raise StudyError("no photo was named: python -m results.colorize STUDY IMAGE...")
        if "tensorflow" not in sys.modules:
            # TensorFlow speaks of itself on stderr, among which a photo that was skipped would go unseen.
            # On processors: a study may have the GPUs.
            configure(processors(), gpu_share=0)
        from trainables.colorizer import Colorizer  # here, so that --help and refusals need no TensorFlow

        for result in colorize(Colorizer.load(weights), _photos(images), out):
            if isinstance(result, Written):
                sys.stdout.write(f"{result.colored}\n{result.side_by_side}\n")
                done += 1
            else:
                sys.stderr.write(f"{result}\n")
    except (StudyError, CheckpointError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0 if done else 2


if __name__ == "__main__":
    sys.exit(tyro.cli(main, prog="python -m results.colorize"))
