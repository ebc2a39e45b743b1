"""Copies of a study's large files on the disk of the machine at hand: from shared storage they are read once."""

import fcntl
import hashlib
import os
import shutil
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path


class DifferentError(OSError):
    """A file is not what it was when the study began."""


@dataclass(frozen=True)
class SharedFile:
    """A file on storage that all machines share, with the SHA-256 of its content and the machine that needs no copy.

    Plain values, since it travels through Ray.
    """

    path: str
    sha256: str
    host: str


def own_folder() -> Path:
    """Where this machine keeps copies: below its temporary files, since homes may be shared."""
    return Path(tempfile.gettempdir()) / f"colorization-search-{os.getuid()}"


def digest(file: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def copied(file: Path, sha256: str, folder: Path) -> Path:
    """A copy of a file in a folder, made if there is none that is whole; processes that want the same one wait.

    Raises
    ------
    DifferentError
        The content of the file has another digest.
    OSError
        The file cannot be read, or the folder cannot be written.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    copy = folder / f"{sha256[:16]}-{file.name}"
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if copy.is_file() and digest(copy) == sha256:
            return copy
        temporary = folder / f".{uuid.uuid4().hex}"
        try:
            shutil.copyfile(file, temporary)
            if digest(temporary) != sha256:
                raise DifferentError(
                    f"{file} is not what it was when the study began: bring it back, or start a study of another name"
                )
            temporary.replace(copy)
        finally:
            temporary.unlink(missing_ok=True)
    return copy


def nearby(file: SharedFile) -> Path:
    """The file on this machine's disk; on shared storage where it lies there already, or the disk has no room.

    Raises
    ------
    DifferentError
        The content of the file is not what it was.
    """
    shared = Path(file.path)
    if file.host == os.uname().nodename:
        return shared
    try:
        return copied(shared, file.sha256, own_folder())
    except DifferentError:
        raise
    except OSError:
        return shared
