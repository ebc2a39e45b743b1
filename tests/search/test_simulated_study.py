"""A real study against its simulation: what it trains, pauses and promotes, and in which order."""

import math

import pytest

from results.store import StudyFolder, read_epochs, read_trials
from search.curves import open_problem
from search.methods import Method, make_search
from search.virtual import VirtualCluster

pytestmark = pytest.mark.slow

TRIALS, EPOCHS, SEED = 9, 5, 3


def test_a_study_trains_what_the_simulator_says_in_the_order_that_it_says(run_search, storage):
    def study(kind):
        folder = StudyFolder(storage / f"simulated-{kind}")
        flags = {"trials": TRIALS, "epochs": EPOCHS, "seed": SEED, "concurrency": 1, "grace": 1}
        done = run_search(
            "cnn",
            *(str(part) for name, value in flags.items() for part in (f"--{name}", value)),
            *("--name", folder.path.name, "--scheduler", kind, "--searcher", "random"),
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return folder

    real = study("asha-promote")
    problem = open_problem(str(study("none").path))
    cluster = VirtualCluster(problem, seed=SEED, workers=1, limit=math.inf, trials=TRIALS)
    search = make_search(
        Method("asha-promote", "random", grace=1), problem, cluster, trials=TRIALS, seed=SEED
    )
    reported = heard(search.searcher)
    cluster.run(search.searcher, search.scheduler, search.parameters)
    rows = sorted(read_epochs(real).to_pylist(), key=lambda row: row["timestamp"])
    assert [(row["trial"], row["epoch"]) for row in rows] == list(dict.fromkeys(reported))
    trained = {row["trial"]: row["epochs"] for row in read_trials(real).to_pylist()}
    assert trained == {trial.number: trial.epoch for trial in cluster.get_trials()}
    assert len(set(trained.values())) > 1


def heard(searcher):
    """What a searcher will be told: trial and epoch, the last of a trial maybe twice."""
    entries = []

    def listen(tell):
        def telling(trial_id, result=None, **more):
            if result:
                entries.append((int(trial_id), result["epoch"]))
            return tell(trial_id, result=result, **more)

        return telling

    for name in ("on_trial_result", "on_trial_complete"):
        setattr(searcher, name, listen(getattr(searcher, name)))
    return entries
