"""A journal that was damaged, by a crash, a failing disk or a stranger: what can still be read of it is kept.

What is lost of it, the study's tables still hold: see `search.resume`.
"""

import json
from bisect import bisect_left
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from optuna.exceptions import OptunaError
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend, JournalFileBackend

from search.outcome import epochs_of

_UNREADABLE = (ArithmeticError, AttributeError, LookupError, OptunaError, TypeError, ValueError)
"""What Optuna raises where a line is not one that it wrote."""


class DamagedJournalError(ValueError):
    """A journal with a line that cannot be read."""


def load(path: Path) -> JournalStorage:
    """Read a journal, which is made where there is none.

    Raises
    ------
    DamagedJournalError
        A line cannot be read. One that a crash cut short at the very end is passed over: see `is_sound`.
    """
    return _read(JournalFileBackend(str(path)))


def is_sound(path: Path) -> bool:
    """Whether the last line is whole, so that another may be written after it, and the first comes once.

    The first makes the study, with a mark of the process that did: where it comes again, a copy was written behind.
    """
    with suppress(FileNotFoundError), path.open("rb") as file:
        first = file.readline()
        last = deque([first], maxlen=1)
        for line in file:
            if line == first:
                return False
            last.append(line)
        return all(_is_whole(line) for line in last if line)
    return True


def mend(path: Path) -> str:
    """Cut a journal off before the first line that cannot be read, and say what was lost.

    What was there stays beside it under the ending `.damaged`.
    """
    content = path.read_bytes()
    lines = content.splitlines(keepends=True)
    whole = next((place for place, line in enumerate(lines) if not _is_whole(line)), len(lines))
    if lines and lines[0] in lines[1:whole]:
        whole = lines.index(lines[0], 1)
    if not _can_be_read(lines[:whole]):
        whole = bisect_left(range(whole), True, key=lambda count: not _can_be_read(lines[: count + 1]))
    if whole == len(lines):
        return ""
    kept = b"".join(lines[:whole])
    path.with_name(path.name + ".damaged").write_bytes(content)
    shortened = path.with_name(path.name + ".new")
    shortened.write_bytes(kept)
    shortened.replace(path)
    return (
        f"{path} was damaged: its last {len(content) - len(kept)} bytes are lost, {whole} whole lines are kept."
        f" The damaged file is kept as {path.name}.damaged."
    )


def _read(backend: BaseJournalBackend) -> JournalStorage:
    try:
        storage = JournalStorage(backend)
        for study in storage.get_all_studies():
            for trial in storage.get_all_trials(study._study_id, deepcopy=False):
                epochs_of(trial)
    except _UNREADABLE as error:
        raise DamagedJournalError(f"a line of the journal cannot be read: {error!r}") from error
    return storage


class _Lines(BaseJournalBackend):
    """The beginning of a journal, in memory."""

    def __init__(self, lines: Sequence[bytes]) -> None:
        self._lines = lines

    def read_logs(self, log_number_from: int) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._lines[log_number_from:]]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        raise NotImplementedError


def _can_be_read(lines: Sequence[bytes]) -> bool:
    try:
        _read(_Lines(lines))
    except DamagedJournalError:
        return False
    return True


def _is_whole(line: bytes) -> bool:
    with suppress(ValueError):
        return line.endswith(b"\n") and isinstance(json.loads(line), dict)
    return False
