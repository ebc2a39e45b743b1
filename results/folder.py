"""Where everything of a study lies, and whether a folder is one. Reads `study.json`, no table, and writes nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from results.schema import READABLE, RECORD, SCHEMA_VERSION


class StudyError(ValueError):
    """A study that cannot be read or written; the message says what to do."""


@dataclass(frozen=True)
class StudyFolder:
    """Names every file of a study; creates and checks nothing (see `open_study`)."""

    path: Path

    @property
    def config(self) -> Path:
        """The JSON record of what was asked for, on which data, with which versions."""
        return self.path / "study.json"

    @property
    def lock(self) -> Path:
        """Held by the process that runs the study."""
        return self.path / "study.lock"

    @property
    def journal(self) -> Path:
        """Optuna's journal."""
        return self.path / "optuna.journal"

    @property
    def enqueued(self) -> Path:
        """What was to be tried before anything was proposed, as it was when the study began."""
        return self.path / "enqueued.json"

    @property
    def trials(self) -> Path:
        """The table of trials."""
        return self.path / "trials.parquet"

    @property
    def epochs(self) -> Path:
        """The folder with the tables of epochs."""
        return self.path / "epochs"

    @property
    def compacted_epochs(self) -> Path:
        """The table that `StudyWriter.compact` merges all epochs into."""
        return self.epochs / "all.parquet"

    @property
    def resamples(self) -> Path:
        """The table of the test split's resamples."""
        return self.path / "resamples.parquet"

    @property
    def gallery(self) -> Path:
        """The page of pictures."""
        return self.path / "gallery.html"

    def epoch(self, trial: int, epoch: int) -> Path:
        """The table with one epoch of one trial."""
        return self.epochs / f"{trial:04d}-{epoch:04d}.parquet"

    def trial(self, number: int) -> Path:
        """A trial's own folder."""
        return self.path / "trials" / f"{number:04d}"

    def checkpoint(self, number: int) -> Path:
        """Folder of a trial's weights."""
        return self.trial(number) / "checkpoint"

    def last_state(self, number: int) -> Path:
        """The training state that a trial goes on from; absent for a stopped one."""
        return self.checkpoint(number) / "last.safetensors"

    def previous_state(self, number: int) -> Path:
        """The training state of an epoch earlier, should the last one be damaged; absent for a stopped trial."""
        return self.checkpoint(number) / "previous.safetensors"

    def owner(self, number: int) -> Path:
        """Names the process that trains a trial, for one that was given up to write no more."""
        return self.checkpoint(number) / "owner"

    def best_weights(self, number: int) -> Path:
        """The weights to colour with; absent for a stopped or failed trial."""
        return self.checkpoint(number) / "best.safetensors"

    def samples(self, number: int) -> Path:
        """Folder of a trial's picture strips, `epoch-003.png`."""
        return self.trial(number) / "samples"

    def test_strip(self, number: int) -> Path:
        """The strip of photos of the test split, of trials for which that was read."""
        return self.samples(number) / "test.png"

    def strips(self, number: int, best_epoch: int | None) -> list[Path]:
        """A trial's strips: that of its best epoch, whose weights were kept, then the newest to the oldest."""
        newest_first = sorted(self.samples(number).glob("epoch-*.png"), reverse=True)
        best = f"epoch-{best_epoch or 0:03d}.png"
        return sorted(newest_first, key=lambda strip: strip.name != best)


def open_study(path: str | Path) -> StudyFolder:
    """The study in a folder.

    Raises
    ------
    StudyError
        Where the folder is missing, is no study, cannot be looked into, or was written by another version of the
        schema.
    """
    folder = StudyFolder(Path(path))
    try:
        if not folder.path.exists():
            raise StudyError(f"{folder.path} does not exist: {_studies_in(folder.path.parent)}")
        if not folder.config.is_file():
            raise StudyError(f"{folder.path} is no study, it has no study.json: {_studies_in(folder.path)}")
    except OSError as error:
        raise StudyError(f"{folder.path} cannot be looked into ({error.strerror}): name another.") from None
    read_config(folder)
    return folder


def find_studies(storage: str | Path) -> list[StudyFolder]:
    """The studies directly inside a folder, the last started or resumed first; empty where there are none."""
    configs = sorted(Path(storage).glob("*/study.json"), key=lambda c: (-c.stat().st_mtime_ns, c))
    return [StudyFolder(config.parent) for config in configs]


def read_config(study: str | Path | StudyFolder) -> dict[str, Any]:
    """The content of `study.json`.

    Raises
    ------
    StudyError
        As `open_study`, and where the file is not JSON or a part that is read here is of another kind (`RECORD`).
    """
    from jsonschema import (
        Draft202012Validator,
    )  # here, because it takes a while and `--help` needs none of it
    from jsonschema.exceptions import best_match

    folder = study if isinstance(study, StudyFolder) else open_study(study)
    try:
        config = json.loads(folder.config.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise StudyError(f"{folder.path} is no study, it has no study.json: start one there first.") from None
    except OSError as error:
        raise StudyError(unreadable(folder.config, error)) from None
    except ValueError as error:
        raise StudyError(f"{folder.config} is not JSON ({error}): restore it from a copy.") from None
    if not isinstance(config, dict):
        raise StudyError(f"{folder.config} holds no JSON object: restore it from a copy.")
    check_version(folder.config, config.get("schema_version"))
    wrong = best_match(Draft202012Validator(RECORD).iter_errors(config))
    if wrong is not None:
        raise StudyError(f"{folder.config}: {wrong.json_path}: {wrong.message}. Restore it from a copy.")
    return config


def unreadable(file: Path, error: OSError) -> str:
    """What to say of a file that the system does not let one read."""
    return f"{file} cannot be read ({error.strerror}): see that this account may read it."


def check_version(file: Path, version: object) -> None:
    """Refuse a file of another schema version.

    Raises
    ------
    StudyError
        Where `version` is none that can be read.
    """
    if str(version) not in map(str, READABLE):
        raise StudyError(
            f"{file} has schema_version {version}, but this program reads {SCHEMA_VERSION}: "
            "use the version of the program that wrote it (study.json names the git commit)."
        )


def _studies_in(folder: Path) -> str:
    names = [study.path.name for study in find_studies(folder)[:8]]
    if names:
        return f"the studies in {folder} are {', '.join(names)}."
    return f"no study is in {folder} either; `python -m search.run` starts one."
