"""One process runs a study at a time."""

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys

import pytest

from results.store import StudyError
from search.config import ConfigError
from search.lock import StudyLock

HOLD = """
import sys, time
from pathlib import Path
from search.lock import StudyLock
lock = StudyLock(Path(sys.argv[1]), "birds")
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "study.lock")], stdout=subprocess.PIPE, text=True
    ) as process:
        process.stdout.readline()
        yield process
        process.kill()


def test_a_second_process_is_refused_and_told_which_is_the_first(holder, tmp_path):
    with pytest.raises(ConfigError, match=rf"the study birds is running: process {holder.pid} on "):
        StudyLock(tmp_path / "study.lock", "birds")
    # Being refused leaves the first one's name in the file.
    assert json.loads((tmp_path / "study.lock").read_text())["pid"] == holder.pid


def test_a_killed_holder_lets_go(holder, tmp_path):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    lock = StudyLock(tmp_path / "study.lock", "birds")
    assert json.loads((tmp_path / "study.lock").read_text())["pid"] == os.getpid()
    lock.release()
    assert list(tmp_path.iterdir()) == []
    StudyLock(tmp_path / "study.lock", "birds").release()


def test_a_file_that_its_holder_removes_while_another_process_opens_it_holds_nothing(tmp_path, monkeypatch):
    path = tmp_path / "study.lock"
    lock = StudyLock(path, "birds")
    flock = fcntl.flock

    def ending_meanwhile(file, operation):
        monkeypatch.setattr(fcntl, "flock", flock)
        lock.release()
        flock(file, operation)

    monkeypatch.setattr(fcntl, "flock", ending_meanwhile)
    second = StudyLock(path, "birds")
    assert json.loads(path.read_text())["pid"] == os.getpid()
    second.release()


def test_a_file_system_without_locks_is_told_as_such(tmp_path, monkeypatch):
    def no_locks(file, operation):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(ConfigError, match=r"study\.lock cannot be locked \(No locks available\)"):
        StudyLock(tmp_path / "study.lock", "birds")


@pytest.mark.parametrize("there", ["a folder", "a full device"])
def test_a_lock_that_cannot_be_written_is_named(tmp_path, there):
    path = tmp_path / "study.lock"
    if there == "a folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/full")
    with pytest.raises(StudyError, match=r"study\.lock could not be written .* then try again"):
        StudyLock(path, "birds")
