"""Which epoch of a training counts: rules compared on trainings that were measured on the test split as well.

    python tests/benchmarks/epoch_rules.py

prints the README's table from `results/evidence/held-out.parquet`. What that holds was recorded with

    python tests/benchmarks/epoch_rules.py --photos PHOTOS --encoder-weights WEIGHTS

which adds the trainings that are not there yet: the reference points on three seeds each, and configurations drawn
as a study draws them. With the defaults, on two processors, it takes about an hour.
"""

import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import optuna
import pyarrow as pa
import pyarrow.parquet as pq
import tyro

from results.pareto import knee
from spaces import Value, narrow, reference_points, space_of, suggest
from trainables.best import best_epoch

TABLE = Path(__file__).parents[2] / "results" / "evidence" / "held-out.parquet"
OBJECTIVES = ("delta_e", "swd")


@dataclass(frozen=True)
class Settings:
    """Compare rules for the epoch that counts, after recording trainings if photos are named."""

    photos: str | None = None
    """What `--data` of `python -m search.run` takes; without it nothing is recorded."""

    encoder_weights: Path | None = None
    """File of MobileNetV2 weights."""

    table: Path = TABLE
    """Where the recorded trainings lie."""

    epochs: int = 12
    image_size: int = 32
    width: int = 16
    drawn: int = 30
    seeds: int = 3
    processes: int = len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class Training:
    """One training to record; without a name its configuration was drawn."""

    number: int
    name: str | None
    params: dict[str, Value]
    seed: int


def trainings(settings: Settings) -> Iterator[Training]:
    """All that are to be recorded: reference points and drawn configurations in turn, so that either may be few."""
    space = narrow(
        space_of("pix2pix", settings.image_size, ("unet", "mobilenetv2")), "width", str(settings.width)
    )
    references = [
        (point.name, dict(point.params), 100 + seed)
        for seed in range(settings.seeds)
        for point in reference_points("pix2pix", space)
    ]
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    drawn = [(None, suggest(study.ask(), space), 100) for _ in range(settings.drawn)]
    queues: list[list[tuple[str | None, dict[str, Value], int]]] = [references, drawn]
    number = 0
    while any(queues):
        for queue in queues:
            if queue:
                name, params, seed = queue.pop(0)
                yield Training(number, name, params, seed)
                number += 1


def train(settings: Settings, training: Training, pack: Path) -> list[dict[str, object]]:
    """The rows of one training, an epoch each: all metrics on both splits."""
    from trainables import hardware

    if not getattr(train, "configured", False):
        hardware.configure(1, 0)
        train.configured = True  # type: ignore[attr-defined]
    from trainables.data.pack import open_pack
    from trainables.loop import DivergedError, forget_loops, make_loop
    from trainables.loop import Training as Settled
    from trainables.metrics import Evaluator
    from trainables.params import params_of

    forget_loops()
    opened = open_pack(pack)
    parts = {part: opened.indices(part) for part in ("validation", "test")}
    # Not the loop's own evaluator, which would take the kernel inception distance of every epoch.
    evaluators = {part: Evaluator(opened.images[rows], seed=0) for part, rows in parts.items()}
    loop = make_loop(
        Settled(
            params_of("pix2pix", training.params),
            batch_size=16,
            seed=training.seed,
            epochs=settings.epochs,
            encoder_weights=settings.encoder_weights,
        ),
        opened,
    )
    rows = []
    for epoch in range(1, settings.epochs + 1):
        try:
            loop.train_epoch()
        except DivergedError:
            break
        on_validation, on_test = (evaluators[part](loop.pictures(rows)) for part, rows in parts.items())
        rows.append(
            {
                "training": training.number,
                "reference": training.name,
                "seed": training.seed,
                "params": json.dumps(training.params),
                "epoch": epoch,
                **on_validation,
                **{name.replace("val_", "test_"): value for name, value in on_test.items()},
            }
        )
    return rows


