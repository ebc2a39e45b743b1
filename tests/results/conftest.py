"""A study as a search leaves it: real files, written through `StudyWriter`, with pictures drawn by Pillow."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from results.store import METRICS, StudyFolder, StudyWriter

BEGAN = datetime(2025, 6, 3, 9, 14, 22, tzinfo=UTC)
BASELINES = {
    "gray": dict(zip(METRICS, [11.6, 5.7, 37.0, 18.2, 0.77, 0.112, 22.8, 0.935], strict=True)),
    "mean chroma": dict(zip(METRICS, [8.1, 2.0, 26.0, 13.1, 0.79, 0.08, 25.1, 0.952], strict=True)),
}


def _strip(colour: tuple[int, int, int]) -> Image.Image:
    """Four pictures wide, three rows high: a disc in gray, in the output's colour, and in red."""
    sheet = Image.new("RGB", (4 * 32, 3 * 32), "white")
    draw = ImageDraw.Draw(sheet)
    for column in range(4):
        for row, fill in enumerate(((90, 90, 90), colour, (200, 40, 30))):
            draw.ellipse([column * 32 + 4, row * 32 + 4, column * 32 + 27, row * 32 + 27], fill=fill)
    return sheet


def _metrics(delta_e: float, swd: float) -> dict[str, float]:
    values = [delta_e, swd, 4 * swd, 15 + swd, swd / 8, 0.1 + swd / 100, 25 - swd, 0.96 - swd / 100]
    return dict(zip(METRICS, values, strict=True))


@pytest.fixture
def make_study(tmp_path: Path) -> Callable[..., StudyFolder]:
    """Write a study named `name` of `model` into the test's folder: nine trials in every state."""

    def make(
        name: str = "garden",
        model: str = "pix2pix",
        objectives: tuple[str, ...] = ("val_delta_e", "val_swd"),
    ) -> StudyFolder:
        writer = StudyWriter(tmp_path / name)
        writer.write_config(
            {
                "name": name,
                "created": "2025-06-03T09:14:22+00:00",
                "model": model,
                "config": {"image_size": 32, "epochs": 4},
                "versions": {"python": "3.11.9"},
                "data": {"source": "drawn birds", "counts": {"train": 160, "validation": 20, "test": 20}},
                "git_commit": "4c1d9ae",
                "baselines": BASELINES,
                "encoder": {"spec": "none", "available": False, "note": "without pretrained weights"},
                "objectives": objectives,
                "fitted": [],
            }
        )
        references = {0: f"{model} as published", 1: f"{model}, varied"}
        states = {5: "PRUNED", 6: "PRUNED", 7: "FAIL", 8: "RUNNING"}
        for trial in range(9):
            state = states.get(trial, "COMPLETE")
            epochs = {"PRUNED": 1, "FAIL": 0, "RUNNING": 2, "COMPLETE": 4}[state]
            swd = (3.0, 2.5, 2.0, 2.75, 3.5, 4.5, 5.0, 6.0, 4.0)[trial]
            delta_e = (9.5, 7.0, 8.0, 6.2, 5.9, 8.5, 9.0, 9.9, 7.5)[trial]
            for epoch in range(1, epochs + 1):
                losses = (
                    {"train_loss": 0.1}
                    if model == "cnn"
                    else {"train_generator_loss": 9.0, "train_l1_loss": 0.1}
                )
                writer.record_epoch(
                    {
                        "trial": trial,
                        "epoch": epoch,
                        **losses,
                        **_metrics(delta_e + epochs - epoch, swd + epochs - epoch),
                        "epoch_seconds": 2.0,
                        "timestamp": BEGAN + timedelta(seconds=2.0 * (4 * trial + epoch)),
                    }
                )
                samples = writer.folder.samples(trial)
                samples.mkdir(parents=True, exist_ok=True)
                _strip((180, 30 * epoch, 40)).save(samples / f"epoch-{epoch:03d}.png")
            params: dict[str, object] = {
                "params.width": 16 * (1 + trial % 3),
                "params.learning_rate_decay": trial % 2 == 0,
            }
            if model == "cnn":
                params["params.learning_rate"] = 1e-4 * 2**trial
            else:
                params |= {
                    "params.lambda": 10.0 * 2**trial,
                    "params.encoder": ("unet", "mobilenetv2")[trial % 2],
                }
                params["params.depth"] = 5 if trial % 2 == 0 else None
            writer.record_trial(
                {
                    "trial": trial,
                    "state": state,
                    "reference": references.get(trial),
                    "reason": "the generator's loss became NaN" if state == "FAIL" else None,
                    "epochs": epochs,
                    "best_epoch": epochs or None,
                    "seconds": 2.0 * epochs,
                    **(_metrics(delta_e, swd) if epochs else {}),
                    **params,
                }
            )
        return writer.folder

    return make


@pytest.fixture
def study(make_study: Callable[..., StudyFolder]) -> StudyFolder:
    """A Pix2Pix study of two objectives, val_delta_e and val_swd.

    Its front is trial 2 (8.0, 2.0), reference 1 (7.0, 2.5), trial 3 (6.2, 2.75), which is the knee, and trial 4
    (5.9, 3.5). Reference 0 (9.5, 3.0) is dominated by trial 3, and by others.
    """
    return make_study()


@pytest.fixture
def full_disk() -> Callable[[], AbstractContextManager[None]]:
    """A context in which no file finds room, as systems tell it that allocate when they write to the disk."""

    @contextmanager
    def full() -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "fsync", fsync)
            yield

    def fsync(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    return full
