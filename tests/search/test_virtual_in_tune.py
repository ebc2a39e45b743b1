"""The virtual cluster against Tune itself: with one worker, searcher and scheduler hear the same, in one order."""

import json
import math
import warnings
import zlib
from pathlib import Path
from types import SimpleNamespace

import pytest
from ray.tune.search import Searcher

from search.curves import open_problem
from search.methods import Method, make_search
from search.virtual import VirtualCluster

pytestmark = pytest.mark.slow


class Heard(Searcher):
    """Passes on what a searcher is told, and notes it, and what its scheduler is told, by parameters."""

    def __init__(self, search):
        super().__init__(metric=search.searcher.metric, mode=search.searcher.mode)
        self._search = search
        self._keys = {}
        self.entries = []
        for name in ("on_trial_result", "on_trial_complete", "on_trial_error", "on_trial_remove"):
            setattr(search.scheduler, name, self._listen(name, getattr(search.scheduler, name)))

    def _listen(self, name, call):
        def listening(controller, trial, *result):
            self.entries.append(
                (f"scheduler {name}", self._keys[trial.trial_id], *(one["epoch"] for one in result))
            )
            return call(controller, trial, *result)

        return listening

    def suggest(self, trial_id):
        suggested = self._search.searcher.suggest(trial_id)
        if isinstance(suggested, dict):
            self._keys[trial_id] = json.dumps(self._search.parameters(suggested), sort_keys=True)
            self.entries.append(("suggest", self._keys[trial_id]))
        return suggested

    def on_trial_result(self, trial_id, result):
        self.entries.append(("result", self._keys[trial_id], result["epoch"]))
        self._search.searcher.on_trial_result(trial_id, result)

    def on_trial_complete(self, trial_id, result=None, error=False):
        self.entries.append(("end", self._keys[trial_id], result and result["epoch"], error))
        self._search.searcher.on_trial_complete(trial_id, result=result, error=error)

    def save(self, checkpoint_path):
        pass

    def restore(self, checkpoint_path):
        pass


@pytest.fixture(scope="module")
def tune(tune_with_slots):
    """Tune on a Ray of this process, with one slot."""
    with tune_with_slots(1) as tune:
        yield tune


def make_trainable(tune, problem, parameters, folder):
    """Train by showing a curve, one epoch a step; how far a trial has come is a file, as it may change actors."""

    class Showing(tune.Trainable):
        def setup(self, config):
            self.reset_config(config)

        def reset_config(self, new_config):
            params = parameters(new_config)
            self.curve = problem.curve(params, 0)
            self.file = Path(folder) / f"{zlib.crc32(json.dumps(params, sort_keys=True).encode())}.epoch"
            return True

        def step(self):
            epoch = 1 + (int(self.file.read_text()) if self.file.exists() else 0)
            if epoch > len(self.curve.values):
                raise ArithmeticError("the training broke down")
            self.file.write_text(str(epoch))
            values = dict(zip(problem.objectives, self.curve.values[epoch - 1].tolist(), strict=True))
            return {"epoch": epoch, "done": epoch == problem.epochs, **values}

    return Showing


@pytest.mark.parametrize("objectives", [("val_swd",), ("val_delta_e", "val_swd")], ids=len)
@pytest.mark.parametrize("scheduler", ["asha", "asha-promote", "none", "stock"])
def test_searcher_and_scheduler_hear_the_same_as_in_tune(tune, write_table, tmp_path, scheduler, objectives):
    folder = write_table(
        [
            (
                {"dropout": 0.04 * at},
                "FAIL" if at == 3 else "COMPLETE",
                [5, 4 + at % 3, 2, 1 + at / 20][: 2 if at == 3 else 4],
            )
            for at in range(12)
        ]
    )
    problem = open_problem(str(folder), objectives)
    method = Method(scheduler, "tpe", grace=1)
    cluster = VirtualCluster(problem, seed=0, workers=1, limit=math.inf, trials=12)
    search = make_search(method, problem, cluster, trials=12, seed=0)
    simulated = Heard(search)
    cluster.run(simulated, search.scheduler, search.parameters)

    search = make_search(method, problem, SimpleNamespace(workers=1), trials=12, seed=0)
    real = Heard(search)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tune.run(
            make_trainable(tune, problem, search.parameters, tmp_path),
            search_alg=real,
            scheduler=search.scheduler,
            num_samples=12 if scheduler == "stock" else -1,
            reuse_actors=True,
            resources_per_trial={"cpu": 1},
            storage_path=str(tmp_path / "tune"),
            verbose=0,
            raise_on_failed_trial=False,
        )
    assert len(real.entries) > 40
    assert simulated.entries == real.entries
