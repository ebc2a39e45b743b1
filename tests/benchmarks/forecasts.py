"""How well a trial's end is told early: by its own values, and by `search.forecast` with what other tasks taught.

    python tests/benchmarks/forecasts.py

For each recorded task in `results/evidence`, all its trainings are shown up to an epoch. What they are expected to
end with is told by the trainings of the other tasks of that model, and of this one by those few that a search would
have trained on by then: the five best by what they showed. Prints, of those that were not trained on, the rank
correlation (Spearman) with the median of the last quarter of epochs, and which share of their best tenth is among the
third that would go on, by the geometric mean of the objectives.
"""

from itertools import product

import numpy as np
from rich.console import Console
from rich.table import Table as Shown

from search.curves import final_of
from search.forecast import Forecast, Trainings
from search.prior import EVIDENCE, recorded_trainings
from search.recorded import spearman
from search.tables import Table, read_table

OBJECTIVES = ("val_delta_e", "val_swd")
SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 3 / 4)
"""Of a training's epochs."""
FURTHER = 5
SHOWN, GOES_ON = 10, 3
"""One in so many is among the best, and goes on."""


def main() -> None:
    """Compare and print."""
    shown = Shown(box=None, pad_edge=False, header_style="dim")
    columns = (
        *(f"{metric} {by}" for metric, by in product(OBJECTIVES, ("value", "forecast"))),
        "best, value",
    )
    for column in ("task", "epoch", *columns, "best, forecast"):
        shown.add_column(column, justify="right" if shown.columns else "left")
    for folder in sorted(path.parent for path in EVIDENCE.glob("*/study.json")):
        table = read_table(folder, OBJECTIVES)
        others = recorded_trainings(table.model, OBJECTIVES, besides=table.task)
        if not others:
            continue
        for share in SHARES:
            epoch = max(1, round(share * table.epochs))
            shown.add_row(folder.name, f"{epoch} of {table.epochs}", *compare(table, others, epoch))
    Console(width=150).print(shown)


def compare(table: Table, others: list[Trainings], epoch: int) -> list[str]:
    """The cells of a row."""
    curves = [curve for _, curve in table.configurations if not curve.fails]
    own = Trainings(table.space, table.metrics, len(OBJECTIVES), table.epochs)
    values = np.array([curve.values[epoch - 1, : len(OBJECTIVES)] for curve in curves])
    ends = np.array([final_of(curve.values[:, : len(OBJECTIVES)]) for curve in curves])
    further = set(np.argsort(np.log(values).sum(axis=1))[:FURTHER].tolist())
    params = [params for params, curve in table.configurations if not curve.fails]
    for trial, curve in enumerate(curves):
        own.begin(trial, params[trial])
        for at, row in enumerate(curve.values[: None if trial in further else epoch].tolist(), 1):
            own.enter(trial, at, row)
    rest = [trial for trial in range(len(curves)) if trial not in further]
    forecast = np.array(Forecast(own, others).expected(rest, epoch))
    told = (values[rest], forecast)
    cells = [f"{spearman(one[:, at], ends[rest, at]):.2f}" for at in range(len(OBJECTIVES)) for one in told]
    return [*cells, *(f"{share_of_best(one, ends[rest]):.0%}" for one in told)]


def share_of_best(told: np.ndarray, ends: np.ndarray) -> float:
    """The share of the best that is among those that go on, by the geometric mean."""
    told_order, order = (np.argsort(np.log(values).sum(axis=1)) for values in (told, ends))
    best = order[: max(1, len(ends) // SHOWN)]
    return float(np.isin(best, told_order[: len(ends) // GOES_ON]).mean())


if __name__ == "__main__":
    main()
