"""Trials of earlier studies, from which a searcher learns as far as their parameters agree with the new space."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState, create_trial

from results.store import PARAMS, StudyError, open_study, read_config, read_epochs, read_trials
from search.config import ConfigError
from search.outcome import epoch_attributes
from spaces import Space, Value, distributions_of


def check_earlier(studies: Sequence[Path], model: str) -> None:
    """See whether the studies can be learned from.

    Raises
    ------
    ConfigError
        One is missing, cannot be read, or is of another model.
    """
    for study in studies:
        try:
            folder = open_study(study)
            recorded = read_config(folder)["model"]
            read_trials(folder)
            read_epochs(folder)
        except StudyError as error:
            raise ConfigError(f"--warm-start is {study}: {error}") from None
        if recorded != model:
            raise ConfigError(
                f"--warm-start is {study}, a study of {recorded}, but this one is of {model}: take one of {model}."
            )


def earlier_trials(
    studies: Sequence[Path], space: Space, *, objectives: Sequence[str], epochs: int
) -> list[FrozenTrial]:
    """The ended trials of the studies, as the journal of this one would hold them.

    Confirmations are left out, as in their own study.

    A parameter that the space does not have or allow is left out; so is a trial without any. A trial that had fewer
    epochs than `epochs` counts as stopped there, whatever the reason, and one that had more as finished, by those
    that trials of this study will have.
    """
    found = []
    for study in studies:
        curves: dict[int, dict[int, list[float]]] = {}
        for row in read_epochs(study).to_pylist():
            values = [row[name] for name in objectives]
            if row["epoch"] <= epochs and None not in values:
                curves.setdefault(row["trial"], {})[row["epoch"]] = values
        for row in read_trials(study).to_pylist():
            params = _agreeing(row, space)
            curve = curves.get(row["trial"])
            if params and curve and row["state"] != "FAIL" and row["role"] != "confirmation":
                found.append(_trial(params, curve, space, epochs))
    return found


def _agreeing(row: dict[str, Any], space: Space) -> dict[str, Value]:
    return {
        name: row[PARAMS + name]
        for name, parameter in space.items()
        if row.get(PARAMS + name) is not None and parameter.allows(row[PARAMS + name])
    }


def _trial(params: dict[str, Value], curve: dict[int, list[float]], space: Space, epochs: int) -> FrozenTrial:
    finished = max(curve) >= epochs
    values = curve[max(curve)]
    return create_trial(
        state=TrialState.COMPLETE if finished else TrialState.PRUNED,
        values=values if finished or len(values) == 1 else None,
        params=params,
        distributions=distributions_of(space, params),
        **epoch_attributes({epoch: tuple(values) for epoch, values in curve.items()}),
    )
