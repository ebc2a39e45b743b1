"""Records the trainings of `results/evidence` with the product itself, in as many sittings as it takes.

    python tests/benchmarks/record.py pix2pix-32 --photos PHOTOS --encoder-weights WEIGHTS --minutes 60

runs a study of random configurations that nothing stops, the reference points among them, and trains the first of
them on a second seed: a sitting begins with those that have ended since the one before. It ends after so many
minutes; what was trained to its end by then is published as a study's tables, numbers only. The next sitting goes on
from what is published, so it may be on another machine; on the same machine it goes on from the last epochs.
"""

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.parquet as pq
import tyro

from results.store import PARAMS, StudyFolder, StudyWriter, read_config, read_epochs, read_trials
from search.prior import EVIDENCE

KAGGLE, KAGGLE_NAME = "kaggle:davemahony/20-uk-garden-birds", "20 UK Garden Birds"


@dataclass(frozen=True)
class Recording:
    """What one table holds."""

    model: str
    image_size: int
    width: int
    trials: int
    repeated: int
    """Configurations that are trained on a second seed."""
    drawn: bool = False
    """On drawn birds instead of photos."""
    epochs: int = 24


RECORDINGS = {
    "pix2pix-32": Recording("pix2pix", 32, 16, trials=120, repeated=30),
    "pix2pix-64": Recording("pix2pix", 64, 16, trials=40, repeated=0),
    "pix2pix-drawn": Recording("pix2pix", 32, 16, trials=80, repeated=0, drawn=True),
    "cnn-32": Recording("cnn", 32, 32, trials=48, repeated=12),
    "cnn-drawn": Recording("cnn", 32, 32, trials=48, repeated=0, drawn=True),
}


@dataclass(frozen=True)
class Settings:
    """Record one table."""

    table: Annotated[str, tyro.conf.Positional]
    """One of RECORDINGS."""

    photos: Path
    """Folder of the photos."""

    encoder_weights: Path
    """File of MobileNetV2's weights."""

    minutes: float = 60.0
    """After which it ends."""

    work: Path = Path(tempfile.gettempdir()) / "recordings"
    """Where the study lies while it runs."""

    seed: int = 1


def main(settings: Settings) -> None:
    """Record until all is there or time is up."""
    recording = RECORDINGS[settings.table]
    folder = StudyFolder(settings.work / settings.table)
    published = EVIDENCE / settings.table
    if published.exists() and not folder.path.exists():
        _take_up(settings, recording, published, folder)
    until = time.monotonic() + 60 * settings.minutes
    try:
        while time.monotonic() < until:
            if not folder.config.exists():
                _run(_begun(settings, recording), until)
            elif _repeat(folder, recording) or not _is_over(folder, recording):
                _run(_resumed(settings), until)
            else:
                break
    finally:
        _publish(folder, recording, published)


def _begun(settings: Settings, recording: Recording) -> list[str]:
    flags: dict[str, Any] = {
        "name": settings.table,
        "storage": settings.work,
        "trials": recording.trials,
        "epochs": recording.epochs,
        "image-size": recording.image_size,
        "set": f"width={recording.width}",
        "references": "all",
        "scheduler": "none",
        "searcher": "random",
        "seed": settings.seed,
        "encoder-weights": settings.encoder_weights,
    }
    if not recording.drawn:
        flags["data"] = settings.photos
    return [recording.model, *(str(part) for name, value in flags.items() for part in (f"--{name}", value))]


def _resumed(settings: Settings) -> list[str]:
    return ["--resume", settings.table, "--storage", str(settings.work)]


def _run(command: list[str], until: float) -> None:
    process = subprocess.Popen([sys.executable, "-u", "-m", "search.run", *command])
    try:
        process.wait(max(0.0, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
    if process.wait() not in (0, 130):
        sys.exit(process.returncode)


def _is_over(folder: StudyFolder, recording: Recording) -> bool:
    states, roles = (read_trials(folder)[name].to_pylist() for name in ("state", "role"))
    return "RUNNING" not in states and roles.count("search") == recording.trials


def _repeat(folder: StudyFolder, recording: Recording) -> bool:
    """Enter those that are to be trained once more, which the study finds when it goes on: whether that was done."""
    trials = read_trials(folder)
    rows = trials.to_pylist()
    complete = [row for row in rows if row["role"] == "search" and row["state"] == "COMPLETE"]
    repeated = {row["confirms"] for row in rows if row["role"] == "confirmation"}
    once = [row for row in complete[: recording.repeated] if row["trial"] not in repeated]
    writer = StudyWriter(folder.path)
    for number, row in enumerate(once, len(rows)):
        params = {name: value for name, value in row.items() if name.startswith(PARAMS)}
        again = {"role": "confirmation", "confirms": row["trial"], "seed": row["seed"] + 1}
        writer.record_trial({"trial": number, "state": "RUNNING", "epochs": 0, **again, **params})
    writer.flush()
    return bool(once)


def _take_up(settings: Settings, recording: Recording, published: Path, folder: StudyFolder) -> None:
    """Make the published tables a study that goes on here: what it lacks is the journal, which they give back."""
    shutil.copytree(published, folder.path)
    record = read_config(folder)
    record["config"]["storage"] = str(settings.work)
    record["config"]["encoder_weights"] = str(settings.encoder_weights.absolute())
    if not recording.drawn:
        record["config"]["data"] = str(settings.photos.absolute())
    folder.config.write_text(json.dumps(record))


def _publish(folder: StudyFolder, recording: Recording, published: Path) -> None:
    """Write what can be shown of the study: no paths, no hosts, and nothing of trials that have not ended."""
    writer = StudyWriter(folder.path)
    writer.compact()
    trials, epochs = read_trials(folder), read_epochs(folder)
    rows = [row | {"node": None} for row in trials.to_pylist()]
    ended = {row["trial"] for row in rows if row["state"] != "RUNNING"}
    named = ("trial", "state", "role", "reference", "seed", "confirms")
    rows = [
        row
        if row["trial"] in ended
        else {name: value for name, value in row.items() if name in named or name.startswith(PARAMS)}
        | {"epochs": 0}
        for row in rows
    ]
    curves = [row | {"node": None} for row in epochs.to_pylist() if row["trial"] in ended]
    record = read_config(folder)
    record["config"] |= {"storage": "results/evidence", "encoder_weights": "imagenet"}
    record["encoder"] |= {"spec": "imagenet", "path": None, "note": "MobileNetV2 with ImageNet's weights"}
    record["data"] |= {"pack": ""} | ({} if recording.drawn else {"source": KAGGLE_NAME})
    if not recording.drawn:
        record["config"]["data"] = KAGGLE
    record["ray_dashboard"] = None
    (published / "epochs").mkdir(parents=True, exist_ok=True)
    for old in (published / "epochs").iterdir():
        old.unlink()
    (published / "study.json").write_text(json.dumps(record, indent=2) + "\n")
    for content, schema, path in (
        (rows, trials.schema, published / "trials.parquet"),
        (curves, epochs.schema, published / "epochs" / "all.parquet"),
    ):
        pq.write_table(pa.Table.from_pylist(content, schema=schema), path, compression="zstd")
    print(f"{len(ended)} trainings are published in {published}")


if __name__ == "__main__":
    main(tyro.cli(Settings))
