"""What a study tries before anything is proposed: the reference points, and what the user enqueued."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from search.config import ConfigError
from spaces import Space, Value


@dataclass(frozen=True)
class Point:
    """Parameters to be tried first; those that are not given are drawn by the searcher."""

    key: str
    """Tells it from the study's other points."""
    params: Mapping[str, Value]
    reference: str | None = None
    """The name of a reference point."""


def read_points(file: Path, space: Space) -> list[Point]:
    """Read a JSON list of objects that map parameters of the space to values.

    Raises
    ------
    ConfigError
        There is no such file, it holds something else, or a name or value that the space does not have.
    """
    try:
        entries = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"--enqueue is {file}, which cannot be read as JSON: {error}.") from None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ConfigError(
            f'--enqueue is {file}, but must hold a JSON list of parameters, such as [{{"lambda": 50}}].'
        )
    for place, entry in enumerate(entries):
        for name, value in entry.items():
            _check(f"--enqueue {file}, entry {place + 1}", name, value, entry, space)
    return [Point(f"enqueued {place + 1}", entry) for place, entry in enumerate(entries)]


def _check(where: str, name: str, value: Value, entry: Mapping[str, Value], space: Space) -> None:
    if name not in space:
        raise ConfigError(f"{where}: {name} is no parameter of this study: take one of {', '.join(space)}.")
    parameter = space[name]
    if not isinstance(value, bool | int | float | str) or not parameter.allows(value):
        raise ConfigError(f"{where}: {name} is {value!r}, but must be {parameter.describe()}.")
    if (
        parameter.when is not None
        and parameter.when[0] in entry
        and entry[parameter.when[0]] != parameter.when[1]
    ):
        needed, wanted = parameter.when
        raise ConfigError(
            f"{where}: {name} exists only where {needed} is {wanted}: leave one of the two out."
        )