def record(settings: Settings) -> None:
    """Record what is missing in the table; it is written after each training."""
    from trainables.data.pack import build_pack

    rows = pq.read_table(settings.table).to_pylist() if settings.table.exists() else []
    done = {row["training"] for row in rows}
    missing = [training for training in trainings(settings) if training.number not in done]
    cache = Path("~/.cache/colorization-search").expanduser()
    pack = build_pack(settings.photos, settings.image_size, seed=0, cache=cache).path
    with ProcessPoolExecutor(settings.processes, mp_context=get_context("spawn")) as pool:
        jobs = [pool.submit(train, settings, training, pack) for training in missing]
        for job in jobs:
            rows += job.result()
            settings.table.parent.mkdir(parents=True, exist_ok=True)
            temporary = settings.table.with_name(f".{settings.table.name}.tmp")
            pq.write_table(pa.Table.from_pylist(rows), temporary, compression="zstd")
            temporary.replace(settings.table)
            print(f"{len({row['training'] for row in rows})} trainings", flush=True)


def lowest(values: np.ndarray) -> int:
    """The place of the row [n, m] with the lowest geometric mean."""
    return best_epoch(values.tolist())


def non_dominated(values: np.ndarray) -> int:
    """The place of the latest row that no earlier one dominates."""
    return max(
        place
        for place, own in enumerate(values)
        if not any(np.all(other <= own) and np.any(other < own) for other in values[:place])
    )


def smoothed(values: np.ndarray, window: int) -> int:
    """The place of the last of the `window` rows in a row whose means have the lowest geometric mean."""
    means = np.stack([values[max(0, end - window + 1) : end + 1].mean(axis=0) for end in range(len(values))])
    return window - 1 + lowest(means[window - 1 :])


RULES: dict[str, Callable[[np.ndarray], int]] = {
    "last": lambda values: len(values) - 1,
    "lowest `val_swd`": lambda values: int(values[:, -1].argmin()),
    "lowest geometric mean (the rule)": lowest,
    "lowest geometric mean of the last quarter": lambda values: (
        (start := len(values) - max(1, len(values) // 4)) + lowest(values[start:])
    ),
    "lowest geometric mean, smoothed over three epochs": lambda values: smoothed(values, 3),
    "latest that no earlier one dominates": non_dominated,
    "knee of the curve": knee,
}
"""Rules that choose an epoch's place by its validation values [epochs, objectives]."""


def compare(table: pa.Table) -> None:
    """Print what each rule's choice came to on the test split, in the mean over trainings."""
    curves: dict[int, list[dict[str, float]]] = {}
    for row in table.sort_by([("training", "ascending"), ("epoch", "ascending")]).to_pylist():
        curves.setdefault(row["training"], []).append(row)
    longest = max(map(len, curves.values()))
    complete = [rows for rows in curves.values() if len(rows) == longest]
    validation, test = (
        np.array([[[row[f"{part}_{name}"] for name in OBJECTIVES] for row in rows] for rows in complete])
        for part in ("val", "test")
    )
    # The two splits hold other photos, so they differ by themselves: that is no gap of a rule.
    offset = (test - validation).mean(axis=(0, 1))
    print(f"{len(complete)} trainings of {longest} epochs")
    print(
        "| epoch that counts | test CIEDE2000 | gap | test SWD | gap | geometric mean over the last epoch's |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    whole = np.arange(len(complete))
    for name, rule in RULES.items():
        places = np.array([rule(values) for values in validation])
        chosen, seen = test[whole, places], validation[whole, places]
        gap = (chosen - seen - offset).mean(axis=0)
        ratio = np.exp(np.log(chosen / test[:, -1]).mean())
        cells = [f"{chosen[:, at].mean():.2f} | {gap[at]:+.2f}" for at in range(len(OBJECTIVES))]
        print(f"| {name} | {' | '.join(cells)} | {ratio:.3f} |")


if __name__ == "__main__":
    settings = tyro.cli(Settings)
    if settings.photos is not None:
        record(settings)
    compare(pq.read_table(settings.table))
