"""The searches that a simulation compares: a scheduler and a searcher with their settings, made anew for each study.

`stock` is what Tune brings along (`search.stock`); all others are this project's own.
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal

from search.config import BLANK, StudyConfig
from spaces import Value

if TYPE_CHECKING:
    from ray.tune.schedulers import TrialScheduler
    from ray.tune.search import Searcher

    from search.curves import Problem
    from search.virtual import VirtualCluster

SchedulerName = Literal["asha", "asha-promote", "none", "top-k", "stock"]
SearcherName = Literal["tpe", "random", "gp", "cmaes", "nsga2", "grid", "recorded"]
Judging = Literal["value", "end"]
"""What a trial is worth at a rung: its values there, or those at its end, by which all that predict are bounded."""
_MODELS = frozenset({"tpe", "gp", "cmaes"})
"""Searchers that draw at random before they have a say."""


_SETTINGS = {
    "searcher": "",
    "eta": "η ",
    "grace": "grace ",
    "startup": "start ",
    "judge": "",
    "start": "",
}
"""A method's settings, with the words for them in its label."""


@dataclass(frozen=True)
class Method:
    """A search. Two that do the same are equal by their `essence`.

    `searcher` may be `recorded`: a table's own configurations, each once, in an order that the seed draws. `grace` is
    by default that of a study of as many epochs. What is known of other tasks is what the search starts with. `top-k`
    starts `eta` trials a worker and after `grace` epochs lets as many go on as there are workers.
    """

    scheduler: SchedulerName
    searcher: SearcherName = StudyConfig.searcher
    eta: int = StudyConfig.eta
    grace: int | None = None
    startup: int = StudyConfig.startup
    judge: Judging = "value"
    start: Literal["prior", "blank"] = "prior"

    def essence(self) -> "Method":
        """The method with what does not matter to it at its default."""
        indifferent = {name for name in _SETTINGS if not self.matters(name)}
        defaults = {field.name: field.default for field in fields(Method) if field.name in indifferent}
        return replace(self, **defaults)  # type: ignore[arg-type]

    def matters(self, setting: str) -> bool:
        """Whether the method depends on a setting of this name."""
        if self.scheduler == "stock":
            return False
        if setting == "judge":
            return self.scheduler != "none"
        if setting == "start":
            return self.searcher not in {*BLANK, "recorded"}
        if setting == "startup":
            return self.searcher in _MODELS
        return setting == "searcher" or self.scheduler != "none"


@dataclass(frozen=True)
class Search:
    """A searcher and a scheduler for one study, and how to read the parameters in what the searcher suggests."""

    searcher: "Searcher"
    scheduler: "TrialScheduler"
    parameters: Callable[[Mapping[str, Any]], Mapping[str, Value]]


def methods(
    *,
    schedulers: Sequence[SchedulerName],
    searchers: Sequence[SearcherName],
    eta: Sequence[int],
    grace: Sequence[int | None],
    startup: Sequence[int],
) -> list[Method]:
    """All combinations, each once: what does not matter to a method makes no variant of it."""
    combinations = itertools.product(schedulers, searchers, eta, grace, startup)
    return list(dict.fromkeys(Method(*combination).essence() for combination in combinations))


def labels(compared: Sequence[Method]) -> dict[Method, str]:
    """A short name for each: of its searcher and settings only what differs among the methods."""
    varying = [
        name
        for name in _SETTINGS
        if len({getattr(method, name) for method in compared if method.matters(name)}) > 1
    ]
    return {
        method: " ".join(
            [method.scheduler]
            + [f"{_SETTINGS[name]}{getattr(method, name)}" for name in varying if method.matters(name)]
        )
        for method in compared
    }


def make_search(
    method: Method, problem: "Problem", cluster: "VirtualCluster", *, trials: int, seed: int
) -> Search:
    """Make the searcher and the scheduler of a study on a virtual cluster.

    Parameters
    ----------
    method
        Which.
    problem
        What is searched.
    cluster
        On which the study will run.
    trials
        That may be started.
    seed
        Of all that is drawn.
    """
    if method.scheduler == "stock":
        # Not before: Ray takes a second to load.
        from search.stock import stock_parameters, stock_scheduler, stock_searcher

        return Search(
            stock_searcher(problem.space, problem.objectives, workers=cluster.workers, seed=seed),
            stock_scheduler(problem.objectives, epochs=problem.epochs),
            stock_parameters,
        )
    import numpy as np

    from search.plan import portfolio_size
    from search.points import Point
    from search.prior import portfolio
    from search.proposals import Proposals
    from search.scheduler import StudyScheduler
    from search.searcher import OptunaSearcher
    from search.stopping import default_grace, make_stopper
    from search.top_k import TopK

    if method.scheduler == "top-k":
        trials = min(trials, method.eta * cluster.workers)
    points: list[Point] = []
    if method.searcher == "recorded":
        order = np.random.default_rng(seed).permutation(len(problem.configurations))
        points = [Point(str(at), problem.configurations[at]) for at in order]
        trials = min(trials, len(points))
    table = getattr(problem, "table", None)
    if table is not None and method.matters("start") and method.start == "prior":
        count = portfolio_size(trials)
        points += portfolio(problem.space, count, table.model, problem.objectives, besides=table.task)
    scheduler: StudyScheduler
    searcher = OptunaSearcher(
        Proposals(
            "random" if method.searcher == "recorded" else method.searcher,
            problem.space,
            objectives=len(problem.objectives),
            epochs=problem.epochs,
            seed=seed,
            startup=method.startup,
        ),
        None,
        objectives=problem.objectives,
        epochs=problem.epochs,
        trials=trials,
        may_start=lambda: scheduler.free_slots,
        points=points,
    )
    grace = method.grace or default_grace(problem.epochs)
    scheduler = StudyScheduler(
        TopK(grace, cluster.workers)
        if method.scheduler == "top-k"
        else make_stopper(
            method.scheduler,
            epochs=problem.epochs,
            eta=method.eta,
            grace=grace,
            judge=_Hindsight(cluster) if method.judge == "end" else None,
        ),
        problem.objectives,
        concurrency=lambda: cluster.workers,
        is_exhausted=lambda: searcher.is_exhausted,
    )
    return Search(searcher, scheduler, lambda suggested: suggested["params"])


class _Hindsight:
    """A `search.rungs.Judge` that knows how every training ends."""

    version = 0

    def __init__(self, cluster: "VirtualCluster") -> None:
        self._cluster = cluster

    def expected(self, trials: Sequence[int], epoch: int) -> list[tuple[float, ...]]:
        """What they are worth when they are trained to their ends."""
        return [self._cluster.final(trial) for trial in trials]
