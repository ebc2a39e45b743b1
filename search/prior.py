"""What is known before a study begins: trainings that were recorded on other tasks and come with the project."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import results
from search.forecast import Trainings
from search.tables import Table, read_table

EVIDENCE = Path(results.__file__).parent / "evidence"


def recorded_trainings(
    model: str, objectives: Sequence[str], *, besides: tuple[str, int] | None = None
) -> list[Trainings]:
    """The trainings of a model in `results/evidence`, those of each task by themselves.

    Parameters
    ----------
    model
        What was trained.
    objectives
        The metrics to minimise.
    besides
        A task, of data and image size, that is left out.
    """
    tables = [_read(folder.parent, tuple(objectives)) for folder in sorted(EVIDENCE.glob("*/study.json"))]
    return [_trainings(table) for table in tables if table.model == model and table.task != besides]


@cache
def _read(folder: Path, objectives: tuple[str, ...]) -> Table:
    return read_table(folder, objectives)


def _trainings(table: Table) -> Trainings:
    found = Trainings(table.space, table.metrics, len(table.objectives), table.epochs)
    for trial, (params, curve) in enumerate(table.configurations):
        found.begin(trial, params)
        for epoch, values in enumerate(curve.values, 1):
            found.enter(trial, epoch, values.tolist())
    return found
