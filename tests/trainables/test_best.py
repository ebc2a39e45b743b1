"""Which epoch of a trial is its best."""

from hypothesis import given
from hypothesis import strategies as st

from trainables.best import best_epoch, dominates


def test_with_one_objective_it_is_the_lowest_value():
    assert best_epoch([(3.0,), (1.0,), (2.0,)]) == 1


def test_with_two_it_is_the_latest_that_no_earlier_one_dominates():
    assert best_epoch([(3.0, 3.0), (1.0, 2.0), (2.0, 1.0), (2.0, 3.0)]) == 2


def test_equal_values_do_not_dominate():
    assert not dominates((1.0, 2.0), (1.0, 2.0))
    assert dominates((1.0, 2.0), (1.0, 3.0))
    assert not dominates((1.0, 3.0), (2.0, 2.0))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=8))
def test_it_is_never_dominated_and_known_while_the_trial_runs(values):
    best = best_epoch(values)
    assert not any(dominates(other, values[best]) for other in values)
    # A process that sees one epoch after the other keeps the weights whenever the newest is the best so far.
    kept = [last for last in range(len(values)) if best_epoch(values[: last + 1]) == last]
    assert kept[-1] == best
