"""A study as a search leaves it: real files, written through `StudyWriter`, with pictures drawn by Pillow."""

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from results.store import METRICS, TEST_METRICS, StudyFolder, StudyWriter
from trainables.strip import save_strip, strip

BEGAN = datetime(2025, 6, 3, 9, 14, 22, tzinfo=UTC)
BASELINES = {
    "gray": dict(zip(METRICS, [11.6, 5.7, 37.0, 18.2, 0.77, 0.112, 22.8, 0.935], strict=True)),
    "mean chroma": dict(zip(METRICS, [8.1, 2.0, 26.0, 13.1, 0.79, 0.08, 25.1, 0.952], strict=True)),
}

VALUES = (
    (9.5, 3.0),
    (7.0, 2.5),
    (8.0, 2.0),
    (6.2, 2.75),
    (5.9, 3.5),
    (8.5, 4.5),
    (9.0, 5.0),
    (9.9, 6.0),
    (7.5, 4.0),
)
"""`val_delta_e` and `val_swd` of each trial's best epoch."""


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


def _on_test(delta_e: float, swd: float) -> dict[str, float]:
    return dict(zip(TEST_METRICS, _metrics(delta_e, swd).values(), strict=True))


def _trial(writer: StudyWriter, model: str, trial: int) -> None:
    """Write a trial of the search with its epochs and strips."""
    state = {5: "PRUNED", 6: "PRUNED", 7: "FAIL", 8: "RUNNING"}.get(trial, "COMPLETE")
    epochs = {"PRUNED": 1, "FAIL": 0, "RUNNING": 2, "COMPLETE": 4}[state]
    _train(writer, model, trial, epochs, VALUES[trial])
    writer.record_trial(
        {
            "trial": trial,
            "state": state,
            "reference": {0: f"{model} as published", 1: f"{model}, varied"}.get(trial),
            "seed": 0,
            "reason": "the generator's loss became NaN" if state == "FAIL" else None,
            "epochs": epochs,
            "best_epoch": epochs or None,
            "seconds": 2.0 * epochs,
            **(_metrics(*VALUES[trial]) if epochs else {}),
            **_params(model, trial),
        }
    )


def _train(writer: StudyWriter, model: str, trial: int, epochs: int, values: tuple[float, float]) -> None:
    """Write epochs, each of which is better by 1 than the one before, and a strip of each."""
    losses = {"train_loss": 0.1} if model == "cnn" else {"train_generator_loss": 9.0, "train_l1_loss": 0.1}
    for epoch in range(1, epochs + 1):
        writer.record_epoch(
            {
                "trial": trial,
                "epoch": epoch,
                **losses,
                **_metrics(*(value + epochs - epoch for value in values)),
                "epoch_seconds": 2.0,
                "timestamp": BEGAN + timedelta(seconds=2.0 * (4 * trial + epoch)),
            }
        )
        samples = writer.folder.samples(trial)
        samples.mkdir(parents=True, exist_ok=True)
        _strip((180, 30 * epoch, 40)).save(samples / f"epoch-{epoch:03d}.png")


def _params(model: str, trial: int) -> dict[str, object]:
    params: dict[str, object] = {
        "params.width": 16 * (1 + trial % 3),
        "params.learning_rate_decay": trial % 2 == 0,
    }
    if model == "cnn":
        return params | {"params.learning_rate": 1e-4 * 2**trial}
    return params | {
        "params.lambda": 10.0 * 2**trial,
        "params.encoder": ("unet", "mobilenetv2")[trial % 2],
        "params.depth": 5 if trial % 2 == 0 else None,
    }


def _confirm(writer: StudyWriter, model: str, objectives: Sequence[str], confirmed: Sequence[int]) -> None:
    """Write two trainings of each trial on fresh seeds, and what they came to on the test split.

    They are worse than the first by 0.1 and differ by 0.02, so that all that is apart in `VALUES` is so for sure. On
    the test split they are worse by another 0.2. The picture of trial 9 and those after it are ever darker blue.
    """
    of_photos = 0.2 * np.random.default_rng(0).normal(size=40)
    for place, (seed, trial) in enumerate([(seed, trial) for seed in (1, 2) for trial in confirmed]):
        number = 9 + place
        values = tuple(value + 0.08 + 0.02 * seed for value in VALUES[trial])
        tested = _on_test(*(value + 0.2 for value in values))
        _train(writer, model, number, 4, values)
        writer.record_resamples(
            number,
            {
                metric: (tested[metric] + of_photos).tolist()
                for metric in (objective.replace("val_", "test_") for objective in objectives)
            },
        )
        writer.record_trial(
            {
                "trial": number,
                "state": "COMPLETE",
                "role": "confirmation",
                "reference": {0: f"{model} as published", 1: f"{model}, varied"}.get(trial),
                "seed": seed,
                "confirms": trial,
                "epochs": 4,
                "best_epoch": 4,
                "seconds": 8.0,
                **_metrics(*values),
                **tested,
                **_params(model, trial),
            }
        )
        truths = np.full((4, 32, 32, 3), (200, 40, 30), np.uint8)
        save_strip(
            strip(truths * 0 + np.uint8((0, 0, 250 - 20 * place)), truths), writer.folder.test_strip(number)
        )


@pytest.fixture
def make_study(tmp_path: Path) -> Callable[..., StudyFolder]:
    """Write a study named `name` of `model` into the test's folder: nine trials in every state.

    Those of `confirmed` were trained twice more.
    """

    def make(
        name: str = "garden",
        model: str = "pix2pix",
        objectives: tuple[str, ...] = ("val_delta_e", "val_swd"),
        confirmed: Sequence[int] = (),
    ) -> StudyFolder:
        writer = StudyWriter(tmp_path / name)
        baselines = BASELINES
        if confirmed:
            baselines = {
                name: scores | dict(zip(TEST_METRICS, scores.values(), strict=True))
                for name, scores in BASELINES.items()
            }
        writer.write_config(
            {
                "name": name,
                "created": "2025-06-03T09:14:22+00:00",
                "model": model,
                "config": {"image_size": 32, "epochs": 4},
                "versions": {"python": "3.11.9"},
                "data": {"source": "drawn birds", "counts": {"train": 160, "validation": 20, "test": 20}},
                "git_commit": "4c1d9ae",
                "baselines": baselines,
                "encoder": {"spec": "none", "available": False, "note": "without pretrained weights"},
                "objectives": objectives,
                "fitted": [],
            }
        )
        for trial in range(9):
            _trial(writer, model, trial)
        _confirm(writer, model, objectives, confirmed)
        writer.flush()
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
def confirmed_study(make_study: Callable[..., StudyFolder]) -> StudyFolder:
    """The same study with trials 9 to 18: trials 3, 4, 2, 0 and 1 once more, with seed 1 and then with seed 2.

    Reference 0 is dominated by trials 3 and 2. Every other pair of a finalist and a reference is a trade-off.
    """
    return make_study(confirmed=(3, 4, 2, 0, 1))


@pytest.fixture
def writer(tmp_path: Path) -> StudyWriter:
    """The writer of a study that has begun and has no trials yet."""
    # By a clock that stands still every trial is written at once, however slow the disk is.
    writer = StudyWriter(tmp_path / "garden", clock=lambda: 0.0)
    writer.write_config({"name": "garden"})
    return writer


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
