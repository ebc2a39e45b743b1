"""Copies of shared files on a machine's own disk."""

import os
import subprocess
import sys
import tempfile

import pytest

from trainables.data.nearby import DifferentError, SharedFile, copied, digest, nearby


@pytest.fixture
def shared(tmp_path):
    file = tmp_path / "shared" / "pack.arrow"
    file.parent.mkdir()
    file.write_bytes(os.urandom(100_000))
    return file


@pytest.fixture
def own_disk(tmp_path, monkeypatch):
    """This machine's folder for temporary files, empty."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "own"))
    (tmp_path / "own").mkdir()
    return tmp_path / "own"


def test_a_file_of_another_machine_is_read_from_the_shared_storage_once(shared, own_disk):
    file = SharedFile(str(shared), digest(shared), "another")
    content = shared.read_bytes()
    copy = nearby(file)
    assert copy.is_relative_to(own_disk)
    shared.unlink()
    assert nearby(file) == copy
    assert copy.read_bytes() == content


def test_the_machine_whose_file_it_is_and_one_without_room_read_it_in_its_place(shared, own_disk):
    assert nearby(SharedFile(str(shared), digest(shared), os.uname().nodename)) == shared
    own_disk.rmdir()
    own_disk.write_text("no folder")
    assert nearby(SharedFile(str(shared), digest(shared), "another")) == shared


def test_a_damaged_copy_is_made_anew_and_a_file_that_has_changed_is_refused(shared, own_disk, damage):
    file = SharedFile(str(shared), digest(shared), "another")
    content = shared.read_bytes()
    damage(nearby(file))
    assert nearby(file).read_bytes() == content
    damage(nearby(file))
    damage(shared)
    with pytest.raises(DifferentError, match="is not what it was when the study began"):
        nearby(file)


def test_processes_that_start_together_make_one_copy(shared, tmp_path):
    code = """
import sys
from pathlib import Path
from trainables.data.nearby import copied
print(copied(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])).stat().st_ino)
"""
    command = [sys.executable, "-c", code, str(shared), digest(shared), str(tmp_path / "copies")]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert len({process.communicate(timeout=60)[0] for process in processes}) == 1
    assert len(list((tmp_path / "copies").glob("[!.]*"))) == 1
    assert copied(shared, digest(shared), tmp_path / "copies").read_bytes() == shared.read_bytes()
