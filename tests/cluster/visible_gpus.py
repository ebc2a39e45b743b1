"""Run on a cluster's head: a study of four trials that note which GPUs they see, each only once all of them run.

python -m tests.cluster.visible_gpus STORAGE
"""

import io
import os
import sys
import time
from pathlib import Path

from ray import tune
from rich.console import Console

from results.store import StudyWriter
from search.conduct import conduct
from search.config import StudyConfig
from search.machine import cluster, connect
from search.plan import make_plan

TRIALS = 4


class Looking(tune.Trainable):
    """A trial that trains nothing."""

    def setup(self, config):
        self._notes, self._number = Path(config["trial"]["notes"]), config["number"]

    def step(self):
        note = self._notes / str(self._number)
        note.write_text(f"{os.uname().nodename} {os.environ['CUDA_VISIBLE_DEVICES']}")
        while len(list(self._notes.iterdir())) < TRIALS:
            time.sleep(0.1)
        metrics = {"val_delta_e": 1.0, "val_swd": 1.0}
        return {"epoch": 1, "epoch_seconds": 0.1, "images_per_second": 1.0, "done": True, **metrics}


def main():
    storage = Path(sys.argv[1])
    notes = storage / "notes"
    notes.mkdir(parents=True)
    connect(None)
    config = StudyConfig(
        model="cnn",
        name="gpus",
        storage=storage,
        trials=TRIALS,
        epochs=1,
        references=("none",),
        gpus_per_trial=1,
        scheduler="none",
    )
    conduct(
        make_plan(config, cluster(), ("unet",)),
        StudyWriter(storage / "gpus"),
        Console(file=io.StringIO()),
        title="",
        trainable=Looking,
        configure=lambda *_: {"notes": str(notes)},
    )


if __name__ == "__main__":
    main()
