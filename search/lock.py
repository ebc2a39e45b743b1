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

    Raises
    ------
    ConfigError
        Another process holds it; the message says which.
    StudyError
        The disk is full or the folder cannot be written.
    """

    def __init__(self, path: Path, name: str) -> None:
        with writing(path.parent, path):
            self._file: IO[str] = path.open("a+", encoding="utf-8")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.seek(0)
            holder = _holder(self._file.read())
            self._file.close()
            raise ConfigError(
                f"the study {name} is running: {holder} holds it. Watch it there, or stop it with Ctrl-C first."
            ) from None
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
        self._file.close()


def _holder(content: str) -> str:
    try:
        owner = json.loads(content)
        return f"process {owner['pid']} on {owner['host']}, since {owner['since']},"
    except (ValueError, KeyError):
        return "another process"
