"""The points of a space whose networks take the most memory."""

from optuna.distributions import CategoricalDistribution

from spaces.parameter import Distribution, Space, Value

_SIZES = ("depth", "width", "unfrozen_layers", "batch_norm", "dropout", "ema_decay", "perceptual_weight")
"""Ordered, the more the larger: of those that add a part to the network where they are above 0, any such value."""
_KINDS = ("encoder", "normalisation", "upsampling")
"""Words: which is the largest depends on the others."""


def largest_points(space: Space) -> list[dict[str, Value]]:
    """Few points, one of which is about the largest, given by what decides a network's size alone.

    Sizes are at their upper bounds. Of the words one at a time is varied, from the first choice of each; going
    without normalisation takes the least, so it is tried only where it is held.
    """
    choices = {name: _choices(space, name) for name in _KINDS if name in space}
    first = {name: words[0] for name, words in choices.items()}
    varied = [{**first, name: word} for name, words in choices.items() for word in words[1:]]
    return [{**words, **_sizes(space, words)} for words in (first, *varied)]


def _choices(space: Space, name: str) -> list[Value]:
    choices = _values(space[name].distribution)
    return [word for word in choices if word != "none"] or choices


def _sizes(space: Space, words: dict[str, Value]) -> dict[str, Value]:
    sizes: dict[str, Value] = {}
    for name in _SIZES:
        parameter = space.get(name)
        if parameter is None or (parameter.when and words.get(parameter.when[0]) != parameter.when[1]):
            continue
        distribution = parameter.distribution
        sizes[name] = max(_values(distribution))
    return sizes


def _values(distribution: Distribution) -> list[Value]:
    """All choices, or the ends of a range."""
    if isinstance(distribution, CategoricalDistribution):
        return [choice for choice in distribution.choices if choice is not None]
    return [distribution.low, distribution.high]
