"""A thousand short trials on eight Ray nodes with 64 made-up GPUs, in real processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from results.store import StudyFolder, read_epochs, read_trials

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "scale.py"
TRIALS = 1000
KIB_A_TRIAL = 32
"""More memory that the driver may take for each trial, measured 18. It took 75 to 90 when Tune kept its record of
those that ended."""


@pytest.fixture(scope="module")
def study(tmp_path_factory, ray_folder):
    """The study's folder, and at each hundredth trial: seconds, processor seconds, KiB in memory, open files."""
    path = tmp_path_factory.mktemp("scale") / "short"
    # Sixteen at once: a process takes a processor for a second or two to start, and 64 would take minutes.
    ended = subprocess.run(
        [sys.executable, str(BENCHMARK), str(path), "--trials", str(TRIALS), "--cpus-per-trial", "4"],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(BENCHMARK.parent)},
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return StudyFolder(path), json.loads(ended.stdout.splitlines()[-1])


@pytest.mark.slow
def test_every_one_of_a_thousand_trials_is_accounted_for(study):
    folder, _ = study
    trials = read_trials(folder).to_pylist()
    assert sorted(row["trial"] for row in trials) == list(range(TRIALS))
    assert {row["state"] for row in trials} == {"COMPLETE", "PRUNED"}
    epochs = read_epochs(folder).select(["trial", "epoch"]).to_pylist()
    assert sorted((row["trial"], row["epoch"]) for row in epochs) == [
        (row["trial"], epoch)
        for row in sorted(trials, key=lambda row: row["trial"])
        for epoch in range(1, row["epochs"] + 1)
    ]


@pytest.mark.slow
def test_after_the_first_hundred_the_driver_keeps_no_file_and_little_memory_of_a_trial(study):
    _, samples = study
    (*_, early, files), (*_, late, files_at_end) = samples[1], samples[-2]
    assert files_at_end <= files + 8
    assert (late - early) / (100 * (len(samples) - 3)) < KIB_A_TRIAL
