"""The evidence for the search's defaults: how much sooner they come near the best than random search and Tune.

    python tests/benchmarks/evidence.py [--seeds 30] [--workers 8] [--method asha,tpe,2,2,1,6 ...]

Simulates, with `search.simulate`, on the recorded tables in results/evidence and on Hartmann functions: random
search without early stopping, Tune's `OptunaSearch` with `AsyncHyperBandScheduler`, and each `--method` (scheduler,
searcher, eta, grace, smoothing, startup; by default the search's defaults). Prints each table's median time until
within 5 % of the best, and the geometric mean over the tables of how many times sooner each method is there, with a
95 % bootstrap interval over seeds, all methods resampled together.
"""

import argparse
import math
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from search.config import StudyConfig
from search.curves import open_problem
from search.methods import Method
from search.simulate import UNLIMITED, Task, simulate

EVIDENCE = Path(__file__).resolve().parents[2] / "results" / "evidence"
TABLES: tuple[tuple[str, tuple[str, ...]], ...] = (
    (str(EVIDENCE / "pix2pix"), ("val_swd",)),
    (str(EVIDENCE / "pix2pix"), ("val_delta_e",)),
    (str(EVIDENCE / "cnn"), ("val_swd",)),
    *((name, ()) for name in ("hartmann3", "hartmann6", "hartmann3-good", "hartmann6-good")),
)
"""Not the autoencoder's val_delta_e: 29 of its 48 recorded configurations are within 5 % of the best."""
NEAR = 0.05
RANDOM, STOCK = Method("none", "random"), Method("stock")
FULL_TRIALS = {RANDOM: 400, STOCK: 80}
"""Full-length trials whose worker time a study may take; random search needs more, and costs no proposals."""
OWN_FULL_TRIALS = 80


def main() -> None:
    """Simulate and print."""
    defaults = StudyConfig()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--method", nargs="*", default=[])
    parser.add_argument("--table", nargs="*", default=[], help="only those with this in their name")
    arguments = parser.parse_args()
    own = [parse(text) for text in arguments.method] or [
        Method(defaults.scheduler, defaults.searcher, defaults.eta, 1, defaults.smoothing, defaults.startup)
    ]
    tables = [
        table for table in TABLES if not arguments.table or any(part in table[0] for part in arguments.table)
    ]
    methods = [RANDOM, STOCK, *own]
    tasks = []
    for name, objectives in tables:
        problem = open_problem(name, objectives)
        for method in methods:
            seconds = FULL_TRIALS.get(method, OWN_FULL_TRIALS) * problem.typical_seconds
            tasks += [
                Task(
                    problem,
                    method,
                    str(method),
                    arguments.workers,
                    seed,
                    UNLIMITED,
                    seconds / arguments.workers,
                )
                for seed in range(arguments.seeds)
            ]
    within = np.array([outcome.trace.within(NEAR) for outcome in simulate(tasks)])
    # [table, method, seed]
    report(within.reshape(len(tables), len(methods), arguments.seeds), tables, methods)


def parse(text: str) -> Method:
    """A method as typed."""
    scheduler, searcher, *numbers = text.split(",")
    eta, grace, smoothing, startup = map(int, numbers)
    return Method(scheduler, searcher, eta, grace, smoothing, startup)  # type: ignore[arg-type]


def report(within: np.ndarray, tables: list[tuple[str, tuple[str, ...]]], methods: list[Method]) -> None:
    """Print times and ratios; `within` is seconds, float64 [table, method, seed]."""
    seeds = within.shape[2]
    draws = np.random.default_rng(0).integers(seeds, size=(2000, seeds))
    medians = median(within)
    resampled = np.stack([median(within[:, :, draw]) for draw in draws])
    shown = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("method", *(f"{Path(name).name} {' '.join(objectives)}" for name, objectives in tables)):
        shown.add_column(column, justify="right" if shown.columns else "left")
    shown.add_column("sooner than random", justify="right")
    shown.add_column("than stock", justify="right")
    for place, method in enumerate(methods):
        cells = [
            f"{medians[at, place] / 60:.1f} min ({np.isfinite(within[at, place]).sum()})"
            for at in range(len(tables))
        ]
        ratios = []
        for base in (0, 1):
            point = mean_ratio(medians, base, place)
            low, high = np.quantile([mean_ratio(one, base, place) for one in resampled], (0.025, 0.975))
            ratios.append(f"{point:.2f} [{low:.2f}, {high:.2f}]")
        shown.add_row(label(method), *cells, *ratios)
    Console(width=220).print(shown)
    print(f"median over {seeds} seeds of the time until within {NEAR:.0%} for good (seeds that got there)")


def label(method: Method) -> str:
    """A method in a line."""
    return (
        f"{method.scheduler} {method.searcher} eta {method.eta} grace {method.grace}"
        f" smoothing {method.smoothing} startup {method.startup}"
    )


def median(values: np.ndarray) -> np.ndarray:
    """Upper median over the last axis; a mean of two is not defined where one is infinite."""
    return np.sort(values, axis=-1)[..., values.shape[-1] // 2]


def mean_ratio(medians: np.ndarray, base: int, place: int) -> float:
    """Geometric mean over tables of how many times sooner the method at `place` is than that at `base`."""
    with np.errstate(invalid="ignore"):
        logs = np.log(medians[:, base]) - np.log(medians[:, place])
    return float(np.exp(logs.mean())) if np.isfinite(logs).all() else math.nan


if __name__ == "__main__":
    main()
