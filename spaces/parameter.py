"""A space as data: named Optuna distributions, some of them conditional, and what is done with it.

A space is an ordered mapping from name to `Parameter`. `suggest` draws from it define-by-run, `fix` narrows
it to one value of a parameter, `complete` turns a partial point into what a trial would be given.
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
        if isinstance(self.distribution, CategoricalDistribution):
            return value in self.distribution.choices
        return not isinstance(value, str) and self.distribution.low <= value <= self.distribution.high

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


def fix(space: Space, name: str, text: str) -> dict[str, Parameter]:
    """The space with `name` held at the value that `text` stands for.

    The parameter stays in the space with a range of one value, so that it is recorded with every trial.

    Raises
    ------
    SpaceError
        An unknown name, or a value outside the parameter's range or choices.
    """
    if name not in space:
        raise SpaceError(f"{name} is no parameter of this model: take one of {', '.join(space)}.")
    parameter = space[name]
    value = _parse(text, parameter.distribution)
    if value is None:
        raise SpaceError(f"{name} is {text}, but must be {parameter.describe()}.")
    narrowed: Distribution
    if isinstance(parameter.distribution, FloatDistribution):
        narrowed = FloatDistribution(float(value), float(value))
    elif isinstance(parameter.distribution, IntDistribution):
        narrowed = IntDistribution(int(value), int(value))
    else:
        narrowed = CategoricalDistribution((value,))
    fixed = {**space, name: replace(parameter, distribution=narrowed)}
    _check_reachable(fixed)
    return fixed


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


def _parse(text: str, distribution: Distribution) -> Value | None:
    """The value in the distribution that is written `text`, or None."""
    if isinstance(distribution, CategoricalDistribution):
        for choice in distribution.choices:
            if text.lower() == str(choice).lower() or _same_number(text, choice):
                return choice
        return None
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


def _check_reachable(space: Space) -> None:
    """Refuse a held parameter whose condition can never hold: it would be ignored in silence."""
    for name, parameter in space.items():
        if parameter.when is None or not parameter.distribution.single():
            continue
        needed, value = parameter.when
        condition = space[needed].distribution
        if isinstance(condition, CategoricalDistribution) and value not in condition.choices:
            raise SpaceError(
                f"{name} exists only where {needed} is {value}, but {needed} is {condition.choices[0]} in this"
                f" study: leave {name} out, or set {needed}={value}."
            )
