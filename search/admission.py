"""Whether a study can be begun or gone on with: all that can be known at once, without Ray and TensorFlow."""

import os
import shlex
import shutil
from dataclasses import fields, replace
from importlib.util import find_spec
from pathlib import Path

from results.store import (
    SCHEMA_VERSION,
    StudyError,
    StudyFolder,
    open_study,
    read_config,
    read_epochs,
    read_trials,
)
from search.config import NAME_PATTERN, ConfigError, StudyConfig, flag
from search.earlier import check_earlier
from search.machine import joins_cluster, this_machine
from search.paths import settled
from search.plan import Plan, check_fits, make_plan
from spaces import REFERENCES
from trainables.data.sources import resolve

_NEEDED = {"gp": ("scipy", "torch"), "cmaes": ("cmaes",)}
"""Packages that searchers need beside what is always installed."""
LEAST_FREE = 512 * 2**20
"""Bytes on the storage below which a study is not begun, beside what its trials keep: tables, pictures, a journal."""
_MAY_CHANGE = {
    "storage",
    "address",
    "concurrency",
    "trials",
    "epochs",
    "time_budget",
    "gpu_hours",
    "patience",
    "confirm",
    "finalists",
}
"""Settings with other values of which a study goes on."""
_MAY_MOVE = {"data", "encoder_weights", "perceptual_weights"}
"""Settings that may name another place of the same files."""
_WORDS = {
    "encoder_weights": ("auto", "imagenet", "none"),
    "perceptual_weights": ("imagenet", "none"),
}
"""What the settings that name weights may be, beside files."""


def settle(config: StudyConfig) -> StudyConfig:
    """The settings with a name and with paths that hold from anywhere.

    Without a given name it is the model's, with the first number that is free.
    """
    storage = settled("--storage", config.storage)
    name, number = config.name or config.model, 2
    while config.name is None and (storage / str(name)).exists():
        name, number = f"{config.model}-{number}", number + 1
    return replace(
        config,
        name=name,
        storage=storage,
        data=None if config.data is None else _found("data", config.data),
        encoder_weights=_found("encoder_weights", config.encoder_weights),
        perceptual_weights=_found("perceptual_weights", config.perceptual_weights),
        enqueue=None if config.enqueue is None else settled("--enqueue", config.enqueue),
        warm_start=tuple(dict.fromkeys(settled("--warm-start", study) for study in config.warm_start)),
    )


def study_folder(config: StudyConfig) -> StudyFolder:
    """Where the study of these settings lies, or will; they have a name."""
    return StudyFolder(config.storage / str(config.name))


def resume_command(config: StudyConfig) -> str:
    """What to type to go on with a study."""
    default = StudyConfig().storage.absolute()
    storage = f" --storage {shlex.quote(str(config.storage))}" if config.storage != default else ""
    return f"python -m search.run --resume {config.name}{storage}"


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
    if not joins_cluster(config.address):
        check_fits(plan)
    folder = study_folder(config).path
    if folder.exists():
        raise ConfigError(
            f"--name {config.name} is taken by {folder}: go on with that study (python -m search.run --resume"
            f" {config.name}) or take another name."
        )
    _check_storage(plan)
    for name, words in _WORDS.items():
        spec = getattr(config, name)
        if spec not in words and not Path(spec).is_file():
            raise ConfigError(f"{flag(name)} is {spec}, but must be {', '.join(words)} or a file of weights.")
    check_earlier(config.warm_start, plan.model)
    missing = [name for name in _NEEDED.get(config.searcher, ()) if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"--searcher is {config.searcher}, but that needs {' and '.join(missing)}: pip install"
            " -e '.[samplers]', or take tpe."
        )
    photos = len(resolve(config.data).names)
    # What is left over of a given size is all photos; the default is for small sets as well.
    if config.batch_size > max(photos, StudyConfig.batch_size):
        raise ConfigError(
            f"--batch-size is {config.batch_size}, but there are {photos} images: take fewer than are trained on."
        )
    return plan


def recorded_config(name: str, storage: Path) -> StudyConfig:
    """The settings with which the study of this name was begun.

    Raises
    ------
    StudyError
        There is no such study.
    ConfigError
        The name is none, the study was recorded by another version, or under another name.
    """
    if not NAME_PATTERN.fullmatch(name):
        raise ConfigError(
            f"--resume is {name!r}, but must be the name of a study: type the name of its folder, and with --storage"
            " where that lies."
        )
    storage = settled("--storage", storage)
    folder = open_study(storage / name)
    record = read_config(folder)
    if not isinstance(record.get("config"), dict):
        raise StudyError(f"{folder.config} holds no settings to go on with: restore it from a copy.")
    recorded = StudyConfig.from_record(record["config"])
    if record["schema_version"] < SCHEMA_VERSION:
        recorded = _of_today(recorded, folder)
    if recorded.name != name:
        raise ConfigError(
            f"--resume is {name}, but the study.json there is of the study {recorded.name}: rename the folder to"
            " that."
        )
    # What was enqueued is the study's own since it began.
    enqueue = folder.enqueued if folder.enqueued.is_file() else recorded.enqueue
    return replace(recorded, storage=storage, enqueue=enqueue)


