"""The order of trials at a rung: by Pareto level, and within a level spread over it."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.ranking import farthest, is_among_best, next_waiting, spread


def dominates(one, other):
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))


def levels_of(vectors):
    """By definition: take away what nothing left dominates, again and again."""
    left, levels = set(vectors), []
    while left:
        levels.append({one for one in left if not any(dominates(other, one) for other in left)})
        left -= levels[-1]
    return levels


# Few values, so that ties in an objective and equal vectors are common.
COORDINATE = st.integers(0, 6).map(float)


def some(objectives):
    return st.lists(st.tuples(*[COORDINATE] * objectives), min_size=1, max_size=25)


@pytest.mark.parametrize("objectives", [1, 2, 3])
@settings(deadline=None)
@given(st.data())
def test_of_those_that_wait_one_of_the_best_level_is_next_while_there_is_a_place(objectives, data):
    vectors = data.draw(some(objectives))
    waits = np.array(data.draw(st.lists(st.booleans(), min_size=len(vectors), max_size=len(vectors))))
    places = data.draw(st.integers(0, len(vectors)))
    level = {vector: at for at, level in enumerate(levels_of(vectors)) for vector in level}
    waiting = [place for place in range(len(vectors)) if waits[place]]
    best = min((level[vectors[place]] for place in waiting), default=0)
    taken = sum(level[vector] <= best for vector, waits in zip(vectors, waits, strict=True) if not waits)
    chosen = next_waiting(vectors, waits, places)
    if not waiting or taken >= places:
        assert chosen is None
        return
    assert chosen in waiting
    assert level[vectors[chosen]] == best
    assert chosen == min(place for place in waiting if vectors[place] == vectors[chosen])
    others = [
        vector for vector, waits in zip(vectors, waits, strict=True) if level[vector] == best and not waits
    ]
    same = [vectors[place] for place in waiting if level[vectors[place]] == best]
    assert vectors[chosen] == farthest(same, others)


@pytest.mark.parametrize("objectives", [1, 2, 3])
@settings(deadline=None)
@given(st.data())
def test_as_many_are_among_the_best_as_there_are_places_and_their_equals(objectives, data):
    vectors = data.draw(some(objectives))
    places = data.draw(st.integers(0, len(vectors)))
    level = {vector: at for at, level in enumerate(levels_of(vectors)) for vector in level}
    among = [vectors[place] for place in range(len(vectors)) if is_among_best(vectors, place, places)]
    if not places:
        assert not among
        return
    worst = max(among, key=level.__getitem__)
    order = list(spread(list(levels_of(vectors)[level[worst]])))
    assert all(vector in among for vector in vectors if level[vector] < level[worst])
    assert len(among) >= places
    # Without the last to be let in, and what equals it, there would be places left.
    last = max(among, key=lambda vector: (level[vector], order.index(vector) if vector in order else -1))
    assert len(among) - among.count(last) < places


def test_equal_vectors_have_one_place_when_they_wait_and_go_on_together_when_they_do_not():
    vectors = [(1.0, 1.0), (1.0, 1.0), (2.0, 2.0)]
    assert next_waiting(vectors, np.array([True, True, True]), 1) == 0
    assert next_waiting(vectors, np.array([False, True, True]), 1) is None
    assert next_waiting(vectors, np.array([False, True, True]), 2) == 1
    assert [is_among_best(vectors, place, 1) for place in range(3)] == [True, True, False]


def test_the_farthest_from_those_taken_is_measured_in_the_range_of_all():
    # Of 0..10 and 0..1000 the second objective would decide alone.
    taken = [(0.0, 1000.0), (10.0, 0.0)]
    assert farthest([(1.0, 800.0), (5.0, 450.0), (9.0, 90.0)], taken) == (5.0, 450.0)
    assert farthest([(5.0, 450.0), (1.0, 800.0)], []) == (1.0, 800.0)


def test_spread_begins_at_the_lowest_of_the_first_objective_and_goes_to_the_farthest():
    # Scaled to 0..1: (0, 1), (0.1, 0.8), (0.5, 0.4), (1, 0). The farthest from the first is the last, then the one
    # between.
    line = [(10.0, 0.0), (1.0, 800.0), (0.0, 1000.0), (5.0, 400.0)]
    assert list(spread(line)) == [(0.0, 1000.0), (10.0, 0.0), (5.0, 400.0), (1.0, 800.0)]


@settings(deadline=None)
@given(st.sets(st.tuples(COORDINATE, COORDINATE), min_size=1, max_size=12))
def test_spread_is_greedy_and_depends_on_the_set_alone(vectors):
    order = list(spread(list(vectors)))
    assert sorted(order) == sorted(vectors)
    assert order == list(spread(sorted(vectors, reverse=True)))
    extents = [(max(column) - min(column)) or 1.0 for column in zip(*vectors, strict=True)]

    def distance(one, other):
        return math.hypot(*((a - b) / extent for a, b, extent in zip(one, other, extents, strict=True)))

    for index in range(1, len(order)):
        gaps = [min(distance(one, other) for other in order[:index]) for one in order[index:]]
        assert gaps[0] == pytest.approx(max(gaps))
