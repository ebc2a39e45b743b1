"""Pareto levels that are kept while vectors come and go, against sorting them anew."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search.fronts import Fronts, farthest, spread


def dominates(one, other):
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))


def sorted_anew(vectors):
    """Levels by definition: take away what nothing left dominates, again and again."""
    left, levels = set(vectors), []
    while left:
        levels.append({one for one in left if not any(dominates(other, one) for other in left)})
        left -= levels[-1]
    return levels


def assert_exact(fronts, vectors):
    levels = sorted_anew(vectors)
    assert len(fronts.sizes) == len(levels)
    for level, expected in enumerate(levels):
        assert fronts.members(level) == sorted(expected)
        assert fronts.sizes[level] == sum(vector in expected for vector in vectors)
        assert all(fronts.level_of(vector) == level for vector in expected)


# Few values, so that ties in an objective and equal vectors are common.
COORDINATE = st.integers(0, 6).map(float)


@pytest.mark.parametrize("objectives", [2, 3])
@settings(deadline=None)
@given(st.data())
def test_levels_are_those_of_sorting_anew_whatever_comes_and_goes(objectives, data):
    vector = st.tuples(*[COORDINATE] * objectives)
    fronts, held = Fronts(objectives), []
    for arrival, goes in data.draw(st.lists(st.tuples(vector, st.booleans()), max_size=40)):
        fronts.add(arrival)
        held.append(arrival)
        if goes:
            # Any of those held, not the latest alone.
            index = data.draw(st.integers(0, len(held) - 1))
            fronts.remove(held.pop(index))
        assert_exact(fronts, held)


@pytest.mark.parametrize("objectives", [2, 3])
def test_levels_of_hundreds_of_vectors_are_exact(objectives):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        vectors = [tuple(row) for row in rng.normal(size=(300, objectives)).tolist()]
        fronts = Fronts(objectives)
        for vector in vectors:
            fronts.add(vector)
        assert_exact(fronts, vectors)
        for vector in vectors[::2]:
            fronts.remove(vector)
        assert_exact(fronts, vectors[1::2])


def test_a_vector_pushes_what_it_dominates_one_level_down():
    fronts = Fronts(2)
    for vector in ((2.0, 2.0), (3.0, 3.0), (0.0, 5.0)):
        fronts.add(vector)
    assert [fronts.members(level) for level in range(2)] == [[(0.0, 5.0), (2.0, 2.0)], [(3.0, 3.0)]]
    fronts.add((1.0, 1.0))
    assert [fronts.members(level) for level in range(3)] == [
        [(0.0, 5.0), (1.0, 1.0)],
        [(2.0, 2.0)],
        [(3.0, 3.0)],
    ]


@settings(deadline=None)
@given(st.lists(st.tuples(COORDINATE, COORDINATE), min_size=1, max_size=30), st.data())
def test_marks_move_with_their_vectors(vectors, data):
    fronts, marked = Fronts(2), []
    for vector in vectors:
        fronts.add(vector)
        if data.draw(st.booleans()):
            fronts.mark(vector)
            marked.append(vector)
        if marked and data.draw(st.booleans()):
            fronts.unmark(marked.pop(0))
        levels = [fronts.level_of(each) for each in marked]
        assert list(fronts.marked_sizes) == [levels.count(level) for level in range(len(fronts.sizes))]
    assert all(fronts.marked(vector) == marked.count(vector) for vector in vectors)


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


def test_vectors_on_a_line_are_all_one_level_and_a_chain_is_a_level_each():
    line, chain = Fronts(2), Fronts(2)
    for index in range(50):
        line.add((float(index), float(-index)))
        chain.add((float(-index), float(-index)))
    assert list(line.sizes) == [50]
    assert list(chain.sizes) == [1] * 50
    assert list(itertools.chain.from_iterable(map(chain.members, range(50)))) == [
        (float(-index), float(-index)) for index in range(49, -1, -1)
    ]
