"""Which epoch of a trial counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainables.best import best_epoch

VALUES = st.integers(1, 4)


def dominates(one, other):
    pairs = list(zip(one, other, strict=True))
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def test_with_one_objective_it_is_the_lowest_value():
    assert best_epoch([(3.0,), (-1.0,), (2.0,)]) == 1


def test_with_two_it_is_the_lowest_geometric_mean_whatever_the_units():
    values = [(12.0, 2.0), (13.0, 1.5), (11.0, 3.0)]
    assert best_epoch(values) == 1
    assert best_epoch([(1000 * delta_e, swd) for delta_e, swd in values]) == 1


def test_of_equals_the_latest_counts():
    assert best_epoch([(2.0,), (1.0,), (1.0,), (3.0,)]) == 2
    assert best_epoch([(2.0, 1.0), (1.0, 2.0)]) == 1


def test_a_kernel_distance_below_zero_is_as_good_as_none():
    assert best_epoch([(12.0, -0.001), (11.0, 0.0), (12.0, 0.1)]) == 1


@pytest.mark.parametrize("objectives", [1, 2])
@given(st.data())
def test_it_is_never_dominated_and_known_while_the_trial_runs(objectives, data):
    values = data.draw(st.lists(st.tuples(*[VALUES] * objectives), min_size=1, max_size=8))
    best = best_epoch(values)
    assert not any(dominates(other, values[best]) for other in values)
    # A process that sees one epoch after the other keeps the weights whenever the newest is the best so far.
    kept = [last for last in range(len(values)) if best_epoch(values[: last + 1]) == last]
    assert kept[-1] == best
