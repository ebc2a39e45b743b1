"""What the search itself costs, beside stock Tune: many short trials that train nothing.

    python tests/benchmarks/overhead.py [--trials 400] [--seconds 0.5] [--concurrency 8] [--long 2000]

Prints the wall-clock of `--trials` trials of one epoch of `--seconds` over the ideal (trials x seconds /
concurrency), for a study of ours, journal, tables and all, and for Tune's own `OptunaSearch` with
`AsyncHyperBandScheduler`, which keeps its own tables, in turns. Both have one objective, for stock knows no more.
Then the driver's processor time per result of our study at 100 and at `--long` trials.
"""

import argparse
import io
import os
import random
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.tune.schedulers import AsyncHyperBandScheduler
from ray.tune.search.optuna import OptunaSearch
from rich.console import Console

from results.store import StudyWriter
from search.conduct import conduct
from search.config import StudyConfig
from search.machine import Machine
from search.plan import make_plan
from spaces import space_of, suggest

_STUDY = {"TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1", "TUNE_GLOBAL_CHECKPOINT_S": "1e9"}
"""How a study sets up Tune, whose tables and state it does not need."""


class Idle(tune.Trainable):
    """Sleeps for an epoch and reports random metrics."""

    def setup(self, config: dict[str, Any]) -> None:
        """Keep the configuration."""
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begin another trial; stock Tune's configuration holds parameters alone."""
        self._seconds = new_config.get("trial", {}).get("seconds", float(os.environ["OVERHEAD_SECONDS"]))
        return True

    def step(self) -> dict[str, Any]:
        """Sleep."""
        time.sleep(self._seconds)
        return {
            "epoch": 1,
            "val_delta_e": random.random(),
            "val_swd": random.random(),
            "epoch_seconds": max(self._seconds, 1e-3),
            "images_per_second": 1.0,
            "done": True,
        }


def ours(folder: Path, trials: int, seconds: float, concurrency: int) -> tuple[float, list[float]]:
    """Wall-clock of a study, and the driver's processor time at each result."""
    config = StudyConfig(
        model="cnn",
        name=f"ours-{time.monotonic_ns()}",
        storage=folder,
        trials=trials,
        epochs=1,
        objective=("val_swd",),
        references=("none",),
    )
    plan = make_plan(config, Machine(cpus=concurrency, gpus=0), ("unet",))
    times: list[float] = []

    def configure(*_: object) -> dict[str, Any]:
        times.append(time.process_time())
        return {"seconds": seconds}

    writer = StudyWriter(folder / str(config.name))
    os.environ.update(_STUDY)
    start = time.perf_counter()
    conduct(plan, writer, Console(file=io.StringIO()), title="", trainable=Idle, configure=configure)
    return time.perf_counter() - start, times


def define_space(trial: Any) -> None:
    """The same space for Tune's searcher, which pickles it."""
    suggest(trial, space_of("cnn", 64, ()))


def stock(folder: Path, trials: int, concurrency: int) -> float:
    """Wall-clock of the same with what Tune brings along."""
    for name in _STUDY:
        os.environ.pop(name, None)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        search = OptunaSearch(define_space, metric="val_swd", mode="min", seed=0)
        start = time.perf_counter()
        tune.run(
            Idle,
            search_alg=search,
            scheduler=AsyncHyperBandScheduler(time_attr="epoch", metric="val_swd", mode="min"),
            num_samples=trials,
            max_concurrent_trials=concurrency,
            reuse_actors=True,
            resources_per_trial={"cpu": 1},
            name=f"stock-{time.monotonic_ns()}",
            storage_path=str(folder),
            verbose=0,
        )
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--long", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=1)
    arguments = parser.parse_args()
    os.environ["OVERHEAD_SECONDS"] = str(arguments.seconds)
    os.environ.update(RAY_AIR_NEW_OUTPUT="0", RAY_USAGE_STATS_ENABLED="0", TUNE_DISABLE_SIGINT_HANDLER="1")
    ray.init("local", num_cpus=arguments.concurrency, log_to_driver=False, logging_level="ERROR")
    ideal = arguments.trials * arguments.seconds / arguments.concurrency
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for _ in range(arguments.rounds):
            own, _times = ours(folder, arguments.trials, arguments.seconds, arguments.concurrency)
            theirs = stock(folder, arguments.trials, arguments.concurrency)
            print(
                f"{arguments.trials} trials of {arguments.seconds:g} s, {arguments.concurrency} at once, ideal"
                f" {ideal:.1f} s: ours {own:.1f} s ({own / ideal:.2f} x ideal), stock {theirs:.1f} s"
                f" ({theirs / ideal:.2f} x ideal), ours over stock {own / theirs:.2f}",
                flush=True,
            )
        if arguments.long:
            _, times = ours(folder, arguments.long, 0.0, arguments.concurrency)
            for at in (100, 500, 1000, 2000):
                if at <= len(times):
                    window = times[at - 100 : at]
                    print(
                        f"driver's processor time per trial at {at} trials: {10 * (window[-1] - window[0]):.1f} ms"
                    )


if __name__ == "__main__":
    main()
