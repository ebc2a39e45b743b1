"""What Tune brings along, to compare with: `AsyncHyperBandScheduler` on `OptunaSearch`, as its guides set them up.

The scheduler has its defaults (grace_period 1, reduction_factor 4, one bracket) and the trials' length as max_t.
The searcher has Optuna's default TPE on the same define-by-run space, a study of its own in memory, and a limiter,
without which Tune would propose one trial at a time ahead of any free worker.
"""

import logging
import math
from collections.abc import Mapping
from typing import Any

import optuna
from ray.tune.schedulers import AsyncHyperBandScheduler
from ray.tune.search import ConcurrencyLimiter, Searcher
from ray.tune.search.optuna import OptunaSearch, optuna_search

from spaces import Space, Value, suggest


def stock_searcher(space: Space, objectives: tuple[str, ...], *, workers: int, seed: int) -> Searcher:
    """Tune's searcher; with several objectives it hears of none of the epochs, only of how each trial ends."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    # It warns of each value that Optuna refuses, such as NaN, and on a busy machine of the space for being slow.
    optuna_search.DEFINE_BY_RUN_WARN_THRESHOLD_S = math.inf
    logging.getLogger("ray.tune.search.optuna.optuna_search").setLevel(logging.ERROR)

    def define(trial: optuna.trial.Trial) -> None:
        suggest(trial, space)

    several = len(objectives) > 1
    searcher = OptunaSearch(
        space=define,
        metric=list(objectives) if several else objectives[0],
        mode=["min"] * len(objectives) if several else "min",
        seed=seed,
    )
    return ConcurrencyLimiter(searcher, max_concurrent=workers)


def stock_scheduler(objectives: tuple[str, ...], *, epochs: int) -> AsyncHyperBandScheduler:
    """Tune's scheduler; of several objectives it knows the first alone."""
    return AsyncHyperBandScheduler(metric=objectives[0], mode="min", max_t=epochs)


def stock_parameters(suggested: Mapping[str, Any]) -> Mapping[str, Value]:
    """The parameters are all that it suggests."""
    return suggested
