"""A storage that cannot be written while a study runs, and can be again."""

import os
import subprocess
from contextlib import suppress

import pytest

from results.store import StudyFolder, read_epochs

TRIALS, EPOCHS = 2, 12
SIZE = ("--trials", TRIALS, "--epochs", EPOCHS, "--scheduler", "none", "--encoder-weights", "none")


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
def refused(wait_for):
    """Bring about, when a study has got somewhere, that it cannot be written; give the message in which it ends."""

    def end(process, got_there, block):
        wait_for(got_there, process)
        block()
        out, err = process.communicate(timeout=400)
        assert process.returncode == 2, out + err
        assert "Traceback" not in out + err
        return err

    return end


@pytest.fixture
def complete(run_search, accounted_for):
    """Resume a study to its end, and see that it has all that it had, and no gap."""

    def resume(folder):
        before = read_epochs(folder).to_pylist()
        run = run_search("--resume", folder.path.name, "--storage", folder.path.parent)
        assert run.returncode == 0, run.stdout + run.stderr
        accounted_for(folder.path, TRIALS, EPOCHS)
        after = read_epochs(folder).to_pylist()
        assert all(row in after for row in before)

    return resume


@pytest.mark.slow
def test_a_full_disk_ends_the_study_in_one_message_and_it_goes_on_when_there_is_room(
    small_disk, start_search, refused, complete, epochs_recorded
):
    folder, ballast = StudyFolder(small_disk / "tight"), small_disk / "ballast"

    def fill():
        with ballast.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(2**20))

    process = start_search("cnn", "--name", "tight", "--storage", small_disk, *SIZE)
    said = refused(process, lambda: epochs_recorded(folder), fill)
    assert str(small_disk) in said
    assert "free some space there" in said
    ballast.unlink()
    complete(folder)


@pytest.mark.slow
def test_a_trial_trains_no_more_while_its_epoch_cannot_be_recorded(
    storage, start_search, refused, complete, epochs_recorded
):
    folder = StudyFolder(storage / "blocked")
    in_the_way = folder.epochs / ".0000-0003.parquet.tmp"
    process = start_search("cnn", "--name", "blocked", *SIZE)
    said = refused(process, folder.epochs.is_dir, in_the_way.mkdir)
    assert "0000-0003.parquet could not be written (Is a directory)" in said
    in_the_way.rmdir()

    # The journal is the other half of the record.
    before = epochs_recorded(folder)
    kept, full = storage / "kept.journal", storage / "full.journal"

    def block():
        os.link(folder.journal, kept)
        full.symlink_to("/dev/full")
        full.replace(folder.journal)

    said = refused(start_search("--resume", "blocked"), lambda: epochs_recorded(folder) > before, block)
    assert f"{folder.journal} could not be written (No space left on device)" in said
    kept.replace(folder.journal)
    complete(folder)
