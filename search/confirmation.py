"""Which trials are trained once more on fresh seeds, so that luck and merit can be told apart."""

from collections.abc import Callable, Sequence

from results.ranking import finalists
from results.store import StudyWriter, read_trials
from search.admission import resume_command
from search.journal import Journal
from search.plan import Plan
from search.points import Point, confirmation, point_of
from search.progress import Progress

_SEEDS = 2**32


class Confirmations:
    """Gives a study's confirmations as the searcher asks for them: the references' first, the finalists' at the end.

    Finalists are chosen by what was measured on the validation split; nothing here sees the test split.

    Parameters
    ----------
    plan
        Says how many seeds and finalists, and for how long the study may train.
    journal, writer
        The study's record.
    progress
        Knows how long the rest will take.
    say
        Tells a person something.
    """

    def __init__(
        self,
        plan: Plan,
        journal: Journal,
        writer: StudyWriter,
        progress: Progress,
        say: Callable[[str], None],
    ) -> None:
        self._plan = plan
        self._journal = journal
        self._writer = writer
        self._progress = progress
        self._say = say
        self._has_time: bool | None = None

    def __call__(self, has_ended: bool) -> list[Point]:
        """The confirmations that are known to be wanted, also those that are done; all once the search has ended."""
        plan = self._plan
        if not plan.confirm or not self._is_in_time():
            return []
        trials = {trial.number: point_of(trial) for trial in self._journal.trials()}
        again = [number for number, point in trials.items() if point.role == "reference"]
        if has_ended:
            own = self._finalists()
            again = [*own, *again]
            self._progress.expect(plan.trials + len(plan.references) + plan.confirm * len(again))
        return [
            confirmation(number, trials[number].reference, seed, trials[number].params)
            for seed in fresh_seeds(plan.config.seed, plan.confirm)
            for number in again
        ]

    def _is_in_time(self) -> bool:
        if self._has_time is None:
            left = self._progress.seconds_left or 0.0
            self._has_time = self._progress.seconds + left <= self._plan.confirm_within
            if not self._has_time:
                self._progress.expect(self._plan.trials + len(self._plan.references))
                self._say(
                    "There is no time to train the best once more on other seeds, which tells luck from merit;"
                    f" {resume_command(self._plan.config)} --confirm 2 does it."
                )
        return self._has_time

    def _finalists(self) -> Sequence[int]:
        config = self._plan.config
        self._writer.flush()
        found = finalists(read_trials(self._writer.folder), config.objective, config.finalists)
        if not found:
            self._say("There is nothing to confirm: no trial of the search was trained to its end.")
        elif len(found) < config.finalists and config.finalists != type(config).finalists:
            what = "best trade-offs" if len(config.objective) > 1 else "trials that were trained to the end"
            self._say(
                f"--finalists is {config.finalists}, but there are {len(found)} {what}: these are confirmed."
            )
        return [entry.trial for entry in found]


def fresh_seeds(seed: int, count: int) -> list[int]:
    """The seeds that follow the study's own."""
    return [(seed + step) % _SEEDS for step in range(1, count + 1)]
