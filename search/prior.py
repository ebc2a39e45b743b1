"""What is known before a study begins: trainings that were recorded on other tasks and come with the project."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np

import results
from results.pareto import hypervolume
from search.coordinates import coordinates
from search.points import Point
from search.ridge import Floats, Ridge, column_means
from search.tables import Table, read_table
from spaces import Space, Value

EVIDENCE = Path(results.__file__).parent / "evidence"

_DRAWS = 32
"""Of what may be true, over which a portfolio is good in the mean."""


def portfolio(
    space: Space,
    count: int,
    model: str,
    objectives: Sequence[str],
    *,
    besides: tuple[str, int] | None = None,
) -> list[Point]:
    """Recorded configurations that complement each other, to begin a search with.

    How a configuration ranks among those of its task is told from its parameters, by a linear function of all tasks
    together. Of that function many are drawn that may be the true one; each configuration that is chosen adds most,
    in the mean over the draws, to the best so far, or with several objectives to their hypervolume.

    Parameters
    ----------
    space
        Of the study; parameters that a task held constant are left open.
    count
        How many; fewer where no other adds anything.
    model
        That will be trained.
    objectives
        The metrics to minimise.
    besides
        A task, of data and image size, whose recorded trainings are left out.
    """
    if not count:
        return []
    rows, targets = list[Floats](), list[Floats]()
    candidates: list[Mapping[str, Value]] = []
    for table in _tables(model, objectives, besides):
        places = np.array([coordinates(space, params) for params, _ in table.configurations])
        finals = np.array([curve.final for _, curve in table.configurations])
        finals[[curve.fails for _, curve in table.configurations]] = np.inf
        ranks = (finals[:, None] > finals).mean(axis=1) + (finals[:, None] == finals).mean(axis=1) / 2
        rows.append(np.nan_to_num(places - column_means(places)))
        targets.append(ranks - ranks.mean(axis=0))
        candidates += [_open(params, table.space) for params, _ in table.configurations]
    fitting = [at for at, params in enumerate(candidates) if params and _allows(space, params)]
    if not fitting:
        return []
    ridge = Ridge(np.concatenate(rows), np.concatenate(targets))
    draws = np.concatenate(rows)[fitting] @ ridge.drawn(_DRAWS, np.random.default_rng(0))
    worst = draws.max(axis=1)

    def worth(together: Sequence[int]) -> float:
        volumes = [hypervolume(one[together], bound) for one, bound in zip(draws, worst, strict=True)]
        return float(np.mean(volumes))

    chosen, reached = list[int](), 0.0
    while len(chosen) < count:
        most, best = max((worth([*chosen, at]), at) for at in range(len(fitting)))
        if most <= reached:
            break
        chosen.append(best)
        reached = most
    return [Point(f"recorded {place}", candidates[fitting[at]]) for place, at in enumerate(chosen, 1)]


def _open(params: Mapping[str, Value], space: Space) -> dict[str, Value]:
    return {name: value for name, value in params.items() if not space[name].distribution.single()}


def _allows(space: Space, params: Mapping[str, Value]) -> bool:
    return all(name in space and space[name].allows(value) for name, value in params.items())


def _tables(model: str, objectives: Sequence[str], besides: tuple[str, int] | None) -> list[Table]:
    tables = [_read(folder.parent, tuple(objectives)) for folder in sorted(EVIDENCE.glob("*/study.json"))]
    return [table for table in tables if table.model == model and table.task != besides]


@cache
def _read(folder: Path, objectives: tuple[str, ...]) -> Table:
    return read_table(folder, objectives)
