"""Early stopping inside Tune: trials pause, the promoted go on from their states, and the run ends."""

import json
import os
import warnings

import pytest
from ray.tune.search import Searcher

from search.scheduler import StudyScheduler
from search.stopping import make_stopper

pytestmark = pytest.mark.slow


class Numbers(Searcher):
    """Hands out trial numbers as slots are free, and paused ones at once."""

    def __init__(self, folder, numbers, paused):
        super().__init__(metric="error", mode="min")
        self.folder, self.numbers, self.paused = folder, list(numbers), paused
        self.scheduler = None
        self.running = {}
        self.ends = {}

    def suggest(self, trial_id):
        if not self.numbers:
            # Once told that the search is over, Tune keeps no actor for a trial that is not promoted yet.
            return None if self.running else Searcher.FINISHED
        waits = self.numbers[0] in self.paused
        if not waits and self.scheduler.free_slots <= 0:
            return None
        self.running[trial_id] = self.numbers.pop(0)
        return {"number": self.running[trial_id], "role": "search", "folder": str(self.folder)}

    def on_trial_complete(self, trial_id, result=None, error=False):
        self.ends[self.running.pop(trial_id)] = "error" if error else result and result["epoch"]

    def save(self, checkpoint_path):
        pass

    def restore(self, checkpoint_path):
        pass


@pytest.fixture(scope="module")
def tune(tune_with_slots):
    """Tune on a Ray of this process, with two slots."""
    with tune_with_slots(2) as tune:
        yield tune


def make_trainable(tune):
    """A trial whose error is its number; its state is a file, and a process that takes it up reports it once more."""

    class Counting(tune.Trainable):
        def setup(self, config):
            self.take_up(config)

        def reset_config(self, new_config):
            self.take_up(new_config)
            return True

        def take_up(self, config):
            from pathlib import Path

            self.number = config["number"]
            self.path = Path(config["folder"]) / f"{self.number}.json"
            self.history = json.loads(self.path.read_text()) if self.path.exists() else []
            self.unreported = bool(self.history)

        def step(self):
            if not self.unreported:
                if self.number == 1 and len(self.history) == 2:
                    raise ArithmeticError("trial 1 fails in epoch 3")
                self.history.append(os.getpid())
                self.path.write_text(json.dumps(self.history))
            self.unreported = False
            epoch = len(self.history)
            return {"epoch": epoch, "error": float(self.number), "done": epoch == 4}

    return Counting


def run(tune, folder, numbers, recorded=(), stop=None):
    stopper = make_stopper("asha-promote", epochs=4, eta=2, grace=1)
    for epoch in recorded:
        stopper.record(*epoch)
    searcher = Numbers(folder, numbers, {number for number in numbers if stopper.is_paused(number)})
    scheduler = StudyScheduler(
        stopper, ("error",), concurrency=lambda: 2, is_exhausted=lambda: not searcher.numbers
    )
    searcher.scheduler = scheduler
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tune.run(
            make_trainable(tune),
            search_alg=searcher,
            scheduler=scheduler,
            num_samples=-1,
            reuse_actors=True,
            resources_per_trial={"cpu": 1},
            storage_path=str(folder / "tune"),
            verbose=0,
            raise_on_failed_trial=False,
            stop=stop,
        )
    epochs = {int(path.stem): len(json.loads(path.read_text())) for path in folder.glob("*.json")}
    return searcher, scheduler, epochs


def test_in_tune_the_best_are_promoted_to_the_end_and_the_rest_ends(tune, tmp_path):
    searcher, scheduler, epochs = run(tune, tmp_path, range(8))
    # Trial 0 is the best at both rungs, trial 1 the second best at the first and, until it fails, at the second.
    assert epochs[0] == 4
    assert searcher.ends[0] == 4
    assert epochs[1] == 2
    assert searcher.ends[1] == "error"
    assert set(searcher.ends) == set(range(8))
    assert scheduler.paused == 0
    assert [epochs[number] for number in (6, 7)] == [1, 1]
    # Half of eight is four; with the one in the place of the failed trial, five at most.
    assert 4 <= sum(count >= 2 for count in epochs.values()) <= 5
    assert all(searcher.ends[number] is None for number in (6, 7))


def test_in_tune_a_run_that_ends_early_leaves_its_paused_trials_to_the_next(tune, tmp_path):
    from ray.tune.stopper import Stopper

    class Brake(Stopper):
        def __call__(self, trial_id, result):
            return False

        def stop_all(self):
            return len(list(tmp_path.glob("*.json"))) >= 5

    searcher, scheduler, epochs = run(tune, tmp_path, (5, 6, 7, 8, 9, 10), stop=Brake())
    assert scheduler.paused > 0
    assert len(searcher.running) >= scheduler.paused
    # The next run begins from what was recorded, in some order of time.
    recorded = [
        (number, epoch, (float(number),)) for number in epochs for epoch in range(1, epochs[number] + 1)
    ]
    searcher, scheduler, epochs = run(tune, tmp_path, [*sorted(epochs, reverse=True), 11, 12], recorded)
    # Trial 5 is not among them where its actor was slow to start and the other slot tried the rest.
    best = min(recorded)[0]
    assert epochs[best] == 4
    assert searcher.ends[best] == 4
    assert not searcher.running
    assert scheduler.paused == 0
