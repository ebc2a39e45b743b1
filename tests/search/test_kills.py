"""A study whose processes are killed again and again ends as one that nobody disturbed."""

import os
import random
import signal
import time
from functools import partial
from itertools import cycle

import pytest

from results.store import PARAMS, StudyFolder, read_epochs, read_trials

KILLS = 20
TRIALS, EPOCHS = 24, 6
NETWORKS = ("--encoder-weights", "none", "--set", "depth=2", "--set", "head=rgb")
SIZE = ("--trials", TRIALS, "--epochs", EPOCHS, "--concurrency", 1, *NETWORKS)
SPARE = 15
"""Epochs before the study's end at which the last kill is due, at the latest: it goes on until that comes."""


def outcome(folder):
    """What must be the same: which trials with which parameters came to what, epoch by epoch."""
    trials = [
        {
            name: value
            for name, value in row.items()
            if name.startswith((PARAMS, "val_"))
            or name in {"trial", "state", "epochs", "best_epoch", "reference"}
        }
        for row in read_trials(folder).to_pylist()
    ]
    epochs = [
        {name: value for name, value in row.items() if name.startswith(("val_", "train_", "trial", "epoch"))}
        for row in read_epochs(folder).to_pylist()
    ]
    return trials, [{k: v for k, v in row.items() if k != "epoch_seconds"} for row in epochs]


@pytest.mark.slow
def test_twenty_kills_at_random_moments_change_nothing(
    start_search, run_search, storage, wait_for, accounted_for, trials_of, epochs_recorded
):
    whole = run_search("cnn", "--name", "undisturbed", *SIZE)
    assert whole.returncode == 0, whole.stdout + whole.stderr
    expected = outcome(StudyFolder(storage / "undisturbed"))

    def kill_trial(study):
        found = trials_of(study)
        for number in found:
            os.kill(number, signal.SIGKILL)
        return found

    folder = StudyFolder(storage / "killed")
    source = random.Random(0)
    process = start_search("cnn", "--name", folder.path.name, *SIZE, start_new_session=True)
    moments = sorted(source.randrange(len(expected[1]) - SPARE) for _ in range(KILLS))
    for moment, victim in zip(moments, cycle(("trial", "study")), strict=False):
        # A kill that is due already comes while the processes start, which takes seconds, others within some epochs.
        delay = source.uniform(0, 3.0 if epochs_recorded(folder) >= moment else 0.5)
        wait_for(lambda moment=moment: epochs_recorded(folder) >= moment, process)
        time.sleep(delay)
        if victim == "trial":
            wait_for(partial(kill_trial, process), process)
        else:
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=60)
            assert process.returncode == -signal.SIGKILL, "it had ended before it could be killed"
            process = start_search("--resume", folder.path.name, start_new_session=True)
    out, err = process.communicate(timeout=900)
    assert process.returncode == 0, out + err
    accounted_for(folder.path, TRIALS, EPOCHS)
    assert outcome(folder) == expected
