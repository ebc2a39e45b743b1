"""What is trained besides what a searcher proposes: reference points, what the user enqueued, and confirmations."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial

from results.store import Role
from search.config import ConfigError
from spaces import Space, Value

REFERENCE = "reference"
"""User attribute of a journal's trial that is a reference point: its name."""
POINT = "point"
"""User attribute of a trial that nobody proposed: the key of its point."""
SEED = "seed"
"""User attribute of a confirmation: the seed that it is trained with in place of the study's."""
CONFIRMS = "confirms"
"""User attribute of a confirmation: the number of the trial that is trained once more."""


@dataclass(frozen=True)
class Point:
    """Parameters to be trained; those that are not given are drawn by the searcher."""

    key: str
    """Tells it from the study's other points."""
    params: Mapping[str, Value]
    reference: str | None = None
    """The name of a reference point; of a confirmation, that of the one it confirms."""
    seed: int | None = None
    """What a confirmation is trained with in place of the study's."""
    confirms: int | None = None
    """The number of the trial that a confirmation trains once more."""

    @property
    def role(self) -> Role:
        """What the trial is for."""
        if self.confirms is not None:
            return "confirmation"
        return "search" if self.reference is None else "reference"

    @property
    def label(self) -> str | None:
        """What is said of the trial beside its number; nothing of one that the search proposed."""
        if self.confirms is None:
            return self.reference
        return f"{self.reference or f'trial {self.confirms}'}, seed {self.seed}"

    def plain(self) -> dict[str, Any]:
        """As plain values, the way back through `Point(**values)`."""
        return asdict(self)

    @property
    def attributes(self) -> dict[str, str | int]:
        """What the journal keeps of it, as a trial's user attributes."""
        values = {
            POINT: self.key or None,
            REFERENCE: self.reference,
            SEED: self.seed,
            CONFIRMS: self.confirms,
        }
        return {name: value for name, value in values.items() if value is not None}


def confirmation(trial: int, reference: str | None, seed: int, params: Mapping[str, Value]) -> Point:
    """The point that trains a trial once more, with another seed."""
    return Point(f"trial {trial} with seed {seed}", params, reference, seed, trial)


def point_of(trial: FrozenTrial) -> Point:
    """The point that a journal's trial is; of one that was proposed or enqueued, its parameters."""
    attributes = trial.user_attrs
    return Point(
        attributes.get(POINT, ""),
        trial.params,
        attributes.get(REFERENCE),
        attributes.get(SEED),
        attributes.get(CONFIRMS),
    )


def read_points(file: Path, space: Space) -> list[Point]:
    """Read a JSON list of objects that map parameters of the space to values.

    Raises
    ------
    ConfigError
        There is no such file, it holds something else, or a name or value that the space does not have.
    """
    try:
        if not file.is_file():
            raise OSError("it is no file")
        # As pairs, for an object may name a parameter twice.
        entries = json.loads(file.read_text(encoding="utf-8"), object_pairs_hook=list)
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"--enqueue is {file}, which cannot be read as JSON: {error}.") from None
    if not isinstance(entries, list) or not all(_is_object(entry) for entry in entries):
        raise ConfigError(
            f'--enqueue is {file}, but must hold a JSON list of parameters, such as [{{"lambda": 50}}].'
        )
    return [
        Point(f"enqueued {place}", _params(f"--enqueue {file}, entry {place}", entry, space))
        for place, entry in enumerate(entries, start=1)
    ]


def _is_object(entry: object) -> bool:
    """Whether it was an object in JSON, by what its pairs became; an empty one and an empty list are alike."""
    return isinstance(entry, list) and all(isinstance(pair, tuple) for pair in entry)


def _params(where: str, entry: Sequence[tuple[str, Any]], space: Space) -> dict[str, Value]:
    params: dict[str, Value] = {}
    for name, value in entry:
        if name in params:
            raise ConfigError(f"{where}: {name} is given more than once: leave all but one out.")
        params[name] = _taken(where, name, value, space)
    for name in params:
        _check_condition(where, name, params, space)
    return params


def _taken(where: str, name: str, value: Any, space: Space) -> Value:
    if name not in space:
        raise ConfigError(f"{where}: {name} is no parameter of this study: take one of {', '.join(space)}.")
    own = space[name].own(value) if isinstance(value, Value) else None
    if own is None:
        raise ConfigError(f"{where}: {name} is {value!r}, but must be {space[name].describe()}.")
    return own


def _check_condition(where: str, name: str, entry: Mapping[str, Value], space: Space) -> None:
    parameter = space[name]
    if (
        parameter.when is not None
        and parameter.when[0] in entry
        and entry[parameter.when[0]] != parameter.when[1]
    ):
        needed, wanted = parameter.when
        raise ConfigError(
            f"{where}: {name} exists only where {needed} is {wanted}: leave one of the two out."
        )
