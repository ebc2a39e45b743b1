"""A storage that cannot be written while a study runs, and can be again."""

import os
import subprocess
from contextlib import suppress

import pytest

from results.store import StudyFolder, read_epochs

SIZE = (
    "--trials",
    "3",
    "--epochs",
    "5",
    "--encoder-weights",
    "none",
    "--set",
    "depth=2",
    "--set",
    "head=rgb",
)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 600 MiB."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600m", "tmpfs", str(tmp_path)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("needs the right to mount a small file system (root)")
    yield tmp_path
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)


@pytest.fixture
def refused(start_search, run_search, wait_for, accounted_for):
    """Have a study end because it cannot be written, and go on when it can; give the one message."""

    def run(folder, ready, block, unblock, *arguments):
        process = start_search("cnn", "--name", folder.path.name, *SIZE, *arguments)
        wait_for(lambda: ready(folder), process)
        block()
        out, err = process.communicate(timeout=400)
        assert process.returncode == 2, out + err
        assert "Traceback" not in out + err
        assert str(folder.path.parent) in err
        before = read_epochs(folder).to_pylist()

        unblock()
        resumed = run_search("--resume", folder.path.name, *arguments)
        assert resumed.returncode == 0, resumed.stdout + resumed.stderr
        accounted_for(folder.path, 3, 5)
        after = read_epochs(folder).to_pylist()
        assert all(row in after for row in before)
        return err

    return run


def has_begun(folder):
    return folder.epochs.is_dir()


def has_an_epoch(folder):
    return has_begun(folder) and any(folder.epochs.glob("*.parquet"))


@pytest.mark.slow
def test_a_full_disk_ends_the_study_in_one_message_and_it_goes_on_when_there_is_room(small_disk, refused):
    ballast = small_disk / "ballast"

    def fill():
        with ballast.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(2**20))

    folder = StudyFolder(small_disk / "tight")
    said = refused(folder, has_an_epoch, fill, ballast.unlink, "--storage", small_disk)
    assert "free some space" in said


@pytest.mark.slow
def test_a_trial_trains_no_more_while_its_epoch_cannot_be_recorded(storage, refused):
    folder = StudyFolder(storage / "blocked")
    in_the_way = folder.epochs / ".0000-0003.parquet.tmp"
    said = refused(folder, has_begun, in_the_way.mkdir, in_the_way.rmdir)
    assert "0000-0003.parquet could not be written" in said


@pytest.mark.slow
def test_a_journal_that_cannot_be_written_ends_the_study_as_well(storage, refused):
    folder = StudyFolder(storage / "mute")
    kept, full = storage / "kept.journal", storage / "full.journal"

    def block():
        os.link(folder.journal, kept)
        full.symlink_to("/dev/full")
        full.replace(folder.journal)

    said = refused(folder, has_an_epoch, block, lambda: kept.replace(folder.journal))
    assert f"{folder.journal.name} could not be written (No space left on device)" in said
