"""Whether a study can be begun or gone on with: all that can be known at once, without Ray and TensorFlow."""

import os
import shutil
from dataclasses import fields, replace
from pathlib import Path

from results.store import StudyFolder, open_study, read_config
from search.config import ConfigError, StudyConfig
from search.machine import this_machine
from search.plan import Plan, make_plan
from trainables.data.sources import resolve

LEAST_FREE = 512 * 2**20
"""Bytes on the storage below which a study is not begun: the weights of a few small trials."""
_WORDS = {
    "encoder_weights": ("auto", "imagenet", "none"),
    "perceptual_weights": ("imagenet", "none"),
}
"""What the settings that name weights may be, beside files."""


def settle(config: StudyConfig) -> StudyConfig:
    """The settings with a name and with paths that hold from anywhere.

    Without a given name it is the model's, with the first number that is free.
    """
    name, number = config.name or config.model, 2
    while config.name is None and (config.storage / str(name)).exists():
        name, number = f"{config.model}-{number}", number + 1
    return replace(
        config,
        name=name,
        storage=config.storage.absolute(),
        data=_absolute(config.data) if config.data else None,
        encoder_weights=_absolute(config.encoder_weights),
        perceptual_weights=_absolute(config.perceptual_weights),
    )


def study_folder(config: StudyConfig) -> StudyFolder:
    """Where the study of these settings lies, or will; they have a name."""
    return StudyFolder(config.storage / str(config.name))


def admit(config: StudyConfig) -> Plan:
    """See whether a new study can be begun, and what it would do on this machine.

    Raises
    ------
    ConfigError
        A setting cannot be used, the name is taken, or the storage is full or not writable.
    DataError
        There is no such data.
    """
    plan = make_plan(config, this_machine(), ("unet", "mobilenetv2"))
    folder = study_folder(config).path
    if folder.exists():
        raise ConfigError(
            f"--name {config.name} is taken by {folder}: go on with that study (python -m search.run --resume"
            f" {config.name}) or take another name."
        )
    _check_storage(config.storage)
    for name, words in _WORDS.items():
        spec = getattr(config, name)
        if spec not in words and not Path(spec).is_file():
            raise ConfigError(
                f"--{name.replace('_', '-')} is {spec}, but must be {', '.join(words)} or a file of weights."
            )
    resolve(config.data)
    return plan


def recorded_config(name: str, given: StudyConfig) -> StudyConfig:
    """The settings of the study that is to go on, with `--storage` and `--address` as given now.

    Raises
    ------
    StudyError
        There is no such study.
    ConfigError
        A setting was given that differs from the recorded one.
    """
    recorded = StudyConfig.from_record(read_config(open_study(given.storage.absolute() / name))["config"])
    default = StudyConfig()
    for field in fields(StudyConfig):
        now, then = getattr(given, field.name), getattr(recorded, field.name)
        if field.name in {"storage", "address"} or now in (getattr(default, field.name), then):
            continue
        raise ConfigError(
            f"{field.name} is {now} now, but {then} in the study {name}: leave it out to go on with that study,"
            " or start one of another name."
        )
    return replace(recorded, storage=given.storage.absolute(), address=given.address)


def _absolute(path: str) -> str:
    """The absolute path where there is such a file or folder; otherwise it is a word, or wrong, and stays."""
    expanded = Path(path).expanduser()
    return str(expanded.absolute()) if path not in _WORDS["encoder_weights"] and expanded.exists() else path


def _check_storage(storage: Path) -> None:
    existing = next(path for path in (storage, *storage.absolute().parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise ConfigError(
            f"--storage is {storage}, but {existing} is no folder that you may write to: take another."
        )
    free = shutil.disk_usage(existing).free
    if free < LEAST_FREE:
        raise ConfigError(
            f"--storage is {storage}, with {free / 2**20:.0f} MiB free, but a study needs"
            f" {LEAST_FREE / 2**20:.0f} or more: make room there, or take another folder."
        )
