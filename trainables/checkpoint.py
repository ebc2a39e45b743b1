"""Named arrays and what is to be known of them in one file: safetensors, with the metadata as JSON in its header.

A file is written whole or not at all, and one that was damaged since is refused. No pickle: reading a file runs
no code of its author. What the arrays mean is the caller's business.
"""

import errno
import json
import os
import uuid
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

_HEADER_KEY = "colorization_search"


class CheckpointError(ValueError):
    """A file that is no checkpoint, is damaged, or belongs to another model."""


class DamagedError(CheckpointError):
    """A file that was cut short or changed after it was written."""


class Variable(Protocol):
    """What of a Keras or TensorFlow variable is needed here."""

    name: str
    shape: Any
    dtype: Any

    def numpy(self) -> np.ndarray:
        """Its value."""

    def assign(self, value: np.ndarray) -> object:
        """Set its value."""


def save(path: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, Any]) -> None:
    """Write `arrays` and `metadata` (JSON types) to `path`, replacing what was there in one step.

    The bytes are on the disk when this returns. A process killed in the middle leaves the old file.

    Raises
    ------
    OSError
        The folder or the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    contiguous = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    content = json.dumps(dict(metadata))
    header = json.dumps({"crc32": _checksum(contiguous, content), "metadata": content})
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        # The rights that all files of a study have; safetensors would give them to the owner alone.
        temporary.touch()
        rights = temporary.stat().st_mode
        try:
            save_file(contiguous, temporary, metadata={_HEADER_KEY: header})
            temporary.chmod(rights)
        except SafetensorError as error:
            # What the system said comes as text alone.
            number = errno.ENOSPC if "No space left" in str(error) else errno.EIO
            raise OSError(number, f"{path} cannot be written ({error})") from error
        _flush(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    _flush(path.parent)


def load(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Read arrays and metadata back.

    Raises
    ------
    CheckpointError
        No such file or a file of another kind; `DamagedError` for one that is cut short or changed.
    """
    arrays, content, checksum = _read(path)
    if checksum != _checksum(arrays, content):
        raise DamagedError(f"{path} is damaged: its content does not match its checksum. {_REMEDY}")
    try:
        metadata = json.loads(content)
    except ValueError:
        metadata = None
    if not isinstance(metadata, dict):
        raise CheckpointError(f"{path} was not written by this program: its metadata is no JSON object.")
    return arrays, metadata


def gather(groups: Mapping[str, Sequence[Variable]]) -> dict[str, np.ndarray]:
    """The values of variables by group, place and name, such as `generator/003/kernel`."""
    return {name: np.asarray(variable.numpy()) for name, variable in _named(groups)}


def assign(groups: Mapping[str, Sequence[Variable]], arrays: Mapping[str, np.ndarray], path: Path) -> None:
    """Set variables to the values that `gather` took from such variables.

    Raises
    ------
    CheckpointError
        `arrays`, read from `path`, are not those of these variables; none of them is set then.
    """
    named = dict(_named(groups))
    for name in sorted(named.keys() | arrays.keys()):
        here = tuple(named[name].shape) if name in named else "missing"
        there = arrays[name].shape if name in arrays else "missing"
        if here != there:
            raise CheckpointError(
                f"{path} belongs to another architecture: {name} is {there} there and {here} here. {_REMEDY}"
            )
    for name, variable in named.items():
        variable.assign(arrays[name])


def refuse_difference(path: Path, here: Mapping[str, Any], there: Mapping[str, Any]) -> None:
    """Raise `CheckpointError` if `there`, the metadata of `path`, differs in one of the entries `here` has."""
    differences = [
        f"{name} is {found!r} there and {wanted!r} here"
        for name, wanted, found in _entries(here, there)
        if wanted != found
    ]
    if differences:
        raise CheckpointError(f"{path} belongs to another training: {'; '.join(differences)}. {_REMEDY}")


_REMEDY = "Take another checkpoint, or train the model again."


def _named(groups: Mapping[str, Sequence[Variable]]) -> Iterator[tuple[str, Variable]]:
    # The place tells variables of one name apart; Keras' own paths count layers up over a process's life.
    for group, variables in groups.items():
        for place, variable in enumerate(variables):
            yield f"{group}/{place:03d}/{variable.name}", variable


def _entries(here: Mapping[str, Any], there: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Name, value here and value there, with nested mappings laid flat."""
    for name, value in here.items():
        other = there.get(name)
        if isinstance(value, Mapping) and isinstance(other, Mapping):
            yield from _entries(value, other)
        else:
            yield name, value, other


def _read(path: Path) -> tuple[dict[str, np.ndarray], str, int]:
    """Arrays, the metadata's JSON and the checksum over both."""
    if not path.is_file():
        raise CheckpointError(
            f"{path} is no file: give the path of a .safetensors file that a training run wrote."
        )
    try:
        with safe_open(path, framework="np") as file:
            header = (file.metadata() or {}).get(_HEADER_KEY)
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise DamagedError(f"{path} is damaged or no safetensors file ({error}). {_REMEDY}") from error
    if header is None:
        raise CheckpointError(f"{path} was not written by this program: its header has no {_HEADER_KEY!r}.")
    try:
        outer = json.loads(header)
        return arrays, str(outer["metadata"]), outer["crc32"]
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedError(f"{path} is damaged: its header cannot be read. {_REMEDY}") from error


def _checksum(arrays: Mapping[str, np.ndarray], metadata: str) -> int:
    """CRC-32 over metadata, names and bytes: safetensors itself notices a file cut short, but no changed byte."""
    checksum = zlib.crc32(metadata.encode())
    for name in sorted(arrays):
        checksum = zlib.crc32(name.encode(), checksum)
        checksum = zlib.crc32(arrays[name].reshape(-1).view(np.uint8).data, checksum)
    return checksum


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
