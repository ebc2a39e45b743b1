"""What a study's networks compute in: as asked for, as recorded, or measured where its trials will run.

How it is measured is `trainables.precision`, what suits which device `trainables.hardware`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from search.plan import Plan
from spaces import complete
from trainables.cuda import Gpu
from trainables.hardware import configure, processor_flags, suitable_precisions
from trainables.params import Precision as PrecisionName


@dataclass(frozen=True)
class Precision:
    """The precision of all of a study's trials, and the images a second of each one that was measured."""

    name: PrecisionName
    images_per_second: dict[str, float]

    @property
    def note(self) -> str:
        """As said to a person."""
        others = [
            f"{rate:.0f} in {name}" for name, rate in self.images_per_second.items() if name != self.name
        ]
        if not others:
            return f"computes in {self.name}"
        own = self.images_per_second[self.name]
        return f"computes in {self.name}: {own:.0f} images/s a trial, against {' and '.join(others)}"


class PrecisionCheck:
    """The measurement in progress, in a process with a trial's processors; needs Ray to be there.

    It trains the first reference point, or where the study has none whatever its settings leave. On GPUs their kinds
    decide, and nothing is measured.
    """

    def __init__(self, plan: Plan, recorded: dict[str, Any] | None) -> None:
        asked = plan.config.precision
        self._known: Precision | None = None
        if recorded is not None:
            self._known = Precision(**recorded)
        elif asked != "auto":
            self._known = Precision(asked, {})
        self._task: Any = None
        if self._known is not None or plan.gpus_per_trial:
            return
        import ray

        # The first point may leave parameters open, so it is not what an architecture can be built from.
        reference = next((point.params for point in plan.points if point.reference is not None), None)
        params = complete({}, plan.space) if reference is None else reference
        # Its network would have to be loaded, and what it adds is the same for every precision's choice.
        params = {name: value for name, value in params.items() if name != "perceptual_weight"}
        task = ray.remote(
            num_cpus=plan.config.cpus_per_trial,
            max_calls=1,  # what comes next into this process may want another number of threads
        )
        self._task = task(_measure).remote(
            plan.model,
            params,
            image_size=plan.image_size,
            batch_size=plan.config.batch_size,
            threads=plan.config.cpus_per_trial,
        )

    def finish(self, gpus: Sequence[Gpu]) -> Precision:
        """Wait for the outcome; `gpus` are all that a trial may get."""
        if self._known is None and self._task is None:
            self._known = Precision(suitable_precisions(gpus, frozenset())[0], {})
        elif self._known is None:
            import ray

            self._known = Precision(*ray.get(self._task))
        return self._known


def _measure(
    model: str, params: dict[str, Any], *, image_size: int, batch_size: int, threads: int
) -> tuple[PrecisionName, dict[str, float]]:
    suitable = suitable_precisions((), processor_flags())
    if len(suitable) == 1:
        return suitable[0], {}
    configure(threads, 0)
    from trainables.loop import Training
    from trainables.params import params_of
    from trainables.precision import choose

    training = Training(params_of(model, params), batch_size=batch_size, seed=0, epochs=1)
    choice = choose(training, image_size, suitable)
    return choice.precision, choice.images_per_second
