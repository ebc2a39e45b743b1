"""How many epochs of trials an hour a whole study trains, beside stock Tune around TensorFlow's tutorial.

    python tests/benchmarks/studies.py --trials 6 --epochs 2 --image-size 64 --width 32

Both are processes of their own, from their start to their end, on the same photos, with as many trials at a time as
there are processors, or GPUs. Ours proposes architectures, evaluates each epoch by all metrics, keeps states and
pictures, and reports; Tune's trials are all of the tutorial's architecture, with learning rate and lambda drawn at
random, and report the generator's last loss. Takes turns, and prints the ratio.
"""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import tyro

BATCH = 16


@dataclass(frozen=True)
class Settings:
    """Compare our study with stock Tune's."""

    photos: str | None = None
    """What `--data` takes."""

    image_size: int = 64
    width: int = 32
    trials: int = 6
    epochs: int = 2
    rounds: int = 1


def main(settings: Settings) -> None:
    """Measure and print."""
    from tutorial import write_photos

    from trainables.data.pack import build_pack, open_pack

    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        pack = open_pack(
            build_pack(settings.photos, settings.image_size, seed=0, cache=folder / "packs").path
        )
        photos = folder / "photos"
        photos.mkdir()
        write_photos(pack, photos)
        ours, theirs = [], []
        for number in range(settings.rounds):
            ours.append(rate(settings, our_study(settings, folder, number)))
            theirs.append(rate(settings, [sys.executable, __file__, "stock", str(photos), numbers(settings)]))
            print(
                f"ours {ours[-1]:.0f} trial-epochs an hour, stock Tune {theirs[-1]:.0f}:"
                f" {ours[-1] / theirs[-1]:.2f}",
                flush=True,
            )
        print(f"in the median {median(ours) / median(theirs):.2f} times as many")


def our_study(settings: Settings, folder: Path, number: int) -> list[str]:
    """The command of a study that stops nothing."""
    flags = {
        "name": f"study-{number}",
        "storage": folder / "studies",
        "trials": settings.trials,
        "epochs": settings.epochs,
        "image-size": settings.image_size,
        "batch-size": BATCH,
        "set": f"width={settings.width}",
        "references": "none",
        "scheduler": "none",
    } | ({} if settings.photos is None else {"data": settings.photos})
    options = [str(part) for name, value in flags.items() for part in (f"--{name}", value)]
    return [sys.executable, "-m", "search.run", "pix2pix", *options]


def numbers(settings: Settings) -> str:
    """What a process of stock Tune needs to know, as JSON."""
    return json.dumps([settings.image_size, settings.width, settings.trials, settings.epochs])


def rate(settings: Settings, command: list[str]) -> float:
    """Epochs of trials an hour."""
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with status {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return 3600 * settings.trials * settings.epochs / (time.perf_counter() - start)


def stock(photos: Path, size: int, width: int, trials: int, epochs: int) -> None:
    """Run stock Tune around the tutorial."""
    import ray
    from ray import tune

    def train(config: dict[str, Any]) -> None:
        import tutorial

        tutorial.LAMBDA = config["lambda"]
        step = tutorial.make_step(size, width, config["learning_rate"])
        batches = tutorial.make_dataset(sorted(photos.iterdir()), size, BATCH)
        for _ in range(epochs):
            for pair in batches:
                loss = step(*pair)
            tune.report({"loss": float(loss)})

    here = str(Path(__file__).parent)
    ray.init("local", runtime_env={"env_vars": {"PYTHONPATH": f"{here}:{os.environ.get('PYTHONPATH', '')}"}})
    gpus = min(1, int(ray.cluster_resources().get("GPU", 0)))
    tuner = tune.Tuner(
        tune.with_resources(train, {"cpu": 1, "gpu": gpus}),
        param_space={"lambda": tune.loguniform(10, 1000), "learning_rate": tune.loguniform(5e-5, 1e-3)},
        tune_config=tune.TuneConfig(metric="loss", mode="min", num_samples=trials),
        run_config=tune.RunConfig(verbose=0, storage_path=str(photos.parent / "tune")),
    )
    errors = tuner.fit().errors
    if errors:
        raise errors[0]


if __name__ == "__main__":
    if sys.argv[1:2] == ["stock"]:
        stock(Path(sys.argv[2]), *json.loads(sys.argv[3]))
    else:
        main(tyro.cli(Settings))
