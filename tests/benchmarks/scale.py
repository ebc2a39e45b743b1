"""What a study of many short trials on many GPUs costs its driver: memory, open files, time.

    python tests/benchmarks/scale.py STUDY [--trials 1000] [--nodes 8] [--gpus 8] [--cpus-per-trial 1]

Starts a Ray of `--nodes` nodes on this machine, each with `--gpus` made-up GPUs and as many processors, and runs a
study in the new folder STUDY on it: trials that train nothing, stopped early as by default. Prints a line for each
hundred trials, and as the last line the measurements at the start of each hundredth and at the end as JSON: seconds,
processor seconds, resident memory in KiB, open files.

Each trial at a time is a process, and starting one takes a processor for a second or two: with fewer of them, by more
processors for each, it takes less time.
"""

import argparse
import gc
import json
import os
import random
import time
import warnings
from pathlib import Path
from typing import Any

import ray
from ray import tune
from ray.cluster_utils import Cluster
from rich.console import Console

from results.store import StudyWriter
from search.conduct import conduct
from search.config import StudyConfig
from search.machine import cluster
from search.plan import make_plan

EPOCHS = 3
"""Of a trial that is not stopped; there is a rung after the first."""


class Idle(tune.Trainable):
    """Trains nothing, reports random metrics, and keeps in a file how many epochs it has done."""

    def setup(self, config: dict[str, Any]) -> None:
        """Begin the first trial of this process."""
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begin another trial, or go on with one."""
        self._done = Path(new_config["trial"]["done"])
        return True

    def step(self) -> dict[str, Any]:
        """Do an epoch."""
        epoch = int(self._done.read_text()) + 1 if self._done.exists() else 1
        self._done.parent.mkdir(parents=True, exist_ok=True)
        self._done.write_text(str(epoch))
        return {
            "epoch": epoch,
            "val_delta_e": random.random(),
            "val_swd": random.random(),
            "epoch_seconds": 1e-3,
            "images_per_second": 1.0,
            "done": epoch >= EPOCHS,
        }


def sample() -> tuple[float, float, int, int]:
    """Seconds now, and of this process its processor seconds, resident memory in KiB (without what Python has yet to
    collect) and open files.
    """
    gc.collect()
    status = Path("/proc/self/status").read_text(encoding="ascii")
    resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
    return time.perf_counter(), time.process_time(), resident, len(list(Path("/proc/self/fd").iterdir()))


def tell(what: str, samples: list[tuple[float, float, int, int]]) -> None:
    """Print the last measurement."""
    (start, began, *_), (seconds, processor, resident, files) = samples[0], samples[-1]
    print(
        f"{what}: {seconds - start:.1f} s, processor {processor - began:.1f} s, {resident / 1024:.1f} MiB,"
        f" {files} open files",
        flush=True,
    )


def study(path: Path, trials: int, cpus_per_trial: int) -> list[tuple[float, float, int, int]]:
    """Run the study on the Ray that this process is connected to; the measurements at each hundredth trial."""
    config = StudyConfig(
        model="cnn",
        name=path.name,
        storage=path.parent,
        trials=trials,
        epochs=EPOCHS,
        cpus_per_trial=cpus_per_trial,
        gpus_per_trial=1.0,
        references=("none",),
    )
    plan = make_plan(config, cluster(), ("unet",))
    writer = StudyWriter(path)
    writer.write_config(
        {"name": config.name, "objectives": list(config.objective), "config": config.to_record()}
    )
    samples: list[tuple[float, float, int, int]] = []

    def configure(number: int, _: object) -> dict[str, Any]:
        if number == 100 * len(samples):
            samples.append(sample())
            tell(f"trial {number}", samples)
        return {"done": str(writer.folder.trial(number) / "done")}

    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        conduct(plan, writer, Console(file=nowhere), title="", trainable=Idle, configure=configure)
    samples.append(sample())
    return samples


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("study", type=Path)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--nodes", type=int, default=8)
    parser.add_argument("--gpus", type=int, default=8)
    parser.add_argument("--cpus-per-trial", type=int, default=1)
    arguments = parser.parse_args()
    os.environ.update(
        RAY_AIR_NEW_OUTPUT="0",
        RAY_USAGE_STATS_ENABLED="0",
        RAY_enable_worker_prestart="0",
        TUNE_DISABLE_AUTO_CALLBACK_LOGGERS="1",
        TUNE_DISABLE_SIGINT_HANDLER="1",
        TUNE_GLOBAL_CHECKPOINT_S="1e9",
    )
    warnings.simplefilter("ignore")
    start = time.perf_counter()
    nodes = Cluster()
    try:
        for _ in range(arguments.nodes):
            nodes.add_node(
                num_cpus=arguments.gpus,
                num_gpus=arguments.gpus,
                include_dashboard=False,
                object_store_memory=80 * 2**20,
            )
        ray.init(nodes.address, log_to_driver=False, logging_level="ERROR")
        print(
            f"{cluster()} on {len(ray.nodes())} nodes after {time.perf_counter() - start:.1f} s", flush=True
        )
        samples = study(arguments.study.absolute(), arguments.trials, arguments.cpus_per_trial)
        tell("all", samples)
        ray.shutdown()
    finally:
        nodes.shutdown()
    print(json.dumps(samples))


if __name__ == "__main__":
    main()
