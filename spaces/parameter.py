"""A space as data: named Optuna distributions, some of them conditional, and what is done with it.

A space is an ordered mapping from name to `Parameter`. `suggest` draws from it define-by-run, `narrow` holds
a parameter to a value, a range or some choices, `complete` turns a partial point into what a trial would be given.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import BaseTrial

Value = bool | int | float | str
Distribution = FloatDistribution | IntDistribution | CategoricalDistribution


class SpaceError(ValueError):
    """A value or a name that a space does not have."""


@dataclass(frozen=True)
class Parameter:
    """One dimension of a space.

    `when` names another parameter and the value it must have for this one to exist; that other one stands
    earlier in the space.
    """

    distribution: Distribution
    when: tuple[str, Value] | None = None

    def allows(self, value: Value) -> bool:
        """Whether the value lies in its range or among its choices."""
        return self.own(value) is not None

    def own(self, value: Value) -> Value | None:
        """The value as the range or the choices have it, of their type; None where they have none like it."""
        distribution = self.distribution
        if isinstance(distribution, CategoricalDistribution):
            same = (
                choice
                for choice in distribution.choices
                if isinstance(choice, Value)
                and choice == value
                and isinstance(choice, bool) == isinstance(value, bool)
            )
            return next(same, None)
        if isinstance(value, bool | str) or not distribution.low <= value <= distribution.high:
            return None
        if isinstance(distribution, FloatDistribution):
            return float(value)
        return int(value) if value == int(value) else None

    def describe(self) -> str:
        """Its range or choices, as a person would type them."""
        distribution = self.distribution
        if isinstance(distribution, CategoricalDistribution):
            return "one of " + ", ".join(str(choice) for choice in distribution.choices)
        scale = ", on a log scale" if distribution.log else ""
        return f"between {distribution.low:g} and {distribution.high:g}{scale}"


Space = Mapping[str, Parameter]


def distributions_of(space: Space, names: Iterable[str]) -> dict[str, BaseDistribution]:
    """The distributions of some parameters, which are the space's own: Optuna's trials hold copies of them."""
    return {name: space[name].distribution for name in names}


def suggest(trial: BaseTrial, space: Space) -> dict[str, Value]:
    """Draw one point; a parameter whose condition does not hold is absent."""
    point: dict[str, Value] = {}
    for name, parameter in space.items():
        if _exists(parameter, point):
            point[name] = _draw(trial, name, parameter.distribution)
    return point


def narrow(space: Space, name: str, text: str) -> dict[str, Parameter]:
    """The space with `name` held to what `text` stands for: a value, a range `LOW..HIGH`, or choices `A,B`.

    A parameter held at one value stays in the space, so that it is recorded with every trial.

    Raises
    ------
    SpaceError
        An unknown name, or values outside the parameter's range or choices.
    """
    if name not in space:
        raise SpaceError(f"{name} is no parameter of this model: take one of {', '.join(space)}.")
    parameter = space[name]
    narrowed = _narrowed(text, parameter.distribution)
    if narrowed is None:
        raise SpaceError(f"{name} is {text}, but must be {parameter.describe()}.")
    return {**space, name: replace(parameter, distribution=narrowed)}


def check_reachable(space: Space, names: Iterable[str]) -> None:
    """See that the parameters of these names, which a person narrowed, can exist.

    Raises
    ------
    SpaceError
        The condition of one can never hold: it would be ignored in silence.
    """
    for name in names:
        parameter = space[name]
        if parameter.when is None:
            continue
        needed, value = parameter.when
        condition = space[needed].distribution
        if isinstance(condition, CategoricalDistribution) and value not in condition.choices:
            raise SpaceError(
                f"{name} exists only where {needed} is {value}, but {needed} is {condition.choices[0]} in this"
                f" study: leave {name} out, or set {needed}={value}."
            )


def complete(point: Mapping[str, Value], space: Space) -> dict[str, Value]:
    """The part of `point` that exists in the space, with held parameters at their only value."""
    completed: dict[str, Value] = {}
    for name, parameter in space.items():
        if not _exists(parameter, completed):
            continue
        only = _only_value(parameter.distribution)
        if only is not None:
            completed[name] = only
        elif name in point:
            completed[name] = point[name]
    return completed


def _exists(parameter: Parameter, point: Mapping[str, Value]) -> bool:
    return parameter.when is None or point.get(parameter.when[0]) == parameter.when[1]


def _draw(trial: BaseTrial, name: str, distribution: Distribution) -> Value:
    if isinstance(distribution, FloatDistribution):
        return trial.suggest_float(name, distribution.low, distribution.high, log=distribution.log)
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(name, distribution.low, distribution.high, log=distribution.log)
    value: Value = trial.suggest_categorical(name, distribution.choices)  # type: ignore[assignment]
    return value


def _narrowed(text: str, distribution: Distribution) -> Distribution | None:
    """The part of the distribution that is written `text`, or None."""
    if isinstance(distribution, CategoricalDistribution):
        choices = [_choice(part.strip(), distribution) for part in text.split(",")]
        unclear = None in choices or len(set(choices)) < len(choices)
        return None if unclear else CategoricalDistribution(choices)
    ends = [_number(part.strip(), distribution) for part in text.split("..")]
    low, high = ends[0], ends[-1]
    if len(ends) > 2 or low is None or high is None or low > high:
        return None
    # Of a single value there is no scale.
    log = distribution.log and low < high
    if isinstance(distribution, FloatDistribution):
        return FloatDistribution(float(low), float(high), log=log)
    return IntDistribution(int(low), int(high), log=log)


def _choice(text: str, distribution: CategoricalDistribution) -> Value | None:
    """The choice that is written `text`, or None."""
    for choice in distribution.choices:
        if text.lower() == str(choice).lower() or _same_number(text, choice):
            return choice
    return None


def _number(text: str, distribution: FloatDistribution | IntDistribution) -> float | None:
    """The number within the distribution that is written `text`, or None."""
    try:
        number = int(text) if isinstance(distribution, IntDistribution) else float(text)
    except ValueError:
        return None
    return number if distribution.low <= number <= distribution.high else None


def _same_number(text: str, choice: object) -> bool:
    if isinstance(choice, bool) or not isinstance(choice, int | float):
        return False
    try:
        return float(text) == choice
    except ValueError:
        return False


def _only_value(distribution: Distribution) -> Value | None:
    if not distribution.single():
        return None
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[0]
    return distribution.low
