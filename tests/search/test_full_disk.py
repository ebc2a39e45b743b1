"""A storage that fills up while a study runs, and is freed."""

import subprocess
import sys

import pytest

from results.store import StudyFolder, read_epochs, read_trials


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


def fill(path):
    with path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(2**20))


@pytest.mark.slow
def test_a_full_disk_ends_the_study_in_one_message_and_it_goes_on_when_there_is_room(
    small_disk, few_birds, wait_for
):
    folder = StudyFolder(small_disk / "tight")
    command = [sys.executable, "-m", "search.run", "--storage", str(small_disk)]
    sizes = ["--trials", "3", "--epochs", "5", "--image-size", "32"]
    sizes += ["--set", "width=16", "--set", "depth=2", "--set", "head=rgb", "--set", "batch_norm=false"]
    process = subprocess.Popen(
        [*command, "cnn", "--name", "tight", "--data", str(few_birds), "--encoder-weights", "none", *sizes],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(lambda: folder.epochs.is_dir() and list(folder.epochs.glob("*.parquet")), process)
    ballast = small_disk / "ballast"
    with pytest.raises(OSError, match="No space left"):
        fill(ballast)
    out, err = process.communicate(timeout=400)
    assert process.returncode == 2, out + err
    assert "Traceback" not in err
    assert "space" in err
    assert str(small_disk) in err
    before = read_epochs(folder).to_pylist()
    assert before

    ballast.unlink()
    resumed = subprocess.run([*command, "--resume", "tight"], capture_output=True, text=True, check=False)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    after = [(row["trial"], row["epoch"]) for row in read_epochs(folder).to_pylist()]
    assert {(row["trial"], row["epoch"]) for row in before} <= set(after)
    assert len(after) == len(set(after))
    assert "RUNNING" not in read_trials(folder)["state"].to_pylist()
