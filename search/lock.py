"""One process runs a study at a time: a lock that the system lets go when its holder dies, however it dies."""

import fcntl
import json
import os
import platform
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import IO

from results.store import writing
from search.config import ConfigError


class StudyLock:
    """Holds the study in a folder until `release` or the end of the process.

    Its file is there only while it is held, or after a crash: one that lay around would invite to be deleted, also
    while it is held.

    Raises
    ------
    ConfigError
        Another process holds it; the message says which. Or the folder's file system has no locks.
    StudyError
        The disk is full or the folder cannot be written.
    """

    def __init__(self, path: Path, name: str) -> None:
        self._path = path
        while not _is_at(path, file := _locked(path, name)):
            # Its holder removed it at that moment.
            file.close()
        self._file = file
        owner = {
            "pid": os.getpid(),
            "host": platform.node(),
            "since": datetime.now().astimezone().isoformat(timespec="seconds"),
        }
        with writing(path.parent, path):
            try:
                self._file.truncate(0)
                self._file.write(json.dumps(owner))
                self._file.flush()
                os.fsync(self._file.fileno())
            except OSError:
                with suppress(OSError):
                    self._file.close()
                raise

    def release(self) -> None:
        """Let another process take it."""
        with suppress(OSError):
            self._path.unlink()
        self._file.close()


def _locked(path: Path, name: str) -> IO[str]:
    """The file, opened and locked."""
    with writing(path.parent, path):
        file = path.open("a+", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = _holder(file.read())
        file.close()
        raise ConfigError(
            f"the study {name} is running: {holder} holds it. Watch it there, or stop it with Ctrl-C first."
        ) from None
    except OSError as error:
        file.close()
        raise ConfigError(
            f"{path} cannot be locked ({error.strerror}), so two processes might run one study: take a --storage on"
            " another file system, or mount this one with locks."
        ) from None
    return file


def _is_at(path: Path, file: IO[str]) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    return False


def _holder(content: str) -> str:
    try:
        owner = json.loads(content)
        return f"process {owner['pid']} on {owner['host']}, since {owner['since']},"
    except (ValueError, KeyError):
        return "another process"