def _of_today(recorded: StudyConfig, folder: StudyFolder) -> StudyConfig:
    """The settings of a study in which reference points were among the trials that were asked for."""
    names = [row["reference"] for row in read_trials(folder).to_pylist() if row["role"] == "reference"]
    keys = tuple(one.key for one in REFERENCES[str(recorded.model)] if one.name in names)
    return replace(
        recorded,
        references=keys or ("none",),
        trials=None if recorded.trials is None else max(1, recorded.trials - len(names)),
    )


def extended(recorded: StudyConfig, given: StudyConfig) -> StudyConfig:
    """The settings with which a study goes on; it may be extended, and run elsewhere, but stays the same study.

    Raises
    ------
    ConfigError
        A setting is given that makes it another study, or takes back what was done, or its folder cannot be written.
    """
    for field in fields(StudyConfig):
        now, then = getattr(given, field.name), getattr(recorded, field.name)
        if now == then or field.name in _MAY_CHANGE or _has_moved(field.name, now, then):
            continue
        raise ConfigError(
            f"{flag(field.name)} is {_typed(now)} now, but {_typed(then)} in the study {recorded.name}: leave it out"
            " to go on with that study, or start one of another name."
        )
    for name in sorted(_MAY_MOVE):
        path = getattr(given, name)
        if _is_place(path) and not Path(path).exists():
            raise ConfigError(
                f"{flag(name)} is {path} in the study {recorded.name}, where nothing is now: say with {flag(name)}"
                " where the same files lie."
            )
    folder = study_folder(recorded)
    _check_writable(recorded.storage, folder.path)
    trials = [row for row in read_trials(folder).to_pylist() if row["role"] == "search"]
    begun = len(trials)
    done = max(read_epochs(folder)["epoch"].to_pylist(), default=0)
    for name, now, least, what in (
        ("trials", given.trials, begun, "trials have begun"),
        ("epochs", given.epochs, done, "epochs have been trained of a trial"),
    ):
        if now is not None and now < least:
            raise ConfigError(
                f"{flag(name)} is {now}, but in the study {recorded.name} {least} {what}: take {least} or more."
            )
    states = {row["state"] for row in trials}
    is_over = begun == given.trials and given.epochs == recorded.epochs and "RUNNING" not in states
    if given.confirm and given.confirm != recorded.confirm and is_over and "COMPLETE" not in states:
        raise ConfigError(
            f"--confirm is {given.confirm}, but no trial of the study {recorded.name} was trained to its end, so"
            " there is none to confirm: take more --trials first."
        )
    return given


def _has_moved(name: str, now: object, then: object) -> bool:
    """Whether data or weights are said to lie elsewhere; that they are the same is seen when they are read."""
    return name in _MAY_MOVE and _is_place(now) and _is_place(then)


def _is_place(spec: object) -> bool:
    """Whether a setting of data or weights names files rather than a word, as `settle` leaves it."""
    return isinstance(spec, str) and spec.startswith("/")


def _typed(value: object) -> str:
    return " ".join(map(str, value)) or "none" if isinstance(value, tuple) else str(value)


def _found(name: str, spec: str) -> str:
    """The settled path where there is such a file or folder; otherwise it is a word, or wrong, and stays."""
    if spec in _WORDS.get(name, ()) or spec.startswith("kaggle:"):
        return spec
    path = settled(flag(name), spec)
    return str(path) if path.exists() else spec


def free_bytes(storage: Path) -> int:
    """What is free where this folder lies, or will."""
    return shutil.disk_usage(_existing(storage)).free


def _existing(storage: Path) -> Path:
    return next(path for path in (storage, *storage.absolute().parents) if path.exists())


def _check_storage(plan: Plan) -> None:
    storage = plan.config.storage
    _check_writable(storage, _existing(storage))
    at_once = max(1, plan.concurrency)
    free, needed = free_bytes(storage), LEAST_FREE + at_once * plan.bytes_kept
    if free < needed:
        raise ConfigError(
            f"--storage is {storage}, with {free / 2**20:.0f} MiB free, but a study needs {needed / 2**20:.0f} or"
            f" more, for the states of {at_once} trial{'s' * (at_once > 1)} at once: make room there, take another"
            " folder, or smaller networks."
        )


def _check_writable(storage: Path, folder: Path) -> None:
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(
            f"--storage is {storage}, but {folder} is no folder that you may write to: take another, or see that"
            " this one can be written."
        )
