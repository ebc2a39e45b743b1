"""The simplest early stopping that pays, to compare with: all trials for some epochs, then the best to the end.

Egele et al. 2023, "The unreasonable effectiveness of early discarding after one epoch in neural network
hyperparameter optimization" (arXiv 2307.15422).
"""

from search.promotion import Promotion


class TopK(Promotion):
    """Pauses every trial at one epoch; once no new ones come, the best go on.

    Parameters
    ----------
    epoch
        At which all are compared.
    places
        How many go on.
    """

    def __init__(self, epoch: int, places: int) -> None:
        super().__init__([epoch], eta=1, judge=None)
        (self._rung,) = self._rungs.values()
        self._places = places

    def _next(self, *, last: bool) -> int | None:
        return self._rung.next(self._places) if last else None
