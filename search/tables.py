"""The trainings that a study recorded, as curves of all that they reported."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from results.store import METRICS, PARAMS, open_study, read_config, read_epochs, read_trials
from search.config import ConfigError, StudyConfig
from search.curves import Curve, final_of
from search.machine import Machine
from search.plan import make_plan
from spaces import Space, Value


@dataclass(frozen=True)
class Table:
    """What a study recorded.

    Attributes
    ----------
    name
        Its folder, as typed.
    model
        What was trained.
    task
        On which data, at which image size.
    space
        What the configurations were drawn from.
    objectives
        The metrics to minimise.
    epochs
        Of a trial that is not stopped.
    configurations
        Parameters and curve of each; some may fail.
    repeats
        Places of configurations that were trained on another seed as well, with those curves.
    left_out
        Trials of the record that have no full curve.
    """

    name: str
    model: str
    task: tuple[str, int]
    space: Space
    objectives: tuple[str, ...]
    epochs: int
    configurations: Sequence[tuple[Mapping[str, Value], Curve]]
    repeats: Sequence[tuple[int, Curve]]
    left_out: int


def read_table(folder: Path, objectives: tuple[str, ...] = ()) -> Table:
    """The trainings of a study's folder: complete and failed ones.

    Parameters
    ----------
    folder
        With study.json, trials.parquet and epochs/.
    objectives
        By default those of the study.

    Raises
    ------
    StudyError
        No study, or one of another schema version.
    ConfigError
        An objective that was not recorded.
    """
    study = open_study(folder)
    record = read_config(study)
    wanted = objectives or tuple(record["objectives"])
    unknown = [name for name in wanted if name not in METRICS]
    if unknown:
        raise ConfigError(f"--objective is {unknown[0]}, but {folder} holds {', '.join(METRICS)}.")
    config = StudyConfig.from_record(record["config"])
    # A machine on which the settings are possible, whatever this one is.
    machine = Machine(cpus=config.cpus_per_trial, gpus=math.ceil(float(config.gpus_per_trial or 0)))
    encoders = ("unet", "mobilenetv2") if record["encoder"]["available"] else ("unet",)
    plan = make_plan(config, machine, encoders)
    epochs = read_epochs(study)
    rows: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in epochs.to_pylist():
        rows[row["trial"]].append(row)
    seconds = [row["epoch_seconds"] for own in rows.values() for row in own]
    typical = float(np.median(seconds)) if seconds else 0.0
    configurations: list[tuple[Mapping[str, Value], Curve]] = []
    left_out, places = 0, dict[int, int]()
    repeats: list[tuple[int, Curve]] = []
    for trial in read_trials(study).to_pylist():
        curve = _curve(
            rows[trial["trial"]],
            wanted,
            failed_after=typical if trial["state"] == "FAIL" else None,
        )
        if len(curve.values) < plan.epochs and not curve.fails:
            left_out += trial["confirms"] is None
            continue
        if trial["confirms"] is not None:
            repeats += [(places[trial["confirms"]], curve)] if trial["confirms"] in places else []
            continue
        places[trial["trial"]] = len(configurations)
        params = {name: trial.get(PARAMS + name) for name in plan.space}
        configurations.append(({name: value for name, value in params.items() if value is not None}, curve))
    return Table(
        name=str(folder),
        model=plan.model,
        task=(record.get("data", {}).get("source", ""), plan.image_size),
        space=plan.space,
        objectives=wanted,
        epochs=plan.epochs,
        configurations=configurations,
        repeats=repeats,
        left_out=left_out,
    )


def _curve(
    rows: Sequence[Mapping[str, Any]],
    objectives: tuple[str, ...],
    *,
    failed_after: float | None,
) -> Curve:
    """The curve of a trial's rows by epoch.

    It fails at the first value of one that is not finite, or is missing; otherwise, unless that is None,
    `failed_after` seconds after its last epoch.
    """
    values = np.array([[_number(row[name]) for name in objectives] for row in rows]).reshape(
        len(rows), len(objectives)
    )
    finite = np.isfinite(values).all(axis=1)
    length = len(rows) if finite.all() else int(finite.argmin())
    seconds = np.array([_number(row["epoch_seconds"]) for row in rows])
    values = values[:length]
    if length == len(rows) and failed_after is not None:
        seconds = np.append(seconds, failed_after)
    final = final_of(values) if length else np.full(len(objectives), math.inf)
    return Curve(values, seconds[: length + 1], final)


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
