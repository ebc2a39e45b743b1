"""What a study's networks compute in, and whether by XLA: as asked for, as recorded, or measured where trials run.

How it is measured is `trainables.precision`, what suits which device `trainables.hardware`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from search.machine import accelerator_resource, accelerators
from search.plan import Plan
from spaces import Value, complete, largest_points
from trainables.cuda import Gpu
from trainables.hardware import configure, processor_flags, suitable_precisions
from trainables.params import Precision as PrecisionName

Rates = dict[str, tuple[float, float]]
"""Images a second by encoder, as a program of XLA and without."""


@dataclass(frozen=True)
class Precision:
    """The precision of all of a study's trials, and the images a second of each one that was measured.

    `xla` holds the images a second with XLA and without, by kind of GPU and by encoder, where trials run on GPUs.
    """

    name: PrecisionName
    images_per_second: dict[str, float]
    xla: dict[str, Rates] = field(default_factory=dict)

    def uses_xla(self, params: Mapping[str, Value]) -> bool:
        """Whether trials of these parameters' encoder are to be programs of XLA on GPUs: as fast over all kinds."""
        rates = [kind[_encoder(params)] for kind in self.xla.values() if _encoder(params) in kind]
        return math.prod(compiled / single for compiled, single in rates) >= 1

    @property
    def note(self) -> str:
        """As said to a person."""
        others = [
            f"{rate:.0f} in {name}" for name, rate in self.images_per_second.items() if name != self.name
        ]
        said = f"computes in {self.name}"
        if others:
            own = self.images_per_second[self.name]
            said += f": {own:.0f} images/s a trial, against {' and '.join(others)}"
        for kind, rates in self.xla.items():
            if not rates:
                said += f"\nwhether XLA pays on {kind} could not be measured, so it is used"
            for encoder, (compiled, single) in rates.items():
                said += f"\n{encoder} on {kind}: {compiled:.0f} images/s with XLA, {single:.0f} without"
        return said


class PrecisionCheck:
    """The measurement in progress, in a process with a trial's processors; needs Ray to be there.

    On processors it trains the first reference point, or where the study has none whatever its settings leave, in
    each precision. On GPUs their kinds decide on that, and what is measured there, of each kind, is XLA.
    """

    def __init__(self, plan: Plan, recorded: dict[str, Any] | None) -> None:
        asked = plan.config.precision
        self._plan = plan
        self._known: Precision | None = None
        if recorded is not None:
            self._known = Precision(**recorded)
        elif asked != "auto" and not plan.gpus_per_trial:
            self._known = Precision(asked, {})
        self._task: Any = None
        if self._known is not None or plan.gpus_per_trial:
            return
        import ray

        # The first point may leave parameters open, so it is not what an architecture can be built from.
        reference = next((point.params for point in plan.points if point.reference is not None), None)
        params = complete({}, plan.space) if reference is None else reference
        task = ray.remote(
            num_cpus=plan.config.cpus_per_trial,
            max_calls=1,  # what comes next into this process may want another number of threads
        )
        self._task = task(_measure).remote(
            plan.model,
            _alone(params),
            image_size=plan.image_size,
            batch_size=plan.config.batch_size,
            threads=plan.config.cpus_per_trial,
        )

    def finish(self, gpus: Sequence[Gpu]) -> Precision:
        """Wait for the outcome; `gpus` are all that a trial may get, none where they are made up."""
        if self._known is None:
            self._known = self._on_gpus(gpus) if self._task is None else self._on_processors()
        return self._known

    def _on_processors(self) -> Precision:
        import ray

        return Precision(*ray.get(self._task))

    def _on_gpus(self, gpus: Sequence[Gpu]) -> Precision:
        import ray

        config = self._plan.config
        name = suitable_precisions(gpus, frozenset())[0] if config.precision == "auto" else config.precision
        if not gpus:
            return Precision(name, {})
        # The first of an encoder is enough: what else differs is of the same kinds of operations.
        points = {_encoder(point): _alone(point) for point in reversed(largest_points(self._plan.space))}
        kinds: Sequence[str | None] = (
            [config.accelerator] if config.accelerator else (accelerators() or [None])
        )
        measured = {
            kind or gpus[0].name: ray.remote(
                num_cpus=config.cpus_per_trial,
                num_gpus=1,
                resources=accelerator_resource(kind),
                max_calls=1,
            )(_compare).remote(
                self._plan.model,
                points,
                image_size=self._plan.image_size,
                batch_size=config.batch_size,
                threads=config.cpus_per_trial,
                precision=name,
            )
            for kind in kinds
        }
        return Precision(name, {}, {kind: _rates(answer) for kind, answer in measured.items()})


def _rates(answer: Any) -> Rates:
    """What was measured; nothing where the measurement itself failed."""
    import ray

    try:
        rates: Rates = ray.get(answer)
    except ray.exceptions.RayError:
        return {}
    return rates


def _encoder(params: Mapping[str, Value]) -> str:
    """The encoder's name; of the autoencoder, which has no choice, the model's."""
    return str(params.get("encoder", "cnn"))


def _alone(params: Mapping[str, Value]) -> dict[str, Value]:
    """Parameters without what adds the same to every choice: a network to be loaded, a warm-up."""
    return {
        name: value for name, value in params.items() if name not in ("perceptual_weight", "warm_up_epochs")
    }


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


def _compare(
    model: str,
    points: Mapping[str, dict[str, Any]],
    *,
    image_size: int,
    batch_size: int,
    threads: int,
    precision: PrecisionName,
) -> Rates:
    configure(threads, 1)
    from trainables.loop import Training
    from trainables.params import params_of
    from trainables.precision import with_and_without_xla

    return {
        encoder: with_and_without_xla(
            Training(params_of(model, params), batch_size, seed=0, epochs=1, precision=precision), image_size
        )
        for encoder, params in points.items()
    }
